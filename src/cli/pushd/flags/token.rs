//! The command line of `pushd token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::flags::duration;
use crate::client::DaemonUrl;
use crate::domain::{Role, TopicPattern};
use crate::limits;

/// What there is to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli::pushd) enum TokenCommand {
    /// Make a token and print it, once: it is kept nowhere
    ///
    /// Roles: a requester asks and sees its own requests; an approver sees requests and decides
    /// them, except its own; an observer sees them; an admin sees and withdraws them.
    Create(CreateFlags),
    /// Show who has a token, with roles, topics and expiry
    List(ListFlags),
    /// Take somebody's token away, at once
    Revoke(RevokeFlags),
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// The tokens file.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct TokensFlag {
    /// The tokens file, as the daemon's --tokens names it
    #[arg(long, value_name = "FILE", env = "PUSHD_TOKENS")]
    pub(in crate::cli::pushd) tokens: PathBuf,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// The flags of `pushd token create`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct CreateFlags {
    /// Whose token: a person or a program; letters, digits and ._@-
    #[arg(long)]
    pub(in crate::cli::pushd) name: String,

    /// What may be done with it: requester, approver, observer or admin; may be repeated
    #[arg(long = "role", required = true, value_delimiter = ',')]
    pub(in crate::cli::pushd) roles: Vec<Role>,

    /// On which topics, * for any characters; may be repeated [default: all]
    #[arg(long = "topic", value_name = "PATTERN", value_parser = topics)]
    pub(in crate::cli::pushd) topics: Vec<TopicPattern>,

    /// How long it is good for, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = token_life)]
    pub(in crate::cli::pushd) expires: Option<Duration>,

    /// Make a new one in place of the one that the name has
    #[arg(long)]
    pub(in crate::cli::pushd) replace: bool,

    /// Draw a QR code that logs a phone in
    ///
    /// It leads to the login page below --public-url, and holds the token behind the #, which no
    /// browser sends. Whoever sees the code has the token.
    #[arg(long)]
    pub(in crate::cli::pushd) qr: bool,

    /// Where people reach the daemon from other machines, for --qr
    #[arg(long, value_name = "URL", env = "PUSHD_PUBLIC_URL")]
    pub(in crate::cli::pushd) public_url: Option<DaemonUrl>,

    #[command(flatten)]
    pub(in crate::cli::pushd) file: TokensFlag,
}

/// The flags of `pushd token list`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct ListFlags {
    /// Print JSON, one line for each
    #[arg(long)]
    pub(in crate::cli::pushd) json: bool,

    #[command(flatten)]
    pub(in crate::cli::pushd) file: TokensFlag,
}

/// The flags of `pushd token revoke`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct RevokeFlags {
    /// Whose
    pub(in crate::cli::pushd) name: String,

    #[command(flatten)]
    pub(in crate::cli::pushd) file: TokensFlag,
}

pub(super) fn topics(text: &str) -> Result<TopicPattern, String> {
    TopicPattern::new(text).map_err(|error| format!("a pattern of topics {error}"))
}

fn token_life(text: &str) -> Result<Duration, String> {
    let life = duration(text)?;
    if life > limits::TOKEN_LIFE_MAX {
        return Err("at most ten years".to_owned());
    }
    Ok(life)
}
