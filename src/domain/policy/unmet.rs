//! Why an ask is not taken on its terms.

use std::time::Duration;

use super::super::time::Timestamp;
use crate::limits;

/// Why an ask cannot be taken; the message says what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// The terms tell people apart, and the daemon does not.
    #[error(
        "this ask needs approvers who are told apart{}, and this daemon knows nobody; start it with \
         --tokens, or have approvers come over a Unix socket",
        by(rules)
    )]
    PeopleUnknown {
        /// The rules that apply.
        rules: Vec<String>,
    },
    /// There is no group of this name.
    #[error("from: there is no group {0:?} in this daemon's policy")]
    NoSuchGroup(String),
    /// Nobody of this name may approve.
    #[error(
        "from: nobody by the name {0:?} may approve requests about this topic on this daemon; look \
         for a slip, or have a token made with the role approver"
    )]
    NoSuchApprover(String),
    /// Not enough people may approve it.
    #[error(
        "nobody could ever approve this: it needs {needed} approvals on its terms{}, and {eligible} \
         of those that it names may give one{}",
        by(rules),
        and_unknown(unknown)
    )]
    TooFew {
        /// Approvals that are needed.
        needed: u32,
        /// Who may give one, of those that the terms name, or of all if they name nobody.
        eligible: usize,
        /// The names in the terms that nobody has who may approve.
        unknown: Vec<String>,
        /// The rules that apply.
        rules: Vec<String>,
    },
    /// Approvals are frozen until after it would have expired.
    #[error(
        "nobody could ever approve this: approvals are frozen until {}{}, and it would expire {} s \
         from now; ask later, or with a longer expiry", moment(*until), by(rules),
        expires_in.as_secs()
    )]
    Frozen {
        /// Until then.
        until: Timestamp,
        /// How long it may stay pending.
        expires_in: Duration,
        /// The rules that apply.
        rules: Vec<String>,
    },
    /// More votes than a request keeps.
    #[error(
        "this would need {needed} approvals and have {panels} groups give some each{}; at most \
         {most} and {most_panels} are taken",
        by(rules), most = limits::VOTES_NEEDED, most_panels = limits::PANELS
    )]
    TooMuch {
        /// Approvals that are needed.
        needed: u32,
        /// Groups that each need approvals.
        panels: usize,
        /// The rules that apply.
        rules: Vec<String>,
    },
    /// More people than are kept with a request.
    #[error("from: names {0} approvers, at most {most} are taken", most = limits::GROUP_MEMBERS)]
    TooMany(usize),
    /// A rule wants a match code.
    #[error(
        "the rule {rule:?} wants a match code: ask with `requester --match`, or send match_code"
    )]
    NoMatchCode {
        /// Which.
        rule: String,
    },
    /// A rule does not let it stay pending for as long as was asked for.
    #[error(
        "expires_in_secs: is {asked}, and the rule {rule:?} lets it be {} at most", longest.as_secs(),
        asked = asked.as_secs()
    )]
    ExpiresTooLate {
        /// Which.
        rule: String,
        /// What was asked for.
        asked: Duration,
        /// What the rule allows.
        longest: Duration,
    },
}

/// A moment as RFC 3339 has it.
fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis());
    at.unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The first few names that nobody has.
fn and_unknown(names: &[String]) -> String {
    let shown = names.get(..limits::NAMES_TOLD).unwrap_or(names);
    let more = if shown.len() < names.len() {
        ", ..."
    } else {
        ""
    };
    match shown {
        [] => String::new(),
        shown => format!("; nobody who may is called {}{more}", shown.join(" or ")),
    }
}

fn by(rules: &[String]) -> String {
    match rules {
        [] => String::new(),
        [rule] => format!(" (rule {rule:?})"),
        rules => format!(" (rules {})", rules.join(", ")),
    }
}
