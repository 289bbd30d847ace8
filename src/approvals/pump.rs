//! The way from the store's feed to the hub, and what is counted on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::cool_down::CoolDown;
use super::leases::Leases;
use crate::domain::{Event, EventId, Status, Timestamp, Verdict, What};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::store::Feed;

/// Hands each commit to the hub, counts it, and wakes the sweep for what expires soon.
///
/// A store may leave out commits that were overtaken before it could tell them, so nothing here
/// that decides anything is a sum over the feed.
pub struct Pump {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    cool_down: CoolDown,
    leases: Leases,
    latest: AtomicI64,
    /// When the sweep looks next; what expires earlier has to wake it.
    next_look: AtomicI64,
    expires_sooner: Notify,
}

impl Pump {
    /// A pump into `hub`; it is the feed that a store is opened with.
    pub fn new(hub: Arc<Hub>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            metrics,
            cool_down: CoolDown::default(),
            leases: Leases::default(),
            latest: AtomicI64::new(i64::MIN),
            next_look: AtomicI64::new(i64::MAX),
            expires_sooner: Notify::new(),
        })
    }

    /// Where the commits go.
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What was denied a short while ago: by this daemon, or by another one on the same store.
    pub(super) fn cool_down(&self) -> &CoolDown {
        &self.cool_down
    }

    /// Which requests need a sign of life of their askers.
    pub(super) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Starts from what the store has; denials count for `cool_down`.
    pub(super) fn begin(&self, newest: Option<&Event>, cool_down: Option<Duration>) {
        self.cool_down.begin(cool_down);
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

    /// From now on every ask wakes the sweep, which is about to look what there is.
    pub(super) fn sweep_looks(&self) {
        self.next_look.store(i64::MAX, Ordering::SeqCst);
    }

    /// Waits until something was asked that expires before `next`, since the sweep last looked.
    /// Safe to drop at any time.
    pub(super) async fn expires_before(&self, next: Timestamp) {
        self.next_look.store(next.as_millis(), Ordering::SeqCst);
        self.expires_sooner.notified().await;
    }

    fn wake_sweep(&self, event: &Event) {
        let request = &event.request;
        let sooner = || request.expires_at.as_millis() < self.next_look.load(Ordering::SeqCst);
        if request.status == Status::Pending && sooner() {
            self.expires_sooner.notify_one();
        }
    }

    fn count(&self, event: &Event) {
        let request = &event.request;
        self.metrics.committed.inc();
        match request.history.last().map(|step| step.what) {
            Some(What::Approved) => self.metrics.decided(Verdict::Approve),
            Some(What::Denied) => self.metrics.decided(Verdict::Deny),
            Some(
                What::Asked
                | What::Seen
                | What::WrongCode
                | What::TookBack
                | What::Expired
                | What::Cancelled
                | What::Consumed,
            )
            | None => {}
        }
        // Only a commit that carries a new version changes the status; a vote or a `seen` does not.
        if event.version() != event.id {
            return;
        }
        if request.status == Status::Pending {
            self.metrics.asked.inc();
        } else {
            self.metrics.settled(request.status);
            if request.lease_ended {
                self.metrics.abandoned.inc();
            }
        }
    }
}

impl Feed for Pump {
    fn deliver(&self, events: &[Event]) {
        for event in events {
            self.count(event);
            self.note_time(event);
            self.wake_sweep(event);
            // Before anybody is told, so that whoever hears of a denial meets it.
            self.cool_down.note(&event.request);
            // Before its asker is, so that the first poll finds its lease.
            self.leases.note(event);
        }
        self.hub.deliver(events);
    }

    fn reached(&self, head: EventId) {
        self.leases.has_missed();
        self.hub.reached(head);
    }
}
