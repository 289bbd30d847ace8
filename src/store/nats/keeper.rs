//! Looks after the bucket: whether it can be written, and whether the feed has come as far as it.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::bucket::{Away, Put, Standing};
use super::message::PROBE;
use crate::limits;

/// What the looks so far have told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Behind {
    /// The last message of the bucket at the last look, when the feed had not come to it.
    of: Option<u64>,
    /// How far the feed was.
    at: u64,
}

impl Behind {
    /// Whether the feed has not moved since the last look, though there was something to come.
    fn is_stuck(&mut self, standing: Standing, applied: u64) -> bool {
        let before = *self;
        *self = Self {
            of: (applied < standing.last).then_some(standing.last),
            at: applied,
        };
        before.of.is_some_and(|of| applied < of) && before.at == applied
    }
}

impl Shared {
    /// Runs until `stop`.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let keeping = async {
            let mut behind = Behind::default();
            loop {
                self.check(&mut behind).await;
                let pause = sleep(limits::NATS_LOOK);
                tokio::select! {
                    () = pause => {}
                    () = self.failed.notified() => {}
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = keeping => {}
        }
    }

    async fn check(&self, behind: &mut Behind) {
        if !self.bucket.is_connected() {
            self.has_failed("the connection to NATS is lost");
            return;
        }
        // Before the bucket is asked, which may have more by the time it answers.
        let applied = *self.applied.borrow();
        let standing = match self.bucket.standing().await {
            Ok(standing) => standing,
            Err(Away::Gone(why) | Away::Silent(why) | Away::Refused(why)) => {
                self.has_failed(&why);
                return;
            }
        };
        self.stands(standing);
        if standing.last < applied {
            self.has_failed(
                "the bucket has less than this daemon has seen of it; if it was made anew or put \
                 back to an older state, restart pushd",
            );
            return;
        }
        if behind.is_stuck(standing, applied) {
            self.feed_is_late.notify_one();
            self.has_failed("what others have written does not come");
        }
        if self.condition.failing().is_some() && self.works().await {
            tracing::info!(bucket = self.bucket.name(), "the store works again");
            self.condition.works();
        }
    }

    /// Whether something can be written, and comes back.
    async fn works(&self) -> bool {
        let Ok(Put::Stored(number)) = self
            .bucket
            .overwrite(PROBE, HeaderMap::new(), Bytes::new())
            .await
        else {
            return false;
        };
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= number);
        let came = timeout(limits::NATS_CALL, reached).await.is_ok();
        if !came {
            self.feed_is_late.notify_one();
        }
        came
    }
}
