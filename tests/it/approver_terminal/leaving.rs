//! Every way out, and the terminal after it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use pushd::terminal::tty::{Mode, Tty};

use super::stand_in::{StandIn, request};
use super::{APPROVER, approver};
use crate::pty::Pty;

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
        told.starts_with("approver: standard input is not a terminal; ")
            && told.contains("approver approve ID"),
        "{told}"
    );
    assert_eq!(output.stdout, b"");
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

/// A script has shown the terminal's settings (`stty -g`) before and after, and they are the same.
pub(super) fn assert_same_settings(text: &str) {
    let settings: Vec<&str> = text
        .lines()
        .filter(|line| line.matches(':').count() > 20)
        .collect();
    assert_eq!(settings.len(), 2, "{text:?}");
    assert_eq!(settings[0].trim(), settings[1].trim());
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
fn a_panic_leaves_the_terminal_as_it_was() {
    // This very program runs once more on a terminal, with the test below alone.
    let it = std::env::current_exe().unwrap();
    let script = format!(
        "stty -echoctl; stty -g; {} --ignored --exact --nocapture {}; echo code=$?; stty -g; echo settings-shown",
        it.display(),
        "approver_terminal::leaving::somebody_panics_while_the_terminal_is_ours"
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
