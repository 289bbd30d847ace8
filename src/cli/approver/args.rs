//! The command line of `approver`.

mod commands;

use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser};

pub(super) use self::commands::{ALL, DecideFlags, ListFlags, Subcommand, WatchFlags};
use crate::cli::flags::{DaemonFlags, duration, topic};
use crate::domain::Topic;
use crate::limits;

/// Asks a person on the terminal about each pending request, one at a time
///
/// Without a terminal it asks nobody and exits with 64, unless a policy answers (--policy). The
/// commands below do one thing each, and need no terminal.
#[derive(Debug, Parser)]
#[command(
    name = "approver",
    version,
    max_term_width = 100,
    after_help = after_help(),
    subcommand_help_heading = "Commands",
    disable_help_subcommand = true
)]
struct Line {
    #[command(flatten)]
    daemon: DaemonFlags,

    #[command(flatten)]
    answering: AnsweringFlags,

    #[command(subcommand)]
    command: Option<Subcommand>,
}

/// What the program is to do.
#[derive(Debug)]
pub(super) struct Approver {
    /// Which daemon to talk to, and as whom.
    pub(super) daemon: DaemonFlags,
    /// How requests are answered, where no command is given.
    pub(super) answering: AnsweringFlags,
    /// The command, if one is given.
    pub(super) command: Option<Subcommand>,
}

/// The default of `--policy-timeout`, as it is typed.
static POLICY_TIME: LazyLock<String> =
    LazyLock::new(|| humantime::format_duration(limits::POLICY_TIME_DEFAULT).to_string());

/// Which requests are answered, and by whom.
#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
#[derive(Args, Clone, Debug)]
pub(super) struct AnsweringFlags {
    /// Ask only about this topic; can be given several times [default: all topics]
    #[arg(long = "topic", env = "PUSHD_TOPICS", value_name = "TOPIC", value_delimiter = ',', value_parser = topic)]
    pub(super) topics: Vec<Topic>,

    /// Leave after one decision: 0 approved, 1 denied, 3 left without one
    ///
    /// With --policy one request is judged at a time.
    #[arg(long, env = "PUSHD_ONCE", value_parser = FalseyValueParser::new())]
    pub(super) once: bool,

    /// Have each request judged by this command of the shell (sh -c) first
    ///
    /// It gets the request as JSON on standard input and in variables, PUSHD_REQUEST_ID, _TITLE,
    /// _TOPIC, _STATUS, _REQUESTER, _ADDRESS, _VERSION, _CREATED_AT, _EXPIRES_AT and
    /// _APPROVALS_NEEDED. Exit 0 approves, 1 denies, 3 leaves it open; anything else, a signal or
    /// the end of its time leaves it open, too, and is told. The first line of its standard output is the reason. What
    /// it leaves open is asked here if there is a terminal. A request with a match code is never
    /// given to it.
    #[arg(long, env = "PUSHD_POLICY", value_name = "COMMAND", value_parser = policy)]
    pub(super) policy: Option<String>,

    /// How long the policy may take for one request, from 1s to 1h; then it is killed, with all
    /// that it has started
    #[arg(
        long,
        env = "PUSHD_POLICY_TIMEOUT",
        value_name = "TIME",
        default_value = POLICY_TIME.as_str(),
        value_parser = policy_time
    )]
    pub(super) policy_timeout: Duration,

    /// How many requests the policy judges at the same time, from 1 to 64
    #[arg(long, env = "PUSHD_JOBS", value_name = "N", default_value_t = limits::POLICY_JOBS, value_parser = jobs)]
    pub(super) jobs: usize,
}

fn policy(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is empty; name a program or write a command of the shell".to_owned());
    }
    Ok(text.to_owned())
}

fn policy_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let (least, most) = limits::POLICY_TIME;
    if (least..=most).contains(&time) {
        Ok(time)
    } else {
        Err("is not from 1s to 1h".to_owned())
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    let most = limits::POLICY_JOBS_MAX;
    match text.parse() {
        Ok(jobs) if (1..=most).contains(&jobs) => Ok(jobs),
        Ok(_) | Err(_) => Err(format!("is no number from 1 to {most}")),
    }
}

impl CommandFactory for Approver {
    fn command() -> Command {
        Line::command()
    }

    fn command_for_update() -> Command {
        Line::command_for_update()
    }
}

impl FromArgMatches for Approver {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if let Some((command, _)) = matches.subcommand() {
            refuse_answering(matches, command)?;
        }
        let line = Line::from_arg_matches(matches)?;
        Ok(Self {
            daemon: line.daemon,
            answering: line.answering,
            command: line.command,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Parser for Approver {}

/// A flag of the program without a command does nothing for a command, and whoever has given it
/// before one has meant something by it. Variables may stay set.
fn refuse_answering(matches: &ArgMatches, command: &str) -> Result<(), clap::Error> {
    let own = AnsweringFlags::augment_args(Command::new("own"));
    let given = own.get_arguments().find(|arg| {
        let source = matches.value_source(arg.get_id().as_str());
        source == Some(ValueSource::CommandLine)
    });
    match given.and_then(clap::Arg::get_long) {
        None => Ok(()),
        Some(flag) => Err(clap::Error::raw(
            ErrorKind::ArgumentConflict,
            format!(
                "--{flag} before {command} has no meaning; see approver {command} --help for what \
                 may follow it\n"
            ),
        )),
    }
}

fn after_help() -> String {
    format!(
        "\
An answer is a whole line, and only these decide:
  y, yes             approve
  n, no              deny; a reason may follow on the same line: n frozen until Monday
Others:
  s                  skip: ask about the others first; it comes back after {} s at the earliest
  d                  show all details
  q, Ctrl-D, Ctrl-C  leave; leaving decides nothing
A request with a match code asks for it after y; anything but six digits decides nothing.
What is typed before a question is on the screen is thrown away.

Exit codes:
  0 left with q or Ctrl-D   64 usage, or neither terminal nor policy   69 no pushd at the URL
  70 internal error         77 not permitted                           78 configuration
  129, 130, 131, 143        ended by SIGHUP, Ctrl-C, Ctrl-\\ or SIGTERM
  with --once: 0 approved   1 denied   3 left without a decision
Each command's own help tells its exit codes.",
        limits::SKIP_TIME.as_secs()
    )
}

#[cfg(test)]
mod tests;
