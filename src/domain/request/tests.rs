mod matching;
mod using;
mod voting;

use proptest::prelude::*;

use super::*;
use crate::domain::{Event, Verdict};

const T0: Timestamp = Timestamp::from_millis(1_000_000);
const LIFE: Duration = Duration::from_mins(1);

fn asked() -> Request {
    let ask = Ask {
        title: Title::new("Deploy?".to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: Some(LIFE),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: Some(2 * LIFE),
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b"ask"),
    };
    Request::asked(RequestId::from_bytes([1; 16]), ask, Caller::named("ci"), T0)
}

fn decision(verdict: Verdict, who: &str, at: Timestamp) -> Decision {
    Decision {
        verdict,
        approver: Caller::named(who),
        reason: None,
        at,
    }
}

fn vote(decision: Decision, shown: Option<EventId>, code: Option<&MatchCode>) -> Vote<'_> {
    Vote {
        decision,
        is_known: true,
        shown,
        code,
    }
}

fn committed(transition: Transition) -> Request {
    match transition {
        Transition::Commit(next) => *next,
        Transition::Refuse(..) | Transition::Unchanged => panic!("expected a commit"),
    }
}

/// Hundreds of reasons and names were held in memory, and none of them counted against its bounds.
#[test]
fn what_was_said_and_the_names_in_the_terms_count_as_text() {
    let plain = asked();
    let names = |names: &[&str]| names.iter().map(|name| Principal::new(name)).collect();
    let panel = crate::domain::Panel {
        group: "sre".to_owned(),
        approvals: 1,
        members: names(&["carol"]),
    };
    let terms = Terms {
        approvers: Some(names(&["alice", "bob"])),
        panels: vec![panel],
        rules: vec!["production".to_owned()],
        ..Terms::default()
    };
    let termed = Request {
        terms,
        ..plain.clone()
    };
    let in_terms = "alicebobsrecarolproduction".len();
    assert_eq!(termed.text_bytes(), plain.text_bytes() + in_terms);
    let reason = Reason::new("not on a Friday".to_owned()).unwrap();
    let denial = Decision {
        reason,
        ..decision(Verdict::Deny, "alice", T0)
    };
    let denied = committed(
        plain
            .decided(EventId(1), vote(denial, None, None), |_| true)
            .unwrap(),
    );
    // In the decision, and in the step of the history.
    let said = 2 * "not on a Friday".len();
    assert_eq!(denied.text_bytes(), plain.text_bytes() + said);
}

#[test]
fn an_approval_settles_the_request() {
    let request = asked();
    let next = request
        .decided(
            EventId(1),
            vote(decision(Verdict::Approve, "alice", T0), None, None),
            |_| true,
        )
        .unwrap();
    let next = committed(next);
    assert_eq!((next.status, next.settled_at), (Status::Approved, Some(T0)));
    assert_eq!(
        next.changed_at, None,
        "the commit that settles is the new version"
    );
    assert_eq!(next.history.last().unwrap().what, What::Approved);
}

#[test]
fn the_same_verdict_again_changes_nothing_and_another_is_refused() {
    let next = asked()
        .decided(
            EventId(1),
            vote(decision(Verdict::Deny, "alice", T0), None, None),
            |_| true,
        )
        .unwrap();
    let denied = committed(next);
    let again = denied.decided(
        EventId(2),
        vote(decision(Verdict::Deny, "alice", T0), None, None),
        |_| true,
    );
    assert_eq!(again, Ok(Transition::Unchanged));
    for other in [
        decision(Verdict::Deny, "bob", T0),
        decision(Verdict::Approve, "alice", T0),
    ] {
        let refused = denied.decided(EventId(2), vote(other, None, None), |_| true);
        assert_eq!(refused, Err(Refusal::Final(Status::Denied)));
    }
}

