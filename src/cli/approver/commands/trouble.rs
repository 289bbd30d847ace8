//! What trouble with a call means: an exit code and words.

use anyhow::anyhow;

use super::Failure;
use crate::cli::approver::decide::Cause;
use crate::cli::exit;
use crate::client::{CallError, Client};
use crate::domain::RequestId;
use crate::terminal::printable::visible;

/// A call that only reads, and has failed.
pub(super) fn call(client: &Client, error: &CallError) -> Failure {
    let url = client.names();
    let code = match error {
        CallError::Transient { at_limit: true, .. } => exit::TRY_LATER,
        CallError::Transient { .. } | CallError::Untrusted { .. } | CallError::NotPushd { .. } => {
            exit::UNAVAILABLE
        }
        CallError::Refused {
            status, problem, ..
        } => refused(*status, &problem.code),
    };
    let context = match error {
        CallError::NotPushd { .. } => {
            format!("what answers at {url} is not known to be a pushd; check --url")
        }
        CallError::Transient { .. } | CallError::Untrusted { .. } | CallError::Refused { .. } => {
            format!("asked {url} in vain")
        }
    };
    (code, anyhow!(visible(&error.to_string())).context(context))
}

/// The daemon has no such request.
pub(super) fn unknown(id: RequestId) -> Failure {
    let error = anyhow!(
        "there is no request {id} that may be seen; it may be older than what the daemon keeps, or \
         of a topic that is not yours"
    );
    (exit::USAGE, error)
}

/// The exit code of a decision that failed.
pub(super) fn cause(cause: &Cause) -> u8 {
    match cause {
        Cause::Trouble => exit::UNAVAILABLE,
        Cause::Busy | Cause::Frozen { .. } => exit::TRY_LATER,
        Cause::Refused { status, code } => refused(*status, code),
    }
}

/// The exit code for a refusal. A gate in front of the daemon refuses with no code.
fn refused(status: u16, code: &str) -> u8 {
    match (status, code) {
        (400, "tls_required") => exit::UNAVAILABLE,
        (401 | 403 | 407, _) | (409, "too_many_votes") => exit::NOT_PERMITTED,
        (404, "not_found") | (400 | 413 | 415 | 422 | 431, _) => exit::USAGE,
        (404 | 405 | 501, _) => exit::UNAVAILABLE,
        (409, "already_final") => exit::DENIED,
        (409 | 412, _) => exit::TRY_LATER,
        (421, _) => exit::CONFIGURATION,
        (_, _) => exit::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_is_a_success() {
        for (status, code, exit) in [
            (401, "unauthenticated", 77),
            (403, "own_request", 77),
            (403, "not_an_approver", 77),
            (404, "not_found", 64),
            (404, "no_such_path", 69),
            (404, "", 69),
            (409, "already_final", 1),
            (409, "frozen", 75),
            (409, "too_many_votes", 77),
            (412, "other_version", 75),
            (421, "wrong_host", 78),
            (422, "reason_required", 64),
            (422, "match_code_required", 64),
            (418, "", 70),
        ] {
            assert_eq!(refused(status, code), exit, "{status} {code}");
        }
        for status in 0..1000 {
            assert_ne!(refused(status, ""), exit::SUCCESS);
        }
    }
}
