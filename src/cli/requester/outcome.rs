//! How it can end, with which exit code and in which words.

use std::time::Duration;

use anyhow::{Error, anyhow};

use super::interrupt::Signal;
use crate::cli::exit;
use crate::terminal::spinner::span;
use crate::wire::{Party, ProblemView, RequestView, Status};

/// The end of one run.
#[derive(Debug)]
pub(super) enum End {
    /// The daemon says that the request is final; its id is the asked one.
    Settled(Box<RequestView>),
    /// The daemon says that it was cancelled or has expired, but it is not this run that has asked.
    Found(Box<RequestView>),
    /// It was approved, but that does not count any more.
    TooLate {
        /// The request.
        request: Box<RequestView>,
        /// How long ago that was.
        age: Duration,
        /// How long it has counted.
        within: Duration,
    },
    /// We were to cancel it; it is final now, one way or another.
    Withdrawn(Box<RequestView>),
    /// It is not final, and nobody waits here for it any more.
    Pending {
        /// The request as it was last known.
        request: Box<RequestView>,
        /// Where it stands, and how to go on.
        words: String,
    },
    /// A signal came.
    Interrupted {
        /// Which.
        signal: Signal,
        /// What became of the request.
        words: String,
        /// The final request, if it is known.
        request: Option<Box<RequestView>>,
    },
    /// It did not work.
    Failed {
        /// The exit code; never 0.
        code: u8,
        /// Why.
        error: Error,
    },
}

impl End {
    /// It did not work, and this is the exit code for why.
    pub(super) fn failed(code: u8, error: Error) -> Self {
        Self::Failed {
            code: if code == exit::APPROVED {
                exit::INTERNAL
            } else {
                code
            },
            error,
        }
    }

    /// Something happened that must not.
    pub(super) fn internal(error: Error) -> Self {
        Self::failed(exit::INTERNAL, error)
    }

    /// What there is to tell of it.
    pub(super) fn told(self) -> Told {
        let told = |code, words, request| Told {
            code,
            words,
            request,
            is_error: false,
        };
        match self {
            Self::Settled(request) => told(code(&request), words(&request), Some(request)),
            Self::Found(request) => told(code(&request), words_of_found(&request), Some(request)),
            Self::TooLate {
                request,
                age,
                within,
            } => {
                let words = words_of_too_late(&request, age, within);
                told(exit::EXPIRED, words, Some(request))
            }
            Self::Withdrawn(request) => told(
                code_of_withdrawal(&request),
                words_of_withdrawal(&request),
                Some(request),
            ),
            Self::Pending { request, words } => told(exit::PENDING, words, Some(request)),
            Self::Interrupted {
                signal,
                words,
                request,
            } => told(signal.code(), words, request),
            Self::Failed { code, error } => Told {
                is_error: true,
                ..told(code, format!("{error:#}"), None)
            },
        }
    }
}

/// An end, as it is told.
#[derive(Debug)]
pub(super) struct Told {
    /// The exit code.
    pub(super) code: u8,
    /// What a person reads.
    pub(super) words: String,
    /// Whether those who want quiet read it too.
    pub(super) is_error: bool,
    /// What a program reads.
    pub(super) request: Option<Box<RequestView>>,
}

/// The exit code for a request that is final. Nothing but "approved" is a yes.
fn code(request: &RequestView) -> u8 {
    match request.status {
        Status::Approved => exit::APPROVED,
        Status::Denied => exit::DENIED,
        Status::Cancelled => exit::CANCELLED,
        Status::Expired => exit::EXPIRED,
        Status::Pending | Status::Unknown => exit::INTERNAL,
    }
}

/// The exit code for a request that we were to cancel.
fn code_of_withdrawal(request: &RequestView) -> u8 {
    match request.status {
        Status::Cancelled => exit::SUCCESS,
        Status::Approved | Status::Denied | Status::Expired => exit::DENIED,
        Status::Pending | Status::Unknown => exit::INTERNAL,
    }
}

/// What became of a request that we were to cancel.
fn words_of_withdrawal(request: &RequestView) -> String {
    let id = request.id;
    match request.status {
        Status::Cancelled => format!("request {id} is {}", words(request)),
        Status::Approved | Status::Denied => {
            let words = words(request);
            format!("request {id} cannot be cancelled: it was {words}")
        }
        Status::Expired => {
            let words = words(request);
            format!("request {id} cannot be cancelled: it has {words}")
        }
        Status::Pending | Status::Unknown => {
            format!("request {id} is not cancelled: it is {}", words(request))
        }
    }
}

/// What became of a request that was asked by an earlier run with the same key.
fn words_of_found(request: &RequestView) -> String {
    let words = words(request);
    format!("{words}; it was asked before with this --key, and another key asks anew")
}

/// Why an approval does not count.
fn words_of_too_late(request: &RequestView, age: Duration, within: Duration) -> String {
    let (words, age, within) = (words(request), span(age), span(within));
    format!(
        "approved, but too long ago: {age}, and it counts for {within} (--use-within); ask anew, \
         with another key if there is a --key ({words})"
    )
}

