//! The command line of `pushd policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::domain::{BadName, Principal};

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// What there is to do with policies.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli::pushd) enum PolicyCommand {
    /// Say whether a policy file is right, and what in it is probably not meant
    ///
    /// Exit codes: 0 right, with warnings or without, 64 wrong command line, 78 the file is wrong:
    /// the line and the reason are told.
    Check(CheckFlags),
    /// Say what a policy makes of an ask: which rules apply, on which terms it would be taken, and
    /// who could approve it; nothing is asked
    ///
    /// Exit codes: 0 told, also when it would be refused, 64 wrong command line, 65 the ask is
    /// wrong, 78 a file is wrong.
    Explain(ExplainFlags),
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// Whether to look at a tokens file.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct KnownFlag {
    /// The tokens file, to look up the people whom the policy names
    #[arg(long, value_name = "FILE", env = "PUSHD_TOKENS")]
    pub(in crate::cli::pushd) tokens: Option<PathBuf>,
}

/// The flags of `pushd policy check`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct CheckFlags {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub(in crate::cli::pushd) file: PathBuf,

    #[command(flatten)]
    pub(in crate::cli::pushd) known: KnownFlag,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// The flags of `pushd policy explain`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct ExplainFlags {
    /// The policy file, as the daemon's --policy names it
    #[arg(long, value_name = "FILE", env = "PUSHD_POLICY")]
    pub(in crate::cli::pushd) policy: PathBuf,

    /// The ask, as JSON as it is posted to /v1/requests; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli::pushd) request: PathBuf,

    /// Who would ask: the name of a token, or unix: and that of a user
    #[arg(long, value_name = "NAME", default_value = Principal::LOCAL, value_parser = requester)]
    pub(in crate::cli::pushd) requester: Principal,

    /// Print JSON
    #[arg(long)]
    pub(in crate::cli::pushd) json: bool,

    #[command(flatten)]
    pub(in crate::cli::pushd) known: KnownFlag,
}

/// Somebody who asks: besides people, the names that stand for everybody.
fn requester(name: &str) -> Result<Principal, BadName> {
    if [Principal::LOCAL, Principal::CLASSIC].contains(&name) {
        return Ok(Principal::new(name));
    }
    Principal::somebody(name)
}
