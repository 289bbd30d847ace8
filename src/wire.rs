//! What travels between the programs: the bodies of HTTP contract version 1, written down once.
//!
//! The public view of a request is listed here member by member, so that an internal member of
//! the record cannot leak by being added to it.
//! Bodies that the daemon reads refuse unknown members; bodies that clients read ignore them.

mod command;
pub mod notice;
mod rendering;
pub mod rfc3339;
pub mod strict;
mod terms;
mod variables;

use serde::{Deserialize, Serialize};

pub use self::rfc3339::text as rfc3339;
pub use command::{BoundFile, Command, Content, Variable};
pub use rendering::Rendering;
pub use terms::{PanelView, freeze_in_words};
pub use variables::variables;

use crate::domain::{self, Event, EventId, MatchCode, RequestId, Timestamp, Verdict};
use crate::limits;

/// Header names of the contract that no standard library of headers has.
pub mod header {
    /// Marks an ask as the same ask when it is sent again
    /// (draft-ietf-httpapi-idempotency-key-header).
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// `true` on the answer to a repeated ask.
    pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";
    /// `wait=N` asks for a long poll (RFC 7240 section 4.3).
    pub const PREFER: &str = "prefer";
    /// Names the wait really used (RFC 7240 section 3).
    pub const PREFERENCE_APPLIED: &str = "preference-applied";
    /// The cursor of a stream that is resumed (HTML Standard, section 9.2.4).
    pub const LAST_EVENT_ID: &str = "last-event-id";
    /// By which way the caller has come, as it says itself: `terminal`, `page` or `policy`.
    pub const CHANNEL: &str = "pushd-channel";
    /// Says that the call has come by a relay from somebody of whom the connection says nothing:
    /// tokens alone count.
    pub const RELAYED: &str = "pushd-relayed";
}

/// Media types of the contract.
pub mod media {
    /// Bodies.
    pub const JSON: &str = "application/json";
    /// Errors (RFC 9457).
    pub const PROBLEM: &str = "application/problem+json";
    /// A word for scripts.
    pub const TEXT: &str = "text/plain; charset=utf-8";
    /// The stream (HTML Standard, section 9.2).
    pub const EVENT_STREAM: &str = "text/event-stream";
    /// The stream as JSON lines.
    pub const NDJSON: &str = "application/x-ndjson";
}

/// Names of the events on the stream.
pub mod event {
    /// A request as one commit left it.
    pub const REQUEST: &str = "request";
    /// All that was there before the stream is sent; what follows is live.
    pub const CAUGHT_UP: &str = "caught-up";
    /// Drop everything; what follows is all that is pending.
    pub const RESET: &str = "reset";
}

/// The body of an ask: `POST /v1/requests`. Members that are not sent take their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskBody {
    /// The question in one line.
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Facts about it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub fields: Option<Vec<Field>>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How long it may stay pending, in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::whole"
    )]
    pub expires_in_secs: Option<u64>,
    /// What an approver has to type to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_code: Option<MatchCode>,
    /// The command that is run on approval.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::object"
    )]
    pub command: Option<Command>,
    /// How many approvals are needed, at least.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::whole"
    )]
    pub need: Option<u64>,
    /// Whose approvals count: names, and groups as `@group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<String>>,
    /// After how long without a poll it is withdrawn, in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::whole"
    )]
    pub lease_secs: Option<u64>,
    /// How long after its decision an approval may be used, in seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::whole"
    )]
    pub use_within_secs: Option<u64>,
}

/// The body of a use: `POST /v1/requests/{id}/consume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumeBody {
    /// By what the same use is known when it is sent again.
    pub nonce: String,
}

/// The body of a decision: `POST /v1/requests/{id}/decision`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Yes or no.
    #[serde(deserialize_with = "strict::word")]
    pub verdict: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version that the approver had on the screen; a decision on another one is refused.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::event_id"
    )]
    pub version: Option<EventId>,
    /// The match code that the approver has typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_code: Option<MatchCode>,
}

