//! Every error that the daemon answers, one row each (RFC 9457).

use std::time::Duration;

use warp::Reply;
use warp::http::{HeaderValue, StatusCode, header};

use super::Response;
use crate::approvals::classic::Refused;
use crate::approvals::{Error, OverQuota};
use crate::domain::{Denial, Event, Principal, Refusal, Status, Timestamp, Unmet};
use crate::limits;
use crate::store::StoreError;
use crate::wire::{ProblemView, RequestView, media, rfc3339};

/// The kinds of errors. Their codes are stable: scripts compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table in `row` says it")]
pub enum Kind {
    InvalidHttp,
    InvalidJson,
    InvalidQuery,
    InvalidHeader,
    InvalidBody,
    TlsRequired,
    Unauthenticated,
    InvalidToken,
    Forbidden,
    OwnRequest,
    NotTheRequester,
    NotAnApprover,
    ForeignOrigin,
    WrongMatchCode,
    NotFound,
    NoSuchPath,
    MethodNotAllowed,
    NotAcceptable,
    BodyTimeout,
    AlreadyFinal,
    AlreadyConsumed,
    Frozen,
    NotApproved,
    TooManyVotes,
    TooLate,
    OtherVersion,
    BodyTooLarge,
    UnsupportedMediaType,
    WrongHost,
    InvalidMember,
    KeyReused,
    MatchCodeRequired,
    NoMatchCode,
    PeopleUnknown,
    ReasonRequired,
    RefusedByPolicy,
    DeniedRecently,
    TooManyAsks,
    TooManyConnectionsOfAddress,
    TooManyPendingOfRequester,
    TooManySubscribersOfRequester,
    TooManyWaitersOfRequester,
    HeadTooLarge,
    Internal,
    AccountsUnavailable,
    ClockBehind,
    Contended,
    Draining,
    OutcomeUnknown,
    StoreBusy,
    StoreUnavailable,
    TooManyConnections,
    TooManyPending,
    TooManySubscribers,
    TooManyWaiters,
    // Those of the classic routes follow, which are not in the contract.
    InvalidForm,
    NothingPending,
    JustAsked,
    Cancelled,
    TooManyChannels,
    Expired,
    // Those of a relay follow, which no daemon answers.
    UpstreamUnavailable,
    UpstreamTrustsEverybody,
    RelayLoop,
}

impl Kind {
    /// Those of the classic routes.
    pub const CLASSIC: [Self; Self::Expired as usize - Self::TooManyWaiters as usize] = [
        Self::InvalidForm,
        Self::NothingPending,
        Self::JustAsked,
        Self::Cancelled,
        Self::TooManyChannels,
        Self::Expired,
    ];

    /// Those of a relay, beside its daemon's.
    pub const RELAY: [Self; Self::RelayLoop as usize - Self::Expired as usize] = [
        Self::UpstreamUnavailable,
        Self::UpstreamTrustsEverybody,
        Self::RelayLoop,
    ];

    /// Those of the contract; a list that lacks one does not compile, as long as the last is in
    /// its place.
    pub const ALL: [Self; Self::TooManyWaiters as usize + 1] = [
        Self::InvalidHttp,
        Self::InvalidJson,
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::InvalidBody,
        Self::TlsRequired,
        Self::Unauthenticated,
        Self::InvalidToken,
        Self::Forbidden,
        Self::OwnRequest,
        Self::NotTheRequester,
        Self::NotAnApprover,
        Self::ForeignOrigin,
        Self::WrongMatchCode,
        Self::NotFound,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::BodyTimeout,
        Self::AlreadyFinal,
        Self::AlreadyConsumed,
        Self::Frozen,
        Self::NotApproved,
        Self::TooManyVotes,
        Self::TooLate,
        Self::OtherVersion,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::WrongHost,
        Self::InvalidMember,
        Self::KeyReused,
        Self::MatchCodeRequired,
        Self::NoMatchCode,
        Self::PeopleUnknown,
        Self::ReasonRequired,
        Self::RefusedByPolicy,
        Self::DeniedRecently,
        Self::TooManyAsks,
        Self::TooManyConnectionsOfAddress,
        Self::TooManyPendingOfRequester,
        Self::TooManySubscribersOfRequester,
        Self::TooManyWaitersOfRequester,
        Self::HeadTooLarge,
        Self::Internal,
        Self::AccountsUnavailable,
        Self::ClockBehind,
        Self::Contended,
        Self::Draining,
        Self::OutcomeUnknown,
        Self::StoreBusy,
        Self::StoreUnavailable,
        Self::TooManyConnections,
        Self::TooManyPending,
        Self::TooManySubscribers,
        Self::TooManyWaiters,
    ];

