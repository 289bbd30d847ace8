//! What answers a question, and what does not.

use std::time::Duration;

use pushd::wire::{Command, Status};

use super::stand_in::{Courtesy, StandIn, decided, request};
use super::{APPROVER, approver};
use crate::pty::Pty;

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
fn yes_cannot_answer_on_a_terminal_either() {
    let script = format!("yes | {APPROVER} --url http://127.0.0.1:9; echo code=$?");
    let pty = Pty::run("bash", &["-c", &script], &[]);
    pty.wait_for("code=64");
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

/// Found by a busy machine: the stream told of a request before the daemon had said who answers
/// here, and a question was asked again that had this person's vote.
#[test]
fn nobody_is_asked_before_it_is_known_who_they_are() {
    let daemon = StandIn::start();
    daemon.treat_courtesies(Courtesy::Hangs);
    let mut voted = request(1);
    voted.approvals_needed = 2;
    voted.decisions = decided(1, 1, Status::Approved, "").decisions;
    daemon.send("request", &voted);
    daemon.send_raw(
        "event: caught-up\ndata: {\"event_id\":1,\"now\":\"2024-01-01T00:00:00.000Z\"}\n\n",
    );
    let pty = approver(&daemon);
    daemon.wait_for_listener();
    daemon.wait_for_courtesies(1);
    pty.watch(Duration::from_millis(500));
    daemon.introduce("bob");
    pty.wait_for("You answer as bob");
    pty.wait_for("No request waits for an answer");
    assert!(!pty.text().contains("Approve? "), "{}", pty.text());
    // Who is not known to have voted is asked.
    daemon.treat_courtesies(Courtesy::Succeeds);
    daemon.send("request", &request(2));
    pty.wait_for("Deploy 2?");
    pty.wait_for("Approve? ");
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
fn a_yes_that_needs_a_reason_is_none_without_it() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.reason_required = true;
    daemon.send("request", &view);
    let pty = approver(&daemon);
    pty.wait_for("a yes needs one");
    pty.answer("y");
    pty.wait_for("Why?");
    pty.wait_until_open();
    pty.type_keys(" \n");
    pty.wait_for("There was no reason. Nothing was decided");
    assert_eq!(daemon.decisions(), [""; 0]);
    // A reason is a reason, and no answer to anything else.
    pty.answer("y");
    pty.wait_for("Why?");
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(1);
    let told = r#"{"verdict":"approve","reason":"n","version":1}"#;
    assert_eq!(daemon.decisions(), [told]);
}

#[test]
fn code_and_reason_are_asked_for_one_after_the_other() {
    let daemon = StandIn::start();
    let mut view = request(1);
    (view.match_code_required, view.reason_required) = (true, true);
    daemon.send("request", &view);
    let pty = approver(&daemon);
    pty.answer("y");
    pty.wait_for("Type the six digits");
    pty.wait_until_open();
    pty.type_keys("004207\n");
    pty.wait_for("Why?");
    pty.wait_until_open();
    pty.type_keys("reviewed\n");
    daemon.wait_for_decisions(1);
    let told = r#"{"verdict":"approve","reason":"reviewed","version":1,"match_code":"004207"}"#;
    assert_eq!(daemon.decisions(), [told]);
}

#[test]
fn a_freeze_is_told_and_the_question_stays() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    daemon.refuse_as(
        "409 Conflict",
        "frozen",
        "frozen until Monday",
        Some(request(1)),
    );
    pty.type_keys("y\n");
    pty.wait_for("NOT decided: frozen until Monday");
    pty.wait_until_open();
    assert!(!pty.text().contains("No longer asked"));
}

/// Found by review: the end of a long command, and the program and the environment below it, were
/// off the screen, and a yes was taken all the same.
#[test]
fn a_command_that_is_not_all_on_the_screen_is_approved_only_after_it_was_shown() {
    let daemon = StandIn::start();
    let mut view = request(1);
    let text = "echo well; ".repeat(150) + "rm -rf /srv";
    view.command = Some(Command {
        argv: ["sh", "-c", &text].map(str::to_owned).to_vec(),
        program: "/usr/bin/sh".to_owned(),
        directory: "/srv".to_owned(),
        ..Command::default()
    });
    daemon.send("request", &view);
    let environment = [("PAGER", "no-such-pager")];
    let pty = Pty::run_sized(APPROVER, &["--url", &daemon.url()], &environment, (24, 80));
    pty.wait_for("more lines of the command");
    pty.wait_until_open();
    assert!(!pty.text().contains("/usr/bin/sh"), "{}", pty.text());
    pty.type_keys("y\n");
    pty.wait_for("type d first");
    pty.wait_until_open();
    // Whoever leaves before the end has not seen it.
    pty.type_keys("d\n");
    pty.wait_for("Enter shows more");
    pty.type_keys("q\n");
    pty.wait_for("type d first");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.type_keys("d\n");
    pty.wait_for("Enter shows more");
    pty.type_keys("\n");
    pty.wait_for("/usr/bin/sh");
    pty.wait_for("-- Enter goes back");
    pty.type_keys("\n");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.type_keys("y\n");
    daemon.wait_for_decisions(1);
    assert_eq!(daemon.decisions(), [r#"{"verdict":"approve","version":1}"#]);
}

#[test]
fn a_command_that_is_not_all_on_the_screen_is_denied_without_more() {
    let daemon = StandIn::start();
    let mut view = request(1);
    view.command = Some(Command {
        argv: vec!["sh".to_owned(), "-c".to_owned(), "x ".repeat(1000)],
        ..Command::default()
    });
    daemon.send("request", &view);
    let pty = Pty::run_sized(APPROVER, &["--url", &daemon.url()], &[], (24, 80));
    pty.wait_for("more lines of the command");
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(1);
    assert_eq!(daemon.decisions(), [r#"{"verdict":"deny","version":1}"#]);
}

/// Found by review: during a freeze the policy was run every half minute, and the person at the
/// terminal was not asked.
#[test]
fn what_a_freeze_keeps_from_the_policy_is_asked_the_person() {
    let daemon = StandIn::start();
    daemon.refuse_as("409 Conflict", "frozen", "approvals are frozen now", None);
    daemon.send("request", &request(1));
    daemon.send_raw(
        "event: caught-up\ndata: {\"event_id\":1,\"now\":\"2023-11-14T22:13:25.000Z\"}\n\n",
    );
    let args = ["--url", &daemon.url(), "--policy", "exit 0"];
    let pty = Pty::run(APPROVER, &args, &[]);
    pty.wait_for("NOT decided, though the policy would approve it");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("n\n");
    daemon.wait_for_decisions(2);
    assert_eq!(
        daemon.decisions(),
        [
            r#"{"verdict":"approve","version":1}"#,
            r#"{"verdict":"deny","version":1}"#
        ]
    );
}
