//! How an answer is waited for.

use std::sync::LazyLock;
use std::time::Duration;

use super::typed;
use super::values::poll;
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
}