/// The body of a browser's login: `POST /v1/session`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// The token.
    pub token: String,
}

/// One fact about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field<S = String> {
    /// What it is about.
    pub name: S,
    /// The fact.
    pub value: S,
}

/// Where a request stands, as a client reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided yet.
    Pending,
    /// Enough approvers said yes.
    Approved,
    /// An approver said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The requester withdrew it.
    Cancelled,
    /// A word that this version does not know; never a yes.
    #[serde(other)]
    Unknown,
}

impl Status {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

impl From<domain::Status> for Status {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::Pending => Self::Pending,
            domain::Status::Approved => Self::Approved,
            domain::Status::Denied => Self::Denied,
            domain::Status::Expired => Self::Expired,
            domain::Status::Cancelled => Self::Cancelled,
        }
    }
}

/// Somebody, as the daemon knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party<S = String> {
    /// By which name.
    pub principal: S,
    /// From which network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<S>,
    /// By which way, as they say themselves: `terminal`, `page`, `policy`, `api` or `classic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<S>,
}

impl<'a, S: From<&'a str>> From<&'a domain::Caller> for Party<S> {
    fn from(caller: &'a domain::Caller) -> Self {
        Self {
            principal: caller.principal.as_str().into(),
            address: caller.address.as_deref().map(S::from),
            channel: caller.channel.map(|channel| channel.as_str().into()),
        }
    }
}

/// One decision in the public view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView<S = String> {
    /// Yes or no.
    pub verdict: Verdict,
    /// Who decided.
    pub approver: Party<S>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<S>,
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
}

/// Somebody had the request on a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Default + Deserialize<'de>"))]
pub struct SeenView<S = String> {
    /// Who.
    pub by: Party<S>,
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
}

/// One step of a request's history; single reads have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView<S = String> {
    /// What happened: `asked`, `seen`, `wrong_code`, `approved`, `denied`, `took_back`, `expired`,
    /// `cancelled` or `consumed`.
    pub what: S,
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// Who did it; absent for the daemon itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party<S>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<S>,
}

/// The public view of a request: `S` is `String` where it is read, and `&str` where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are members of the contract, each a fact of its own"
)]
#[serde(bound(
    serialize = "S: AsRef<str> + Serialize",
    deserialize = "S: Default + Deserialize<'de>"
))]
pub struct RequestView<S = String> {
    /// Its name.
    pub id: RequestId,
    /// What it is about.
    pub topic: S,
    /// The question in one line.
    pub title: S,
    /// More about it.
    #[serde(default)]
    pub details: S,
    /// Facts about it.
    #[serde(default)]
    pub fields: Vec<Field<S>>,
    /// Where it stands.
    pub status: Status,
    /// The event id at which status or question last changed; a decision may name it.
    pub version: EventId,
    /// The event id of the commit that this view shows; also the `ETag`.
    pub event_id: EventId,
    /// Who asked.
    pub requester: Party<S>,
    /// When the ask was accepted.
    #[serde(with = "rfc3339")]
    pub created_at: Timestamp,
    /// When it expires if it is still pending.
    #[serde(with = "rfc3339")]
    pub expires_at: Timestamp,
    /// How many approvers have to approve.
    #[serde(default = "one")]
    pub approvals_needed: u32,
    /// How many approvers have to deny.
    #[serde(default = "one")]
    pub denials_needed: u32,
    /// Whose approvals count; absent for those of every approver of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<S>>,
    /// Groups that each need approvals of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<PanelView<S>>,
    /// The names of the policy's rules that apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<S>,
    /// Whether an approval needs a reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reason_required: bool,
    /// Whether the requester's own approval counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
    /// When approvals are not taken, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<String>,
    /// Whether an approver has to type the match code that the requester shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub match_code_required: bool,
    /// The command that is run on approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command<S>>,
    /// After how long without a poll it is withdrawn, in seconds; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_secs: Option<u64>,
    /// Whether it was withdrawn for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lease_ended: bool,
    /// How long after its decision an approval may be used, in seconds.
    #[serde(default = "use_within")]
    pub use_within_secs: u64,
    /// When the approval was used.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rfc3339::option"
    )]
    pub consumed_at: Option<Timestamp>,
    /// What was decided so far: while it is pending the votes, of each approver the last.
    #[serde(default)]
    pub decisions: Vec<DecisionView<S>>,
    /// When it was approved or denied.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rfc3339::option"
    )]
    pub decided_at: Option<Timestamp>,
    /// Who has had it on a screen.
    #[serde(default)]
    pub seen_by: Vec<SeenView<S>>,
    /// What happened so far; single reads only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<StepView<S>>>,
    /// How many of those who may decide it listen now; in the answer to an ask alone, and absent
    /// where the daemon does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers_connected: Option<u64>,
}

