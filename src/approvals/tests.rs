//! The use cases over a memory store, with time and its failures in our hands.

mod classic;
mod commands;
mod faults;
mod leases;
mod model;
mod streaming;
mod sweeping;
mod turns;
mod voters;
mod waiting;

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{Details, Digest, HistoryId, Status, Title, Topic};
use crate::hub::Entry;
use crate::metrics::Metrics;
use crate::store::faulty::FaultyStore;
use crate::store::memory::MemoryStore;
use crate::store::{Feed, Store};

const T0: Timestamp = Timestamp::from_millis(1_000_000_000);
const LIFE: Duration = Duration::from_mins(1);

struct World {
    approvals: Arc<Approvals>,
    clock: Arc<ManualClock>,
    store: Arc<FaultyStore>,
    drain: CancellationToken,
    ids: AtomicU64,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits {
            connections: 8,
            waiters: 8,
            subscribers: 8,
            pending: 8,
            ..Limits::for_descriptors(0)
        })
        .await
    }

    async fn with(setting: impl Into<Setting>) -> Self {
        Self::fed(setting, |pump| pump).await
    }

    /// A world whose store tells `feed` of its commits.
    async fn fed(
        setting: impl Into<Setting>,
        feed: impl FnOnce(Arc<Pump>) -> Arc<dyn Feed>,
    ) -> Self {
        let setting = setting.into();
        let hub = Arc::new(Hub::new(&setting.limits));
        let pump = Pump::new(hub, Arc::new(Metrics::default()));
        let feed = feed(Arc::clone(&pump));
        let memory = MemoryStore::new(HistoryId::from_random(14), feed);
        let store = FaultyStore::new(Arc::new(memory));
        let clock = Arc::new(ManualClock::at(T0));
        let drain = CancellationToken::new();
        let (shared, time) = (
            Arc::clone(&store) as SharedStore,
            Arc::clone(&clock) as Arc<_>,
        );
        let approvals = Approvals::begin(shared, pump, time, setting, drain.clone())
            .await
            .unwrap();
        Self {
            approvals,
            clock,
            store,
            drain,
            ids: AtomicU64::new(0),
        }
    }

    async fn ask(&self, title: &str) -> Event {
        self.ask_about(title, Topic::DEFAULT).await
    }

    async fn ask_about(&self, title: &str, topic: &str) -> Event {
        let asked = self
            .approvals
            .ask(ci(), ask(title, topic), None, || self.next_id())
            .await;
        asked.unwrap().event
    }

    async fn decide(&self, id: RequestId, verdict: Verdict) -> Result<Event, Error> {
        let alice = Caller::named("alice");
        self.approvals
            .decide(id, &alice, verdict, None, None, None)
            .await
    }

    async fn listen(&self, cursor: Option<Cursor>) -> Subscription {
        let cursor = cursor.map(|cursor| cursor.to_string());
        self.approvals
            .listen(cursor.as_deref(), Filter::default())
            .await
            .unwrap()
    }

    fn next_id(&self) -> RequestId {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        RequestId::from_bytes(u128::from(id).to_be_bytes())
    }
}

fn ci() -> Caller {
    Caller::named("ci")
}

fn ask(title: &str, topic: &str) -> Ask {
    Ask {
        title: Title::new(title.to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::new(topic.to_owned()).unwrap(),
        expires_in: Some(LIFE),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(title.as_bytes()),
    }
}

/// What a stream tells, in short: `event id`, `caught-up`, `reset`.
fn told(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(item) = subscription.next().now_or_never() {
        all.extend(lines(&item));
    }
    all
}

fn lines(item: &Item) -> Vec<String> {
    let line = |entry: &Arc<Entry>| {
        let event = &entry.event;
        format!("{} {}", event.id, event.request.status.as_str())
    };
    match item {
        Item::Reset(_) => vec!["reset".to_owned()],
        Item::CaughtUp(mark) => vec![format!("caught-up {}", mark.event)],
        Item::Events(entries) => entries.iter().map(line).collect(),
    }
}
