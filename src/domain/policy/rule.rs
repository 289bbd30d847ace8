//! One rule: to which asks it applies, and what it demands of their approval.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::freeze::Freeze;
use super::super::request::Principal;
use super::super::terms::Panel;
use super::condition::Conditions;

/// A rule about who has to agree to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// By what it is known.
    pub name: String,
    /// When it applies.
    pub when: Conditions,
    /// What it demands then.
    pub demands: Demands,
}

/// What a rule demands. What it does not mention it leaves as it is without rules, which is the
/// strictest for the members that loosen: one denial, and nobody approves their own request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// How many different principals have to approve.
    pub approvals: Option<u32>,
    /// Whose approvals count.
    pub approvers: Option<BTreeSet<Principal>>,
    /// Groups that each need approvals of their own.
    pub panels: Vec<Panel>,
    /// How many different principals have to deny.
    pub denials: Option<u32>,
    /// Whether the requester has to show a match code.
    pub match_code: bool,
    /// The longest time that a request may stay pending.
    pub longest_expiry: Option<Duration>,
    /// Whether an approval needs a reason.
    pub reason: bool,
    /// Whether the requester's own approval counts.
    pub self_approval: bool,
    /// When approvals are not taken.
    pub freezes: Vec<Freeze>,
}

impl Demands {
    /// What of it makes an approval, or the lack of a denial, easier than it is without rules.
    pub fn loosens(&self) -> Option<&'static str> {
        if self.self_approval {
            return Some("self_approval");
        }
        self.denials
            .is_some_and(|denials| denials > 1)
            .then_some("denials")
    }

    /// Whether it tells people apart.
    pub fn need_people(&self) -> bool {
        self.approvers.is_some()
            || !self.panels.is_empty()
            || [self.approvals, self.denials]
                .iter()
                .flatten()
                .any(|&votes| votes > 1)
    }
}