    /// Status and code of each kind.
    #[rustfmt::skip]
    pub const fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidHttp          => (StatusCode::BAD_REQUEST, "invalid_http"),
            Self::InvalidJson          => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidQuery         => (StatusCode::BAD_REQUEST, "invalid_query"),
            Self::InvalidHeader        => (StatusCode::BAD_REQUEST, "invalid_header"),
            Self::InvalidBody          => (StatusCode::BAD_REQUEST, "invalid_body"),
            Self::TlsRequired          => (StatusCode::BAD_REQUEST, "tls_required"),
            Self::Unauthenticated      => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::InvalidToken         => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Forbidden            => (StatusCode::FORBIDDEN, "forbidden"),
            Self::OwnRequest           => (StatusCode::FORBIDDEN, "own_request"),
            Self::NotTheRequester      => (StatusCode::FORBIDDEN, "not_the_requester"),
            Self::NotAnApprover        => (StatusCode::FORBIDDEN, "not_an_approver"),
            Self::ForeignOrigin        => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::WrongMatchCode       => (StatusCode::FORBIDDEN, "wrong_match_code"),
            Self::NotFound             => (StatusCode::NOT_FOUND, "not_found"),
            Self::NoSuchPath           => (StatusCode::NOT_FOUND, "no_such_path"),
            Self::MethodNotAllowed     => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotAcceptable        => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::BodyTimeout          => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::AlreadyFinal         => (StatusCode::CONFLICT, "already_final"),
            Self::AlreadyConsumed      => (StatusCode::CONFLICT, "already_consumed"),
            Self::Frozen               => (StatusCode::CONFLICT, "frozen"),
            Self::NotApproved          => (StatusCode::CONFLICT, "not_approved"),
            Self::TooManyVotes         => (StatusCode::CONFLICT, "too_many_votes"),
            Self::TooLate              => (StatusCode::GONE, "too_late"),
            Self::OtherVersion         => (StatusCode::PRECONDITION_FAILED, "other_version"),
            Self::BodyTooLarge         => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::WrongHost            => (StatusCode::MISDIRECTED_REQUEST, "wrong_host"),
            Self::InvalidMember        => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_member"),
            Self::KeyReused            => (StatusCode::UNPROCESSABLE_ENTITY, "key_reused"),
            Self::MatchCodeRequired    => (StatusCode::UNPROCESSABLE_ENTITY, "match_code_required"),
            Self::NoMatchCode          => (StatusCode::UNPROCESSABLE_ENTITY, "no_match_code"),
            Self::PeopleUnknown        => (StatusCode::UNPROCESSABLE_ENTITY, "people_unknown"),
            Self::ReasonRequired       => (StatusCode::UNPROCESSABLE_ENTITY, "reason_required"),
            Self::RefusedByPolicy      => (StatusCode::UNPROCESSABLE_ENTITY, "refused_by_policy"),
            Self::DeniedRecently       => (StatusCode::TOO_MANY_REQUESTS, "denied_recently"),
            Self::TooManyAsks          => (StatusCode::TOO_MANY_REQUESTS, "too_many_asks"),
            Self::TooManyConnectionsOfAddress => (StatusCode::TOO_MANY_REQUESTS, "too_many_connections_of_address"),
            Self::TooManyPendingOfRequester => (StatusCode::TOO_MANY_REQUESTS, "too_many_pending_of_requester"),
            Self::TooManySubscribersOfRequester => (StatusCode::TOO_MANY_REQUESTS, "too_many_subscribers_of_requester"),
            Self::TooManyWaitersOfRequester => (StatusCode::TOO_MANY_REQUESTS, "too_many_waiters_of_requester"),
            Self::HeadTooLarge         => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large"),
            Self::Internal             => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::AccountsUnavailable  => (StatusCode::SERVICE_UNAVAILABLE, "accounts_unavailable"),
            Self::ClockBehind          => (StatusCode::SERVICE_UNAVAILABLE, "clock_behind"),
            Self::Contended            => (StatusCode::SERVICE_UNAVAILABLE, "contended"),
            Self::Draining             => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            Self::OutcomeUnknown       => (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
            Self::StoreBusy            => (StatusCode::SERVICE_UNAVAILABLE, "store_busy"),
            Self::StoreUnavailable     => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::TooManyConnections   => (StatusCode::SERVICE_UNAVAILABLE, "too_many_connections"),
            Self::TooManyPending       => (StatusCode::SERVICE_UNAVAILABLE, "too_many_pending"),
            Self::TooManySubscribers   => (StatusCode::SERVICE_UNAVAILABLE, "too_many_subscribers"),
            Self::TooManyWaiters       => (StatusCode::SERVICE_UNAVAILABLE, "too_many_waiters"),
            Self::InvalidForm          => (StatusCode::BAD_REQUEST, "invalid_form"),
            Self::NothingPending       => (StatusCode::CONFLICT, "nothing_pending"),
            Self::JustAsked            => (StatusCode::CONFLICT, "just_asked"),
            Self::Cancelled            => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
            Self::TooManyChannels      => (StatusCode::SERVICE_UNAVAILABLE, "too_many_channels"),
            Self::Expired              => (StatusCode::GATEWAY_TIMEOUT, "expired"),
            Self::UpstreamUnavailable  => (StatusCode::GATEWAY_TIMEOUT, "upstream_unavailable"),
            Self::UpstreamTrustsEverybody => (StatusCode::BAD_GATEWAY, "upstream_trusts_everybody"),
            Self::RelayLoop            => (StatusCode::LOOP_DETECTED, "relay_loop"),
        }
    }

    /// How to get in, for whoever is not let in (RFC 6750 section 3).
    const fn challenge(self) -> Option<&'static str> {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "all others are no matter of rights"
        )]
        match self {
            Self::Unauthenticated => Some("Bearer realm=\"pushd\""),
            Self::InvalidToken => Some("Bearer realm=\"pushd\", error=\"invalid_token\""),
            _ => None,
        }
    }

    /// How long to wait before the same call may succeed; all that pass by themselves say so.
    fn retry_after(self) -> Option<Duration> {
        let passes = self == Self::UpstreamUnavailable
            || matches!(
                self.row().0,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            );
        passes.then_some(limits::RETRY_AFTER)
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    detail: String,
    allow: Option<HeaderValue>,
    request: Option<Box<RequestView>>,
    tries_left: Option<u32>,
    frozen_until: Option<Timestamp>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of this kind; `detail` says what failed, with which value, and what to try.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            allow: None,
            request: None,
            tries_left: None,
            frozen_until: None,
            retry_after: kind.retry_after(),
        }
    }

    /// The path is there, the method is not (RFC 9110 section 15.5.6).
    pub fn method_not_allowed(method: &warp::http::Method, allow: &str) -> Self {
        let detail = format!("{method} is not for this path; it takes {allow}");
        let allow = HeaderValue::from_str(allow).ok();
        Self {
            allow,
            ..Self::new(Kind::MethodNotAllowed, detail)
        }
    }

    /// How long to wait before the same call may succeed, in whole seconds; `None` when waiting
    /// does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.map(limits::whole_seconds)
    }

    fn about(self, event: &Event) -> Self {
        Self {
            request: Some(Box::new(RequestView::single(event))),
            ..self
        }
    }

    /// The body.
    pub fn view(&self) -> ProblemView {
        let (status, code) = self.kind.row();
        ProblemView {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            code: code.to_owned(),
            request: self.request.clone(),
            tries_left: self.tries_left,
            frozen_until: self.frozen_until,
        }
    }

    /// The whole answer.
    pub fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.view())
            .expect("a problem has text keys and writes without errors");
        let mut response = body.into_response();
        *response.status_mut() = self.kind.row().0;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(media::PROBLEM),
        );
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        if let Some(challenge) = self.kind.challenge() {
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NotFound(_) => Self::new(
                Kind::NotFound,
                format!("{text}; it may be older than what is kept"),
            ),
            Error::Refused(refusal, event) => refused(refusal, &event),
            Error::Denied(Denial::Own { .. }) => Self::new(Kind::OwnRequest, text),
            Error::Denied(Denial::Role { .. } | Denial::Topic { .. } | Denial::Figures { .. }) => {
                Self::new(Kind::Forbidden, text)
            }
            Error::RightsEnded => Self::new(Kind::InvalidToken, text),
            Error::KeyReused { .. } => Self::new(
                Kind::KeyReused,
                format!("{text}; use a new key for a new ask"),
            ),
            Error::TooManyPending(_) => Self::new(Kind::TooManyPending, text),
            Error::TooManyWaiters(_) => Self::new(Kind::TooManyWaiters, text),
            Error::TooManySubscribers(_) => Self::new(Kind::TooManySubscribers, text),
            Error::OverQuota(over) => over_quota(over),
            Error::Unmet(Unmet::PeopleUnknown { .. }) => Self::new(Kind::PeopleUnknown, text),
            Error::Unmet(
                Unmet::NoSuchGroup(_)
                | Unmet::NoSuchApprover(_)
                | Unmet::TooFew { .. }
                | Unmet::TooMuch { .. }
                | Unmet::Frozen { .. }
                | Unmet::TooMany(_)
                | Unmet::NoMatchCode { .. }
                | Unmet::ExpiresTooLate { .. },
            ) => Self::new(Kind::RefusedByPolicy, text),
            Error::AccountsSilent(_) => Self::new(
                Kind::AccountsUnavailable,
                "this machine's user database does not say whether earlier votes still count; try \
                 again",
            ),
            Error::Contended(_) => Self::new(Kind::Contended, text),
            Error::Store(error) => store(&error),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::TooManyChannels => Self::new(Kind::TooManyChannels, text),
            Refused::TooManyPolls => Self::new(Kind::TooManyWaiters, text),
            Refused::NothingPending(_) => Self::new(
                Kind::NothingPending,
                format!("{text}; it may be decided already, or nobody polls for it any more"),
            ),
            Refused::JustAsked(_) => Self::new(
                Kind::JustAsked,
                format!(
                    "{text}, and the answer may be meant for that; nothing was decided: look at \
                     the question, and answer again"
                ),
            ),
            Refused::Draining => Self::new(Kind::Draining, format!("{text}; poll again")),
            // Nobody reads it; it is for the counters.
            Refused::Gone => Self::new(Kind::Cancelled, text),
            Refused::Request(error) => error.into(),
        }
    }
}

