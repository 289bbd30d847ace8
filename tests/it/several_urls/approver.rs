//! One question on the screen, whichever daemon tells of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::Scene;
use super::door::{Door, Is};
use crate::daemon::{Ran, setup};
use crate::front::{Front, Way};
use crate::pty::Pty;
use crate::until::until;

fn approver(a: &str, b: &str) -> Pty {
    let args = ["--url", a, "--url", b];
    Pty::run(env!("CARGO_BIN_EXE_approver"), &args, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stays_one_when_its_daemon_dies_and_is_answered_by_the_other() {
    let scene = Scene::new().await;
    let pty = approver(&scene.a.url(), &scene.b.url());
    let requester = scene.requester(&["-m", "Deploy?"]);
    pty.wait_for("Deploy?");
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    let change = scene.change();
    scene.a.close().await;
    pty.wait_for("going on with");
    // What comes after that has come by the other stream.
    let second = Requester::second(&scene.b).await;
    pty.wait_for("1 other waits");
    assert_eq!(pty.text().matches("Deploy?").count(), 1, "{}", pty.text());
    pty.type_keys("y\n");
    pty.wait_for("approved");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stderr.contains(&change), "{left:?}");
    pty.wait_for("Restart?");
    drop(second);
}

/// Another ask, by one way alone.
struct Requester;

impl Requester {
    async fn second(door: &Door) -> crate::programs::Requester {
        let requester = crate::programs::Requester::start(&door.url(), &["-m", "Restart?"]);
        requester.told("asked").await;
        requester
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_never_answered_is_opened_at_the_other() {
    let scene = Scene::new().await;
    scene.a.now(Is::Silent);
    let pty = approver(&scene.a.url(), &scene.b.url());
    pty.wait_for(&scene.change());
    pty.wait_for("no answer within 3 s");
    let requester = scene.requester(&["-m", "Deploy?"]);
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    assert_eq!(requester.left().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_whose_answer_is_lost_counts_once() {
    let scene = Scene::new().await;
    let front = Front::before(&scene.daemon, |_, line| {
        if line.contains("/decision") {
            Way::AnswerLost
        } else {
            Way::Through
        }
    })
    .await;
    let requester = scene.requester(&["-m", "Deploy?"]);
    let pty = approver(&front.url(), &scene.b.url());
    pty.wait_for("Approve? ");
    pty.wait_until_open();
    pty.type_keys("y\n");
    pty.wait_for("approved");
    assert_eq!(requester.left().await.code, Some(0));
    let requests = scene.daemon.requests().await;
    assert_eq!(requests[0]["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_with_another_store_takes_the_question_back_and_shows_its_own() {
    let (daemon, other) = (setup().start(), setup().start());
    let (a, b) = (Door::to(&daemon).await, Door::to(&other).await);
    let here = crate::programs::Requester::start(&a.url(), &["-m", "Deploy?"]);
    here.told("asked").await;
    let there = crate::programs::Requester::start(&b.url(), &["-m", "Restart?"]);
    there.told("asked").await;
    let pty = approver(&a.url(), &b.url());
    pty.wait_for("Deploy?");
    pty.wait_for("Approve? ");
    a.close().await;
    pty.wait_for("No longer asked");
    pty.wait_for("Restart?");
}

#[tokio::test]
async fn a_policy_judges_once_and_decides_by_the_other() {
    let scene = Scene::new().await;
    let policy = scene.daemon.setup().path("policy");
    let runs = scene.daemon.setup().path("runs");
    let script = format!("#!/bin/sh\necho run >> {}\nexit 0\n", runs.display());
    fs::write(&policy, script).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new("setsid");
    command
        .env_clear()
        .arg(env!("CARGO_BIN_EXE_approver"))
        .args(["--url", &scene.a.url(), "--url", &scene.b.url()])
        .args(["--policy", policy.to_str().unwrap()])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut approver = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let first = scene.requester(&["-m", "Deploy?"]).left().await;
    assert_eq!(first.code, Some(0), "{first:?}");
    scene.a.now(Is::Shut);
    let second = scene.requester(&["-m", "Restart?"]).left().await;
    assert_eq!(second.code, Some(0), "{second:?}");
    until("both runs", async || {
        let runs = fs::read_to_string(&runs).unwrap_or_default();
        (runs.lines().count() == 2).then_some(())
    })
    .await;
    approver.kill().await.unwrap();
}

#[tokio::test]
async fn a_list_is_read_from_the_other_and_that_is_told() {
    let scene = Scene::new().await;
    scene.requester(&["--detach", "-m", "Deploy?"]).left().await;
    scene.a.now(Is::Shut);
    let mut command = Command::new(env!("CARGO_BIN_EXE_approver"));
    let urls = format!("{},{}", scene.a.url(), scene.b.url());
    command.env_clear().env("PUSHD_URL", urls).arg("list");
    let ran = tokio::task::spawn_blocking(|| Ran::to_its_end(command))
        .await
        .unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("Deploy?"), "{ran:?}");
    assert!(ran.stderr.contains(&scene.change()), "{ran:?}");
}
