//! The use cases on the memory store: what lies between HTTP and the rules.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pushd::approvals::{Approvals, Pump};
use pushd::clock::SystemClock;
use pushd::domain::{EventId, HistoryId, RequestId, Status, Verdict};
use pushd::hub::{Hub, Wants};
use pushd::limits::Limits;
use pushd::metrics::Metrics;
use pushd::store::Feed;
use pushd::store::memory::MemoryStore;
use tokio_util::sync::CancellationToken;

use crate::case::Case;
use crate::hub::runtime;
use crate::samples::{ask, caller, id};

/// How long a poll is held at most: longer than any operation takes.
pub(crate) const WAIT: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("approvals/ask", |_| {
            let runtime = runtime();
            let inside = runtime.block_on(Inside::begin());
            let mut next = 0;
            Box::new(move || {
                next += 1;
                black_box(runtime.block_on(inside.ask(id(next))));
            })
        })
        .lasting(20_000),
        Case::new("approvals/decide", |_| {
            let runtime = runtime();
            let inside = runtime.block_on(Inside::begin());
            runtime.block_on(inside.ask_below(10_000));
            let mut next = 0;
            Box::new(move || {
                runtime.block_on(inside.approve(id(next)));
                next += 1;
            })
        })
        .lasting(10_000),
        Case::new("approvals/flow: ask, hold a wait, decide, answer", |_| {
            let runtime = runtime();
            let inside = runtime.block_on(Inside::begin());
            let mut next = 0;
            Box::new(move || {
                next += 1;
                runtime.block_on(flow(&inside, id(next)));
            })
        })
        .lasting(20_000),
    ]
}

async fn flow(inside: &Inside, id: RequestId) {
    inside.ask(id).await;
    let mut wait = Box::pin(inside.approvals.wait(id, Wants::Final, WAIT));
    assert!((&mut wait).now_or_never().is_none(), "it is held");
    inside.approve(id).await;
    let answer = wait.await.expect("the store reads");
    assert_eq!(answer.request.status, Status::Approved);
}

/// The use cases, and what they count.
pub(crate) struct Inside {
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Inside {
    /// A daemon's inside over an empty store.
    pub(crate) async fn begin() -> Self {
        let limits = Limits::for_descriptors(32_768);
        let metrics = Arc::new(Metrics::default());
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let store = Arc::new(MemoryStore::new(HistoryId::from_random(7), feed));
        let (clock, drain) = (Arc::new(SystemClock::new()), CancellationToken::new());
        let begun = Approvals::begin(store, pump, clock, limits, drain).await;
        Self {
            approvals: begun.expect("an empty store can be read"),
            metrics,
        }
    }

    /// Asks under this id.
    pub(crate) async fn ask(&self, id: RequestId) -> EventId {
        let asked = self.approvals.ask(caller("ci"), ask(0), None, || id).await;
        asked.expect("there is room for it").event.id
    }

    /// Asks under the ids with the numbers below this one.
    pub(crate) async fn ask_below(&self, number: u64) {
        for n in 0..number {
            self.ask(id(n)).await;
        }
    }

    /// Approves the request under this id.
    pub(crate) async fn approve(&self, id: RequestId) {
        let (by, verdict) = (caller("alice"), Verdict::Approve);
        let decided = self.approvals.decide(id, &by, verdict, None, None, None);
        let event = decided.await.expect("it is pending");
        assert_eq!(event.request.status, Status::Approved);
    }
}
