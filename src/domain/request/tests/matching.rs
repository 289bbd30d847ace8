//! Match codes: who has one to give, and what wrong ones lead to.

use super::*;

const VERSION: EventId = EventId(1);

fn code(digits: &str) -> MatchCode {
    digits.parse().unwrap()
}

fn matched() -> Request {
    Request {
        match_code: Some(code("004207")),
        ..asked()
    }
}

fn approve(request: &Request, who: &str, typed: Option<&str>) -> Result<Transition, Refusal> {
    let typed = typed.map(code);
    let yes = decision(Verdict::Approve, who, T0);
    request.decided(VERSION, vote(yes, None, typed.as_ref()), |_| true)
}

/// The request after a wrong code, and how many tries are left.
fn missed(request: &Request, who: &str) -> (Request, u32) {
    let tried = approve(request, who, Some("004208")).unwrap();
    let Transition::Refuse(next, Refusal::WrongCode { left }) = tried else {
        panic!("{tried:?}");
    };
    (*next, left)
}

fn steps(request: &Request) -> Vec<What> {
    request.history.iter().map(|step| step.what).collect()
}

#[test]
fn the_code_approves_and_is_forgotten_then() {
    let next = committed(approve(&matched(), "alice", Some("004207")).unwrap());
    assert_eq!(
        (next.status, next.match_code.as_ref()),
        (Status::Approved, None)
    );
    for again in [None, Some("004208")] {
        assert_eq!(approve(&next, "alice", again), Ok(Transition::Unchanged));
    }
}

#[test]
fn nothing_but_an_approval_needs_the_code() {
    let request = matched();
    assert_eq!(approve(&request, "alice", None), Err(Refusal::NoCodeGiven));
    let no = decision(Verdict::Deny, "alice", T0);
    let wrong = code("999999");
    for typed in [None, Some(&wrong)] {
        let denied = committed(
            request
                .decided(VERSION, vote(no.clone(), None, typed), |_| true)
                .unwrap(),
        );
        assert_eq!((denied.status, denied.match_tries), (Status::Denied, 0));
    }
}

#[test]
fn a_code_for_a_request_without_one_was_meant_for_another() {
    let refused = approve(&asked(), "alice", Some("004207"));
    assert_eq!(refused, Err(Refusal::NoCodeAsked));
}

#[test]
fn each_wrong_code_is_on_record_and_the_third_denies_whoever_sends_it() {
    let (first, left) = missed(&matched(), "alice");
    assert_eq!(
        (first.status, first.match_tries, left),
        (Status::Pending, 1, 2)
    );
    assert_eq!(
        first.changed_at,
        Some(VERSION),
        "what is asked is as it was"
    );
    let (second, left) = missed(&first, "bob");
    assert_eq!(
        (second.status, second.match_tries, left),
        (Status::Pending, 2, 1)
    );
    let (third, left) = missed(&second, "mallory");
    assert_eq!(
        (third.status, third.match_tries, left),
        (Status::Denied, 3, 0)
    );
    let wrong = What::WrongCode;
    assert_eq!(
        steps(&third),
        [What::Asked, wrong, wrong, wrong, What::Denied]
    );
    let [denial] = &third.decisions[..] else {
        panic!("{:?}", third.decisions);
    };
    assert_eq!(denial.approver, Caller::named("mallory"));
    assert_eq!(denial.reason, Some(Reason::match_code()));
    let late = approve(&third, "alice", Some("004207"));
    assert_eq!(late, Err(Refusal::Final(Status::Denied)));
}

#[test]
fn the_code_is_looked_at_last_and_a_question_that_has_changed_costs_no_try() {
    let (yes, wrong) = (decision(Verdict::Approve, "alice", T0), code("999999"));
    for typed in [None, Some(&wrong)] {
        let named = EventId(7);
        let other = matched().decided(VERSION, vote(yes.clone(), Some(named), typed), |_| true);
        let current = VERSION;
        assert_eq!(other, Err(Refusal::OtherVersion { named, current }));
        let late = decision(Verdict::Approve, "alice", T0.after(LIFE));
        let late = matched().decided(VERSION, vote(late, None, typed), |_| true);
        assert_eq!(late, Err(Refusal::Overdue));
    }
}
