//! When decisions become an outcome.

use super::decision::{Decision, Verdict};
use super::request::Status;

/// The final state that `decisions` lead to, or `None` while more are needed.
///
/// One denial denies. Otherwise the request is approved once `approvals_needed` different
/// principals have approved; a principal counts once, whatever it repeats. Needing none is not a
/// way to approve without a decision: at least one is always needed.
pub fn outcome(approvals_needed: u32, decisions: &[Decision]) -> Option<Status> {
    if decisions
        .iter()
        .any(|decision| decision.verdict == Verdict::Deny)
    {
        return Some(Status::Denied);
    }
    let mut approvers: Vec<_> = decisions
        .iter()
        .map(|decision| &decision.approver.principal)
        .collect();
    approvers.sort_unstable();
    approvers.dedup();
    let needed = usize::try_from(approvals_needed.max(1)).unwrap_or(usize::MAX);
    (approvers.len() >= needed).then_some(Status::Approved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Caller, Timestamp};

    fn decision(verdict: Verdict, who: u8) -> Decision {
        let approver = Caller::named(&format!("approver-{who}"));
        Decision {
            verdict,
            approver,
            reason: None,
            at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn no_decision_is_no_outcome_even_if_none_is_needed() {
        assert_eq!(outcome(0, &[]), None);
        assert_eq!(outcome(1, &[]), None);
    }

    #[test]
    fn one_principal_approving_twice_is_one_approval() {
        let votes = [decision(Verdict::Approve, 1), decision(Verdict::Approve, 1)];
        assert_eq!(outcome(2, &votes), None);
    }

    proptest! {
        #[test]
        fn approved_needs_enough_principals_and_no_denial(
            needed in 0_u32..6,
            votes in prop::collection::vec((any::<bool>(), 0_u8..6), 0..10),
        ) {
            let decisions: Vec<_> = votes
                .iter()
                .map(|&(yes, who)| {
                    decision(if yes { Verdict::Approve } else { Verdict::Deny }, who)
                })
                .collect();
            let denied = votes.iter().any(|&(yes, _)| !yes);
            let distinct: std::collections::BTreeSet<_> =
                votes.iter().map(|&(_, who)| who).collect();
            let expected = if denied {
                Some(Status::Denied)
            } else if distinct.len() >= needed.max(1) as usize {
                Some(Status::Approved)
            } else {
                None
            };
            prop_assert_eq!(outcome(needed, &decisions), expected);
        }
    }
}
