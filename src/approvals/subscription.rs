//! One reader of the stream: a cursor over the store's changes and the hub's tail.
//!
//! Replay and live are one loop over the same cursor, so there is no moment between them in which
//! a change could be missed or told twice.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::sleep;

use super::Approvals;
use super::bulk::Place;
use super::quotas::Taken;
use crate::domain::{Cursor, EventId, Timestamp};
use crate::hub::{Entry, Listening, Subscriber, TailRead};
use crate::limits;
use crate::store::{Head, Range, StoreError};

/// What a subscription has to tell next.
#[derive(Debug)]
pub enum Item {
    /// Drop everything; what follows is all that is pending.
    Reset(Mark),
    /// Changes, in event-id order; never none.
    Events(Vec<Arc<Entry>>),
    /// All that was there is told; what follows is live.
    CaughtUp(Mark),
}

/// A place on the stream and the time there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last event before it.
    pub event: EventId,
    /// The daemon's time.
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// `reset` is due, then all that is pending.
    Reset,
    /// Everything up to and including `until`, or only what is pending of it.
    Replay { until: EventId, only_pending: bool },
    /// Everything that came during the replay, up to and including `until`.
    CatchUp { until: EventId },
    /// What comes.
    Live,
}

/// What a read of the store brought.
enum Stored {
    /// The next changes.
    Events(Vec<Arc<Entry>>),
    /// Something between was purged, so the stream begins anew.
    Purged,
    /// There are none.
    NoMore,
}

/// An open stream, before it is put into frames.
#[derive(Debug)]
pub struct Subscription {
    approvals: Arc<Approvals>,
    subscriber: Subscriber,
    cursor: EventId,
    phase: Phase,
    /// Where it waits for its turn to read the store.
    place: Option<Place>,
    /// Its place among those of its requester, if they are counted.
    _taken: Option<Taken>,
    /// Its place among those of people who may decide, if it is one.
    _listening: Option<Listening>,
}

impl Subscription {
    pub(super) async fn open(
        approvals: Arc<Approvals>,
        subscriber: Subscriber,
        cursor: Option<&str>,
    ) -> Result<Self, StoreError> {
        let head = approvals.head_for(cursor).await?;
        let (cursor, phase) = match cursor {
            None => (
                EventId::ZERO,
                Phase::Replay {
                    until: head.event,
                    only_pending: true,
                },
            ),
            Some(text) => match approvals.known(text, head) {
                Some(event) => {
                    subscriber.passed(event);
                    let until = head.event;
                    let only_pending = false;
                    (
                        event,
                        Phase::Replay {
                            until,
                            only_pending,
                        },
                    )
                }
                None => (EventId::ZERO, Phase::Reset),
            },
        };
        Ok(Self {
            approvals,
            subscriber,
            cursor,
            phase,
            place: None,
            _taken: None,
            _listening: None,
        })
    }

    /// Holds a place among those of its requester for as long as it is there.
    pub(super) fn holding(self, taken: Option<Taken>) -> Self {
        Self {
            _taken: taken,
            ..self
        }
    }

    /// Is counted among the streams of those who may decide, for as long as it is there.
    pub(super) fn listening(self, listening: Option<Listening>) -> Self {
        Self {
            _listening: listening,
            ..self
        }
    }

    /// The last event that this stream has passed, told or left out by its filter.
    pub fn cursor(&self) -> Cursor {
        self.approvals.cursor(self.cursor)
    }

    /// Whether all that was there when the stream was opened has been told.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Passes what its filter leaves out and nobody has woken it for, without a read.
    pub fn pass_others(&mut self) {
        if matches!(self.phase, Phase::CatchUp { .. } | Phase::Live) {
            let tail = &self.approvals.hub.tail;
            self.cursor = tail.past_others(&self.subscriber, self.cursor);
        }
    }

