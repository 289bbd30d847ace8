//! The use of an approval, of which there is one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ids::{Digest, EventId};
use super::super::time::Timestamp;
use super::{Caller, Refusal, Request, Status, Transition, What};

/// The use of an approval, of which there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// By what the same use is known when it is sent again.
    pub nonce: Digest,
    /// When the daemon accepted it.
    pub at: Timestamp,
}

impl Request {
    /// Uses the approval, once, as its requester. The same `nonce` is the same use, and changes
    /// nothing, whenever it comes again.
    ///
    /// # Errors
    /// Somebody else's request, used with another nonce, not approved, or too late; considered in
    /// this order.
    pub fn used(
        &self,
        version: EventId,
        nonce: Digest,
        by: &Caller,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        if by.principal != self.requester.principal {
            return Err(Refusal::NotTheRequester);
        }
        if let Some(used) = &self.consumed {
            return if used.nonce == nonce {
                Ok(Transition::Unchanged)
            } else {
                Err(Refusal::Consumed { at: used.at })
            };
        }
        let within_secs = self.use_within_secs;
        let end = self
            .settled_at
            .map(|at| at.after(Duration::from_secs(within_secs)));
        match end {
            Some(end) if self.status == Status::Approved => {
                if now > end {
                    return Err(Refusal::TooLate { within_secs });
                }
            }
            _ => return Err(Refusal::NotApproved(self.status)),
        }
        let mut next = self.clone();
        next.consumed = Some(Use { nonce, at: now });
        next.changed_at = Some(version);
        next.step(What::Consumed, now, Some(by), None);
        Ok(Transition::Commit(Box::new(next)))
    }
}
