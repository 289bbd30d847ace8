//! The terms on which a request is approved: fixed when it is asked, and the rule that counts votes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::decision::{Decision, Verdict};
use super::freeze::Freeze;
use super::request::{Principal, Status};

/// On which terms a request becomes approved or denied.
///
/// The plain terms are one approval, by any approver of its topic, and one denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How many different principals have to deny; 0 counts as 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub denials_needed: u32,
    /// Whose approvals count; `None` for those of every approver of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<BTreeSet<Principal>>,
    /// Groups that each need approvals of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<Panel>,
    /// Whether an approval needs a reason. A denial never does: nothing may hinder a no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reason_required: bool,
    /// Whether the requester's own approval counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
    /// When approvals are not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// The names of the rules that these terms come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// A group of which some have to approve, whoever else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// The name of the group.
    pub group: String,
    /// How many of it have to approve; 0 counts as 1.
    pub approvals: u32,
    /// Who is in it.
    pub members: BTreeSet<Principal>,
}

const fn one() -> u32 {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference to the member"
)]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            denials_needed: 1,
            approvers: None,
            panels: Vec::new(),
            reason_required: false,
            self_approval: false,
            freezes: Vec::new(),
            rules: Vec::new(),
        }
    }
}

impl Terms {
    /// Whether they are the plain ones.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they can only be kept where approvers are told apart. `approvals_needed` is the
    /// request's.
    pub fn need_people(&self, approvals_needed: u32) -> bool {
        approvals_needed > 1
            || self.denials_needed > 1
            || self.approvers.is_some()
            || !self.panels.is_empty()
    }

    /// Bytes of the names in them.
    pub fn text_bytes(&self) -> usize {
        let members = self.panels.iter().flat_map(|panel| &panel.members);
        let people = self.approvers.iter().flatten().chain(members);
        let people = people.map(|who| who.as_str().len());
        let groups = self.panels.iter().map(|panel| panel.group.len());
        let rules = self.rules.iter().map(String::len);
        people.chain(groups).chain(rules).sum()
    }

    /// Whether this principal's approval counts.
    pub fn admit(&self, who: &Principal) -> bool {
        self.approvers
            .as_ref()
            .is_none_or(|approvers| approvers.contains(who))
    }

    /// The final state that `decisions` lead to, or `None` while more are needed; of several by one
    /// principal the last counts.
    ///
    /// Enough denials deny, whatever else was said. Otherwise the request is approved once
    /// `approvals_needed` different principals whose approvals count have approved, and the panels
    /// have theirs: each of them its number, where one approver stands for one panel only, so that
    /// two panels always take two people. Needing none is not a way to approve without a decision:
    /// at least one is always needed.
    pub fn outcome(&self, approvals_needed: u32, decisions: &[Decision]) -> Option<Status> {
        let last = |n: usize, decision: &Decision| {
            let later = decisions.iter().skip(n + 1);
            let by = &decision.approver.principal;
            later
                .into_iter()
                .all(|other| other.approver.principal != *by)
        };
        let votes = decisions.iter().enumerate();
        let (mut approvers, mut denials) = (Vec::new(), 0);
        for (_, decision) in votes.filter(|&(n, decision)| last(n, decision)) {
            match decision.verdict {
                Verdict::Deny => denials += 1,
                Verdict::Approve if self.admit(&decision.approver.principal) => {
                    approvers.push(&decision.approver.principal);
                }
                Verdict::Approve => {}
            }
        }
        if denials >= at_least_one(self.denials_needed) {
            return Some(Status::Denied);
        }
        let enough = approvers.len() >= at_least_one(approvals_needed);
        (enough && self.seat(&approvers)).then_some(Status::Approved)
    }

    /// Whether each panel gets its number of these approvers, none of whom takes two seats.
    pub fn seat(&self, approvers: &[&Principal]) -> bool {
        // Counted before they are laid out: a record may demand more than memory has room for.
        let needed = self.panels.iter();
        let needed = needed.map(|panel| at_least_one(panel.approvals));
        if needed.fold(0, usize::saturating_add) > approvers.len() {
            return false;
        }
        // A seat for each approval that a panel needs; filled one by one, and who sits moves to
        // another seat where that makes room (augmenting paths in a bipartite graph).
        let seats: Vec<&Panel> = self
            .panels
            .iter()
            .flat_map(|panel| std::iter::repeat_n(panel, at_least_one(panel.approvals)))
            .collect();
        let mut taken = vec![None; approvers.len()];
        (0..seats.len()).all(|seat| {
            let mut asked = vec![false; approvers.len()];
            fill(seat, &seats, approvers, &mut taken, &mut asked)
        })
    }
}

/// Finds somebody for a seat; `taken` tells which seat each approver has, `asked` who was asked to
/// move already. Each level asks another approver, so it goes no deeper than there are.
fn fill(
    seat: usize,
    seats: &[&Panel],
    approvers: &[&Principal],
    taken: &mut [Option<usize>],
    asked: &mut [bool],
) -> bool {
    for (n, approver) in approvers.iter().enumerate() {
        let fits = seats
            .get(seat)
            .is_some_and(|panel| panel.members.contains(*approver));
        let Some(was_asked) = asked.get_mut(n).filter(|_| fits) else {
            continue;
        };
        if std::mem::replace(was_asked, true) {
            continue;
        }
        let sits = taken.get(n).copied().flatten();
        if sits.is_none_or(|other| fill(other, seats, approvers, taken, asked)) {
            if let Some(place) = taken.get_mut(n) {
                *place = Some(seat);
            }
            return true;
        }
    }
    false
}

