//! Which channels had another question just before: an answer that is meant for that one may still
//! be on its way, or under somebody's finger.

use std::collections::BTreeMap;

use super::ChannelName;
use crate::domain::{Request, Timestamp};
use crate::limits::{CLASSIC_ABANDON, CLASSIC_GUARD};

/// When the last question of each channel made room, for as long as that says something.
///
/// There are as many entries as channels had a question lately, so it is bounded as they are.
#[derive(Debug, Default)]
pub(super) struct Past(BTreeMap<ChannelName, Timestamp>);

impl Past {
    /// A question of this channel has made room at `now`.
    pub(super) fn note(&mut self, name: ChannelName, now: Timestamp) {
        self.0
            .retain(|_, at| now < at.after(CLASSIC_ABANDON).after(CLASSIC_GUARD));
        self.0.insert(name, now);
    }

    /// Whether an answer at `now` may be meant for the question before this one: it has followed
    /// that one closely, and nobody can have seen it yet and answered.
    pub(super) fn guards(&self, name: &ChannelName, request: &Request, now: Timestamp) -> bool {
        let follows = self
            .0
            .get(name)
            .is_some_and(|at| request.created_at < at.after(CLASSIC_ABANDON));
        follows && now < request.created_at.after(CLASSIC_GUARD)
    }
}
