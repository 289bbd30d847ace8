//! Questions that are settled or changed by others.

use pushd::domain::EventId;
use pushd::limits;
use pushd::wire::Status;
use tokio::time::Instant;

use super::approver;
use super::stand_in::{StandIn, decided, request};
use crate::pty::Pty;

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
fn a_request_whose_asker_is_gone_is_struck_out_and_says_so() {
    let daemon = StandIn::start();
    daemon.send("request", &request(1));
    let pty = approver(&daemon);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let mut last = request(1);
    (last.status, last.event_id) = (Status::Cancelled, EventId(9));
    last.lease_ended = true;
    daemon.send("request", &last);
    pty.wait_for("No longer asked; nothing typed here counts");
    pty.wait_for("\u{1b}[9m│ Deploy 1?");
    pty.wait_for("cancelled: its asker is gone");
}

#[test]
fn a_policy_decides_the_version_that_it_has_judged() {
    let daemon = StandIn::start();
    let mut changed = request(1);
    (changed.version, changed.event_id) = (EventId(5), EventId(5));
    daemon.refuse("412 Precondition Failed", "another version", Some(changed));
    daemon.send("request", &request(1));
    let args = ["--url", &daemon.url(), "--policy", "exit 0"];
    let pty = Pty::run(super::APPROVER, &args, &[]);
    pty.wait_for("NOT decided: it changed before the policy could approve it");
    // What it is now is judged anew.
    daemon.wait_for_decisions(2);
    let versions = [
        r#"{"verdict":"approve","version":1}"#,
        r#"{"verdict":"approve","version":5}"#,
    ];
    assert_eq!(daemon.decisions(), versions);
    pty.wait_for("approved by the policy");
    assert!(!pty.text().contains("Approve?"));
}
