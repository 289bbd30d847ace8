use super::*;
use crate::domain::EventId;

fn parse(args: &[&str]) -> Result<Approver, String> {
    Approver::try_parse_from([&["approver"], args].concat()).map_err(|error| error.to_string())
}

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn the_command_line_is_consistent_and_every_flag_has_a_variable() {
    let mut line = Approver::command();
    line.build();
    line.clone().debug_assert();
    for command in std::iter::once(&line).chain(line.get_subcommands()) {
        let flags = command.get_arguments().filter(|arg| {
            !arg.is_positional() && !["help", "version"].contains(&arg.get_id().as_str())
        });
        let mut count = 0;
        for flag in flags {
            assert!(flag.get_env().is_some(), "{}", flag.get_id());
            count += 1;
        }
        assert!(count >= 4, "{}", command.get_name());
    }
}

#[test]
fn no_variable_of_a_flag_is_set_for_a_policy_but_the_version() {
    // What a stranger has written must not become somebody's flag.
    let mut line = Approver::command();
    line.build();
    for command in std::iter::once(&line).chain(line.get_subcommands()) {
        for flag in command.get_arguments() {
            let name = flag
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            assert!(
                !name.starts_with("PUSHD_REQUEST_") || name == "PUSHD_REQUEST_VERSION",
                "{name}"
            );
        }
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
    let topics: Vec<_> = line.answering.topics.iter().map(Topic::as_str).collect();
    assert_eq!(topics, ["a", "b", "deploy/prod"]);
    assert!(parse(&[]).unwrap().answering.topics.is_empty());
}

#[test]
fn the_daemon_is_named_before_or_after_the_command() {
    for args in [
        ["--url", "http://h:1", "list"],
        ["list", "--url", "http://h:1"],
    ] {
        let line = parse(&args).unwrap();
        assert_eq!(line.daemon.url, ["http://h:1".parse().unwrap()]);
    }
}

#[test]
fn a_decision_is_put_together() {
    let line = parse(&[
        "approve",
        ID,
        "-r",
        "fine",
        "--version",
        "7",
        "--match-code",
        "004 207",
    ]);
    let Some(Subcommand::Approve(approve)) = line.unwrap().command else {
        panic!()
    };
    assert_eq!(approve.id.to_string(), ID);
    assert_eq!(approve.common.version, Some(EventId(7)));
    assert_eq!(approve.common.reason.unwrap().as_str(), "fine");
    assert_eq!(approve.match_code.unwrap().spelled(), "004 207");
}

#[test]
fn a_bad_value_is_named_with_its_flag() {
    for (args, words) in [
        (&["--topic", "a b"][..], ["--topic", "' '"]),
        (
            &["--url", "127.0.0.1:8888"],
            ["--url", "http://127.0.0.1:8888"],
        ),
        (&["--bogus", "x"], ["--bogus", "unexpected"]),
        (&["--policy", " "], ["--policy", "is empty"]),
        (&["--policy-timeout", "2h"], ["--policy-timeout", "1h"]),
        (&["--jobs", "0"], ["--jobs", "1 to 64"]),
        (&["deny", ID, "-r", "a\nb"], ["--reason", "line break"]),
        (
            &["deny", ID, "--match-code", "123456"],
            ["--match-code", "unexpected"],
        ),
        (
            &["approve", ID, "--match-code", "12345"],
            ["--match-code", "six digits"],
        ),
        (&["approve", ID, "--version", "-"], ["--version", "number"]),
        (&["approve", "short"], ["ID", "26"]),
        (&["list", "--limit", "0"], ["--limit", "1 to 10000"]),
        (&["list", "--status", "open"], ["--status", "pending"]),
        (&["--topic", "a", "list"], ["--topic", "list --help"]),
        (&["--once", "watch"], ["--once", "watch --help"]),
        (
            &["--policy", "true", "approve", ID],
            ["--policy", "approve"],
        ),
    ] {
        let error = parse(args).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
