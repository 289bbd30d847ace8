//! The task over a memory store.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::approvals::Pump;
use crate::clock::ManualClock;
use crate::domain::{HistoryId, Timestamp};
use crate::hub::Hub;
use crate::hub::tests::event;
use crate::limits::Limits;
use crate::store::memory::MemoryStore;
use crate::store::{Feed, SharedStore};

// The daemon may end between a commit and the moment at which this task gets to read it.
#[tokio::test]
async fn what_was_committed_by_the_end_is_told_though_it_was_not_read_before() {
    let limits = Limits::for_descriptors(1024);
    let metrics = Arc::new(Metrics::default());
    let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
    let feed = Arc::clone(&pump) as Arc<dyn Feed>;
    let store: SharedStore = Arc::new(MemoryStore::new(HistoryId::from_random(7), feed));
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let drain = CancellationToken::new();
    let approvals = Approvals::begin(Arc::clone(&store), pump, clock, limits, drain);
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let command = format!("echo \"$PUSHD_EVENT\" >> '{}'", told.display());
    let terms = Terms {
        hook: Hook::new(command, Duration::from_mins(1)),
        jobs: 1,
        reminders: None,
        public_url: None,
    };
    let approvals = approvals.await.unwrap();
    let mut notices = Notices::begin(approvals, metrics, terms).await.unwrap();
    for (name, status) in [(1, Status::Pending), (2, Status::Denied)] {
        let request = event(name.into(), name, status).request;
        store.commit(None, (*request).clone()).await.unwrap();
    }
    notices.finish(&mut Running::new()).await;
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "asked\nsettled\n");
}
