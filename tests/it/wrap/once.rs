//! Exit codes, and that an approval is used once.

use serde_json::json;

use super::scene;
use crate::programs::Requester;
use crate::until::until;

#[tokio::test]
async fn the_command_runs_on_approval_and_its_status_is_ours() {
    let scene = scene();
    let left = scene
        .approved(&["--", "sh", "-c", "echo ran; exit 7"])
        .await;
    assert_eq!(left.code, Some(7), "{left:?}");
    assert_eq!(left.stdout, "ran\n");
    assert!(left.stderr.contains("approved by local"), "{left:?}");
    let request = scene.request().await;
    assert_eq!(request["title"], "sh -c 'echo ran; exit 7'");
    assert!(request["consumed_at"].is_string(), "{request}");
}

#[tokio::test]
async fn a_signal_that_ends_the_command_ends_us() {
    let scene = scene();
    let left = scene.approved(&["--", "sh", "-c", "kill -USR1 $$"]).await;
    assert_eq!((left.code, left.signal), (None, Some(10)), "{left:?}");
}

#[tokio::test]
async fn without_a_yes_the_command_never_runs() {
    let scene = scene();
    let args = ["--", "sh", "-c", "echo ran; : > ran"];
    let requester = scene.start(&args);
    let id = scene.daemon.the_pending_one().await;
    let deny = json!({"verdict": "deny"});
    assert_eq!(scene.daemon.deciding(&id, &deny).await.status, 200);
    let left = requester.left().await;
    assert_eq!(left.code, Some(1), "{left:?}");
    assert_eq!(left.stdout, "");

    let requester = scene.start(&args);
    let id = scene.daemon.the_pending_one().await;
    scene.daemon.delete(&format!("/v1/requests/{id}")).await;
    assert_eq!(requester.left().await.code, Some(4));

    let expiring = [&["--expires", "1s"], &args[..]].concat();
    assert_eq!(scene.start(&expiring).left().await.code, Some(124));

    let requester = scene.start(&args);
    scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    requester.signal(rustix::process::Signal::INT);
    let left = requester.left().await;
    assert_eq!(left.code, Some(130), "{left:?}");
    assert_eq!(scene.content("ran"), None);
}

#[tokio::test]
async fn of_many_processes_with_one_key_one_runs_and_the_others_say_why_not() {
    let scene = scene();
    let args = ["--key", "k", "--", "sh", "-c", "echo ran >> ran; exit 7"];
    let processes: Vec<_> = (0..6).map(|_| scene.start(&args)).collect();
    for process in &processes {
        process.told("asked").await;
    }
    scene.approve().await;
    let mut codes = Vec::new();
    for process in processes {
        let left = process.left().await;
        if left.code == Some(77) {
            assert!(left.stderr.contains("was used already"), "{left:?}");
            assert!(left.stderr.contains("--key"), "{left:?}");
        }
        codes.push(left.code);
    }
    codes.sort();
    assert_eq!(codes[0], Some(7), "{codes:?}");
    assert_eq!(codes[1..], [Some(77); 5]);
    assert_eq!(scene.content("ran").unwrap(), "ran\n");

    let late = scene.start(&args).left().await;
    assert_eq!(late.code, Some(77), "{late:?}");
    assert_eq!(scene.content("ran").unwrap(), "ran\n");
}

#[tokio::test]
async fn an_approval_that_is_found_too_late_is_not_used() {
    let scene = scene();
    let args = [
        "--key",
        "k",
        "--use-within",
        "1s",
        "--",
        "sh",
        "-c",
        ": > ran",
    ];
    let requester = scene.start(&args);
    let id = scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    requester.signal(rustix::process::Signal::KILL);
    requester.left().await;
    scene.daemon.approve(&id).await;
    until("the approval to be too old", async || {
        let request = scene.daemon.read(&id).await;
        let decided = request["decided_at"].as_str().unwrap().to_owned();
        let decided: jiff::Timestamp = decided.parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(decided);
        (age > jiff::SignedDuration::from_millis(1500)).then_some(())
    })
    .await;
    let left = scene.start(&args).left().await;
    assert_eq!(left.code, Some(124), "{left:?}");
    assert!(left.stderr.contains("too long ago"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
}

#[tokio::test]
async fn what_does_not_go_with_a_command_is_64() {
    let nowhere = "http://127.0.0.1:1";
    for (args, words) in [
        (
            &["--json", "--", "true"][..],
            "--json does not go with a command",
        ),
        (&["--detach", "--", "true"], "need a --key"),
        (&["--wait-at-most", "9s", "--", "true"], "need a --key"),
        (
            &["--bind-stdin", "-d", "-", "--", "true"],
            "both read standard input",
        ),
        (&["--bind", "x"], "--bind is about a program"),
        (&["--bind-stdin"], "--bind-stdin is about a program"),
        (&["--show-env", "HOME"], "--show-env is about a program"),
        (&["--show-env", "NONE", "--", "true"], "no such variable"),
        (&["--bind", "/none", "--", "true"], "--bind /none"),
        (&["true"], "behind all flags, after --"),
        (&["--key", "k", "--"], "no program behind --"),
    ] {
        let left = Requester::start(nowhere, args).left().await;
        assert_eq!(left.code, Some(64), "{left:?}");
        assert!(left.stderr.contains(words), "{left:?}");
    }
    // Variables are set for many calls, and those without a program pass them by.
    let about = [("PUSHD_BIND", "/none"), ("PUSHD_SHOW_ENV", "NONE")];
    let args = ["--connect-timeout", "100ms"];
    let left = Requester::start_with(nowhere, &args, &about).left().await;
    assert_eq!(left.code, Some(69), "{left:?}");
}
