//! The way to the writer.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::writer::Job;
use super::{CLOSED, ENDED};
use crate::store::StoreError;

/// Where jobs are left for the writer, which ends when the queue is closed and empty.
pub(super) struct Queue(Mutex<Option<SyncSender<Job>>>);

impl Queue {
    pub(super) fn new(sender: SyncSender<Job>) -> Self {
        Self(Mutex::new(Some(sender)))
    }

    /// Leaves a job; never waits.
    ///
    /// # Errors
    /// The queue is closed or full, or the writer has ended.
    pub(super) fn send(&self, job: Job) -> Result<(), StoreError> {
        let Some(sender) = &*self.sender() else {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Unavailable(ENDED.to_owned()),
        })
    }

    /// Takes no more jobs.
    pub(super) fn close(&self) {
        self.sender().take();
    }

    fn sender(&self) -> MutexGuard<'_, Option<SyncSender<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
