//! What is asked.

use std::time::Duration;

use clap::builder::FalseyValueParser;

use super::values::{expiry, field, key, lease, title, whom};
use crate::cli::flags::topic;
use crate::cli::requester::details::Source;
use crate::cli::requester::wrap::WrapFlags;
use crate::domain::{Field, Title, Topic, Whom};
use crate::limits;

/// The question, and how it may be answered.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and they go together as they like"
)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "these comments are the help text"
)]
#[derive(Debug, clap::Args)]
pub(in crate::cli::requester) struct AskFlags {
    /// The question, in one line of at most 200 characters
    /// [default: the command, or else: Approval asked by USER@HOST in DIR]
    #[arg(short, long, env = "PUSHD_MESSAGE", value_name = "TITLE", value_parser = title)]
    pub(in crate::cli::requester) message: Option<Title>,

    /// More about it, of any number of lines and at most 64 KiB: the text itself, @FILE for what
    /// is in a file, or - for standard input
    #[arg(
        short,
        long,
        env = "PUSHD_DETAILS",
        value_name = "TEXT|@FILE|-",
        allow_hyphen_values = true
    )]
    pub(in crate::cli::requester) details: Option<Source>,

    /// A fact about it; can be given up to 32 times
    #[arg(short, long = "field", env = "PUSHD_FIELD", value_name = "KEY=VALUE", value_parser = field)]
    pub(in crate::cli::requester) fields: Vec<Field>,

    /// What it is about, so that approvers can listen to a part, such as deploy/prod
    /// [default: default]
    #[arg(long, env = "PUSHD_TOPIC", value_parser = topic)]
    pub(in crate::cli::requester) topic: Option<Topic>,

    /// How long the request can be decided, from 1s to 30d, in whole seconds [default: 1h]
    #[arg(long, env = "PUSHD_EXPIRES", value_name = "TIME", value_parser = expiry)]
    pub(in crate::cli::requester) expires: Option<Duration>,

    /// Names this request: the same key with the same question is the same request, and gets the
    /// same answer [default: a random one]
    #[arg(long, env = "PUSHD_KEY", value_parser = key)]
    pub(in crate::cli::requester) key: Option<String>,

    /// Draw six digits, show them here, and let nobody approve who does not type them
    ///
    /// They are shown even with --quiet. Each run draws others, so it does not go with --key, under
    /// which a second run would have to ask the same
    #[arg(long = "match", env = "PUSHD_MATCH", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::requester) matched: bool,

    /// Show the link of the request's page, for a phone or another machine, and where the terminal
    /// has the room also as a QR code
    #[arg(long, env = "PUSHD_QR", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::requester) qr: bool,

    /// Ask, print the request's id, and leave with 3 instead of waiting; `requester wait ID` gets
    /// the answer
    #[arg(long, env = "PUSHD_DETACH", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::requester) detach: bool,

    /// How many approvals are needed, up to 16; a policy of the daemon may ask for more
    /// [default: 1]
    #[arg(
        long,
        env = "PUSHD_NEED",
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=u64::from(limits::VOTES_NEEDED))
    )]
    pub(in crate::cli::requester) need: Option<u64>,

    /// Whose approvals count, of those whom the daemon lets approve: up to 32 names, and groups as
    /// @GROUP, with commas between them
    #[arg(
        long,
        env = "PUSHD_FROM",
        value_name = "NAME,@GROUP",
        value_delimiter = ',',
        value_parser = whom
    )]
    pub(in crate::cli::requester) from: Vec<Whom>,

    /// After how long without a sign of this process the daemon cancels the request, from 1s to
    /// 24h, or none [default: 2m, and none with --detach and --wait-at-most]
    ///
    /// So nobody is asked for one who was killed, or whose machine is gone. An outage of the daemon
    /// does not count. With --detach and --wait-at-most only the flag itself gives one; the
    /// variable does not.
    #[arg(long, env = "PUSHD_LEASE", value_name = "TIME", value_parser = lease)]
    pub(in crate::cli::requester) lease: Option<Lease>,

    /// Leave with 75, with the request cancelled, if nobody is connected who may approve it
    ///
    /// An approver whose connection is just coming back counts as nobody. A request that was asked
    /// before, with the same --key, is not cancelled: another run may wait for it.
    #[arg(long, env = "PUSHD_FAIL_IF_NOBODY", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::requester) fail_if_nobody: bool,

    #[command(flatten)]
    pub(in crate::cli::requester) wrap: WrapFlags,
}

/// How long a request outlives its asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::requester) enum Lease {
    /// Until it is decided or expires.
    Unlimited,
    /// As long as this.
    For(Duration),
}

impl AskFlags {
    /// How long the request of one who waits for it outlives them, in seconds, if not for good.
    pub(in crate::cli::requester) fn lease_secs(&self) -> Option<u64> {
        match self.lease {
            Some(Lease::Unlimited) => None,
            Some(Lease::For(lease)) => Some(lease.as_secs()),
            None => Some(limits::LEASE_DEFAULT.as_secs()),
        }
    }
}
