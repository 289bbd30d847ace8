//! What every way of calling `requester` takes, before or after the name of a command.

use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;

use super::typed;
use crate::cli::flags::duration;
use crate::limits;

/// The default of `--connect-timeout`, as it is typed.
static CONNECT: LazyLock<String> = LazyLock::new(|| typed(limits::CONNECT_DEFAULT));

/// What every way of calling `requester` takes.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::requester) struct CommonFlags {
    /// How long to try until the daemon has accepted the request, or answered at all
    #[arg(
        long,
        env = "PUSHD_CONNECT_TIMEOUT",
        value_name = "TIME",
        default_value = CONNECT.as_str(),
        value_parser = duration,
        global = true
    )]
    pub(in crate::cli::requester) connect_timeout: Duration,

    /// Print the request as it was last known on standard output, as one line of JSON; an approval
    /// that cannot be printed ends with 70. A closed standard output (>&-) counts as /dev/null
    #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new(), global = true)]
    pub(in crate::cli::requester) json: bool,

    /// Show nothing but errors
    #[arg(short, long, env = "PUSHD_QUIET", value_parser = FalseyValueParser::new(), global = true)]
    pub(in crate::cli::requester) quiet: bool,
}