const fn one() -> u32 {
    1
}

const fn use_within() -> u64 {
    limits::USE_WITHIN.1.as_secs()
}

impl<'a, S: From<&'a str>> RequestView<S> {
    /// The view of a request in lists and on streams.
    pub fn of(event: &'a Event) -> Self {
        let request = &*event.request;
        let terms = &request.terms;
        let decided = matches!(
            request.status,
            domain::Status::Approved | domain::Status::Denied
        );
        Self {
            id: request.id,
            topic: request.topic.as_str().into(),
            title: request.title.as_str().into(),
            details: request.details.as_str().into(),
            fields: request.fields.iter().map(Field::from).collect(),
            status: request.status.into(),
            version: event.version(),
            event_id: event.id,
            requester: (&request.requester).into(),
            created_at: request.created_at,
            expires_at: request.expires_at,
            approvals_needed: request.approvals_needed,
            denials_needed: terms.denials_needed.max(1),
            approvers: terms.approvers.as_ref().map(terms::names),
            panels: terms.panels.iter().map(PanelView::from).collect(),
            rules: terms
                .rules
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            reason_required: terms.reason_required,
            self_approval: terms.self_approval,
            freezes: terms.freezes.iter().map(terms::freeze_in_words).collect(),
            match_code_required: request.match_code.is_some(),
            command: request.command.as_ref().map(Command::from),
            lease_secs: request.lease_secs,
            lease_ended: request.lease_ended,
            use_within_secs: request.use_within_secs,
            consumed_at: request.consumed.as_ref().map(|used| used.at),
            decisions: request.decisions.iter().map(DecisionView::from).collect(),
            decided_at: request.settled_at.filter(|_| decided),
            seen_by: request.seen_by.iter().map(SeenView::from).collect(),
            history: None,
            approvers_connected: None,
        }
    }

