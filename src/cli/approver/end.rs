//! Why the program ends by itself, and with which exit code.

use std::io;

use anyhow::{Error, anyhow};

use crate::cli::exit;
use crate::domain::Verdict;
use crate::terminal::printable::visible;

/// Why the program ends by itself.
#[derive(Debug)]
pub(super) enum End {
    /// `q`, Ctrl-D or the end of input.
    Left,
    /// With `--once`: this was decided, and counts.
    Decided(Verdict),
    /// The terminal is gone.
    Hangup(io::Error),
    /// We may not listen.
    Refused(String),
    /// What answers is no pushd.
    NotPushd(String),
    /// The daemon wants no listeners (204).
    Dismissed,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Hangup(error)
    }
}

/// The exit code for it.
///
/// # Errors
/// What has to be told, with its exit code.
pub(super) fn ended(end: End, url: &str) -> Result<u8, (u8, Error)> {
    match end {
        End::Left => Ok(exit::SUCCESS),
        End::Decided(Verdict::Approve) => Ok(exit::APPROVED),
        End::Decided(Verdict::Deny) => Ok(exit::DENIED),
        // There is nothing left to write the cause to.
        End::Hangup(_cause) => Ok(exit::HANGUP),
        End::Refused(why) => Err((
            exit::NOT_PERMITTED,
            anyhow!("{url} does not let us listen: {}", visible(&why)),
        )),
        End::NotPushd(why) => Err((
            exit::UNAVAILABLE,
            anyhow!(
                "what answers at {url} is not known to be a pushd: {}; check --url",
                visible(&why)
            ),
        )),
        End::Dismissed => Err((
            exit::UNAVAILABLE,
            anyhow!("the daemon at {url} takes no listeners at present"),
        )),
    }
}
