//! The command line of `requester`: asking, and commands for what was asked before.

mod asking;
mod common;
mod program;
mod values;
mod waiting;

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(super) use self::asking::{AskFlags, Lease};
pub(super) use self::common::CommonFlags;
pub(super) use self::waiting::{UseFlags, WaitFlags};
use crate::cli::flags::DaemonFlags;
use crate::cli::handbook;
use crate::domain::RequestId;

/// Asks for a person's approval and waits for it; the exit code tells
///
/// Exits with 0 only if the request was approved. With a program behind -- an approval runs it, as
/// it was shown to the approver and once, and the exit code is the program's.
#[derive(Debug, Parser)]
#[command(
    name = "requester",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    disable_help_subcommand = true
)]
pub(super) struct Requester {
    #[command(flatten)]
    pub(super) daemon: DaemonFlags,

    #[command(flatten)]
    pub(super) ask: AskFlags,

    #[command(flatten)]
    pub(super) waiting: WaitFlags,

    #[command(flatten)]
    pub(super) common: CommonFlags,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What else there is to do than to ask.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Known(Known),
    /// Say what is wrong on the way to the daemon, and what to do about it
    ///
    /// It looks at the configuration, proxies, the address, TLS, clocks, versions and the token, and
    /// asks nobody for anything. Each line on standard output is ok, warn or fail; --json prints one
    /// object instead, and --quiet leaves out what is ok.
    ///
    /// Leaves with 0 if an ask would come through, and else with the code that an ask would leave
    /// with.
    Doctor,
}

/// What there is to do with a request that was asked before.
#[derive(Debug, Subcommand)]
pub(super) enum Known {
    /// Wait for the answer to a request that was asked before
    ///
    /// Leaves as the one who asked would. A signal ends the wait alone: the request stays, because
    /// others may wait for it as well.
    Wait {
        /// The request
        #[arg(value_name = "ID")]
        id: RequestId,

        #[command(flatten)]
        waiting: WaitFlags,
    },
    /// Say where a request stands, without waiting for it
    ///
    /// Leaves with 3 while it is pending, and with the code of its outcome afterwards.
    Status {
        /// The request
        #[arg(value_name = "ID")]
        id: RequestId,

        #[command(flatten)]
        using: UseFlags,
    },
    /// Withdraw a request, so that nobody can approve it any more
    ///
    /// Leaves with 0 when it is cancelled, also when it was before, and with 1 when it was decided
    /// or has expired.
    Cancel {
        /// The request
        #[arg(value_name = "ID")]
        id: RequestId,
    },
}

