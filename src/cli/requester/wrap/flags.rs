//! The flags of a command that waits for a yes.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::builder::FalseyValueParser;

use crate::cli::exit;
use crate::cli::requester::args::{AskFlags, CommonFlags, WaitFlags};
use crate::cli::requester::details::Source;
use crate::cli::requester::outcome::End;

/// What runs on approval, and what of its surroundings an approver is shown.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli::requester) struct WrapFlags {
    /// A file whose SHA-256 the approver is shown and which must be the same when the command
    /// runs; can be given up to 32 times
    ///
    /// The variable names one file.
    #[arg(
        long,
        env = "PUSHD_BIND",
        value_name = "FILE",
        help_heading = COMMAND
    )]
    pub(super) bind: Vec<PathBuf>,

    /// Read standard input now, show the approver its SHA-256, and give the command exactly that
    /// as its standard input; at most 64 MiB
    #[arg(
        long,
        env = "PUSHD_BIND_STDIN",
        value_parser = FalseyValueParser::new(),
        help_heading = COMMAND
    )]
    pub(super) bind_stdin: bool,

    /// An environment variable of the command to show the approver with its value, which is kept
    /// like the rest of the question, so no secret; can be given up to 32 times
    ///
    /// The command gets the whole environment, shown or not.
    #[arg(
        long,
        env = "PUSHD_SHOW_ENV",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = COMMAND
    )]
    pub(super) show_env: Vec<OsString>,

    /// What to run if it is approved, exactly as it is shown to the approver, and once; the exit
    /// code is then the command's
    #[arg(last = true, value_name = "PROGRAM", help_heading = COMMAND)]
    pub(super) command: Vec<OsString>,
}

/// Whether there is a command, and nothing beside it that cannot be.
///
/// # Errors
/// The end of the program: flags that do not go together.
pub(in crate::cli::requester) fn check(
    flags: &AskFlags,
    waiting: &WaitFlags,
    common: &CommonFlags,
) -> Result<(), End> {
    let wrap = &flags.wrap;
    let error = if wrap.command.is_empty() {
        None
    } else if common.json && !flags.detach {
        Some(anyhow!(
            "--json does not go with a command, whose standard output is its own; leave it out, and \
             PUSHD_JSON unset"
        ))
    } else if wrap.bind_stdin && flags.details == Some(Source::Stdin) {
        Some(anyhow!(
            "--bind-stdin and --details - both read standard input; give the details as @FILE"
        ))
    } else if flags.key.is_none() && (flags.detach || waiting.wait_at_most.is_some()) {
        Some(anyhow!(
            "--detach and --wait-at-most need a --key with a command: only the same command with \
             the same key can run it later"
        ))
    } else {
        None
    };
    error.map_or(Ok(()), |error| Err(End::failed(exit::USAGE, error)))
}

const COMMAND: &str = "A command that waits for the approval";
