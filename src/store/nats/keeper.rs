//! Looks after the bucket: whether it can be written, and whether the feed has come as far as it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::bucket::{Away, Standing};
use crate::limits;

const WENT_BACK: &str = "the bucket has less than this daemon has seen of it: it was made anew, or put \
                         back to an older state; restart pushd";

/// What the looks so far have told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Behind {
    /// The last message of the bucket at the last look, when the feed had not come to it.
    of: Option<u64>,
    /// How far the feed was.
    at: u64,
    /// The bucket had another message in the place of the last one that the feed had brought.
    is_other: bool,
}

impl Behind {
    /// Whether the feed has not moved since the last look, though there was something to come.
    fn is_stuck(&mut self, standing: Standing, applied: u64) -> bool {
        let before = *self;
        *self = Self {
            of: (applied < standing.last).then_some(standing.last),
            at: applied,
            ..before
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
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        if !self.bucket.is_connected() {
            self.has_failed("the connection to NATS is lost");
            return;
        }
        // Before the bucket is asked, which may have more by the time it answers.
        let applied = *self.applied.borrow();
        let standing = match self.bucket.standing().await {
            Ok(standing) => standing,
            Err(away) => {
                self.has_failed(&away.to_string());
                return;
            }
        };
        self.stands(standing);
        if standing.last < applied {
            // A server that has just come back may say so as well, until it has caught up.
            self.has_failed(WENT_BACK);
            return;
        }
        let is_failing = self.condition.failing().is_some();
        let has_gap = self.seen().gap.is_some();
        if !is_failing && !has_gap && !behind.is_stuck(standing, applied) {
            return;
        }
        match self.works(standing, behind).await {
            Ok(()) if is_failing => {
                tracing::info!(bucket = self.bucket.name(), "the store works again");
                self.condition.works();
            }
            Ok(()) => {}
            Err(away) => self.has_failed(&away.to_string()),
        }
    }

    /// Whether the bucket is the one that was seen before, and something can be written and comes
    /// back. What was removed before it came is then known, and forgotten.
    async fn works(&self, standing: Standing, behind: &mut Behind) -> Result<(), Away> {
        let last_at = self.seen().last_at;
        if let Some((number, seen_at)) = last_at {
            let stored_at = self.bucket.time_of(number).await?;
            let is_other = stored_at.is_some_and(|stored_at| stored_at != seen_at);
            if std::mem::replace(&mut behind.is_other, is_other) && is_other {
                self.ends(WENT_BACK);
            }
            if is_other {
                return Err(Away::Gone(WENT_BACK.to_owned()));
            }
        }
        match self.prove().await {
            // A full bucket takes nothing more, and is whole all the same.
            Err(Away::Refused(why))
                if why.contains("maximum bytes") && *self.applied.borrow() >= standing.last => {}
            proven => proven?,
        }
        self.forget_gone().await
    }
}