fn over_quota(over: OverQuota) -> Problem {
    let (kind, wait) = match over {
        OverQuota::Pending(_) => (Kind::TooManyPendingOfRequester, None),
        OverQuota::Asks { wait, .. } => (Kind::TooManyAsks, Some(wait)),
        OverQuota::Waiters(_) => (Kind::TooManyWaitersOfRequester, None),
        OverQuota::Subscribers(_) => (Kind::TooManySubscribersOfRequester, None),
        OverQuota::DeniedRecently { wait } => (Kind::DeniedRecently, Some(wait)),
    };
    Problem {
        // Nobody knows when something will be settled or left, so those are worth a look soon.
        retry_after: wait.or(kind.retry_after()),
        ..Problem::new(kind, over.to_string())
    }
}

fn refused(refusal: Refusal, event: &Event) -> Problem {
    let text = refusal.to_string();
    match refusal {
        Refusal::Final(status) => {
            let by = event
                .request
                .decisions
                .last()
                .map(|last| last.approver.principal.as_str());
            let detail = match (status, by) {
                (Status::Approved | Status::Denied, Some(by)) => format!("{text}, by {by}"),
                _ => text,
            };
            Problem::new(Kind::AlreadyFinal, detail).about(event)
        }
        Refusal::OtherVersion { .. } => {
            let detail = format!("{text}; read it again before deciding");
            Problem::new(Kind::OtherVersion, detail).about(event)
        }
        Refusal::NoCodeGiven => {
            let detail = format!("{text}; send its six digits as match_code. Nothing was decided");
            Problem::new(Kind::MatchCodeRequired, detail).about(event)
        }
        Refusal::NoCodeAsked => {
            let detail = format!("{text}; look at it again before deciding. Nothing was decided");
            Problem::new(Kind::NoMatchCode, detail).about(event)
        }
        Refusal::WrongCode { left } => {
            let rest = match left {
                0 => "it was the last try, so the request is denied".to_owned(),
                1 => "1 try is left, then the request is denied".to_owned(),
                _ => format!("{left} tries are left, then the request is denied"),
            };
            Problem {
                tries_left: Some(left),
                ..Problem::new(Kind::WrongMatchCode, format!("{text}; {rest}")).about(event)
            }
        }
        Refusal::NotTheRequester => Problem::new(Kind::NotTheRequester, text),
        Refusal::NotAnApprover => {
            Problem::new(Kind::NotAnApprover, not_an_approver(&text, event)).about(event)
        }
        Refusal::Frozen { until, wait } => {
            let end = rfc3339(until);
            let detail = format!("{text}, until {end}; a denial is taken at any time");
            Problem {
                retry_after: Some(wait),
                frozen_until: Some(until),
                ..Problem::new(Kind::Frozen, detail).about(event)
            }
        }
        Refusal::NoReason => {
            let detail = format!("{text}; send it as reason. Nothing was decided");
            Problem::new(Kind::ReasonRequired, detail).about(event)
        }
        Refusal::TooManyVotes => {
            let detail = format!("{text}; what was said last stands");
            Problem::new(Kind::TooManyVotes, detail).about(event)
        }
        Refusal::NotApproved(_) => Problem::new(Kind::NotApproved, text).about(event),
        Refusal::Consumed { at } => {
            let detail = format!("{text}, at {}; ask again for another use", rfc3339(at));
            Problem::new(Kind::AlreadyConsumed, detail).about(event)
        }
        Refusal::TooLate { .. } => {
            Problem::new(Kind::TooLate, format!("{text}; ask again")).about(event)
        }
        // The use cases expire an overdue request before any command, so none is refused for it.
        Refusal::Overdue => Problem::new(Kind::StoreUnavailable, text),
    }
}

