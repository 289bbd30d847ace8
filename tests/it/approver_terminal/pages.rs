//! Long details, in a pager and in pages of our own.

use super::stand_in::{StandIn, request};
use super::{APPROVER, leaving::assert_same_settings};
use crate::pty::Pty;

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