fn at_least_one(number: u32) -> usize {
    usize::try_from(number.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Caller, Timestamp};

    fn decision(verdict: Verdict, who: u8) -> Decision {
        let approver = Caller::named(&name(who));
        Decision {
            verdict,
            approver,
            reason: None,
            at: Timestamp::from_millis(0),
        }
    }

    fn name(who: u8) -> String {
        format!("approver-{who}")
    }

    fn people(who: &[u8]) -> BTreeSet<Principal> {
        who.iter().map(|&who| Principal::new(&name(who))).collect()
    }

    fn panel(approvals: u32, who: &[u8]) -> Panel {
        Panel {
            group: "g".to_owned(),
            approvals,
            members: people(who),
        }
    }

    fn yes(who: &[u8]) -> Vec<Decision> {
        let approve = |&who| decision(Verdict::Approve, who);
        who.iter().map(approve).collect()
    }

    #[test]
    fn no_decision_is_no_outcome_even_if_none_is_needed() {
        assert_eq!(Terms::default().outcome(0, &[]), None);
        assert_eq!(Terms::default().outcome(1, &[]), None);
        let none_needed = Terms {
            denials_needed: 0,
            panels: vec![panel(0, &[1])],
            ..Terms::default()
        };
        assert_eq!(none_needed.outcome(0, &[]), None);
    }

    #[test]
    fn one_principal_approving_twice_is_one_approval() {
        assert_eq!(Terms::default().outcome(2, &yes(&[1, 1])), None);
    }

    #[test]
    fn the_last_word_of_a_principal_counts() {
        let votes = [decision(Verdict::Deny, 1), decision(Verdict::Approve, 1)];
        assert_eq!(Terms::default().outcome(1, &votes), Some(Status::Approved));
        let votes = [decision(Verdict::Approve, 1), decision(Verdict::Deny, 1)];
        assert_eq!(Terms::default().outcome(1, &votes), Some(Status::Denied));
    }

    #[test]
    fn whose_approval_does_not_count_may_still_deny() {
        let terms = Terms {
            approvers: Some(people(&[1])),
            ..Terms::default()
        };
        assert_eq!(terms.outcome(1, &yes(&[2, 3])), None);
        assert_eq!(terms.outcome(1, &yes(&[2, 1])), Some(Status::Approved));
        let denied = [decision(Verdict::Deny, 2)];
        assert_eq!(terms.outcome(1, &denied), Some(Status::Denied));
    }

    #[test]
    fn two_panels_take_two_people_and_find_them_in_any_order() {
        let terms = Terms {
            panels: vec![panel(1, &[1, 2]), panel(1, &[1])],
            ..Terms::default()
        };
        assert_eq!(terms.outcome(1, &yes(&[1])), None);
        assert_eq!(terms.outcome(2, &yes(&[2, 3])), None);
        for votes in [[1, 2], [2, 1]] {
            assert_eq!(terms.outcome(2, &yes(&votes)), Some(Status::Approved));
        }
    }

    /// A list of all seats was made before they were counted, of 32 GB for one such panel.
    #[test]
    fn panels_that_want_more_than_there_can_be_are_counted_and_not_laid_out() {
        let terms = Terms {
            panels: vec![panel(u32::MAX, &[1]), panel(u32::MAX, &[2])],
            ..Terms::default()
        };
        assert_eq!(terms.outcome(2, &yes(&[1, 2])), None);
    }

    /// By the book: some way to give each seat another approver.
    fn has_seating(panels: &[Panel], approvers: &[Principal]) -> bool {
        let seats: Vec<_> = panels
            .iter()
            .flat_map(|panel| vec![panel; panel.approvals.max(1) as usize])
            .collect();
        can_place(&seats, approvers)
    }

    fn can_place(seats: &[&Panel], left: &[Principal]) -> bool {
        let Some((seat, rest)) = seats.split_first() else {
            return true;
        };
        left.iter().enumerate().any(|(n, who)| {
            let others = [&left[..n], &left[n + 1..]].concat();
            seat.members.contains(who) && can_place(rest, &others)
        })
    }

    proptest! {
        #[test]
        fn approved_needs_all_that_the_terms_say_and_nothing_less(
            needed in 0_u32..5,
            denials_needed in 0_u32..4,
            listed in prop::option::of(prop::collection::vec(0_u8..6, 0..6)),
            panels in prop::collection::vec((0_u32..3, prop::collection::vec(0_u8..6, 0..5)), 0..3),
            votes in prop::collection::vec((any::<bool>(), 0_u8..6), 0..10),
        ) {
            let terms = Terms {
                denials_needed,
                approvers: listed.as_deref().map(people),
                panels: panels.iter().map(|(approvals, who)| panel(*approvals, who)).collect(),
                ..Terms::default()
            };
            let decisions: Vec<_> = votes
                .iter()
                .map(|&(yes, who)| {
                    decision(if yes { Verdict::Approve } else { Verdict::Deny }, who)
                })
                .collect();
            let last: std::collections::BTreeMap<u8, bool> =
                votes.iter().map(|&(yes, who)| (who, yes)).collect();
            let denials = last.values().filter(|&&yes| !yes).count();
            let approvers: Vec<_> = last
                .iter()
                .filter(|&(who, &yes)| yes && listed.as_ref().is_none_or(|l| l.contains(who)))
                .map(|(&who, _)| Principal::new(&name(who)))
                .collect();
            let expected = if denials >= denials_needed.max(1) as usize {
                Some(Status::Denied)
            } else if approvers.len() >= needed.max(1) as usize
                && has_seating(&terms.panels, &approvers)
            {
                Some(Status::Approved)
            } else {
                None
            };
            prop_assert_eq!(terms.outcome(needed, &decisions), expected);
        }
    }
}
