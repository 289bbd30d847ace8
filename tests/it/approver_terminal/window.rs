//! Windows of other sizes, a clock that ticks, a program that is stopped.

use super::stand_in::{StandIn, request};
use super::{APPROVER, approver};
use crate::pty::Pty;

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
