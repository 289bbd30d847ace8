//! `approver` on a real terminal, against a stand-in for the daemon that may be hostile: it sends
//! what no pushd would. The bytes that reach the terminal are read one by one.

mod stand_in;

use std::io::Write as _;
use std::process::{Command, Stdio};

use pushd::domain::EventId;
use pushd::limits;
use pushd::terminal::tty::{Mode, Tty};
use pushd::wire::Status;
use tokio::time::Instant;

use self::stand_in::{Courtesy, StandIn, decided, request};
use crate::pty::Pty;

const APPROVER: &str = env!("CARGO_BIN_EXE_approver");

fn approver(daemon: &StandIn) -> Pty {
    Pty::run(APPROVER, &["--url", &daemon.url()], &[])
}

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
fn what_was_typed_before_or_right_after_the_question_was_drawn_answers_nothing() {
    let daemon = StandIn::start();
    let pty = approver(&daemon);
    daemon.wait_for_listener();
    pty.type_keys("y\ny\n");
    daemon.send("request", &request(1));
    pty.wait_for("Approve? ");
    pty.type_keys("y\n");
    pty.wait_until_open();
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.type_keys("ok\n");
    pty.wait_for("That is no answer");
    // A letter that was typed too early does not count with an Enter that was not.
    pty.type_keys("y");
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    assert_eq!(daemon.decisions(), [r#"{"verdict":"approve","version":1}"#]);
    pty.wait_for("approved");
}

#[test]
fn a_paste_that_is_longer_than_the_guard_answers_nothing() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    // More than a terminal takes at once, so it keeps coming.
    pty.type_keys(&"y\n".repeat(100_000));
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    assert_eq!(daemon.decisions(), [""; 0]);
}

#[test]
fn a_denial_carries_its_reason_and_anything_else_decides_nothing() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    for (keys, told) in [
        ("ok\n", "That is no answer"),
        ("yes sir\n", "A yes stands alone"),
        ("\u{1b}[Ay\n", "That is no answer"),
    ] {
        pty.wait_until_open();
        pty.type_keys(keys);
        pty.wait_for(told);
    }
    pty.wait_until_open();
    pty.type_keys("n frozen until Monday\n");
    daemon.wait_for_decisions(1);
    let denial = r#"{"verdict":"deny","reason":"frozen until Monday","version":1}"#;
    assert_eq!(daemon.decisions(), [denial]);
}

#[test]
fn what_was_typed_for_a_question_that_is_settled_elsewhere_does_not_answer_the_next() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    daemon.send("request", &request(2));
    pty.wait_for("1 other waits");
    pty.type_keys("y");
    // Behind the counter, the restored cursor and the bell.
    pty.wait_for("\u{1b}8\u{7}y");
    daemon.send("request", &decided(1, 9, Status::Denied, "frozen"));
    pty.wait_for("No longer asked");
    pty.wait_for("frozen");
    pty.wait_for("Deploy 2?");
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    assert_eq!(daemon.decisions(), [""; 0]);
    // The bell has rung once, for the second request.
    assert_eq!(pty.text().matches('\u{7}').count(), 1);
}

#[test]
fn who_decides_too_late_is_shown_what_won() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let won = decided(1, 9, Status::Denied, "frozen");
    daemon.refuse("409 Conflict", "the request is already denied", Some(won));
    pty.type_keys("y\n");
    pty.wait_for("No longer asked");
    pty.wait_for("denied");
    pty.wait_for("by bob");
    pty.wait_for("frozen");
}

#[test]
fn a_decision_on_another_version_counts_nothing_and_the_question_is_drawn_anew() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let mut changed = request(1);
    (changed.version, changed.event_id) = (EventId(5), EventId(5));
    changed.title = "Deploy everything?".to_owned();
    daemon.refuse("412 Precondition Failed", "another version", Some(changed));
    pty.type_keys("y\n");
    pty.wait_for("Deploy everything?");
    pty.wait_for("nothing was decided");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(2);
    let versions = [
        r#"{"verdict":"approve","version":1}"#,
        r#"{"verdict":"approve","version":5}"#,
    ];
    assert_eq!(daemon.decisions(), versions);
}

