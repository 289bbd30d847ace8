//! Why there is no good answer: what a caller can do about it, and whom else it may ask.

use std::time::Duration;

use super::trust::mistrust;
use crate::wire::ProblemView;

/// Why there is no good answer, and so whether another attempt can help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It may pass: nobody listens, the connection broke, no answer in time, an error of the
    /// server or of something in between, too many calls. Worth another attempt.
    #[error("{what}")]
    Transient {
        /// What happened, in a few words.
        what: String,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
        /// Whether a limit was reached: nothing is broken, there is just too much of something.
        at_limit: bool,
        /// Whether it is about who calls, and not about who answers, so that another daemon of the
        /// same store would have to say it too (429).
        about_us: bool,
        /// Whether the call has certainly not been acted on: no connection came about, or the
        /// daemon had no room for it.
        unsent: bool,
    },
    /// The daemon, or a gate in front of it, says no: 4xx. The same call again will not help.
    #[error("{}", refusal(problem))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The daemon's words; without `code` when they are not a problem document of its own.
        /// 409 and 412 carry the request as it stands.
        problem: Box<ProblemView>,
        /// Whether another daemon was asked before, may have acted on the call, and its answer was
        /// lost.
        in_doubt: bool,
    },
    /// By TLS it cannot be told that the daemon is at the other end, so nothing was sent.
    #[error("{what}")]
    Untrusted {
        /// Why not, and what to do about it.
        what: String,
    },
    /// What answers there is not a pushd.
    #[error("{what}")]
    NotPushd {
        /// What gave it away.
        what: String,
    },
}

fn refusal(problem: &ProblemView) -> &str {
    if problem.detail.is_empty() {
        &problem.title
    } else {
        &problem.detail
    }
}

impl CallError {
    /// Whether no daemon has said this: something else answers there, or stands before it.
    ///
    /// A proxy whose backend restarts answers with 404 as well; only a daemon's own words, which
    /// have a `code`, say anything about a request.
    pub const fn is_foreign(&self) -> bool {
        match self {
            Self::Refused { problem, .. } => problem.code.is_empty(),
            Self::NotPushd { .. } | Self::Untrusted { .. } => true,
            Self::Transient { .. } => false,
        }
    }

    /// Whether the daemon itself says that there is no such request.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, problem, .. } if problem.code == "not_found")
    }

    /// Whether a daemon may have acted on the call, and its answer was lost.
    pub(super) const fn leaves_a_doubt(&self) -> bool {
        matches!(
            self,
            Self::Transient { unsent: false, .. } | Self::Refused { in_doubt: true, .. }
        )
    }

    /// Whether the next of several daemons is to be asked: what this one says is no decision on the
    /// call. A gate that wants to know who calls has decided.
    pub(super) fn leads_on(&self) -> bool {
        match self {
            Self::Transient { about_us, .. } => !about_us,
            Self::Untrusted { .. } | Self::NotPushd { .. } => true,
            Self::Refused {
                status, problem, ..
            } => match &*problem.code {
                "" => !matches!(status, 401 | 403 | 407),
                // It is not set up for us, or too old.
                "wrong_host" | "tls_required" | "no_such_path" => true,
                _ => false,
            },
        }
    }

    /// The same after another daemon may have acted on the call.
    pub(super) fn in_doubt(self) -> Self {
        match self {
            Self::Refused {
                status, problem, ..
            } => Self::Refused {
                status,
                problem,
                in_doubt: true,
            },
            Self::Transient {
                what,
                retry_after,
                at_limit,
                about_us,
                ..
            } => Self::Transient {
                what,
                retry_after,
                at_limit,
                about_us,
                unsent: false,
            },
            other @ (Self::Untrusted { .. } | Self::NotPushd { .. }) => other,
        }
    }

    /// No good answer within `limit`, whoever set it; the call may have been acted on.
    pub(crate) fn silent(limit: Duration) -> Self {
        Self::broken(match limit.as_secs() {
            0 => format!("no answer within {} ms", limit.as_millis()),
            secs => format!("no answer within {secs} s"),
        })
    }

    /// How long the server wants to be left alone, if it has said so.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            Self::Refused { .. } | Self::Untrusted { .. } | Self::NotPushd { .. } => None,
        }
    }

    /// The call may have been acted on, but its answer was lost.
    pub(super) fn broken(what: String) -> Self {
        Self::Transient {
            what,
            retry_after: None,
            at_limit: false,
            about_us: false,
            unsent: false,
        }
    }

    /// No connection came about.
    pub(super) fn unsent(what: String) -> Self {
        Self::Transient {
            what,
            retry_after: None,
            at_limit: false,
            about_us: false,
            unsent: true,
        }
    }

    /// An error below HTTP.
    pub(super) fn transport(error: &reqwest::Error) -> Self {
        if error.is_connect()
            && let Some(what) = mistrust(error)
        {
            return Self::Untrusted { what };
        }
        let cause = root(error);
        if error.is_connect() {
            Self::unsent(format!("cannot connect: {cause}"))
        } else if error.is_builder() {
            Self::unsent(cause)
        } else {
            Self::broken(cause)
        }
    }
}

/// The innermost message of an error: "Connection refused" says more than "error sending request".
pub(crate) fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
