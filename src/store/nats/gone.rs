//! Requests whose end this node has missed.
//!
//! Retention writes a mark and then removes what the mark tells of. A node that reads the bucket
//! meanwhile may have taken up the ask of a request, and come too late for the message that settled
//! it. To that node it is pending, and the mark says nothing of what is pending. A write that
//! follows it would count on every node, and bring back what was decided long ago.
//!
//! Numbers that are missing in the feed tell that something was removed before it came. While such a
//! gap is noted, what may be older than it is looked up in the bucket before it is written, and the
//! keeper goes through all that may be gone; then the gap is forgotten.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::Shared;
use super::bucket::Away;
use crate::domain::{EventId, RequestId};
use crate::limits;

impl Shared {
    /// Forgets what is gone from the bucket without this node having seen why.
    ///
    /// To be called once the feed was [proven](Self::prove) since the gap was noted: the mark of what
    /// was removed is then taken up. What fails is tried again at the next look, as the gap stays.
    pub(super) async fn forget_gone(&self) -> Result<(), Away> {
        let Some((gap, may_be_gone)) = self.seen().may_be_gone() else {
            return Ok(());
        };
        let mut looks = stream::iter(may_be_gone)
            .map(async |(id, event)| self.forget_if_gone(id, event).await)
            .buffer_unordered(limits::NATS_REMOVALS);
        while let Some(looked) = looks.next().await {
            looked?;
        }
        drop(looks);
        self.seen().close_gap(gap);
        Ok(())
    }

    /// Forgets this request, if its latest event is this one and gone from the bucket; answers whether
    /// it is gone.
    pub(super) async fn forget_if_gone(&self, id: RequestId, event: EventId) -> Result<bool, Away> {
        if !self.bucket.is_gone(&id.to_string(), event.0).await? {
            return Ok(false);
        }
        let is_forgotten = self.seen().forget(id, event);
        if is_forgotten {
            tracing::info!(%id, event = event.0, "its end was missed, and it is gone from the bucket");
            self.condition.mended(&[event]);
        }
        Ok(true)
    }
}
