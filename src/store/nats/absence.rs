//! That there is no such request, before anybody is told so.
//!
//! Some server says what the bucket has, and takes itself for the leader. One that was cut off, or
//! that has just become the leader, may not have what others have confirmed. So nothing is said to
//! be absent before this node has come past a message that most of the replicas have agreed on since
//! the question. A server of version 2.9 also finds no last message of a key whose last one was
//! deleted.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::Shared;
use super::bucket::Put;
use super::message::PROBE;
use crate::store::StoreError;

/// Those who wait for such a message share it, so that strangers who ask for what is not there cause
/// one write at a time.
#[derive(Debug, Default)]
pub(super) struct Absence {
    turn: Mutex<()>,
    /// How many messages were begun, and the last one that this node has come to.
    begun: AtomicU64,
    passed: AtomicU64,
}

impl Shared {
    /// Comes past everything that was confirmed before this call.
    pub(super) async fn pass_all(&self) -> Result<(), StoreError> {
        // One server alone knows what it has.
        if !self.is_replicated {
            return Ok(());
        }
        let absence = &self.absence;
        let before = absence.begun.load(Ordering::SeqCst);
        let _turn = absence.turn.lock().await;
        if absence.passed.load(Ordering::SeqCst) > before {
            return Ok(());
        }
        let number = absence.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let probe = self
            .bucket
            .overwrite(PROBE, HeaderMap::new(), Bytes::new())
            .await;
        match probe {
            Ok(Put::Stored(message)) => self.come_to(message).await?,
            Ok(Put::Conflict) => return Err(StoreError::Busy),
            Err(away) => return Err(self.is_away(&away)),
        }
        absence.passed.store(number, Ordering::SeqCst);
        Ok(())
    }
}
