//! The command line of `requester`.

use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;

use super::details::Source;
use crate::cli::flags::{DaemonFlags, duration, topic};
use crate::domain::{Field, Title, Topic};
use crate::limits;

/// Asks for a person's approval and waits for it; the exit code tells
///
/// Exits with 0 only if the request was approved.
#[derive(Debug, Parser)]
#[command(name = "requester", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Requester {
    #[command(flatten)]
    pub(super) daemon: DaemonFlags,

    #[command(flatten)]
    pub(super) ask: AskFlags,
}

/// The default of `--timeout`, as it is typed.
static POLL: LazyLock<String> = LazyLock::new(|| typed(limits::POLL_DEFAULT));
/// The default of `--connect-timeout`, as it is typed.
static CONNECT: LazyLock<String> = LazyLock::new(|| typed(limits::CONNECT_DEFAULT));

fn typed(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

const AFTER_HELP: &str = "\
Two clocks:
  --timeout  is how long one poll may take before it is sent again. Nothing ends with it.
  --expires  is the deadline of the request. After it nobody can approve it any more.

Exit codes:
  0 approved      1 denied       4 cancelled by somebody else   124 expired
  64 usage        69 daemon unreachable, or outcome unknown     70 internal error
  75 try later    77 not permitted      78 configuration
  129, 130, 143   ended by SIGHUP, Ctrl-C or SIGTERM, after cancelling the request";

/// What is asked, and how it is waited for.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and they go together as they like"
)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "these comments are the help text"
)]
#[derive(Debug, clap::Args)]
pub(super) struct AskFlags {
    /// The question, in one line of at most 200 characters
    /// [default: Approval asked by USER@HOST in DIR]
    #[arg(short, long, env = "PUSHD_MESSAGE", value_name = "TITLE", value_parser = title)]
    pub(super) message: Option<Title>,

    /// More about it, of any number of lines and at most 64 KiB: the text itself, @FILE for what
    /// is in a file, or - for standard input
    #[arg(
        short,
        long,
        env = "PUSHD_DETAILS",
        value_name = "TEXT|@FILE|-",
        allow_hyphen_values = true
    )]
    pub(super) details: Option<Source>,

    /// A fact about it; can be given up to 32 times
    #[arg(short, long = "field", env = "PUSHD_FIELD", value_name = "KEY=VALUE", value_parser = field)]
    pub(super) fields: Vec<Field>,

    /// What it is about, so that approvers can listen to a part, such as deploy/prod
    /// [default: default]
    #[arg(long, env = "PUSHD_TOPIC", value_parser = topic)]
    pub(super) topic: Option<Topic>,

    /// How long one poll may take, at least 1s; then it is sent again, until the request is
    /// decided or expires. The daemon holds a poll for at most 1m
    #[arg(long, env = "PUSHD_TIMEOUT", value_name = "TIME", default_value = POLL.as_str(), value_parser = poll)]
    pub(super) timeout: Duration,

    /// How long the request can be decided, from 1s to 30d, in whole seconds [default: 1h]
    #[arg(long, env = "PUSHD_EXPIRES", value_name = "TIME", value_parser = expiry)]
    pub(super) expires: Option<Duration>,

    /// How long to try until the daemon has accepted the request
    #[arg(
        long,
        env = "PUSHD_CONNECT_TIMEOUT",
        value_name = "TIME",
        default_value = CONNECT.as_str(),
        value_parser = duration
    )]
    pub(super) connect_timeout: Duration,

    /// Names this request: the same key with the same question is the same request, and gets the
    /// same answer [default: a random one]
    #[arg(long, env = "PUSHD_KEY", value_parser = key)]
    pub(super) key: Option<String>,

    /// Draw six digits, show them here, and let nobody approve who does not type them
    ///
    /// They are shown even with --quiet. Each run draws others, so it does not go with --key, under
    /// which a second run would have to ask the same
    #[arg(long = "match", env = "PUSHD_MATCH", value_parser = FalseyValueParser::new())]
    pub(super) matched: bool,

    /// Show the link of the request's page, for a phone or another machine, and where the terminal
    /// has the room also as a QR code
    #[arg(long, env = "PUSHD_QR", value_parser = FalseyValueParser::new())]
    pub(super) qr: bool,

    /// Print the final request on standard output, as one line of JSON; an approval that cannot be
    /// printed ends with 70. A closed standard output (>&-) counts as /dev/null
    #[arg(long, env = "PUSHD_JSON", value_parser = FalseyValueParser::new())]
    pub(super) json: bool,

    /// Show nothing but errors
    #[arg(short, long, env = "PUSHD_QUIET", value_parser = FalseyValueParser::new())]
    pub(super) quiet: bool,
}

fn title(text: &str) -> Result<Title, String> {
    Title::new(text.to_owned())
        .map_err(|error| format!("the title {error}; what does not fit goes into --details"))
}

fn field(text: &str) -> Result<Field, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("there is no = in it; write it like environment=production")?;
    Field::new(name.to_owned(), value.to_owned())
        .map_err(|(part, error)| format!("the {part} of the field {error}"))
}

fn poll(text: &str) -> Result<Duration, String> {
    let poll = duration(text)?;
    if poll < Duration::from_secs(1) {
        return Err("a poll takes at least 1s".to_owned());
    }
    Ok(poll)
}

fn expiry(text: &str) -> Result<Duration, String> {
    let expiry = duration(text)?;
    if expiry.subsec_nanos() > 0 {
        return Err("must be whole seconds".to_owned());
    }
    if !(limits::EXPIRY_MIN..=limits::EXPIRY_MAX).contains(&expiry) {
        return Err("must be from 1s to 30d".to_owned());
    }
    Ok(expiry)
}

fn key(text: &str) -> Result<String, String> {
    let most = limits::IDEMPOTENCY_KEY_CHARS;
    if text.is_empty() || text.len() > most {
        return Err(format!("must have 1 to {most} characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be letters, digits and signs of ASCII, without spaces".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Result<Requester, String> {
        Requester::try_parse_from([&["requester"], args].concat())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent_and_every_flag_has_a_variable() {
        Requester::command().debug_assert();
        for arg in Requester::command().get_arguments() {
            assert!(arg.get_env().is_some(), "{}", arg.get_id());
        }
    }

    #[test]
    fn a_url_and_a_timeout_are_enough() {
        let line = parse(&["--url", "http://h:1", "--timeout", "5s"]).unwrap();
        assert_eq!(line.daemon.url.unwrap().to_string(), "http://h:1");
        assert_eq!(line.ask.timeout, Duration::from_secs(5));
        assert_eq!(line.ask.connect_timeout, limits::CONNECT_DEFAULT);
        assert_eq!(parse(&[]).unwrap().ask.timeout, limits::POLL_DEFAULT);
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
    fn a_lone_dash_is_standard_input() {
        assert_eq!(
            parse(&["-d", "-"]).unwrap().ask.details,
            Some(Source::Stdin)
        );
    }
}