#[test]
fn being_final_is_considered_before_the_version() {
    let approved = committed(
        asked()
            .decided(
                EventId(1),
                vote(decision(Verdict::Approve, "alice", T0), None, None),
                |_| true,
            )
            .unwrap(),
    );
    let late = approved.decided(
        EventId(2),
        vote(decision(Verdict::Deny, "bob", T0), Some(EventId(1)), None),
        |_| true,
    );
    assert_eq!(late, Err(Refusal::Final(Status::Approved)));
    let other = asked().decided(
        EventId(3),
        vote(decision(Verdict::Deny, "bob", T0), Some(EventId(1)), None),
        |_| true,
    );
    let (named, current) = (EventId(1), EventId(3));
    assert_eq!(other, Err(Refusal::OtherVersion { named, current }));
}

#[test]
fn one_of_two_approvals_keeps_the_version() {
    let mut request = asked();
    request.approvals_needed = 2;
    let half = request
        .decided(
            EventId(7),
            vote(decision(Verdict::Approve, "alice", T0), None, None),
            |_| true,
        )
        .unwrap();
    let half = committed(half);
    assert_eq!(
        (half.status, half.changed_at),
        (Status::Pending, Some(EventId(7)))
    );
    let full = half
        .decided(
            EventId(7),
            vote(decision(Verdict::Approve, "bob", T0), None, None),
            |_| true,
        )
        .unwrap();
    assert_eq!(committed(full).status, Status::Approved);
}

#[test]
fn an_overdue_request_takes_no_decision_before_its_expiry_is_committed() {
    let request = asked();
    let late = T0.after(LIFE);
    let refused = request.decided(
        EventId(1),
        vote(decision(Verdict::Approve, "alice", late), None, None),
        |_| true,
    );
    assert_eq!(refused, Err(Refusal::Overdue));
    assert_eq!(
        request.cancelled(&Caller::named("ci"), late),
        Err(Refusal::Overdue)
    );
    assert_eq!(request.expired(late.before(Duration::from_millis(1))), None);
    assert_eq!(request.expired(late).unwrap().status, Status::Expired);
}

#[test]
fn only_its_requester_cancels_a_request() {
    let request = asked();
    let refused = request.cancelled(&Caller::named("mallory"), T0);
    assert_eq!(refused, Err(Refusal::NotTheRequester));
    let gone = committed(request.cancelled(&Caller::named("ci"), T0).unwrap());
    assert_eq!(gone.status, Status::Cancelled);
    assert_eq!(
        gone.cancelled(&Caller::named("ci"), T0),
        Ok(Transition::Unchanged)
    );
}

#[test]
fn being_seen_is_noted_once_a_principal_and_keeps_the_version() {
    let mut request = asked();
    for n in 0..limits::SEEN_BY {
        let by = Caller::named(&format!("approver-{n}"));
        request = committed(request.seen(EventId(4), &by, T0));
        assert_eq!(request.seen(EventId(4), &by, T0), Transition::Unchanged);
    }
    assert_eq!(request.changed_at, Some(EventId(4)));
    let ninth = request.seen(EventId(4), &Caller::named("one more"), T0);
    assert_eq!(ninth, Transition::Unchanged);
}

/// One command of somebody, some time after the last.
#[derive(Clone, Debug)]
enum Command {
    /// Who says what, and types no match code, the right one or a wrong one.
    Decide(bool, u8, Option<bool>),
    Cancel(bool),
    See(u8),
    TakeBack(u8),
    Use(bool, u8),
    Abandon,
    Release,
    Expire,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (any::<bool>(), 0_u8..4, prop::option::of(any::<bool>()))
            .prop_map(|(yes, who, typed)| Command::Decide(yes, who, typed)),
        any::<bool>().prop_map(Command::Cancel),
        (0_u8..12).prop_map(Command::See),
        (0_u8..4).prop_map(Command::TakeBack),
        (any::<bool>(), 0_u8..3).prop_map(|(own, nonce)| Command::Use(own, nonce)),
        Just(Command::Abandon),
        Just(Command::Release),
        Just(Command::Expire),
    ]
}

