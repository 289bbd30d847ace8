//! A command that is asked for now and run later, by whoever comes with the same key.

use super::scene;
use crate::programs::Left;

fn is_left_pending(left: &Left) {
    assert_eq!(left.code, Some(3), "{left:?}");
}

#[tokio::test]
async fn a_detached_command_is_run_by_the_same_command_without_detach() {
    let scene = scene();
    let rest = ["--key", "k", "--", "sh", "-c", "echo ran; exit 7"];
    let detached = [&["--detach"], &rest[..]].concat();
    let left = scene.start(&detached).left().await;
    is_left_pending(&left);
    let id = scene.daemon.the_pending_one().await;
    assert_eq!(left.stdout, format!("{id}\n"));
    scene.daemon.approve(&id).await;

    let left = scene.start(&detached).left().await;
    is_left_pending(&left);
    assert!(left.stderr.contains("is approved"), "{left:?}");
    assert!(left.stderr.contains("without --detach"), "{left:?}");
    assert_eq!(scene.request().await.get("consumed_at"), None);

    let left = scene.start(&rest).left().await;
    assert_eq!((left.code, &*left.stdout), (Some(7), "ran\n"), "{left:?}");
    let left = scene.start(&rest).left().await;
    assert_eq!((left.code, &*left.stdout), (Some(77), ""), "{left:?}");
    assert_eq!(scene.request().await["id"], id);
}

#[tokio::test]
async fn a_wait_that_ends_runs_nothing_and_the_same_command_goes_on() {
    let scene = scene();
    let args = [
        "--wait-at-most",
        "3s",
        "--key",
        "k",
        "--",
        "sh",
        "-c",
        "echo ran; exit 7",
    ];
    let left = scene.start(&args).left().await;
    is_left_pending(&left);
    assert_eq!(left.stdout, "", "{left:?}");
    scene.approve().await;
    let left = scene.start(&args).left().await;
    assert_eq!((left.code, &*left.stdout), (Some(7), "ran\n"), "{left:?}");
}

#[tokio::test]
async fn what_was_asked_for_cannot_become_something_else_under_the_same_key() {
    let scene = scene();
    scene.write("plan.out", "good");
    let rest = [
        "--key", "k", "--bind", "plan.out", "--", "sh", "-c", ": > ran",
    ];
    let detached = [&["--detach"], &rest[..]].concat();
    is_left_pending(&scene.start(&detached).left().await);
    scene.approve().await;
    scene.write("plan.out", "evil");
    let left = scene.start(&rest).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("command.files"), "{left:?}");
    let other = ["--key", "k", "--", "sh", "-c", "echo other > ran"];
    let left = scene.start(&other).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("command.argv"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
    assert_eq!(scene.request().await.get("consumed_at"), None);
}
