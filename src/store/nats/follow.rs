//! The feed: every message of the bucket in its order, taken up and then told.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::consumer::push::{Ordered, OrderedError};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bucket::{Away, stored_at};
use super::message::PROBE;
use super::seen::Told;
use super::{OpenError, Shared};
use crate::domain::EventId;
use crate::limits;
use crate::store::Feed;

type Arrived = Result<jetstream::Message, OrderedError>;

impl Shared {
    /// Takes up all that is in the bucket, and tells nobody.
    ///
    /// Up to a message that is written for it: the last one that was there may be removed before it
    /// comes, and whoever is asked for the last one may not know of all.
    pub(super) async fn load(self: &Arc<Self>) -> Result<(), OpenError> {
        let silent = |reason: String| OpenError::Silent {
            bucket: self.bucket.name().to_owned(),
            reason,
        };
        let probe = self.bucket.overwrite(PROBE, HeaderMap::new(), Bytes::new());
        let last = match probe.await {
            Ok(last) => last,
            // A full bucket takes nothing, and can be read all the same.
            Err(Away::Refused(why)) => {
                tracing::warn!(%why, "the bucket takes no message");
                let standing = self.bucket.standing().await;
                standing.map_err(|away| silent(away.to_string()))?.last
            }
            Err(away) => return Err(silent(away.to_string())),
        };
        let standing = self.bucket.standing().await;
        self.stands(standing.map_err(|away| silent(away.to_string()))?);
        let loading = async {
            while *self.applied.borrow() < last {
                let from = *self.applied.borrow() + 1;
                let Ok(messages) = self.bucket.follow(from).await else {
                    sleep(limits::NATS_RETRY).await;
                    continue;
                };
                let mut batches = messages.ready_chunks(limits::NATS_FEED_BATCH);
                while *self.applied.borrow() < last
                    && let Ok(Some(batch)) = timeout(limits::NATS_CALL, batches.next()).await
                    && self.apply(batch, None)
                {}
            }
        };
        timeout(limits::NATS_LOAD, loading)
            .await
            .map_err(|_| silent("reading it took too long".to_owned()))?;
        self.seen().is_live = true;
        Ok(())
    }

    /// Lets nothing be taken up until the guard is dropped.
    #[cfg(test)]
    pub(super) async fn hold_feed(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.feed_gate.write().await
    }

    /// Takes up what follows, and tells `feed` of it, until `stop`.
    pub(super) async fn follow(self: Arc<Self>, feed: Arc<dyn Feed>, stop: CancellationToken) {
        let following = async {
            loop {
                let from = *self.applied.borrow() + 1;
                match self.bucket.follow(from).await {
                    Ok(messages) => self.take_up(messages, &feed).await,
                    Err(away) => tracing::debug!(%away, "cannot follow the bucket"),
                }
                sleep(limits::NATS_RETRY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = following => {}
        }
    }

    /// Takes up messages as they come, until something is missing.
    async fn take_up(self: &Arc<Self>, messages: Ordered, feed: &Arc<dyn Feed>) {
        let mut batches = messages.ready_chunks(limits::NATS_FEED_BATCH);
        // What was said of the feed before it was begun anew is not about this one.
        let earlier = self.feed_is_late.notified().now_or_never();
        tracing::debug!(was_late = earlier.is_some(), "the feed begins");
        loop {
            let batch = tokio::select! {
                // Messages that are there come first, so that a feed with much to do is not begun
                // anew for being behind.
                biased;
                batch = batches.next() => batch,
                () = self.feed_is_late.notified() => return,
            };
            let Some(batch) = batch else { return };
            #[cfg(test)]
            if self.feed_gate.try_read().is_err() {
                // What was held back is not taken up: it did not come.
                drop(self.feed_gate.read().await);
                return;
            }
            if !self.apply(batch, Some(feed)) {
                return;
            }
        }
    }

    /// Takes up some messages; answers whether the next ones can follow. Those that were taken up
    /// before are passed over.
    fn apply(self: &Arc<Self>, batch: Vec<Arrived>, feed: Option<&Arc<dyn Feed>>) -> bool {
        let none = HeaderMap::new();
        let mut told = Vec::new();
        let mut is_whole = true;
        let mut seen = self.seen();
        let mut last = *self.applied.borrow();
        for arrived in batch {
            let message = match arrived {
                Ok(message) => message,
                Err(error) => {
                    tracing::debug!(%error, "the feed of the bucket breaks off");
                    is_whole = false;
                    break;
                }
            };
            let Ok((number, time)) = message
                .info()
                .map(|info| (info.stream_sequence, info.published))
            else {
                is_whole = false;
                break;
            };
            if number <= last {
                continue;
            }
            if number > last + 1 {
                seen.gap = Some(EventId(last));
            }
            last = number;
            seen.last_at = Some((number, stored_at(time)));
            if let Some(key) = self.bucket.key(&message.subject) {
                let headers = message.headers.as_ref().unwrap_or(&none);
                seen.take_up(number, key, headers, &message.payload, &mut told);
            }
        }
        drop(seen);
        self.tell(told, feed);
        self.applied
            .send_modify(|applied| *applied = last.max(*applied));
        is_whole
    }

    fn tell(self: &Arc<Self>, told: Vec<Told>, feed: Option<&Arc<dyn Feed>>) {
        let mut events = Vec::new();
        for one in told {
            match one {
                Told::Event(event) => events.push(event),
                Told::Replaced(event) => self.condition.mended(&[event]),
                Told::Late(event) => self.remove_late(event),
                Told::Bad(event, error) => {
                    self.condition.bad_record(event, &error);
                    if let Some(feed) = feed {
                        feed.deliver(&std::mem::take(&mut events));
                        feed.reached(event);
                    }
                }
            }
        }
        if let Some(feed) = feed
            && !events.is_empty()
        {
            feed.deliver(&events);
        }
    }
}