proptest! {
    /// The life of a request under any commands: final states stay, approvals have approvers, and
    /// the version moves exactly when the status does.
    #[test]
    fn no_sequence_of_commands_leaves_a_final_state(
        needed in 1_u32..4,
        matched: bool,
        commands in prop::collection::vec((command(), 0_u64..30_000), 0..40),
    ) {
        let mut request = asked();
        request.approvals_needed = needed;
        let (right, wrong) = ("004207".parse().unwrap(), "004208".parse().unwrap());
        request.match_code = matched.then(|| MatchCode::clone(&right));
        let mut event = Event { id: EventId(1), request: request.into() };
        let mut now = T0;
        for (command, pause) in commands {
            now = now.after(Duration::from_millis(pause));
            let (request, version) = (&event.request, event.version());
            let transition = match command.clone() {
                Command::Decide(yes, who, typed) => {
                    let verdict = if yes { Verdict::Approve } else { Verdict::Deny };
                    let typed = typed.map(|is_right| if is_right { &right } else { &wrong });
                    let decision = decision(verdict, &format!("a{who}"), now);
                    request.decided(version, vote(decision, None, typed), |_| true)
                }
                Command::Cancel(own) => {
                    request.cancelled(&Caller::named(if own { "ci" } else { "x" }), now)
                }
                Command::See(who) => {
                    Ok(request.seen(version, &Caller::named(&format!("s{who}")), now))
                }
                Command::TakeBack(who) => {
                    request.taken_back(version, &Caller::named(&format!("a{who}")), now)
                }
                Command::Use(own, nonce) => {
                    let by = Caller::named(if own { "ci" } else { "x" });
                    request.used(version, Digest::of(&[nonce]), &by, now)
                }
                Command::Abandon => request.abandoned(now),
                Command::Release => Ok(request.released(version)),
                Command::Expire => Ok(request
                    .expired(now)
                    .map_or(Transition::Unchanged, |next| Transition::Commit(Box::new(next)))),
            };
            let next = match transition {
                Ok(Transition::Commit(next) | Transition::Refuse(next, _)) => next,
                Ok(Transition::Unchanged) | Err(_) => continue,
            };
            let next = Event { id: event.id.next(), request: (*next).into() };
            if request.status.is_final() {
                // All that may follow an end is the one use of an approval.
                prop_assert!(matches!(command, Command::Use(true, _)), "a final request changed");
                prop_assert_eq!(request.status, Status::Approved);
                prop_assert!(request.consumed.is_none() && next.request.consumed.is_some());
                let unused = Request { consumed: None, ..(*next.request).clone() };
                let unused = Request { history: request.history.clone(), ..unused };
                let unused = Request { changed_at: request.changed_at, ..unused };
                prop_assert_eq!(&unused, &**request, "nothing else changes");
                prop_assert_eq!(next.version(), version);
                event = next;
                continue;
            }
            let settled = next.request.status.is_final();
            prop_assert_eq!(next.version() == next.id, settled);
            prop_assert_eq!(next.request.settled_at.is_some(), settled);
            prop_assert!(next.request.history.len() <= limits::HISTORY_STEPS);
            let tries = next.request.match_tries;
            prop_assert!(tries == 0 || matched);
            prop_assert_eq!(tries >= limits::MATCH_TRIES, tries == limits::MATCH_TRIES);
            if tries == limits::MATCH_TRIES {
                prop_assert_eq!(next.request.status, Status::Denied);
            }
            if let (true, Command::Decide(true, _, typed)) = (matched, &command) {
                let approves = next.request.history.last().unwrap().what == What::Approved;
                prop_assert_eq!(approves, *typed == Some(true), "only with the code");
            }
            if next.request.status == Status::Approved {
                prop_assert!(now < next.request.expires_at);
                let approvals = next.request.decisions.iter();
                let approvals = approvals.filter(|d| d.verdict == Verdict::Approve).count();
                prop_assert!(approvals >= needed as usize);
            }
            event = next;
        }
    }
}
