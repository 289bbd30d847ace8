//! Retention: requests are removed from the bucket, and what was removed is remembered.
//!
//! First a mark is written that tells of it; every node that comes to it forgets the same requests,
//! and a reader who meets the gap finds it explained. Then their messages are removed, without
//! leaving markers. Should the node that wrote the mark end in between, they are found by the next
//! one that opens the bucket, and removed at its next purge.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Shared;
use super::bucket::Away;
use super::message::{self, Mark, PURGED, Purged};
use crate::domain::{EventId, RequestId, Timestamp};
use crate::limits;
use crate::store::StoreError;

impl Shared {
    pub(super) async fn purge(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let old = self.seen().requests.settled_before(before, limit);
        if let Some((last, event)) = all_of(&old) {
            self.put_mark(last, event).await?;
        }
        let gone = self.seen().take_leftovers();
        if !gone.is_empty() {
            self.remove_all(gone).await?;
        }
        Ok(old.len())
    }

    async fn put_mark(&self, last: Purged, event: EventId) -> Result<(), StoreError> {
        let mark = Mark::after(self.seen().mark, event, last);
        let value = serde_json::to_vec(&mark).expect("numbers and ids can be written");
        let headers = message::marked(&self.seen().node);
        match self
            .bucket
            .overwrite(PURGED, headers, Bytes::from(value))
            .await
        {
            Ok(number) => self.come_to(number).await,
            // The store works, and says what is not as it should be.
            Err(Away::Refused(why)) => Err(StoreError::Unavailable(why)),
            Err(away) => Err(self.is_away(&away)),
        }
    }

    async fn remove_all(&self, gone: Vec<(RequestId, u64)>) -> Result<(), StoreError> {
        let mut removals = stream::iter(gone)
            .map(async |(id, last)| {
                let removed = self.bucket.purge(&id.to_string(), last).await;
                (id, last, removed)
            })
            .buffer_unordered(limits::NATS_REMOVALS);
        let mut failed: Option<Away> = None;
        let mut left = Vec::new();
        while let Some((id, last, removed)) = removals.next().await {
            if let Err(away) = removed {
                failed = Some(away);
                left.push((id, last));
            }
        }
        drop(removals);
        self.seen().keep_leftovers(left);
        match failed {
            None => Ok(()),
            Some(away) => Err(StoreError::Unavailable(away.to_string())),
        }
    }
}

/// The place of the last of them, and the newest of their events.
fn all_of(old: &[(Timestamp, RequestId, EventId)]) -> Option<(Purged, EventId)> {
    let (settled_at, id, _) = *old.last()?;
    let event = old.iter().map(|(_, _, event)| *event).max()?;
    Some((Purged { settled_at, id }, event))
}
