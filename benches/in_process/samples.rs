//! Requests like those of users, the same in every run.

use std::time::Duration;

use pushd::domain::{
    Ask, Caller, Decision, Details, Digest, Event, EventId, Field, Request, RequestId, Timestamp,
    Title, Topic, Transition, Verdict, Vote,
};
use pushd::limits;

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The most details that a request has.
pub(crate) const LARGE: usize = 64 * 1024;

/// What is asked, as JSON: a title and facts as long as usual ones, as the load generator asks, and
/// so many bytes of details.
pub(crate) fn ask_json(details: usize) -> String {
    let details = match details {
        0 => String::new(),
        bytes => format!("\"details\":\"{}\",", text(bytes)),
    };
    format!(
        "{{\"title\":\"Deploy shop 4.2.1 to production?\",\"topic\":\"deploy/prod\",{details}\
         \"expires_in_secs\":86400,\"fields\":[{{\"name\":\"service\",\"value\":\"shop\"}},\
         {{\"name\":\"commit\",\"value\":\"3f9c2ab\"}}]}}"
    )
}

/// Lines without anything that JSON would have to escape.
fn text(bytes: usize) -> String {
    "what will be changed, in words; "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// The same, checked.
pub(crate) fn ask(details: usize) -> Ask {
    let field = |name: &str, value: &str| {
        Field::new(name.to_owned(), value.to_owned()).expect("the domain takes it")
    };
    Ask {
        title: Title::new("Deploy shop 4.2.1 to production?".to_owned()).expect("it is one line"),
        details: Details::new(text(details)).expect("it is not too long"),
        fields: vec![field("service", "shop"), field("commit", "3f9c2ab")],
        topic: topic(),
        expires_in: Some(Duration::from_hours(24)),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b"the members as they were sent"),
    }
}

/// What all of it is about.
pub(crate) fn topic() -> Topic {
    Topic::new("deploy/prod".to_owned()).expect("it is a topic")
}

/// Somebody at a local address.
pub(crate) fn caller(name: &str) -> Caller {
    Caller {
        address: Some("127.0.0.1".to_owned()),
        ..Caller::named(name)
    }
}

/// The id of the request with this number; in no order, as random ones are.
pub(crate) fn id(number: u64) -> RequestId {
    // An odd factor, so that no two numbers have the same product.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bytes = (u128::from(mixed) << 64 | u128::from(number)).to_be_bytes();
    RequestId::from_bytes(bytes)
}

/// The pending request with this number.
pub(crate) fn pending(number: u64) -> Request {
    Request::asked(id(number), ask(0), caller("ci"), NOW)
}

/// The same with so many bytes of details.
pub(crate) fn pending_with(details: usize) -> Request {
    Request::asked(id(0), ask(details), caller("ci"), NOW)
}

/// The vote of somebody on a request.
pub(crate) fn vote(verdict: Verdict, by: &str) -> Vote<'static> {
    Vote {
        decision: Decision {
            verdict,
            approver: caller(by),
            reason: None,
            at: NOW.after(Duration::from_secs(20)),
        },
        is_known: true,
        shown: None,
        code: None,
    }
}

/// What a vote makes of a request, whose version is `version`.
pub(crate) fn voted(request: &Request, version: EventId, vote: Vote<'_>) -> Request {
    match request.decided(version, vote, |_| true) {
        Ok(Transition::Commit(next)) => *next,
        other => panic!("the vote counts, and is no {other:?}"),
    }
}

/// The request, approved.
pub(crate) fn approved(request: &Request) -> Request {
    voted(request, EventId(1), vote(Verdict::Approve, "alice"))
}

/// The event of this number that has left the request so.
pub(crate) fn event(number: u64, request: Request) -> Event {
    Event {
        id: EventId(number),
        request: std::sync::Arc::new(request),
    }
}
