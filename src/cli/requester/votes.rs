//! The votes so far, in words.

use crate::domain::Verdict;
use crate::wire::RequestView;

/// Words such as `1 of 2, alice`; none where one approval is enough and nobody has voted.
pub(super) fn words(request: &RequestView) -> Option<String> {
    if request.approvals_needed <= 1 && request.decisions.is_empty() {
        return None;
    }
    let tally = |verdict: Verdict, needed: u32, of: &str| {
        let votes = request
            .decisions
            .iter()
            .filter(|one| one.verdict == verdict);
        let names: Vec<_> = votes.map(|one| &*one.approver.principal).collect();
        let count = format!("{} of {needed}{of}", names.len());
        let words = std::iter::once(&*count).chain(names.iter().copied());
        (names.len(), words.collect::<Vec<_>>().join(", "))
    };
    let (_, approvals) = tally(Verdict::Approve, request.approvals_needed, "");
    let (against, denials) = tally(Verdict::Deny, request.denials_needed, " against");
    Some(match against {
        0 => approvals,
        _ => format!("{approvals}; {denials}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::requester::script::request;
    use crate::wire::{DecisionView, Status};

    fn vote(verdict: Verdict, name: &str) -> DecisionView {
        let mut vote = request(Status::Approved).decisions.remove(0);
        vote.verdict = verdict;
        name.clone_into(&mut vote.approver.principal);
        vote
    }

    #[test]
    fn votes_are_counted_and_named_for_each_side() {
        let mut view = request(Status::Pending);
        assert_eq!(words(&view), None);
        view.approvals_needed = 2;
        assert_eq!(words(&view).as_deref(), Some("0 of 2"));
        view.decisions.push(vote(Verdict::Approve, "alice"));
        assert_eq!(words(&view).as_deref(), Some("1 of 2, alice"));
        view.denials_needed = 2;
        view.decisions.push(vote(Verdict::Deny, "carol"));
        view.decisions.push(vote(Verdict::Approve, "bob"));
        assert_eq!(
            words(&view).as_deref(),
            Some("2 of 2, alice, bob; 1 of 2 against, carol")
        );
    }
}