/// What became of a request: the outcome, who, how long it took, the reason.
pub(super) fn words(request: &RequestView) -> String {
    let took = |until| span(crate::domain::Timestamp::since(until, request.created_at));
    match request.status {
        Status::Approved | Status::Denied => {
            let outcome = request.status.as_str();
            let Some(last) = request.decisions.last() else {
                return outcome.to_owned();
            };
            let after = took(request.decided_at.unwrap_or(last.at));
            let who = party(&last.approver);
            let used = if request.consumed_at.is_some() {
                ", and has been used"
            } else {
                ""
            };
            match &last.reason {
                Some(reason) => format!("{outcome} by {who} after {after}{used}: {reason}"),
                None => format!("{outcome} by {who} after {after}{used}"),
            }
        }
        Status::Expired => {
            let after = took(request.expires_at);
            format!("expired after {after}: nobody decided in time")
        }
        Status::Cancelled if request.lease_ended => {
            let lease = request.lease_secs.map(Duration::from_secs);
            let lease = lease.map_or_else(String::new, |lease| format!(" of {}", span(lease)));
            format!(
                "cancelled by the daemon, which had no sign of the asker for longer than the \
                 lease{lease}; --lease sets another"
            )
        }
        Status::Cancelled => {
            let step = request.history.iter().flatten().rev();
            let step = step.into_iter().find(|step| step.what == "cancelled");
            match step.and_then(|step| Some((step.by.as_ref()?, step.at))) {
                Some((by, at)) => format!("cancelled by {} after {}", party(by), took(at)),
                None => "cancelled".to_owned(),
            }
        }
        Status::Pending => "still pending".to_owned(),
        Status::Unknown => "in a state that this requester does not know".to_owned(),
    }
}

fn party(party: &Party) -> String {
    match &party.address {
        Some(address) => format!("{} ({address})", party.principal),
        None => party.principal.clone(),
    }
}

/// What a port that speaks TLS says to those who do not.
const TLS_REQUIRED: &str = "tls_required";

/// The exit code for an ask that was refused with `status`, and why in the daemon's words.
pub(super) fn refused(status: u16, problem: &ProblemView) -> (u8, Error) {
    let detail = if problem.detail.is_empty() {
        format!("it answered {status} {}", problem.title)
    } else {
        problem.detail.clone()
    };
    let (code, context) = match status {
        400 if problem.code == TLS_REQUIRED => (exit::UNAVAILABLE, "the daemon was asked nothing"),
        400 | 413 | 415 | 422 | 431 => (exit::USAGE, "the daemon does not take the request"),
        401 | 403 | 407 => (exit::NOT_PERMITTED, "not permitted"),
        421 => (
            exit::CONFIGURATION,
            "the daemon does not serve this host name",
        ),
        404 | 405 | 501 => (
            exit::UNAVAILABLE,
            "what answers there takes no requests; check --url",
        ),
        _ => (exit::INTERNAL, "the daemon refused the request"),
    };
    (code, anyhow!("{detail}").context(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::requester::script::request;

    fn settled(status: Status) -> RequestView {
        request(status)
    }

    #[test]
    fn only_approved_is_zero() {
        for (status, expected) in [
            (Status::Approved, 0),
            (Status::Denied, 1),
            (Status::Cancelled, 4),
            (Status::Expired, 124),
            (Status::Pending, 70),
            (Status::Unknown, 70),
        ] {
            assert_eq!(code(&settled(status)), expected);
        }
        let End::Failed { code, .. } = End::failed(0, anyhow!("x")) else {
            panic!()
        };
        assert_eq!(code, exit::INTERNAL);
    }

    #[test]
    fn the_outcome_says_who_how_long_and_why() {
        assert_eq!(
            words(&settled(Status::Denied)),
            "denied by ana (10.0.0.7) after 12s: frozen until Monday"
        );
        assert_eq!(
            words(&settled(Status::Expired)),
            "expired after 1h: nobody decided in time"
        );
        assert_eq!(words(&settled(Status::Cancelled)), "cancelled");
    }

    #[test]
    fn the_end_of_a_lease_is_told_as_such() {
        let ended = RequestView {
            lease_secs: Some(120),
            lease_ended: true,
            ..settled(Status::Cancelled)
        };
        let words = words(&ended);
        assert!(
            words.contains("for longer than the lease of 2m;"),
            "{words}"
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_daemons_words() {
        let problem = ProblemView {
            detail: "title is empty".to_owned(),
            ..ProblemView::default()
        };
        for (status, expected) in [(422, 64), (400, 64), (403, 77), (401, 77), (421, 78)] {
            let (code, error) = refused(status, &problem);
            assert_eq!(code, expected);
            assert!(
                format!("{error:#}").ends_with("title is empty"),
                "{error:#}"
            );
        }
    }
}
