//! The one use of an approval.

use super::*;

const VERSION: EventId = EventId(7);

fn approved() -> Request {
    let yes = decision(Verdict::Approve, "alice", T0);
    let approved = asked().decided(EventId(1), vote(yes, None, None), |_| true);
    committed(approved.unwrap())
}

fn consume(
    request: &Request,
    nonce: &[u8],
    by: &str,
    at: Timestamp,
) -> Result<Transition, Refusal> {
    request.used(VERSION, Digest::of(nonce), &Caller::named(by), at)
}

#[test]
fn the_first_nonce_gets_it_at_any_time_again_and_no_other_ever() {
    let used = committed(consume(&approved(), b"one", "ci", T0).unwrap());
    assert_eq!(used.status, Status::Approved);
    assert_eq!(used.history.last().unwrap().what, What::Consumed);
    assert_eq!(used.changed_at, Some(VERSION), "the version stays");
    let much_later = T0.after(limits::USE_WITHIN.2 * 2);
    for at in [T0, much_later] {
        let again = consume(&used, b"one", "ci", at);
        assert_eq!(again, Ok(Transition::Unchanged));
        let other = consume(&used, b"two", "ci", at);
        assert_eq!(other, Err(Refusal::Consumed { at: T0 }));
    }
}

#[test]
fn only_the_requester_uses_it_and_others_learn_nothing_of_its_use() {
    let used = committed(consume(&approved(), b"one", "ci", T0).unwrap());
    for request in [asked(), approved(), used] {
        let refused = consume(&request, b"one", "alice", T0);
        assert_eq!(refused, Err(Refusal::NotTheRequester));
    }
}

#[test]
fn what_is_not_approved_is_not_used() {
    let no = decision(Verdict::Deny, "alice", T0);
    let denied = asked().decided(EventId(1), vote(no, None, None), |_| true);
    let expired = asked().expired(T0.after(LIFE)).unwrap();
    let cancelled = asked().cancelled(&Caller::named("ci"), T0);
    for request in [
        asked(),
        committed(denied.unwrap()),
        expired,
        committed(cancelled.unwrap()),
    ] {
        let refused = consume(&request, b"one", "ci", T0);
        assert_eq!(refused, Err(Refusal::NotApproved(request.status)));
    }
}

#[test]
fn it_is_used_within_its_time_and_not_a_millisecond_later() {
    let mut request = approved();
    request.use_within_secs = 60;
    let last = T0.after(Duration::from_mins(1));
    assert!(consume(&request, b"one", "ci", last).is_ok());
    let late = consume(&request, b"one", "ci", last.after(Duration::from_millis(1)));
    assert_eq!(late, Err(Refusal::TooLate { within_secs: 60 }));
}