/// Who has to approve instead.
fn not_an_approver(text: &str, event: &Event) -> String {
    match &event.request.terms.approvers {
        Some(approvers) => {
            let names: Vec<_> = approvers.iter().map(Principal::as_str).collect();
            format!("{text}; it takes that of: {}", names.join(", "))
        }
        None => format!("{text}; it takes approvers who are known by a token or a Unix socket"),
    }
}

/// The causes are for the person who runs the daemon, so they go to its log and not to a client.
fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => {
            tracing::debug!(%error, "refused");
            Problem::new(
                Kind::StoreUnavailable,
                "the daemon's store cannot do this now, and its log says why; try again",
            )
        }
        StoreError::OutcomeUnknown(_) => {
            tracing::warn!(%error, "refused");
            Problem::new(
                Kind::OutcomeUnknown,
                "the store did not confirm the write, so it may or may not count; \
                 read the request, or send the same call again",
            )
        }
        StoreError::TooLarge { bytes, most } => Problem::new(
            Kind::BodyTooLarge,
            format!(
                "with this the request would take {bytes} bytes in the store, which takes {most}; \
                 shorten the details, the fields or the reason"
            ),
        ),
        StoreError::Busy => Problem::new(Kind::StoreBusy, "too many calls wait for the store"),
        StoreError::BadRecord { .. } => {
            // The store has logged it, once; whoever asks for it may ask without end.
            tracing::debug!(%error, "refused");
            Problem::new(
                Kind::Internal,
                "the record cannot be read; the daemon's log says why",
            )
        }
    }
}
