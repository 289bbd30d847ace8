//! What an answer of a daemon's says of the next attempt: values only.

use warp::http::StatusCode;

use super::answer::Fetched;
use crate::http::Kind;

/// Whether it is an error that passes by itself, as a restart does. An outcome of the classic routes
/// is none, and what is at a limit is told at once.
pub(super) fn passes(fetched: &Fetched) -> bool {
    match fetched.status {
        StatusCode::BAD_GATEWAY => true,
        StatusCode::SERVICE_UNAVAILABLE => fetched.code().is_none_or(|code| {
            let passing = [
                "accounts_unavailable",
                "clock_behind",
                "contended",
                "draining",
                "outcome_unknown",
                "store_busy",
                "store_unavailable",
                "too_many_connections",
            ];
            passing.contains(&code.as_str())
        }),
        StatusCode::GATEWAY_TIMEOUT => fetched
            .code()
            .is_none_or(|code| code == Kind::UpstreamUnavailable.row().1),
        _ => false,
    }
}

/// Whether the daemon, or what stands before it, may have acted on the call all the same.
pub(super) fn leaves_a_doubt(fetched: &Fetched) -> bool {
    let code = fetched.code();
    fetched.status.is_server_error() && code.is_none_or(|code| code == "outcome_unknown")
}

/// Whether it says that there is no room, or trouble: nothing about what an earlier attempt of the
/// same call has done.
pub(super) fn is_no_answer(fetched: &Fetched) -> bool {
    fetched.status == StatusCode::TOO_MANY_REQUESTS || fetched.status.is_server_error()
}

/// Whether a daemon says that it has no such request, which another one may have.
pub(super) fn is_not_found(fetched: &Fetched) -> bool {
    let code = Kind::NotFound.row().1;
    fetched.status == StatusCode::NOT_FOUND && fetched.code().is_some_and(|it| it == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To poll again after these would ask again, or keep a caller from hearing what became of it.
    #[test]
    fn what_a_daemon_has_decided_is_not_asked_for_again() {
        for (status, code) in [
            (503, Some("cancelled")),
            (504, Some("expired")),
            (503, Some("too_many_pending")),
            (503, Some("too_many_waiters")),
            (500, Some("internal")),
            (404, None),
            (200, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!passes(&Fetched::error(status, code)), "{status} {code:?}");
        }
    }

    #[test]
    fn what_a_restart_brings_about_passes() {
        for (status, code) in [
            (502, None),
            (503, None),
            (504, None),
            (503, Some("draining")),
            (503, Some("outcome_unknown")),
            (504, Some("upstream_unavailable")),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(passes(&Fetched::error(status, code)), "{status} {code:?}");
        }
    }
}
