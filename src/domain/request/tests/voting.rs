//! Several votes on one request.

use super::*;
use crate::domain::{Freeze, Panel};

const VERSION: EventId = EventId(1);

fn names<const N: usize>(names: [&str; N]) -> std::collections::BTreeSet<Principal> {
    names.map(Principal::new).into_iter().collect()
}

fn needs(approvals: u32) -> Request {
    Request {
        approvals_needed: approvals,
        ..asked()
    }
}

fn says(request: &Request, verdict: Verdict, who: &str) -> Result<Transition, Refusal> {
    let vote = vote(decision(verdict, who, T0), None, None);
    request.decided(VERSION, vote, |_| true)
}

fn after(request: &Request, verdict: Verdict, who: &str) -> Request {
    committed(says(request, verdict, who).unwrap())
}

fn voters(request: &Request) -> Vec<&str> {
    let votes = request.decisions.iter();
    votes.map(|vote| vote.approver.principal.as_str()).collect()
}

#[test]
fn a_vote_may_be_taken_back_and_replaced_while_the_request_is_pending() {
    let one = after(&needs(2), Verdict::Approve, "alice");
    assert_eq!((one.status, voters(&one)), (Status::Pending, vec!["alice"]));
    assert_eq!(
        one.changed_at,
        Some(VERSION),
        "a vote does not move the version"
    );
    let alice = Caller::named("alice");
    let back = committed(one.taken_back(VERSION, &alice, T0).unwrap());
    assert_eq!((back.status, voters(&back)), (Status::Pending, vec![]));
    assert_eq!(back.changed_at, Some(VERSION));
    let bob = after(&back, Verdict::Approve, "bob");
    assert_eq!(
        bob.status,
        Status::Pending,
        "what was taken back does not count"
    );
    let again = after(&bob, Verdict::Approve, "alice");
    assert_eq!(again.status, Status::Approved);
    let steps: Vec<_> = again.history.iter().map(|step| step.what).collect();
    let (yes, back) = (What::Approved, What::TookBack);
    assert_eq!(
        steps,
        [What::Asked, yes, back, yes, yes],
        "all of it stays on record"
    );
}

#[test]
fn taking_back_what_was_not_said_changes_nothing_and_the_end_stays() {
    let alice = Caller::named("alice");
    let none = needs(2).taken_back(VERSION, &alice, T0);
    assert_eq!(none, Ok(Transition::Unchanged));
    let approved = after(&needs(1), Verdict::Approve, "alice");
    let late = approved.taken_back(VERSION, &alice, T0);
    assert_eq!(late, Err(Refusal::Final(Status::Approved)));
}

#[test]
fn another_verdict_takes_the_place_of_the_first() {
    let mut request = needs(2);
    request.terms.denials_needed = 2;
    let no = after(&request, Verdict::Deny, "alice");
    assert_eq!(no.status, Status::Pending);
    let yes = after(&no, Verdict::Approve, "alice");
    assert_eq!(yes.decisions.len(), 1);
    assert_eq!(
        after(&yes, Verdict::Approve, "bob").status,
        Status::Approved
    );
}

#[test]
fn votes_of_those_who_may_not_vote_any_more_do_not_count() {
    let one = after(&needs(2), Verdict::Approve, "alice");
    let yes = vote(decision(Verdict::Approve, "bob", T0), None, None);
    let two = one.decided(VERSION, yes, |who| who.as_str() != "alice");
    let two = committed(two.unwrap());
    assert_eq!((two.status, voters(&two)), (Status::Pending, vec!["bob"]));
}

#[test]
fn where_people_are_told_apart_nobody_approves_without_being_known() {
    let mut panel = asked();
    panel.terms.panels = vec![Panel {
        group: "sre".to_owned(),
        approvals: 1,
        members: names(["local"]),
    }];
    let mut named = asked();
    named.terms.approvers = Some(names(["local"]));
    for request in [needs(2), panel, named] {
        let stranger = Vote {
            is_known: false,
            ..vote(decision(Verdict::Approve, "local", T0), None, None)
        };
        let refused = request.decided(VERSION, stranger.clone(), |_| true);
        assert_eq!(refused, Err(Refusal::NotAnApprover));
        let no = Vote {
            decision: decision(Verdict::Deny, "local", T0),
            ..stranger
        };
        let denied = committed(request.decided(VERSION, no, |_| true).unwrap());
        assert_eq!(
            denied.status,
            Status::Denied,
            "a no is taken from everybody"
        );
    }
}

#[test]
fn whose_approval_does_not_count_is_refused_and_leaves_no_trace() {
    let mut request = asked();
    request.terms.approvers = Some(names(["alice"]));
    assert_eq!(
        says(&request, Verdict::Approve, "bob"),
        Err(Refusal::NotAnApprover)
    );
    assert_eq!(
        after(&request, Verdict::Approve, "alice").status,
        Status::Approved
    );
}

