//! Turns for reads of many requests, so that they leave room in the store for those of one.
//!
//! The store answers in the order of the questions. Without turns, a thousand streams that begin at
//! once, or a list that is asked for over and over, would put their pages before everybody's next
//! read.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits;
use crate::store::StoreError;

/// The turns, given in the order in which they are waited for.
#[derive(Debug)]
pub(super) struct Bulk {
    turns: Semaphore,
    queue: Semaphore,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    // The semaphores are never closed, so that the turn always has its permit.
    _turn: Option<SemaphorePermit<'a>>,
    _place: Option<SemaphorePermit<'a>>,
}

impl Bulk {
    pub(super) fn new() -> Self {
        Self {
            turns: Semaphore::new(limits::BULK_READS),
            queue: Semaphore::new(limits::BULK_READS + limits::LIST_QUEUE),
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // A permit that is free is free of waiting too: whoever waits is given it when it comes.
        let turn = match self.turns.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) => self.turns.acquire().await.ok(),
        };
        Turn {
            _turn: turn,
            _place: None,
        }
    }

    /// Waits for a turn, unless too many wait for one in this way already.
    ///
    /// # Errors
    /// The store is busy.
    pub(super) async fn queue(&self) -> Result<Turn<'_>, StoreError> {
        let place = self.queue.try_acquire().map_err(|_| StoreError::Busy)?;
        Ok(Turn {
            _place: Some(place),
            ..self.turn().await
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn only_so_many_read_at_once_and_only_so_many_lists_wait() {
        let bulk = Bulk::new();
        let mut turns = Vec::new();
        for _ in 0..limits::BULK_READS {
            turns.push(bulk.queue().await.unwrap());
        }
        assert!(bulk.turn().now_or_never().is_none());
        let mut waiting: Vec<_> = (0..limits::LIST_QUEUE)
            .map(|_| Box::pin(bulk.queue()))
            .collect();
        for list in &mut waiting {
            assert!(list.now_or_never().is_none());
        }
        let refused = bulk.queue().now_or_never();
        assert!(matches!(refused, Some(Err(StoreError::Busy))));
        // Streams wait without this bound, and whoever gives up makes room.
        let stream = bulk.turn();
        drop(waiting);
        drop(turns);
        drop(stream.await);
        assert!(bulk.queue().now_or_never().unwrap().is_ok());
    }
}
