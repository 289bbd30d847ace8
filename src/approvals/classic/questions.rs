//! The questions of a channel as they come, for somebody who answers them.

use std::sync::Arc;

use super::{ChannelName, Classic, PRINCIPAL, Refused};
use crate::approvals::{Item, Subscription};
use crate::domain::{Cursor, Event, EventId, RequestId, Status};
use crate::hub::Filter;

/// An open stream of questions.
#[derive(Debug)]
pub struct Questions {
    subscription: Subscription,
    /// What the reader has been told before this stream.
    known: EventId,
    last: Option<RequestId>,
}

impl Classic {
    /// Opens a stream of the questions of a channel: the pending one, if `cursor` does not say
    /// that it is known already, then each new one.
    ///
    /// # Errors
    /// Too many subscribers, the daemon winds down, or the store's.
    pub async fn questions(
        &self,
        name: &ChannelName,
        cursor: Option<&str>,
    ) -> Result<Questions, Refused> {
        if self.approvals.drain.is_cancelled() {
            return Err(Refused::Draining);
        }
        let filter = Filter::new(vec![name.topic().clone()], None);
        let opening = Arc::clone(&self.approvals);
        let subscription = opening.listen(cursor, filter).await?;
        Ok(Questions {
            known: subscription.cursor().event,
            subscription,
            last: None,
        })
    }
}

impl Questions {
    /// Waits for the next question; answers its place, to resume from. Safe to drop and call
    /// again: a question that was not returned is not passed.
    pub async fn next(&mut self) -> Cursor {
        loop {
            match self.subscription.next().await {
                // What was known is of no use: all that is pending follows.
                Item::Reset(_) => self.known = EventId::ZERO,
                Item::CaughtUp(_) => {}
                Item::Events(entries) => {
                    let mut new = None;
                    for entry in &entries {
                        if self.is_new(&entry.event) {
                            self.last = Some(entry.event.request.id);
                            new = Some(entry.event.id);
                        } else if entry.event.request.status.is_final() {
                            // There is one question at a time, and this one is over.
                            new = None;
                        }
                    }
                    if let Some(event) = new {
                        let cursor = self.subscription.cursor();
                        return Cursor { event, ..cursor };
                    }
                }
            }
        }
    }

    /// Whether this is a question that the reader does not know. Being seen changes a request too,
    /// but not its version.
    fn is_new(&self, event: &Event) -> bool {
        let request = &event.request;
        request.status == Status::Pending
            && request.requester.principal.as_str() == PRINCIPAL
            && event.version() > self.known
            && self.last != Some(request.id)
    }
}