#[test]
fn in_a_freeze_a_no_is_taken_and_a_yes_is_not() {
    let mut request = asked();
    let until = T0.after(Duration::from_secs(1));
    request.terms.freezes = vec![Freeze::Once { from: T0, until }];
    let frozen = Refusal::Frozen {
        until,
        wait: Duration::from_secs(1),
    };
    assert_eq!(says(&request, Verdict::Approve, "alice"), Err(frozen));
    assert_eq!(
        after(&request, Verdict::Deny, "alice").status,
        Status::Denied
    );
    for (at, is_frozen) in [
        (T0.before(Duration::from_millis(1)), false),
        (until, false),
        (T0, true),
    ] {
        let yes = vote(decision(Verdict::Approve, "alice", at), None, None);
        assert_eq!(request.decided(VERSION, yes, |_| true).is_err(), is_frozen);
    }
}

#[test]
fn a_reason_is_needed_for_a_yes_and_never_for_a_no() {
    let mut request = asked();
    request.terms.reason_required = true;
    assert_eq!(
        says(&request, Verdict::Approve, "alice"),
        Err(Refusal::NoReason)
    );
    assert_eq!(
        after(&request, Verdict::Deny, "alice").status,
        Status::Denied
    );
    let reason = Reason::new("after the backup".to_owned()).unwrap();
    let yes = Decision {
        reason,
        ..decision(Verdict::Approve, "alice", T0)
    };
    let next = request.decided(VERSION, vote(yes, None, None), |_| true);
    assert_eq!(committed(next.unwrap()).status, Status::Approved);
}

#[test]
fn who_changes_their_mind_without_end_is_stopped_and_stops_nobody_else() {
    let mut request = needs(2);
    request.terms.denials_needed = 2;
    let verdicts = [Verdict::Approve, Verdict::Deny].into_iter().cycle();
    for verdict in verdicts.clone().take(limits::VOTES_PER_APPROVER) {
        request = after(&request, verdict, "alice");
    }
    assert_eq!(
        says(&request, Verdict::Approve, "alice"),
        Err(Refusal::TooManyVotes)
    );
    let back = request.taken_back(VERSION, &Caller::named("alice"), T0);
    assert!(back.is_ok(), "to take back is always possible");
    // Of all together no more than what the history has room for.
    for who in 0..limits::VOTES {
        for verdict in verdicts.clone().take(limits::VOTES_PER_APPROVER) {
            let voted = says(&request, verdict, &format!("a{who}"));
            match voted {
                Ok(next) => request = committed(next),
                Err(refused) => assert_eq!(refused, Refusal::TooManyVotes),
            }
            if request.status.is_final() {
                return;
            }
            let by = Caller::named(&format!("a{who}"));
            if let Ok(Transition::Commit(next)) = request.taken_back(VERSION, &by, T0) {
                request = *next;
            }
        }
    }
    let votes = |what| {
        request
            .history
            .iter()
            .filter(|step| step.what == what)
            .count()
    };
    assert_eq!(votes(What::Approved) + votes(What::Denied), limits::VOTES);
    // A vote that settles is taken all the same.
    request.terms.denials_needed = 1;
    assert_eq!(after(&request, Verdict::Deny, "zoe").status, Status::Denied);
}

#[test]
fn the_last_wrong_code_denies_however_many_denials_are_needed() {
    let mut request = asked();
    request.terms.denials_needed = 3;
    let (right, wrong) = ("004207".parse().unwrap(), "004208".parse().unwrap());
    request.match_code = Some(right);
    for _ in 0..limits::MATCH_TRIES {
        let yes = vote(decision(Verdict::Approve, "alice", T0), None, Some(&wrong));
        let Ok(Transition::Refuse(next, _)) = request.decided(VERSION, yes, |_| true) else {
            panic!("a wrong code is a commit");
        };
        request = *next;
    }
    assert_eq!(request.status, Status::Denied);
}

#[test]
fn whom_nobody_waits_for_any_more_is_withdrawn_by_the_daemon_itself() {
    let gone = committed(asked().abandoned(T0).unwrap());
    assert_eq!((gone.status, gone.lease_ended), (Status::Cancelled, true));
    let last = gone.history.last().unwrap();
    assert_eq!((last.what, &last.by), (What::Cancelled, &None));
    let freed = committed(asked().released(VERSION));
    assert_eq!((freed.lease_secs, freed.changed_at), (None, Some(VERSION)));
    assert_eq!(freed.abandoned(T0), Ok(Transition::Unchanged));
    let approved = after(&asked(), Verdict::Approve, "alice");
    assert_eq!(approved.released(VERSION), Transition::Unchanged);
    assert_eq!(
        approved.abandoned(T0),
        Err(Refusal::Final(Status::Approved))
    );
}