    /// The view of a request that was read by its id: with its history.
    pub fn single(event: &'a Event) -> Self {
        let history = event.request.history.iter().map(StepView::from).collect();
        Self {
            history: Some(history),
            ..Self::of(event)
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::Field> for Field<S> {
    fn from(field: &'a domain::Field) -> Self {
        Self {
            name: field.name().into(),
            value: field.value().into(),
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::Decision> for DecisionView<S> {
    fn from(decision: &'a domain::Decision) -> Self {
        Self {
            verdict: decision.verdict,
            approver: (&decision.approver).into(),
            reason: text(decision.reason.as_ref()),
            at: decision.at,
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::Seen> for SeenView<S> {
    fn from(seen: &'a domain::Seen) -> Self {
        Self {
            by: (&seen.by).into(),
            at: seen.at,
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::Step> for StepView<S> {
    fn from(step: &'a domain::Step) -> Self {
        let what = match step.what {
            domain::What::Asked => "asked",
            domain::What::Seen => "seen",
            domain::What::WrongCode => "wrong_code",
            domain::What::Approved => "approved",
            domain::What::Denied => "denied",
            domain::What::Expired => "expired",
            domain::What::TookBack => "took_back",
            domain::What::Cancelled => "cancelled",
            domain::What::Consumed => "consumed",
        };
        Self {
            what: what.into(),
            at: step.at,
            by: step.by.as_ref().map(Party::from),
            reason: text(step.reason.as_ref()),
        }
    }
}

/// What a line of an export says of its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditedView {
    /// Its name.
    pub request: RequestId,
    /// What it is about.
    pub topic: String,
    /// The question in one line.
    pub title: String,
    /// Who asked.
    pub requester: Party,
    /// Where it stands when the export is made.
    pub status: Status,
}

impl From<&domain::Request> for AuditedView {
    fn from(request: &domain::Request) -> Self {
        Self {
            request: request.id,
            topic: request.topic.as_str().to_owned(),
            title: request.title.as_str().to_owned(),
            requester: (&request.requester).into(),
            status: request.status.into(),
        }
    }
}

/// One line of an export: a step and its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AuditView<'a> {
    /// What happened, when, by whom and why.
    #[serde(flatten)]
    pub step: &'a StepView,
    /// Of what.
    #[serde(flatten)]
    pub of: &'a AuditedView,
}

fn text<'a, S: From<&'a str>>(reason: Option<&'a domain::Reason>) -> Option<S> {
    reason.map(|reason| reason.as_str().into())
}

/// The answer of the list call, newest request first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "S: AsRef<str> + Serialize",
    deserialize = "S: Default + Deserialize<'de>"
))]
pub struct ListView<S = String> {
    /// This page.
    pub requests: Vec<RequestView<S>>,
    /// The `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// A commit that this page has seen; later ones it may have seen as well.
    pub event_id: EventId,
    /// The same as a cursor: a stream from here misses nothing that this page does not show.
    pub cursor: String,
}

/// The data of `caught-up` and `reset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkView {
    /// The last commit that was sent before this mark.
    pub event_id: EventId,
    /// The daemon's time, for "time left".
    #[serde(with = "rfc3339")]
    pub now: Timestamp,
}

/// The answer of `GET /v1/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeView {
    /// Who the caller is.
    #[serde(flatten)]
    pub party: Party,
    /// Whether the name stands for one person or program, and not for everybody.
    #[serde(default)]
    pub known: bool,
    /// What it may do: `requester`, `approver`, `observer`, `admin`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// On which topics, as patterns.
    #[serde(default)]
    pub topics: Vec<String>,
    /// The version of the daemon.
    #[serde(default)]
    pub daemon: String,
    /// Which history its store has, as cursors name it: daemons that share a store have the same.
    #[serde(default)]
    pub history: String,
    /// Where people reach the daemon's pages, if it was told; a request's page is below it, at
    /// `/r/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
}

/// An error as it travels (RFC 9457 section 3.1), with what some errors add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemView {
    /// Always `about:blank`: the kind is told by `code`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The phrase of the HTTP status.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What failed, with which value, and what to try.
    #[serde(default)]
    pub detail: String,
    /// The stable name of the error.
    #[serde(default)]
    pub code: String,
    /// The request as it stands, where the error is about its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<RequestView>>,
    /// How many more match codes may be tried, where one was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u32>,
    /// When approvals are taken again, where they are frozen.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rfc3339::option"
    )]
    pub frozen_until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_from_the_future_is_unknown_and_not_a_yes() {
        let status: Status = serde_json::from_str("\"delegated\"").unwrap();
        assert_eq!(status, Status::Unknown);
    }

    #[test]
    fn an_ask_refuses_members_it_does_not_know_by_name() {
        let error = serde_json::from_str::<AskBody>(r#"{"title":"a","tilte":"b"}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `tilte`"),
            "{error}"
        );
    }

    #[test]
    fn only_members_that_were_set_are_sent() {
        let ask = AskBody {
            title: "a".to_owned(),
            ..AskBody::default()
        };
        assert_eq!(serde_json::to_string(&ask).unwrap(), r#"{"title":"a"}"#);
    }
}
