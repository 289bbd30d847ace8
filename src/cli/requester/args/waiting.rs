//! How an answer is waited for.

use std::sync::LazyLock;
use std::time::Duration;

use super::typed;
use super::values::{at_most, poll, use_within};
use crate::limits;

/// The default of `--timeout`, as it is typed.
static POLL: LazyLock<String> = LazyLock::new(|| typed(limits::POLL_DEFAULT));

/// How an answer is waited for, by whoever asks and by `wait`.
#[derive(Debug, clap::Args)]
pub(in crate::cli::requester) struct WaitFlags {
    /// How long one poll may take, at least 1s; then it is sent again, until the request is
    /// decided or expires. The daemon holds a poll for at most 1m
    #[arg(long, env = "PUSHD_TIMEOUT", value_name = "TIME", default_value = POLL.as_str(), value_parser = poll)]
    pub(in crate::cli::requester) timeout: Duration,

    /// Wait for at most this long, at least 1s; then leave with 3, and let the request stay
    ///
    /// For hosts that kill what waits for too long. The same command with the same --key goes on
    /// where this one has stopped, and so does `requester wait ID`.
    #[arg(long, env = "PUSHD_WAIT_AT_MOST", value_name = "TIME", value_parser = at_most)]
    pub(in crate::cli::requester) wait_at_most: Option<Duration>,

    #[command(flatten)]
    pub(in crate::cli::requester) using: UseFlags,
}

/// What an approval is good for, for everybody who reads one.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli::requester) struct UseFlags {
    /// How long after its decision an approval counts, from 1s to 30d, by the daemon's clock;
    /// later it ends with 124 [default: what was said when it was asked, or else 1h]
    #[arg(long, env = "PUSHD_USE_WITHIN", value_name = "TIME", value_parser = use_within)]
    pub(in crate::cli::requester) use_within: Option<Duration>,
}
