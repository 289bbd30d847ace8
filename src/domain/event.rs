//! One commit, with the state that it left behind.

use std::sync::Arc;

use super::ids::EventId;
use super::request::Request;

/// A request as one commit left it, under the id of that commit.
///
/// Events carry state: who has the latest event of a request has the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id of the commit.
    pub id: EventId,
    /// The request after it.
    pub request: Arc<Request>,
}

impl Event {
    /// The request's version: the event id at which its status or its question last changed.
    ///
    /// What leaves both alone, such as being seen, keeps the version.
    pub fn version(&self) -> EventId {
        self.request.changed_at.unwrap_or(self.id)
    }
}
