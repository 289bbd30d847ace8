//! The command line of `approver`.

use clap::Parser;

use crate::cli::flags::{DaemonFlags, topic};
use crate::domain::Topic;
use crate::limits;

/// Asks a person on the terminal about each pending request, one at a time
///
/// Without a terminal it asks nobody and exits with 64.
#[derive(Debug, Parser)]
#[command(name = "approver", version, max_term_width = 100, after_help = after_help())]
pub(super) struct Approver {
    #[command(flatten)]
    pub(super) daemon: DaemonFlags,

    /// Ask only about this topic; can be given several times [default: all topics]
    #[arg(long = "topic", env = "PUSHD_TOPICS", value_name = "TOPIC", value_delimiter = ',', value_parser = topic)]
    pub(super) topics: Vec<Topic>,
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
  0 left with q or Ctrl-D   64 usage, or no terminal         69 no pushd at the URL
  70 internal error         77 not permitted                 78 configuration
  129, 130, 131, 143        ended by SIGHUP, Ctrl-C, Ctrl-\\ or SIGTERM",
        limits::SKIP_TIME.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Result<Approver, String> {
        Approver::try_parse_from([&["approver"], args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent_and_every_flag_has_a_variable() {
        Approver::command().debug_assert();
        for arg in Approver::command().get_arguments() {
            assert!(arg.get_env().is_some(), "{}", arg.get_id());
        }
    }

    #[test]
    fn topics_are_repeated_or_joined_by_commas() {
        let line = parse(&[
            "--url",
            "http://h:1",
            "--topic",
            "a,b",
            "--topic",
            "deploy/prod",
        ])
        .unwrap();
        let topics: Vec<_> = line.topics.iter().map(Topic::as_str).collect();
        assert_eq!(topics, ["a", "b", "deploy/prod"]);
        assert!(parse(&[]).unwrap().topics.is_empty());
    }

    #[test]
    fn a_bad_value_is_named_with_its_flag() {
        for (args, words) in [
            (["--topic", "a b"], ["--topic", "' '"]),
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
}
