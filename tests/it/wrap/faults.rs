//! Lost answers and dead daemons between the approval and its use: it runs, and once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::scene;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::programs::Requester;
use crate::until::until;

/// What is done with the uses of an approval, one after the other; all else goes through.
fn uses(ways: &'static [Way]) -> impl Fn(usize, &str) -> Way + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |_, line: &str| {
        if !line.contains("/consume") {
            return Way::Through;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed);
        ways.get(number).copied().unwrap_or(Way::Through)
    }
}

#[tokio::test]
async fn a_use_whose_answer_was_lost_runs_the_command_once() {
    let scene = scene();
    let front = Front::before(&scene.daemon, uses(&[Way::AnswerLost, BAD_GATEWAY])).await;
    let args = ["--", "sh", "-c", "echo ran >> ran; exit 7"];
    let requester = Requester::spawned(scene.requester(&front.url(), &args));
    scene.approve().await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(7), "{left:?}");
    assert_eq!(scene.content("ran").unwrap(), "ran\n");
    let calls = front.calls();
    let uses = calls.iter().filter(|line| line.contains("/consume"));
    assert_eq!(uses.count(), 3, "{calls:?}");
}

#[tokio::test]
async fn a_daemon_that_dies_before_or_after_the_use_loses_neither_approval_nor_use() {
    for lost in [BAD_GATEWAY, Way::AnswerLost] {
        let scene = scene();
        let daemon = setup().start();
        let used = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&used);
        let front = Front::before(&daemon, move |_, line| {
            if line.contains("/consume") && seen.fetch_add(1, Ordering::Relaxed) == 0 {
                lost
            } else {
                Way::Through
            }
        })
        .await;
        let args = ["--", "sh", "-c", "echo ran >> ran; exit 7"];
        let requester = Requester::spawned(scene.requester(&front.url(), &args));
        let id = daemon.the_pending_one().await;
        daemon.approve(&id).await;
        // Where the answer is lost, the use has been committed when the front has lost it.
        requester.told("trouble").await;
        assert!(used.load(Ordering::Relaxed) > 0);
        let daemon = daemon.crash_and_restart();
        let left = requester.left().await;
        assert_eq!(left.code, Some(7), "{left:?}");
        assert_eq!(scene.content("ran").unwrap(), "ran\n");
        assert!(daemon.read(&id).await["consumed_at"].is_string());
    }
}

#[tokio::test]
async fn an_approval_that_gets_too_old_while_the_daemon_is_away_is_not_used() {
    let scene = scene();
    let first = OnceLock::new();
    let front = Front::before(&scene.daemon, move |_, line| {
        let away = || first.get_or_init(Instant::now).elapsed() < Duration::from_millis(1500);
        if line.contains("/consume") && away() {
            BAD_GATEWAY
        } else {
            Way::Through
        }
    })
    .await;
    let args = ["--use-within", "1s", "--", "sh", "-c", ": > ran"];
    let requester = Requester::spawned(scene.requester(&front.url(), &args));
    scene.approve().await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(124), "{left:?}");
    assert!(left.stderr.contains("too long ago"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
    assert_eq!(scene.request().await.get("consumed_at"), None);
}

// Whoever dies after the use has used it up: at most once is what is promised.
#[tokio::test]
async fn a_requester_that_is_killed_leaves_the_approval_to_the_next_unless_it_was_used() {
    for (lost, code, ran) in [
        (BAD_GATEWAY, 7, Some("ran\n".to_owned())),
        (Way::AnswerLost, 77, None),
    ] {
        let scene = scene();
        let front = Front::before(&scene.daemon, move |_, line| {
            if line.contains("/consume") {
                lost
            } else {
                Way::Through
            }
        })
        .await;
        let args = ["--key", "k", "--", "sh", "-c", "echo ran >> ran; exit 7"];
        let requester = Requester::spawned(scene.requester(&front.url(), &args));
        scene.approve().await;
        requester.told("trouble").await;
        requester.signal(rustix::process::Signal::KILL);
        assert_eq!(requester.left().await.signal, Some(9));
        let left = scene.start(&args).left().await;
        assert_eq!(left.code, Some(code), "{left:?}");
        assert_eq!(scene.content("ran"), ran);
    }
}

#[tokio::test]
async fn ctrl_c_while_the_daemon_does_not_answer_the_use_runs_nothing() {
    let scene = scene();
    let front = Front::before(&scene.daemon, |_, line| {
        if line.contains("/consume") {
            BAD_GATEWAY
        } else {
            Way::Through
        }
    })
    .await;
    let args = ["--", "sh", "-c", ": > ran"];
    let requester = Requester::spawned(scene.requester(&front.url(), &args));
    scene.approve().await;
    until("a use", async || {
        let calls = front.calls();
        calls
            .iter()
            .any(|line| line.contains("/consume"))
            .then_some(())
    })
    .await;
    requester.signal(rustix::process::Signal::INT);
    let left = requester.left().await;
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("the command was not run"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
}