#[test]
fn a_failure_that_may_pass_is_told_and_tried_again() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    daemon.refuse("503 Service Unavailable", "the store is busy", None);
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    pty.wait_for("Not decided yet, trying again");
    pty.wait_for("the store is busy");
    pty.wait_for("approved");
    assert_eq!(daemon.decisions().len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_question_that_waits_costs_nothing() {
    // The clock on the screen once had its next tick in the past, and the program never slept.
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let before = pty.cpu_ticks();
    let past_two_ticks_of_the_clock = std::time::Duration::from_millis(2_500);
    pty.watch(past_two_ticks_of_the_clock);
    let used = pty.cpu_ticks() - before;
    assert!(used <= 10, "{used} hundredths of a second");
}

#[test]
fn ctrl_d_leaves_and_decides_nothing_even_after_a_y() {
    for keys in ["\u{4}", "y\u{4}"] {
        let daemon = StandIn::start();
        daemon.send("request", &request(1));
        let mut pty = approver(&daemon);
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys(keys);
        assert_eq!(pty.exit_code(), 0, "{keys:?}");
        pty.wait_for("Nothing was decided here");
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}

#[test]
fn signals_leave_with_their_codes_and_the_terminal_as_it_was() {
    for (signal, code) in [("INT", 130), ("QUIT", 131), ("TERM", 143), ("HUP", 129)] {
        let daemon = StandIn::start();
        daemon.send("request", &request(1));
        // The shell shows the terminal's settings before and after.
        let script = format!(
            "stty -echoctl; stty -g; {APPROVER} --url {}; echo code=$?; stty -g; echo settings-shown",
            daemon.url()
        );
        let mut pty = Pty::run("bash", &["-c", &script], &[]);
        pty.wait_for("Approve? ");
        pty.kill("approver", signal);
        assert_eq!(pty.exit_code(), 0);
        pty.wait_for(&format!("code={code}"));
        pty.wait_for("settings-shown");
        assert_same_settings(&pty.text());
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do_and_exits_64() {
    let mut child = Command::new(APPROVER)
        .args(["--url", "http://127.0.0.1:9"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have left already.
    drop(child.stdin.take().unwrap().write_all(b"y\ny\n"));
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(
        told.contains("standard input is not a terminal") && told.contains("/decision"),
        "{told}"
    );
    assert_eq!(output.stdout, b"");
}

#[test]
fn yes_cannot_answer_on_a_terminal_either() {
    let script = format!("yes | {APPROVER} --url http://127.0.0.1:9; echo code=$?");
    let pty = Pty::run("bash", &["-c", &script], &[]);
    pty.wait_for("code=64");
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
fn long_details_are_shown_by_the_pager_and_the_question_comes_back() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.details = (1..=40)
        .map(|n| format!("line {n}\u{1b}[2J"))
        .collect::<Vec<_>>()
        .join("\n");
    daemon.send("request", &view);
    let environment = [("PAGER", "echo secure=$LESSSECURE; cat; echo the end")];
    let pty = Pty::run(APPROVER, &["--url", &daemon.url()], &environment);
    pty.wait_for("28 more lines of details");
    pty.wait_until_open();
    pty.type_keys("d\n");
    pty.wait_for("secure=1");
    pty.wait_for("line 40\\u{1b}[2J");
    pty.wait_for("the end");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
}

#[test]
fn without_a_pager_there_are_pages() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.details = (1..=80)
        .map(|n| format!("line {n}"))
        .collect::<Vec<_>>()
        .join("\n");
    daemon.send("request", &view);
    let environment = [("PAGER", "no-such-pager")];
    let pty = Pty::run(APPROVER, &["--url", &daemon.url()], &environment);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("d\n");
    pty.wait_for("Enter shows more");
    pty.type_keys("y\n");
    pty.wait_for("Enter goes back");
    pty.type_keys("y\n");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    assert_eq!(daemon.decisions(), [""; 0]);
}

#[test]
fn a_prompt_that_is_written_anew_forgets_what_was_typed_behind_the_old_one() {
    // A note about the connection once came with a fresh prompt, while the kernel still held the
    // letter behind the old one: Enter alone approved.
    for (environment, size) in [("dumb", (50, 100)), ("xterm", (9, 80))] {
        let daemon = StandIn::start();
        daemon.send("request", &request(1));
        let environment = [("TERM", environment)];
        let pty = Pty::run_sized(APPROVER, &["--url", &daemon.url()], &environment, size);
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys("y");
        pty.wait_for("y");
        daemon.cut();
        pty.wait_for("No connection");
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys("\n");
        pty.wait_for("Enter alone is no answer");
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}

#[test]
fn a_signal_while_a_decision_is_on_its_way_leaves_the_terminal_as_it_was() {
    // Ctrl-\\ once ended the program by its default, without echo and without Ctrl-Z.
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    daemon.hold_decisions();
    let script = format!(
        "ulimit -c 0; stty -echoctl; stty -g; {APPROVER} --url {}; echo code=$?; stty -g; echo settings-shown",
        daemon.url()
    );
    let mut pty = Pty::run("bash", &["-c", &format!("trap : QUIT; {script}")], &[]);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    pty.type_keys("\u{1c}");
    pty.wait_for("it may count or not");
    pty.wait_for("code=131");
    pty.wait_for("settings-shown");
    assert_eq!(pty.exit_code(), 0);
    assert_same_settings(&pty.text());
}

#[test]
fn a_signal_while_the_pager_runs_ends_the_pager_and_leaves_its_screen() {
    // The pager was killed outright once, and the terminal stayed on the pager's screen.
    let daemon = StandIn::start();
    let mut view = request(1);
    view.details = "line\n".repeat(40);
    daemon.send("request", &view);
    let home = tempfile::tempdir().unwrap();
    let pager = home.path().join("pager");
    let program = "#!/bin/sh\ntrap 'printf left-politely; exit' TERM\nstty raw -echo </dev/tty\ncat; printf 'paged %s' $$\nwhile :; do read line </dev/tty; done\n";
    std::fs::write(&pager, program).unwrap();
    std::fs::set_permissions(&pager, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let script = format!(
            "stty -echoctl; stty -g; {APPROVER} --url {}; echo code=$?; stty -g; echo settings-shown",
            daemon.url()
        );
        let environment = [("PAGER", pager.to_str().unwrap())];
        let mut pty = Pty::run("bash", &["-c", &script], &environment);
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys("d\n");
        pty.wait_for("paged ");
        pty.kill("approver", signal);
        pty.wait_for("left-politely");
        pty.wait_for("Left without an answer");
        pty.wait_for(&format!("code={code}"));
        pty.wait_for("settings-shown");
        assert_eq!(pty.exit_code(), 0);
        assert_same_settings(&pty.text());
    }
}

/// A script has shown the terminal's settings (`stty -g`) before and after, and they are the same.
fn assert_same_settings(text: &str) {
    let settings: Vec<&str> = text
        .lines()
        .filter(|line| line.matches(':').count() > 20)
        .collect();
    assert_eq!(settings.len(), 2, "{text:?}");
    assert_eq!(settings[0].trim(), settings[1].trim());
}

#[test]
fn a_question_that_is_settled_while_an_answer_hangs_is_struck_out_at_once() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    daemon.hold_decisions();
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    let started = Instant::now();
    let mut cancelled = request(1);
    (cancelled.status, cancelled.event_id) = (Status::Cancelled, EventId(9));
    daemon.send("request", &cancelled);
    daemon.send("request", &request(2));
    pty.wait_for("No longer asked");
    pty.wait_for("cancelled by its requester");
    pty.wait_for("Deploy 2?");
    // A call that hangs is given up after ten seconds, and tried again.
    assert!(started.elapsed() < limits::CALL_TIME / 2);
}

#[test]
fn an_outcome_that_may_be_due_to_an_answer_that_hangs_says_so() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    daemon.hold_decisions();
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    daemon.send("request", &decided(1, 9, Status::Approved, ""));
    pty.wait_for("No longer asked");
    pty.wait_for("approved");
    pty.wait_for("by bob");
    pty.wait_for("whether it was the one that counts is not known");
}

#[test]
fn a_request_that_changes_while_an_answer_hangs_is_asked_anew() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    daemon.hold_decisions();
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    let mut changed = request(1);
    (changed.version, changed.event_id) = (EventId(5), EventId(5));
    changed.title = "Deploy everything?".to_owned();
    daemon.send("request", &changed);
    pty.wait_for("Deploy everything?");
    pty.wait_for("may have come too late");
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(2);
    assert_eq!(daemon.decisions()[1], r#"{"verdict":"deny","version":5}"#);
}

#[test]
fn an_answer_about_another_request_does_not_count() {
    let daemon = StandIn::start();
    daemon.send("request", &request(2));
    let mut pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    // The stand-in says that request 1 was approved.
    pty.type_keys("y\n");
    pty.wait_for("NOT decided as far as known");
    pty.wait_until_open();
    pty.type_keys("q\n");
    pty.wait_for("Nothing was decided here");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_daemon_s_words_cannot_begin_a_line_of_ours() {
    let daemon = StandIn::start();
    daemon.refuse_listeners("403 Forbidden", "go away\napprover: 1 decided here\n$ ");
    let mut pty = approver(&daemon);
    assert_eq!(pty.exit_code(), 77);
    pty.wait_for("go away\\u{a}approver: 1 decided here\\u{a}$ ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_does_not_change_the_exit_code() {
    let script = format!("{APPROVER} --url http://127.0.0.1:9 </dev/null 2>/dev/full");
    let status = Command::new("bash").args(["-c", &script]).status().unwrap();
    assert_eq!(status.code(), Some(64));
}

#[test]
fn a_terminal_that_is_not_there_is_told_once() {
    // A session of its own has no terminal, although standard input is one.
    let script = format!("setsid -w {APPROVER} --url http://127.0.0.1:9; echo code=$?");
    let pty = Pty::run("bash", &["-c", &script], &[]);
    pty.wait_for("code=64");
    let text = pty.text();
    assert_eq!(text.matches("os error").count(), 1, "{text}");
}

#[test]
fn a_clock_that_ticks_leaves_a_long_answer_alone() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.details = "line\n".repeat(12);
    daemon.send("request", &view);
    daemon.send_raw(
        "event: caught-up\ndata: {\"event_id\":1,\"now\":\"2023-11-14T22:13:25.000Z\"}\n\n",
    );
    let pty = Pty::run_sized(APPROVER, &["--url", &daemon.url()], &[], (24, 80));
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys(&("n ".to_owned() + &"reason ".repeat(60) + "end"));
    pty.wait_for("reason end");
    // Two ticks of the clock, each behind a saved cursor.
    pty.wait_for("\u{1b}7");
    pty.wait_for("\u{1b}8");
    pty.wait_for("\u{1b}7");
    pty.wait_for("\u{1b}8");
    let mut terminal = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
    terminal.process(&pty.bytes());
    let screen = terminal.screen().contents();
    let rows: Vec<&str> = screen.lines().map(str::trim_end).collect();
    let times = rows.iter().filter(|row| row.contains("time      asked"));
    assert_eq!(times.count(), 1, "{screen}");
    assert!(screen.contains("Approval asked"), "{screen}");
    assert!(screen.trim_end().ends_with("reason end"), "{screen}");
}

#[test]
fn a_window_that_is_too_narrow_is_not_asked_in_until_it_is_wider() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.title = "Deploy X......APPROVED by ana! APPROVED by ana!".to_owned();
    daemon.send("request", &view);
    let pty = Pty::run_sized(APPROVER, &["--url", &daemon.url()], &[], (40, 15));
    pty.wait_for("window wider");
    assert!(!pty.text().contains("Deploy"), "{}", pty.text());
    pty.resize(40, 100);
    pty.wait_for("Deploy X");
    pty.wait_until_open();
    pty.resize(40, 12);
    pty.wait_for("window");
    pty.type_keys("y\n");
    pty.resize(40, 80);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(1);
    assert_eq!(daemon.decisions(), [r#"{"verdict":"deny","version":1}"#]);
}

#[test]
fn a_question_that_comes_to_an_idle_terminal_rings() {
    let daemon = StandIn::start();
    daemon.send_raw(
        "event: caught-up\ndata: {\"event_id\":1,\"now\":\"2024-01-01T00:00:00.000Z\"}\n\n",
    );
    let pty = approver(&daemon);
    pty.wait_for("No request waits");
    assert!(!pty.text().contains('\u{7}'));
    daemon.send("request", &request(1));
    pty.wait_for("Approve? ");
    pty.wait_for("\u{7}");
    pty.wait_until_open();
    // One that comes meanwhile rings once more, and the next is quiet.
    daemon.send("request", &request(2));
    pty.wait_for("\u{7}");
    daemon.send("request", &request(3));
    pty.wait_for("2 others wait");
    assert_eq!(pty.text().matches('\u{7}').count(), 2);
}

#[test]
fn a_program_that_was_stopped_asks_anew_and_forgets_what_was_typed() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = Pty::run(
        "bash",
        &["--norc", "--noediting", "-i"],
        &[("PS1", "shell> ")],
    );
    pty.type_keys(&format!("{APPROVER} --url {}\n", daemon.url()));
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y");
    pty.wait_for("y");
    pty.type_keys("\u{1a}");
    // The shell gets a screen that scrolls as a whole.
    pty.wait_for("\u{1b}[r");
    pty.wait_for("Stopped");
    pty.wait_for("shell> ");
    pty.type_keys("fg\n");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(1);
}

#[test]
fn a_window_of_another_size_shows_the_question_anew_and_forgets_what_was_typed() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y");
    pty.wait_for("y");
    pty.resize(30, 60);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    assert_eq!(daemon.decisions(), [""; 0]);
}

#[test]
fn a_note_from_a_wider_window_does_not_break_the_narrower_one() {
    // It kept its old width, wrapped, and every row below it was then written one row too high.
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("maybe\n");
    pty.wait_for("That is no answer");
    pty.wait_until_open();
    let before = pty.bytes().len();
    pty.resize(30, 60);
    pty.wait_for("Approval asked");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("\n");
    pty.wait_for("Enter alone is no answer");
    pty.wait_until_open();
    let [rows, columns] = [30, 60].map(|side| std::num::NonZero::new(side).unwrap());
    let mut terminal = vt100::Parser::new(rows, columns, 0);
    terminal.process(&pty.bytes()[before..]);
    let screen = terminal.screen().contents();
    let rows = [
        "Approval asked",
        "That is no answer",
        "Enter alone",
        "no other waits",
        "Approve?",
    ];
    let counts = rows.map(|row| screen.matches(row).count());
    assert_eq!(counts, [1, 0, 1, 1, 1], "{screen}");
    assert!(!screen.contains("and Enter"), "a row has wrapped: {screen}");
    assert!(
        screen.trim_end().ends_with("\nApprove? [y/n/s/d/q]"),
        "{screen}"
    );
}

#[test]
fn a_connection_that_is_cut_off_and_back_is_told_with_the_question() {
    let daemon = StandIn::start();
    daemon.send_raw("retry: 100\n\n");
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    daemon.cut();
    pty.wait_for("No connection to the daemon");
    pty.wait_for("Connected again");
    // The question on the screen can still be answered.
    pty.wait_until_open();
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
}

#[test]
fn it_asks_all_the_same_when_nobody_says_who_we_are_or_takes_what_we_have_seen() {
    for courtesy in [Courtesy::Fails, Courtesy::Hangs] {
        let daemon = StandIn::start();
        daemon.treat_courtesies(courtesy);
        daemon.send("request", &request(1));
        let mut pty = approver(&daemon);
        pty.wait_for("Approve? ");
        daemon.wait_for_courtesies(2);
        pty.wait_until_open();
        pty.type_keys("y\n");
        daemon.wait_for_decisions(1);
        pty.wait_for("approved");
        pty.type_keys("q\n");
        assert_eq!(pty.exit_code(), 0);
        pty.wait_for("1 approved, 0 denied");
    }
}

#[test]
fn a_skipped_request_comes_after_all_others() {
    let daemon = StandIn::start();
    for n in 1..=3 {
        daemon.send("request", &request(n));
    }
    let pty = approver(&daemon);
    for n in 1..=3 {
        pty.wait_for(&format!("Deploy {n}?"));
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys("s\n");
        pty.wait_for("skipped; it comes back after the others");
    }
    daemon.send("request", &request(4));
    pty.wait_for("Deploy 4?");
    assert_eq!(daemon.decisions(), [""; 0]);
}

#[test]
fn a_question_that_is_withdrawn_or_over_is_struck_out_with_what_happened() {
    for (status, told) in [
        (Status::Cancelled, "cancelled by its requester"),
        (Status::Expired, "expired: its time is over"),
    ] {
        let daemon = StandIn::start();
        daemon.send("request", &request(1));
        let pty = approver(&daemon);
        pty.wait_for("Approve? ");
        pty.wait_until_open();
        pty.type_keys("y");
        pty.wait_for("y");
        let mut last = request(1);
        (last.status, last.event_id) = (status, EventId(9));
        daemon.send("request", &last);
        pty.wait_for("No longer asked; nothing typed here counts");
        // The title is struck out.
        pty.wait_for("\u{1b}[9m│ Deploy 1?");
        pty.wait_for(told);
        daemon.send("request", &request(2));
        pty.wait_for("Deploy 2?");
        pty.wait_until_open();
        pty.type_keys("\n");
        pty.wait_for("Enter alone is no answer");
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    // This very program runs once more on a terminal, with the test below alone.
    let it = std::env::current_exe().unwrap();
    let script = format!(
        "stty -echoctl; stty -g; {} --ignored --exact --nocapture {}; echo code=$?; stty -g; echo settings-shown",
        it.display(),
        "approver_terminal::somebody_panics_while_the_terminal_is_ours"
    );
    let mut pty = Pty::run("bash", &["-c", &script], &[]);
    pty.wait_for("the terminal is quiet");
    pty.wait_for("code=101");
    pty.wait_for("settings-shown");
    assert_eq!(pty.exit_code(), 0);
    assert_same_settings(&pty.text());
}

#[tokio::test]
#[ignore = "runs on a terminal, for the test above"]
async fn somebody_panics_while_the_terminal_is_ours() {
    let tty = Tty::open().unwrap();
    tty.set_mode(Mode::Quiet).unwrap();
    let mut stty = Command::new("stty");
    stty.arg("-a").stdin(Stdio::inherit());
    let modes = stty.output().unwrap().stdout;
    let modes = String::from_utf8(modes).unwrap();
    assert!(modes.contains("-echo ") && modes.contains("susp = <undef>"));
    tty.write("the terminal is quiet\n").await.unwrap();
    panic!("on purpose");
}