    /// The next thing to tell; waits for it. Safe to drop and call again: an item that was not
    /// returned is not passed.
    pub async fn next(&mut self) -> Item {
        loop {
            match self.step().await {
                Ok(Some(item)) => return item,
                Ok(None) => {}
                Err(error) => {
                    // The stream stays open and goes on where it was once the store is back.
                    tracing::debug!(%error, "stream waits for the store");
                    sleep(limits::SWEEP_PAUSE).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Item>, StoreError> {
        match self.phase {
            Phase::Reset => {
                let head = self.approvals.store.head().await?;
                self.cursor = EventId::ZERO;
                self.subscriber.passed(head.event);
                self.phase = Phase::Replay {
                    until: head.event,
                    only_pending: true,
                };
                Ok(Some(Item::Reset(self.mark(head.event))))
            }
            Phase::Replay {
                until,
                only_pending,
            } => self.replay(until, only_pending).await,
            Phase::CatchUp { until } if self.cursor >= until => {
                self.phase = Phase::Live;
                Ok(Some(Item::CaughtUp(self.mark(self.cursor))))
            }
            Phase::CatchUp { .. } | Phase::Live => self.live().await,
        }
    }

    async fn replay(
        &mut self,
        until: EventId,
        only_pending: bool,
    ) -> Result<Option<Item>, StoreError> {
        match self.stored(until, only_pending).await? {
            Stored::Events(entries) => Ok(self.pass(entries)),
            Stored::Purged => Ok(None),
            Stored::NoMore => {
                self.cursor = self.cursor.max(until);
                self.subscriber.passed(self.cursor);
                // A request that changed before it could be read is behind `until` by now, and was
                // not told yet although it was there. The head is asked for after the reads, so
                // each such change is up to it, and the tail has every one of them.
                let until = self.approvals.store.head().await?.event;
                self.phase = Phase::CatchUp { until };
                Ok(None)
            }
        }
    }

    async fn live(&mut self) -> Result<Option<Item>, StoreError> {
        self.pass_others();
        let tail = &self.approvals.hub.tail;
        match tail.read(&self.subscriber, self.cursor, limits::STREAM_BATCH_EVENTS) {
            TailRead::Events(entries) if entries.is_empty() => {
                match self.phase {
                    // Also when nothing of it concerns this stream.
                    Phase::CatchUp { until } => tokio::select! {
                        () = self.subscriber.told() => {}
                        () = tail.has_reached(until) => {}
                    },
                    Phase::Reset | Phase::Replay { .. } | Phase::Live => {
                        self.subscriber.told().await;
                    }
                }
                Ok(None)
            }
            TailRead::Events(entries) => Ok(self.pass(entries)),
            TailRead::BeginsAfter(base) => self.behind(base).await,
        }
    }

    /// This reader is behind the tail, so the store tells what changed up to where it begins.
    async fn behind(&mut self, base: EventId) -> Result<Option<Item>, StoreError> {
        match self.stored(base, false).await? {
            Stored::Events(entries) => Ok(self.pass(entries)),
            Stored::Purged => Ok(None),
            Stored::NoMore => {
                self.cursor = base;
                self.subscriber.passed(base);
                Ok(None)
            }
        }
    }

    /// What the store has after the cursor, up to and including `until`.
    async fn stored(&mut self, until: EventId, only_pending: bool) -> Result<Stored, StoreError> {
        let range = Range {
            after: self.cursor,
            until,
        };
        let limit = limits::CHANGES_BATCH;
        let (bulk, store) = (&self.approvals.bulk, Arc::clone(&self.approvals.store));
        // Kept if this future is dropped meanwhile, or a stream that sends keep-alives would begin
        // at the end of a long line over and over.
        let place = *self.place.get_or_insert_with(|| bulk.place());
        let turn = bulk.turn(place).await;
        self.place = None;
        let read = async move { store.changes(range, only_pending, limit).await }.boxed();
        let (events, turn) = bulk.run(turn, read).await;
        drop(turn);
        let events = events?;
        // Asked after the read: what was purged before it is missing there. Requests that are
        // pending are never purged.
        if !only_pending && self.approvals.store.head().await?.purged > self.cursor {
            self.phase = Phase::Reset;
            return Ok(Stored::Purged);
        }
        if events.is_empty() {
            return Ok(Stored::NoMore);
        }
        let entries = events
            .into_iter()
            .map(|event| Arc::new(Entry::new(event)))
            .collect();
        Ok(Stored::Events(entries))
    }

    /// Passes as many of these entries as fit into one write, and tells those that the filter lets
    /// through.
    fn pass(&mut self, mut entries: Vec<Arc<Entry>>) -> Option<Item> {
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|entry| {
            let fits = bytes == 0 || bytes < limits::STREAM_BATCH_BYTES;
            bytes += entry.event.request.text_bytes();
            fits
        });
        entries.truncate(fitting.count());
        self.cursor = entries.last().map_or(self.cursor, |last| last.event.id);
        // What is pending is told from the oldest on; whoever is told it is behind by what has
        // happened since, not by all that was ever settled.
        if !matches!(
            self.phase,
            Phase::Replay {
                only_pending: true,
                ..
            }
        ) {
            self.subscriber.passed(self.cursor);
        }
        let filter = self.subscriber.filter();
        entries.retain(|entry| filter.admits(&entry.event.request));
        (!entries.is_empty()).then_some(Item::Events(entries))
    }

    fn mark(&self, event: EventId) -> Mark {
        Mark {
            event,
            now: self.approvals.now(),
        }
    }
}

impl Approvals {
    /// Where the store stands, for a reader who comes with this cursor: another daemon on the store
    /// may have told them what this one has not seen yet, which is no reason to begin anew.
    async fn head_for(&self, cursor: Option<&str>) -> Result<Head, StoreError> {
        let head = self.store.head().await?;
        let cursor: Option<Cursor> = cursor.and_then(|text| text.parse().ok());
        match cursor {
            Some(Cursor { history, event })
                if history == self.store.history() && event > head.event =>
            {
                self.store.catch_up(event).await?;
                self.store.head().await
            }
            Some(_) | None => Ok(head),
        }
    }

    /// The event that a reader's cursor names, if this store knows what happened after it.
    fn known(&self, cursor: &str, head: Head) -> Option<EventId> {
        let cursor: Cursor = cursor.parse().ok()?;
        let known = cursor.history == self.store.history()
            && cursor.event <= head.event
            && cursor.event >= head.purged;
        known.then_some(cursor.event)
    }
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Approvals")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}
