//! Turns for reads of many requests, so that they leave room in the store for those of one.
//!
//! The store answers in the order of the questions. Without turns, a thousand streams that begin at
//! once, or a list that is asked for over and over, would put their pages before everybody's next
//! read.
//!
//! Turns are given in the order in which they were first waited for. Whoever stops waiting for a
//! while, as a stream does to send a keep-alive, comes back to its place; meanwhile its turn goes
//! to the next who is there, because a reader that has stopped may never come back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use crate::limits;
use crate::store::StoreError;

/// The turns, and who waits for one.
#[derive(Debug)]
pub(super) struct Bulk {
    // A std mutex: it is held for map operations only, never over an await.
    line: Mutex<Line>,
    lists: Arc<Semaphore>,
    /// Reads that go on although nobody waits for them any more.
    abandoned: TaskTracker,
}

#[derive(Debug)]
struct Line {
    /// Turns that nobody has; while there is one, nobody waits.
    free: usize,
    waiting: BTreeMap<u64, oneshot::Sender<Turn>>,
    next: u64,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Bulk>>);

/// One of the lists that may wait for a turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Bulk {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            line: Mutex::new(Line {
                free: limits::BULK_READS,
                waiting: BTreeMap::new(),
                next: 0,
            }),
            lists: Arc::new(Semaphore::new(limits::BULK_READS + limits::LIST_QUEUE)),
            abandoned: TaskTracker::new(),
        })
    }

    /// The place behind all that were given out before. It costs nothing to leave it.
    pub(super) fn place(&self) -> Place {
        let mut line = self.line();
        line.next += 1;
        Place(line.next)
    }

    /// A place for a list, unless too many lists have one already.
    ///
    /// # Errors
    /// The store is busy.
    pub(super) fn admit(&self) -> Result<Admitted, StoreError> {
        let permit = Arc::clone(&self.lists).try_acquire_owned();
        Ok(Admitted {
            _permit: permit.map_err(|_| StoreError::Busy)?,
            place: self.place(),
        })
    }

    /// Waits for a turn at this place, which one caller waits at. Dropping the future gives up
    /// nothing but this wait: the place may be waited at again.
    pub(super) async fn turn(self: &Arc<Self>, place: Place) -> Turn {
        let turn = {
            let mut line = self.line();
            if line.free > 0 {
                line.free -= 1;
                return Turn(Some(Arc::clone(self)));
            }
            let (give, turn) = oneshot::channel();
            line.waiting.insert(place.0, give);
            turn
        };
        let _leave = Leave { bulk: self, place };
        // The sender is in the line until the turn is sent.
        turn.await.unwrap_or(Turn(None))
    }

    /// Runs a read in this turn; answers the turn as well. If the future is dropped, the read goes
    /// on in the store, and so it is carried to its end with its turn.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        read: BoxFuture<'static, T>,
    ) -> (T, Turn) {
        let mut running = Running {
            bulk: self,
            rest: Some((read, turn)),
        };
        let (read, _) = running.rest.as_mut().expect("it is taken below");
        let answer = read.await;
        let (_, turn) = running.rest.take().expect("it is taken here alone");
        (answer, turn)
    }

    /// Gives a turn to the next who waits.
    fn pass_on(self: Arc<Self>) {
        let mut turn = Turn(Some(self));
        while let Some(bulk) = turn.0.take() {
            let next = {
                let mut line = bulk.line();
                let next = line.waiting.pop_first();
                line.free += usize::from(next.is_none());
                next
            };
            let Some((_, give)) = next else { return };
            match give.send(Turn(Some(bulk))) {
                Ok(()) => return,
                // It has just gone.
                Err(back) => turn = back,
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(bulk) = self.0.take() {
            bulk.pass_on();
        }
    }
}

/// Takes whoever stops waiting out of the line.
struct Leave<'a> {
    bulk: &'a Bulk,
    place: Place,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.bulk.line().waiting.remove(&self.place.0);
    }
}

/// A read under way.
struct Running<'a, T: Send + 'static> {
    bulk: &'a Bulk,
    rest: Option<(BoxFuture<'static, T>, Turn)>,
}

impl<T: Send + 'static> Drop for Running<'_, T> {
    fn drop(&mut self) {
        let Some((read, turn)) = self.rest.take() else {
            return;
        };
        // Without a runtime there is no store at work either.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let rest = async move {
                drop(read.await);
                drop(turn);
            };
            self.bulk.abandoned.spawn_on(rest, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn all_turns(bulk: &Arc<Bulk>) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..limits::BULK_READS {
            turns.push(bulk.turn(bulk.place()).await);
        }
        turns
    }

    #[tokio::test]
    async fn only_so_many_read_at_once_and_only_so_many_lists_wait() {
        let bulk = Bulk::new();
        let turns = all_turns(&bulk).await;
        assert!(bulk.turn(bulk.place()).now_or_never().is_none());
        let most = limits::BULK_READS + limits::LIST_QUEUE;
        let lists: Vec<_> = std::iter::repeat_with(|| bulk.admit().unwrap())
            .take(most)
            .collect();
        assert!(matches!(bulk.admit(), Err(StoreError::Busy)));
        // Streams wait without this bound, and whoever gives up makes room.
        let stream = bulk.turn(bulk.place());
        drop((lists, turns));
        drop(stream.await);
        assert!(bulk.admit().is_ok());
        drop(all_turns(&bulk).await);
    }

    #[tokio::test]
    async fn who_stops_waiting_comes_back_to_its_place_and_holds_up_nobody() {
        let bulk = Bulk::new();
        let turns = all_turns(&bulk).await;
        let (first, second) = (bulk.place(), bulk.place());
        assert!(bulk.turn(first).now_or_never().is_none());
        let mut next = Box::pin(bulk.turn(second));
        assert!(next.as_mut().now_or_never().is_none());
        let mut back = Box::pin(bulk.turn(first));
        assert!(back.as_mut().now_or_never().is_none());
        drop(turns);
        assert!(next.as_mut().now_or_never().is_none());
        let turn = back.now_or_never().expect("it came first");
        assert!(next.as_mut().now_or_never().is_none());
        drop(turn);
        let turn = next.now_or_never().expect("it is next");
        // One that is not there, and one that goes while its turn is on the way to it.
        let mut gone = Box::pin(bulk.turn(bulk.place()));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(turn);
        drop(gone);
        drop(all_turns(&bulk).await);
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_any_more_keeps_its_turn_until_it_ends() {
        let bulk = Bulk::new();
        let mut turns = all_turns(&bulk).await;
        let (end, ended) = oneshot::channel::<()>();
        let mut read = Box::pin(bulk.run(turns.pop().unwrap(), ended.boxed()));
        assert!(read.as_mut().now_or_never().is_none());
        drop(read);
        let mut waits = Box::pin(bulk.turn(bulk.place()));
        tokio::task::yield_now().await;
        assert!(waits.as_mut().now_or_never().is_none());
        end.send(()).unwrap();
        drop(waits.await);
    }
}
