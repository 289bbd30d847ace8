//! One approver's word on one request.

use serde::{Deserialize, Serialize};

use super::request::Caller;
use super::text::Reason;
use super::time::Timestamp;

/// What an approver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Let it happen.
    Approve,
    /// Do not let it happen.
    Deny,
}

/// A verdict with who gave it, why and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What was said.
    pub verdict: Verdict,
    /// Who said it.
    pub approver: Caller,
    /// Why, in the approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the daemon accepted it.
    pub at: Timestamp,
}
