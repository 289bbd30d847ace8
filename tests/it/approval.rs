//! The whole story: a script asks, a person answers, the exit code tells.

use std::collections::HashMap;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::setup;
use crate::programs::{Requester, approver};
use crate::pty::Pty;

#[tokio::test]
async fn a_person_who_comes_later_says_yes_and_the_script_goes_on() {
    let daemon = setup().start();
    let url = daemon.url();
    let requester = Requester::start(&url, &["--timeout", "1s", "-m", "Deploy?", "--json"]);
    daemon.the_pending_one().await;
    let approver = approver(&url);
    approver.answer("y");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let request: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(
        (&request["status"], &request["title"]),
        (&json!("approved"), &json!("Deploy?"))
    );
    assert!(left.stderr.contains("approved by local"), "{left:?}");
}

#[tokio::test]
async fn a_no_ends_the_script_with_1_and_the_reason() {
    let daemon = setup().start();
    let mut approver = approver(&daemon.url());
    approver.wait_for("No request waits");
    let requester = Requester::start(&daemon.url(), &[]);
    approver.answer("n frozen until Monday");
    let left = requester.left().await;
    assert_eq!((left.code, &*left.stdout), (Some(1), ""), "{left:?}");
    assert!(left.stderr.contains("frozen until Monday"), "{left:?}");
    approver.wait_for("No request waits");
    approver.type_keys("q\n");
    assert_eq!(approver.exit_code(), 0);
}

#[tokio::test]
async fn the_spinner_goes_on_through_retried_polls() {
    let daemon = setup().start();
    let url = daemon.url();
    let args = ["--url", &url, "--timeout", "1s", "-m", "Go?"];
    let mut requester = Pty::run(env!("CARGO_BIN_EXE_requester"), &args, &[]);
    for part in ["Go?", "left", "poll 1", "poll 2", "poll 3"] {
        requester.wait_for(part);
    }
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    requester.wait_for("approved");
    assert_eq!(requester.exit_code(), 0);
}

#[tokio::test]
async fn a_kill_of_the_daemon_between_question_and_answer_loses_neither() {
    let daemon = setup().start();
    let url = daemon.url();
    let requester = Requester::start(&url, &["--timeout", "1s", "-m", "Deploy?"]);
    daemon.the_pending_one().await;
    let approver = approver(&url);
    approver.wait_for("Approve? ");
    approver.wait_until_open();
    let daemon = daemon.crash_and_restart();
    approver.type_keys("y\n");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(daemon.requests().await.len(), 1, "it was asked once");
}

#[tokio::test]
async fn an_answer_during_the_restart_of_the_daemon_still_arrives() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["--timeout", "1s", "-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    let daemon = daemon.crash_and_restart();
    daemon
        .deciding(&id, &json!({"verdict": "deny", "reason": "no"}))
        .await;
    let daemon = daemon.crash_and_restart();
    assert_eq!(requester.left().await.code, Some(1));
    assert_eq!(daemon.read(&id).await["status"], "denied");
}

#[tokio::test]
async fn two_hundred_scripts_at_once_each_get_their_own_answer() {
    const SCRIPTS: usize = 200;
    let daemon = setup().start();
    let url = daemon.url();
    let scripts: Vec<_> = (0..SCRIPTS)
        .map(|n| {
            Requester::start(
                &url,
                &["-m", &format!("Deploy {n}?"), "--connect-timeout", "1m"],
            )
        })
        .collect();
    let mut verdicts = HashMap::new();
    // Two answer at the same time, each its own half of what it finds pending.
    while verdicts.len() < SCRIPTS {
        let list = daemon
            .get("/v1/requests?status=pending&limit=1000")
            .await
            .json();
        let decide = |request: &Value| {
            let title = request["title"].as_str().unwrap().to_owned();
            let number: usize = title
                .trim_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap();
            let (verdict, code) = if number.is_multiple_of(3) {
                ("deny", 1)
            } else {
                ("approve", 0)
            };
            let id = request["id"].as_str().unwrap().to_owned();
            assert!(
                verdicts.insert(number, (id.clone(), code)).is_none(),
                "{title} asked twice"
            );
            daemon.deciding(&id, &json!({ "verdict": verdict })).spawn()
        };
        let answers: Vec<_> = list["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(decide)
            .collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap().status, 200);
        }
    }
    for (number, script) in scripts.into_iter().enumerate() {
        let left = script.left().await;
        assert_eq!(left.code, Some(verdicts[&number].1), "{number}: {left:?}");
    }
    assert_eq!(daemon.requests().await.len(), SCRIPTS, "none asked twice");
}

#[tokio::test]
async fn ctrl_c_cancels_the_request_and_leaves_with_130() {
    let daemon = setup().start();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let requester = Requester::start(&daemon.url(), &["-m", "Deploy?"]);
        let id = daemon.the_pending_one().await;
        requester.signal(signal);
        let left = requester.left().await;
        assert_eq!(left.code, Some(code), "{left:?}");
        assert!(left.stderr.contains("is cancelled"), "{left:?}");
        assert_eq!(daemon.read(&id).await["status"], "cancelled");
    }
}

#[tokio::test]
async fn nobody_answering_is_124_and_never_0() {
    let daemon = setup().start();
    let left = Requester::start(&daemon.url(), &["--expires", "1s", "-m", "Anybody?"])
        .left()
        .await;
    assert_eq!(left.code, Some(124), "{left:?}");
}

#[tokio::test]
async fn a_request_that_somebody_else_cancels_is_4() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    daemon.delete(&format!("/v1/requests/{id}")).await;
    assert_eq!(requester.left().await.code, Some(4));
}

#[tokio::test]
async fn no_daemon_is_69_and_a_wrong_command_line_64() {
    let nowhere = "http://127.0.0.1:1";
    let left = Requester::start(nowhere, &["--connect-timeout", "300ms"])
        .left()
        .await;
    assert_eq!(left.code, Some(69), "{left:?}");
    for wrong in [
        &["--time-out", "5s"][..],
        &["--timeout", "x"],
        &["-f", "x"],
        &["-d", "@/none"],
    ] {
        let left = Requester::start(nowhere, wrong).left().await;
        assert_eq!((left.code, &*left.stdout), (Some(64), ""), "{left:?}");
    }
}

#[tokio::test]
async fn an_approval_that_could_not_be_written_down_is_no_success() {
    let daemon = setup().start();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut requester = tokio::process::Command::new(env!("CARGO_BIN_EXE_requester"))
        .args(["--url", &daemon.url(), "-m", "Deploy?", "--json"])
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    let code = crate::until::soon("requester to end", requester.wait())
        .await
        .unwrap()
        .code();
    assert_eq!(code, Some(70));
}

#[tokio::test]
async fn a_proxy_in_the_environment_does_not_come_between_us_and_this_machine() {
    let daemon = setup().start();
    let dead = [
        ("http_proxy", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
    ];
    let requester = Requester::start_with(&daemon.url(), &["-m", "Deploy?"], &dead);
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    assert_eq!(requester.left().await.code, Some(0));
}

#[tokio::test]
async fn where_the_locale_is_not_utf_8_all_that_is_shown_is_ascii() {
    let daemon = setup().start();
    let url = daemon.url();
    let args = ["--url", &url, "--timeout", "1s", "-m", "D\u{e9}ploy?"];
    let mut requester = Pty::run(env!("CARGO_BIN_EXE_requester"), &args, &[("LC_ALL", "C")]);
    requester.wait_for("poll 2");
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    requester.wait_for("approved by");
    assert_eq!(requester.exit_code(), 0);
    assert!(requester.bytes().is_ascii(), "{}", requester.text());
}
