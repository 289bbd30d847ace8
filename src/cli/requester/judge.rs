//! What one poll's answer means for the one who waits.

use std::time::Duration;

use anyhow::anyhow;

use super::flow::Outcome;
use super::outcome::{End, refused};
use crate::cli::exit;
use crate::client::{Answer, CallError};
use crate::domain::{RequestId, Timestamp};
use crate::wire::{RequestView, Status};

/// The meaning of an answer.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The daemon says that the request is still open.
    Pending(Box<Answer<RequestView>>),
    /// Nothing can be told from it, which may pass.
    Trouble {
        /// What was wrong.
        what: String,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The daemon says that it is final.
    Final(Box<Answer<RequestView>>),
    /// Waiting on would change nothing.
    Over(End),
}

/// Reads an answer about the request `asked`, which would expire at `expires_at`.
pub(super) fn judge(asked: RequestId, expires_at: Timestamp, outcome: Outcome) -> Meaning {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => return judge_error(asked, expires_at, error),
    };
    let request = &answer.value;
    if request.id != asked {
        return trouble(format!("it answered about another request, {}", request.id));
    }
    match request.status {
        Status::Pending => Meaning::Pending(Box::new(answer)),
        Status::Approved | Status::Denied | Status::Expired | Status::Cancelled => {
            Meaning::Final(Box::new(answer))
        }
        // Only a status that is not final can still become one that we know.
        Status::Unknown if request.decided_at.is_some() => Meaning::Over(End::internal(anyhow!(
            "request {asked} was decided in a way that this requester does not know, which is \
             not an approval; a newer requester may know it"
        ))),
        Status::Unknown => trouble("it has a status that this requester does not know".to_owned()),
    }
}

fn judge_error(asked: RequestId, expires_at: Timestamp, error: CallError) -> Meaning {
    match error {
        error @ CallError::Refused { .. } if error.is_not_found() => {
            Meaning::Over(End::internal(anyhow!(
                "the daemon has lost or purged request {asked}, which it had acknowledged; was its \
                 store replaced? ({error})"
            )))
        }
        CallError::Transient {
            what, retry_after, ..
        } => Meaning::Trouble { what, retry_after },
        CallError::Refused {
            status, problem, ..
        } if !problem.code.is_empty() => {
            let (code, error) = refused(status, &problem);
            // The ask was fine, so a call of ours that is not cannot be the user's fault.
            let code = match code {
                exit::NOT_PERMITTED => code,
                _ => exit::INTERNAL,
            };
            let until = crate::wire::rfc3339(expires_at);
            let error = error.context(format!(
                "cannot wait for request {asked}, which can be decided until {until}"
            ));
            Meaning::Over(End::failed(code, error))
        }
        // The daemon was trusted before, and may be again, with another certificate.
        CallError::Untrusted { what } => trouble(what),
        // The daemon has acknowledged the request, so there is one: something else answers.
        error @ (CallError::Refused { .. } | CallError::NotPushd { .. }) => {
            trouble(format!("{error} (not from a pushd)"))
        }
    }
}

fn trouble(what: String) -> Meaning {
    Meaning::Trouble {
        what,
        retry_after: None,
    }
}
