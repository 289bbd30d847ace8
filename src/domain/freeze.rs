//! Times in which nothing is approved.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A time in which approvals are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Freeze {
    /// Once.
    Once {
        /// The first moment in it.
        from: Timestamp,
        /// The first moment after it.
        until: Timestamp,
    },
}

impl Freeze {
    /// Until when approvals are not taken, if `now` is in it.
    pub fn holds(&self, now: Timestamp) -> Option<Timestamp> {
        match *self {
            Self::Once { from, until } => (from <= now && now < until).then_some(until),
        }
    }
}
