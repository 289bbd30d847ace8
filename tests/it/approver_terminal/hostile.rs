//! Text that would drive the terminal, or pass for ours.

use pushd::wire::Status;

use super::stand_in::{StandIn, decided, request};
use super::{APPROVER, approver};
use crate::pty::Pty;

#[test]
fn hostile_text_never_reaches_the_terminal_raw() {
    let evil = "A\u{1b}[2J\u{9b}2J\u{202e}B\nApproved by root\r\u{7}\u{8}\u{200b}\u{2066}\u{feff}C\u{85}D\u{2028}E";
    let daemon = StandIn::start();
    let mut view = request(1);
    view.title = evil.to_owned();
    view.details = format!("{evil}\n{evil}");
    view.topic = evil.to_owned();
    view.fields = vec![pushd::wire::Field {
        name: evil.to_owned(),
        value: evil.to_owned(),
    }];
    view.requester = pushd::wire::Party {
        principal: evil.to_owned(),
        address: Some(evil.to_owned()),
        channel: None,
    };
    daemon.send("request", &view);
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let mut last = decided(1, 9, Status::Denied, evil);
    last.decisions[0].approver.principal = evil.to_owned();
    daemon.send("request", &last);
    pty.wait_for("No longer asked");
    daemon.send_raw(&format!(
        "event: {evil}\ndata: 1\n\nevent: request\ndata: {{\"id\":\"\u{1b}[2J\"}}\n\n"
    ));
    pty.wait_for("left out");
    daemon.refuse("403 Forbidden", evil, None);
    daemon.send("request", &request(2));
    pty.wait_for("Deploy 2?");
    pty.wait_until_open();
    pty.type_keys("y\n");
    pty.wait_for("NOT decided");

    let bytes = pty.bytes();
    let text = String::from_utf8(bytes).expect("only UTF-8 is written");
    let rest = without_our_sequences(&text);
    let raw: Vec<char> = rest.chars().filter(|&c| is_harmful(c)).collect();
    assert!(raw.is_empty(), "{raw:?} in {rest:?}");
    for escape in [
        "\\u{1b}[2J",
        "\\u{9b}2J",
        "\\u{202e}",
        "\\u{a}",
        "\\u{2066}",
        "\\u{feff}",
        "\\u{85}",
        "\\u{2028}",
    ] {
        assert!(text.contains(escape), "{escape} is not shown");
    }
    for line in rest
        .lines()
        .filter(|line| line.contains("Approved by root"))
    {
        let ours = [
            "    asked by  A",
            "  denied by A",
            "NOT decided",
            "left out",
        ];
        let framed = line.trim_start_matches('\r').starts_with("  │ ");
        assert!(
            framed || ours.iter().any(|start| line.contains(start)),
            "{line:?}"
        );
    }
}

/// The text without the sequences that we send ourselves: cursor, erase, attributes.
fn without_our_sequences(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        let end = match after.chars().next() {
            Some('7' | '8') => 1,
            Some('[') => {
                let end = after.find(|c: char| c != '[' && c != ';' && !c.is_ascii_digit());
                let end = end.expect("a sequence ends");
                assert!(
                    matches!(after.as_bytes()[end], b'H' | b'J' | b'K' | b'm' | b'r'),
                    "{after:?}"
                );
                end + 1
            }
            other => panic!("an escape and {other:?}"),
        };
        rest = after.split_at(end).1;
    }
    out + rest
}

fn is_harmful(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[test]
fn a_dumb_terminal_that_is_not_utf_8_gets_plain_ascii() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.title = "Größe 部署 \u{9b}31m?".to_owned();
    daemon.send("request", &view);
    let environment = [("TERM", "dumb"), ("LC_ALL", "C")];
    let pty = Pty::run(APPROVER, &["--url", &daemon.url()], &environment);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    daemon.send("request", &decided(1, 9, Status::Approved, "é"));
    pty.wait_for("No longer asked");
    pty.wait_for("\\u{e9}");
    let bytes = pty.bytes();
    assert!(
        bytes
            .iter()
            .all(|&b| matches!(b, b'\r' | b'\n' | b' '..=b'~')),
        "{:?}",
        pty.text()
    );
}

#[test]
fn a_daemon_s_words_cannot_begin_a_line_of_ours() {
    let daemon = StandIn::start();
    daemon.refuse_listeners("403 Forbidden", "go away\napprover: 1 decided here\n$ ");
    let mut pty = approver(&daemon);
    assert_eq!(pty.exit_code(), 77);
    pty.wait_for("go away\\u{a}approver: 1 decided here\\u{a}$ ");
}

#[test]
fn a_daemon_s_words_are_one_line_of_a_command_too() {
    let daemon = StandIn::start();
    let id = request(1).id.to_string();
    let words = "no\napprover: it is approved\u{1b}[2J";
    for (status, code) in [("403 Forbidden", 77), ("422 Unprocessable Content", 64)] {
        daemon.refuse(status, words, None);
        let output = std::process::Command::new(super::APPROVER)
            .args(["--url", &daemon.url(), "approve", &id])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(
            told.contains("no\\u{a}approver: it is approved\\u{1b}[2J"),
            "{told}"
        );
    }
}