fn typed(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

const AFTER_HELP: &str = "\
Two clocks:
  --timeout  is how long one poll may take before it is sent again. Nothing ends with it.
  --expires  is the deadline of the request. After it nobody can approve it any more.

Exit codes:
  0 approved      1 denied       3 still pending (--detach, --wait-at-most, status)
  4 cancelled     124 expired, or approved too long ago
  64 usage        69 daemon unreachable, or outcome unknown     70 internal error
  75 try later    77 not permitted      78 configuration
  With a program behind -- that is approved its own, and before it runs also
  65 not as it was shown   77 used already   126 cannot be run   127 not found
  129, 130, 143   ended by SIGHUP, Ctrl-C or SIGTERM, after cancelling the request";

/// Reads a command line, the program's name first.
///
/// # Errors
/// It is wrong, or asks for help or the version: what clap has to say.
pub(super) fn read(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Requester, clap::Error> {
    let mut command = handbook::flagged(Requester::command());
    let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
    let matches = command.try_get_matches_from_mut(&line);
    let matches = matches.map_err(|error| program::with_a_tip(error, &command))?;
    handbook::misplaced(&matches)
        .map_err(|words| command.error(ErrorKind::ArgumentConflict, words))?;
    if let Some(words) = program::lacking(&line, &matches) {
        return Err(command.error(ErrorKind::MissingRequiredArgument, words));
    }
    if let Some((name, _)) = matches.subcommand()
        && let Some(flag) = flag_of_an_ask(&matches)
    {
        let words = format!(
            "{flag} is about asking and waiting, so it does not go before {name}; leave it out, or \
             write it after {name} if `requester {name} --help` has it"
        );
        return Err(command.error(ErrorKind::ArgumentConflict, words));
    }
    let mut line = Requester::from_arg_matches(&matches)?;
    let leaves = line.ask.detach || line.waiting.wait_at_most.is_some();
    if leaves && !is_given(&matches, "lease") {
        // Whoever leaves on purpose must not be taken for one who is gone.
        line.ask.lease = Some(Lease::Unlimited);
    }
    Ok(line)
}

/// Whether the flag is on the command line itself. Variables are set for many calls.
fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// A flag for asking that is on the command line itself.
fn flag_of_an_ask(matches: &ArgMatches) -> Option<String> {
    let flags = AskFlags::augment_args(WaitFlags::augment_args(clap::Command::new("")));
    let given = |flag: &&clap::Arg| is_given(matches, flag.get_id().as_str());
    let mut given = flags.get_arguments().filter(given);
    let flag = given.find_map(clap::Arg::get_long)?;
    Some(format!("--{flag}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::requester::details::Source;
    use crate::limits;

    fn parse(args: &[&str]) -> Result<Requester, String> {
        read([&["requester"], args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent_and_every_flag_has_a_variable() {
        let command = Requester::command();
        command.clone().debug_assert();
        for command in std::iter::once(&command).chain(command.get_subcommands()) {
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                assert!(arg.get_env().is_some(), "{}", arg.get_id());
            }
        }
    }

    #[test]
    fn a_url_and_a_timeout_are_enough() {
        let line = parse(&["--url", "http://h:1", "--timeout", "5s"]).unwrap();
        assert_eq!(line.daemon.url, ["http://h:1".parse().unwrap()]);
        assert_eq!(line.waiting.timeout, Duration::from_secs(5));
        assert_eq!(line.common.connect_timeout, limits::CONNECT_DEFAULT);
        assert_eq!(parse(&[]).unwrap().waiting.timeout, limits::POLL_DEFAULT);
    }

    #[test]
    fn a_bad_value_is_named_with_its_flag_and_a_remedy() {
        for (args, words) in [
            (["--timeout", "5"], ["--timeout", "30s"]),
            (["--timeout", "200ms"], ["--timeout", "at least 1s"]),
            (["--expires", "31d"], ["--expires", "1s to 30d"]),
            (["--expires", "1500ms"], ["--expires", "whole seconds"]),
            (["-m", "a\nb"], ["--message", "--details"]),
            (["-m", ""], ["--message", "empty"]),
            (["-f", "novalue"], ["--field", "environment=production"]),
            (["-f", "=x"], ["--field", "name of the field is empty"]),
            (["--topic", "a b"], ["--topic", "' '"]),
            (["--key", "a b"], ["--key", "ASCII"]),
            (
                ["--url", "127.0.0.1:8888"],
                ["--url", "http://127.0.0.1:8888"],
            ),
            (["--bogus", "x"], ["--bogus", "unexpected"]),
        ] {
            let error = parse(&args).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_field_may_have_equals_signs_and_lines_in_its_value() {
        let line = parse(&["-f", "a=b=c\nd", "-f", "e="]).unwrap();
        let fields: Vec<_> = line
            .ask
            .fields
            .iter()
            .map(|f| (f.name(), f.value()))
            .collect();
        assert_eq!(fields, [("a", "b=c\nd"), ("e", "")]);
    }

    #[test]
    fn what_stands_after_two_dashes_is_a_command_and_nothing_else_is() {
        let line = parse(&["-q", "--", "status", "--json", "-x"]).unwrap();
        assert!(line.command.is_none() && line.common.quiet && !line.common.json);
        for empty in [&["--"][..], &["-m", "Deploy?", "--"]] {
            let error = parse(empty).unwrap_err();
            assert!(error.contains("no program behind --"), "{error}");
        }
        assert!(parse(&["-d", "--"]).unwrap().ask.details.is_some());
        let error = parse(&["terraform", "apply"]).unwrap_err();
        assert!(error.contains("after --"), "{error}");
        let error = parse(&["--bogus"]).unwrap_err();
        assert!(!error.contains("after --"), "{error}");
    }

    #[test]
    fn a_lone_dash_is_standard_input() {
        assert_eq!(
            parse(&["-d", "-"]).unwrap().ask.details,
            Some(Source::Stdin)
        );
    }

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_command_takes_the_flags_of_all_before_and_after_its_name() {
        for args in [
            &["--url", "http://h:1", "--json", "status", ID][..],
            &["status", "--json", ID, "--url", "http://h:1"],
            &["--url", "http://h:1", "status", ID, "--json"],
        ] {
            let line = parse(args).unwrap();
            assert_eq!(line.daemon.url, ["http://h:1".parse().unwrap()]);
            assert!(line.common.json);
            assert!(
                matches!(line.command, Some(Command::Known(Known::Status { id, .. })) if id.to_string() == ID)
            );
        }
    }

    #[test]
    fn a_command_takes_no_flags_of_an_ask_and_no_id_that_is_none() {
        for (args, words) in [
            (
                &["-m", "Deploy?", "status", ID][..],
                ["--message", "before status"],
            ),
            (
                &["--timeout", "5s", "status", ID],
                ["--timeout", "requester status --help"],
            ),
            (
                &["status", ID, "--expires", "5m"],
                ["--expires", "unexpected"],
            ),
            (&["status", "abc"], ["abc", "26 lower-case letters"]),
            (&["status"], ["<ID>", "required"]),
            (&["stats", ID], ["stats", "status"]),
        ] {
            let error = parse(args).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn whoever_waits_has_a_lease_and_whoever_leaves_only_if_it_is_asked_for() {
        let default = limits::LEASE_DEFAULT.as_secs();
        for (args, lease) in [
            (&[][..], Some(default)),
            (&["--lease", "30s"], Some(30)),
            (&["--lease", "none"], None),
            (&["--lease", "0"], None),
            (&["--detach"], None),
            (&["--wait-at-most", "1m"], None),
            (&["--detach", "--lease", "1h"], Some(3600)),
            (&["--wait-at-most", "1m", "--lease", "5m"], Some(300)),
        ] {
            assert_eq!(parse(args).unwrap().ask.lease_secs(), lease, "{args:?}");
        }
    }

    #[test]
    fn terms_are_within_their_bounds() {
        let line = parse(&["--need", "2", "--from", "alice,@sre"]).unwrap();
        assert_eq!(line.ask.need, Some(2));
        let from: Vec<_> = line.ask.from.iter().map(ToString::to_string).collect();
        assert_eq!(from, ["alice", "@sre"]);
        for (args, words) in [
            (["--need", "0"], ["--need", "1..=16"]),
            (["--need", "17"], ["--need", "1..=16"]),
            (["--from", "alice,"], ["--from", "@sre"]),
            (["--lease", "25h"], ["--lease", "none for no lease"]),
            (["--lease", "1500ms"], ["--lease", "whole seconds"]),
            (["--use-within", "31d"], ["--use-within", "1s to 30d"]),
            (
                ["--wait-at-most", "500ms"],
                ["--wait-at-most", "at least 1s"],
            ),
        ] {
            let error = parse(&args).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
