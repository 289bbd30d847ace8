//! The way from the store's feed to the hub, and what is counted on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::domain::{Event, Status, Timestamp};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::store::Feed;

/// Hands each commit to the hub, and keeps the number of pending requests.
pub struct Pump {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    pending: AtomicUsize,
    latest: AtomicI64,
    asked: Notify,
}

impl Pump {
    /// A pump into `hub`; it is the feed that a store is opened with.
    pub fn new(hub: Arc<Hub>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            metrics,
            pending: AtomicUsize::new(0),
            latest: AtomicI64::new(i64::MIN),
            asked: Notify::new(),
        })
    }

    /// Where the commits go.
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Starts counting from what the store has.
    pub(super) fn begin(&self, pending: usize, newest: Option<&Event>) {
        self.pending.store(pending, Ordering::Relaxed);
        if let Some(newest) = newest {
            self.note_time(newest);
        }
    }

    /// The latest time that a commit carries, by the clock of whoever made it.
    pub(super) fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.latest.load(Ordering::Relaxed))
    }

    fn note_time(&self, event: &Event) {
        if let Some(step) = event.request.history.last() {
            self.latest
                .fetch_max(step.at.as_millis(), Ordering::Relaxed);
        }
    }

    /// How many requests are pending.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Waits until something was asked since the last call of this. Safe to drop at any time.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    fn count(&self, event: &Event) {
        let request = &event.request;
        // Only a commit that carries a new version changes the status; a vote or a `seen` does not.
        if event.version() != event.id {
            return;
        }
        if request.status == Status::Pending {
            self.pending.fetch_add(1, Ordering::Relaxed);
            self.metrics.asked.inc();
            self.asked.notify_one();
        } else {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            self.metrics.settled(request.status);
        }
    }
}

impl Feed for Pump {
    fn deliver(&self, events: &[Event]) {
        for event in events {
            self.count(event);
            self.note_time(event);
            self.metrics.committed.inc();
        }
        self.hub.deliver(events);
    }
}
