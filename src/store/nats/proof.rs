//! That this node has seen all that was confirmed before some moment.
//!
//! Some server says what the bucket has, and takes itself for the leader. One that was cut off may
//! not have what others have confirmed; and what it has may be removed before it comes here. So
//! nothing is concluded from what does not come: a message is written, on which most of the replicas
//! have to agree, and when the feed has brought it, all that was before it has come, or is gone.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Shared;
use super::bucket::Away;
use super::message::PROBE;
use crate::domain::{Event, RequestId, Timestamp};
use crate::limits;
use crate::store::StoreError;

/// Those who want such a message share it, so that many of them cause one write at a time.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    turn: Mutex<()>,
    /// How many were begun, and the last one that has come.
    begun: AtomicU64,
    came: AtomicU64,
}

impl Shared {
    /// Comes past everything that was confirmed before this call.
    pub(super) async fn prove(&self) -> Result<(), Away> {
        let proofs = &self.proofs;
        let before = proofs.begun.load(Ordering::SeqCst);
        let _turn = proofs.turn.lock().await;
        if proofs.came.load(Ordering::SeqCst) > before {
            return Ok(());
        }
        let number = proofs.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let sent_at = self.clock.now();
        let message = self.bucket.overwrite(PROBE, HeaderMap::new(), Bytes::new());
        let message = message.await?;
        if !self
            .comes(message, Instant::now() + limits::NATS_CALL)
            .await
        {
            // Once for each proof, however many wait: a feed that is begun anew needs its time.
            self.feed_is_late.notify_one();
            return Err(Away::Silent(
                "what was written does not come back".to_owned(),
            ));
        }
        self.compare_clocks(sent_at, message).await?;
        proofs.came.store(number, Ordering::SeqCst);
        Ok(())
    }

    /// The latest event of a request that this node has not seen, though it has come as far as some
    /// server said.
    pub(super) async fn look_again(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        if self.is_replicated {
            let proven = self.prove().await;
            proven.map_err(|away| self.is_away(&away))?;
        }
        self.seen_of(id)
    }

    /// Compares the time that NATS has given a message with the time here before and after it.
    async fn compare_clocks(&self, sent_at: Timestamp, message: u64) -> Result<(), Away> {
        let Some(stored_at) = self.bucket.time_of(message).await? else {
            return Ok(());
        };
        let came_at = self.clock.now();
        let ahead = sent_at.since(stored_at);
        let behind = stored_at.since(came_at);
        let apart = ahead.max(behind);
        if apart <= limits::CLOCK_DIFFERENCE {
            return Ok(());
        }
        let which = if ahead > behind { "ahead of" } else { "behind" };
        Err(Away::Refused(format!(
            "the clock of this machine is {} {which} that of NATS: synchronise both",
            humantime::format_duration(apart)
        )))
    }
}
