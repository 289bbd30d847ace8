//! The commands of `approver`, each for one thing.

use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::{Args, Subcommand as Derive};

use crate::cli::flags::topic;
use crate::domain::{EventId, MatchCode, Reason, RequestId, Topic};
use crate::limits;

/// What to do.
#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
#[derive(Debug, Derive)]
pub(in crate::cli::approver) enum Subcommand {
    /// Lists requests, the newest first: those that are pending, unless --status says otherwise
    #[command(after_help = READING)]
    List(ListFlags),

    /// Shows one request: what the asker says, and what the daemon knows
    #[command(after_help = READING)]
    Show {
        /// Which request
        id: RequestId,

        /// Print it as one line of JSON
        #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },

    /// Approves one request
    #[command(after_help = DECIDING)]
    Approve(ApproveFlags),

    /// Denies one request
    #[command(after_help = DECIDING)]
    Deny(DenyFlags),

    /// Takes one's own decision back, while the request is pending
    #[command(after_help = DECIDING)]
    TakeBack {
        /// Which request
        id: RequestId,

        /// Print the request as one line of JSON
        #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },

    /// Prints what is pending, and from then on each change, until it is ended
    ///
    /// It connects again whenever the connection is lost, and goes on where it was.
    #[command(after_help = WATCHING)]
    Watch(WatchFlags),
}

const READING: &str = "\
Exit codes:
  0 printed          64 usage, or no such request      69 daemon unreachable
  70 internal error  73 standard output takes nothing  75 try later
  77 not permitted   78 configuration";

const DECIDING: &str = "\
Exit codes:
  0 it counts: the request is settled so, or it needs more such decisions and stays pending
  1 it does not: the request was final before, otherwise
  64 usage, no such request, or a reason or match code is missing
  69 daemon unreachable, or outcome unknown   70 internal error
  73 standard output takes nothing (--json)   75 try later: the request has changed, a freeze, a
  77 not permitted, or the wrong match code      limit
  78 configuration";

const WATCHING: &str = "\
With --json each line is {\"event\":\"request\",\"data\":{...}} with a request as it is now. Others are
caught-up (all that was pending is printed), and reset (drop everything: all that is pending
follows). Without it only requests are printed, for people.

Exit codes:
  0 one request was printed (--once), or the reader has left
  64 usage            69 no pushd at the URL              70 internal error
  77 not permitted    73 standard output takes nothing    78 configuration";

/// Which requests are listed.
#[derive(Args, Debug)]
pub(in crate::cli::approver) struct ListFlags {
    /// Those with this status
    #[arg(
        long,
        env = "PUSHD_STATUS",
        default_value = "pending",
        value_parser = PossibleValuesParser::new(STATUSES)
    )]
    pub(in crate::cli::approver) status: String,

    /// Those with this topic; can be given several times [default: all topics]
    #[arg(long = "topic", env = "PUSHD_TOPICS", value_name = "TOPIC", value_delimiter = ',', value_parser = topic)]
    pub(in crate::cli::approver) topics: Vec<Topic>,

    /// How many of them, the newest, from 1 to 10000; that there are more is told
    #[arg(long, env = "PUSHD_LIMIT", value_name = "N", default_value_t = limits::LIST_DEFAULT, value_parser = count)]
    pub(in crate::cli::approver) limit: usize,

    /// Print each as one line of JSON
    #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::approver) json: bool,
}

/// The word for every status.
pub(in crate::cli::approver) const ALL: &str = "all";
const STATUSES: [&str; 6] = ["pending", "approved", "denied", "expired", "cancelled", ALL];

fn count(text: &str) -> Result<usize, String> {
    let most = limits::INBOX;
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(format!("is no number from 1 to {most}")),
    }
}

/// An approval.
#[derive(Args, Debug)]
pub(in crate::cli::approver) struct ApproveFlags {
    /// Which request
    pub(in crate::cli::approver) id: RequestId,

    /// The six digits that the requester shows, where the request asks for them; without it they
    /// are asked for, if there is a terminal
    #[arg(long, env = "PUSHD_MATCH_CODE", value_name = "CODE", value_parser = match_code)]
    pub(in crate::cli::approver) match_code: Option<MatchCode>,

    #[command(flatten)]
    pub(in crate::cli::approver) common: DecideFlags,
}

/// A denial.
#[derive(Args, Debug)]
pub(in crate::cli::approver) struct DenyFlags {
    /// Which request
    pub(in crate::cli::approver) id: RequestId,

    #[command(flatten)]
    pub(in crate::cli::approver) common: DecideFlags,
}

/// What goes with a decision of either kind.
#[derive(Args, Debug)]
pub(in crate::cli::approver) struct DecideFlags {
    /// Why, in one line of at most 500 characters
    #[arg(short, long, env = "PUSHD_REASON", value_parser = reason)]
    pub(in crate::cli::approver) reason: Option<Reason>,

    /// Decide only if the request still has this version, as show --json tells it
    #[arg(long, env = "PUSHD_REQUEST_VERSION", value_name = "N", value_parser = version)]
    pub(in crate::cli::approver) version: Option<EventId>,

    /// Print the request, as it is then, as one line of JSON
    #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::approver) json: bool,
}

/// What is printed of the stream.
#[derive(Args, Debug)]
pub(in crate::cli::approver) struct WatchFlags {
    /// Only this topic; can be given several times [default: all topics]
    #[arg(long = "topic", env = "PUSHD_TOPICS", value_name = "TOPIC", value_delimiter = ',', value_parser = topic)]
    pub(in crate::cli::approver) topics: Vec<Topic>,

    /// Print JSON lines
    #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::approver) json: bool,

    /// Print one pending request, of those that wait or else the next one, and leave
    #[arg(long, env = "PUSHD_ONCE", value_parser = FalseyValueParser::new())]
    pub(in crate::cli::approver) once: bool,
}

fn match_code(text: &str) -> Result<MatchCode, String> {
    super::super::answer::parse_code(text)
        .ok_or_else(|| "is not six digits, as the requester shows them".to_owned())
}

fn reason(text: &str) -> Result<Reason, String> {
    match Reason::new(text.to_owned()) {
        Ok(Some(reason)) => Ok(reason),
        Ok(None) => Err("is empty; leave it out instead".to_owned()),
        Err(error) => Err(format!("the reason {error}")),
    }
}

fn version(text: &str) -> Result<EventId, String> {
    text.parse()
        .map(EventId)
        .map_err(|_| "is no version; it is a number, as show --json tells it".to_owned())
}
