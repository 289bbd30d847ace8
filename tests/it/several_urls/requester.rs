//! One ask, whichever daemon answers.

use rustix::process::Signal;

use super::door::Is;
use super::{Scene, start};
use crate::authority::Authority;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::until::until;

#[tokio::test]
async fn the_answer_comes_by_the_other_when_one_dies_in_the_middle_of_a_poll() {
    let scene = Scene::new().await;
    let requester = scene.requester(&["-m", "Deploy?"]);
    let id = scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    let change = scene.change();
    scene.a.close().await;
    requester.told(&change).await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(left.stderr.matches("going on with").count(), 1, "{left:?}");
    assert!(!left.stderr.contains("trouble"), "{left:?}");
    assert_eq!(scene.daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn one_that_takes_calls_and_never_answers_is_left_for_the_next() {
    let scene = Scene::new().await;
    scene.a.now(Is::Silent);
    let requester = scene.requester(&["-m", "Deploy?"]);
    let id = scene.daemon.the_pending_one().await;
    requester.told(&scene.change()).await;
    requester.told("no answer within 3 s").await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(scene.daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn a_poll_that_falls_silent_is_sent_to_the_next() {
    let scene = Scene::new().await;
    let requester = scene.requester(&["--timeout", "1s", "-m", "Deploy?"]);
    let id = scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    scene.a.now(Is::Silent);
    requester.told(&scene.change()).await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(scene.daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn one_that_says_that_it_cannot_now_is_passed_over() {
    const DRAINING: Way = Way::Page(
        "503 Service Unavailable",
        "application/problem+json",
        r#"{"status":503,"code":"draining","detail":"the daemon is winding down"}"#,
    );
    // A record of a later version.
    const UNREADABLE: Way = Way::Page(
        "500 Internal Server Error",
        "application/problem+json",
        r#"{"status":500,"code":"internal","detail":"the request cannot be read"}"#,
    );
    for page in [BAD_GATEWAY, DRAINING, UNREADABLE] {
        let scene = Scene::new().await;
        let front = Front::before(&scene.daemon, move |_, _| page).await;
        let requester = start(&front.url(), &scene.b.url(), &["-m", "Deploy?"]);
        let id = scene.daemon.the_pending_one().await;
        scene.daemon.approve(&id).await;
        let left = requester.left().await;
        assert_eq!(left.code, Some(0), "{left:?}");
        assert_eq!(front.calls().len(), 1, "it is not asked again");
        assert_eq!(scene.daemon.requests().await.len(), 1);
    }
}

#[tokio::test]
async fn an_ask_whose_answer_is_lost_is_not_asked_twice() {
    let scene = Scene::new().await;
    let front = Front::before(&scene.daemon, |_, _| Way::AnswerLost).await;
    let requester = start(&front.url(), &scene.b.url(), &["-m", "Deploy?"]);
    requester.told("asked").await;
    let id = scene.daemon.the_pending_one().await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(scene.daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_asked_of_the_next() {
    let scene = Scene::new().await;
    let asked = Front::before(&scene.daemon, |_, _| Way::Through).await;
    let front = Front::before(&scene.daemon, |_, _| Way::Through).await;
    let left = start(
        &asked.url(),
        &front.url(),
        &["-m", "Deploy?", "--from", "nobody"],
    )
    .left()
    .await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert_eq!(asked.calls().len(), 1, "{left:?}");
    assert!(front.calls().is_empty(), "{left:?}");
}

#[tokio::test]
async fn when_all_are_down_it_waits_for_the_first_that_is_back() {
    let scene = Scene::new().await;
    let requester = scene.requester(&["-m", "Deploy?"]);
    let id = scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    scene.b.now(Is::Shut);
    scene.a.now(Is::Shut);
    requester.told("trouble: http://").await;
    scene.daemon.approve(&id).await;
    scene.b.now(Is::Open);
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    for door in [&scene.a, &scene.b] {
        assert!(
            left.stderr.contains(&format!("{}: ", door.url())),
            "{left:?}"
        );
    }
    assert_eq!(scene.daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn when_none_answers_the_end_names_each_with_its_failure() {
    let scene = Scene::new().await;
    let front = Front::before(&scene.daemon, |_, _| BAD_GATEWAY).await;
    let a = scene.a.url();
    scene.a.close().await;
    let left = start(&a, &front.url(), &["--connect-timeout", "4s"])
        .left()
        .await;
    assert_eq!(left.code, Some(69), "{left:?}");
    let last = left.stderr.lines().last().unwrap();
    for words in [
        format!("{a}: cannot connect: "),
        format!("{}: it answered 502", front.url()),
    ] {
        assert!(last.contains(&words), "{left:?}");
    }
    assert!(
        left.stderr.contains("may exist"),
        "a 502 leaves a doubt: {left:?}"
    );
}

#[tokio::test]
async fn a_time_that_ends_in_the_middle_of_a_round_names_each_as_well() {
    let scene = Scene::new().await;
    let a = scene.a.url();
    scene.a.close().await;
    scene.b.now(Is::Silent);
    let left = start(&a, &scene.b.url(), &["--connect-timeout", "4s"])
        .left()
        .await;
    assert_eq!(left.code, Some(69), "{left:?}");
    for words in [
        format!("{a}: cannot connect: "),
        format!("{}: no answer within ", scene.b.url()),
    ] {
        assert!(left.stderr.contains(&words), "{left:?}");
    }
}

#[tokio::test]
async fn a_cancellation_goes_by_the_other() {
    let scene = Scene::new().await;
    let requester = scene.requester(&["-m", "Deploy?"]);
    scene.daemon.the_pending_one().await;
    requester.told("asked").await;
    scene.a.now(Is::Silent);
    requester.signal(Signal::INT);
    let left = requester.left().await;
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("is cancelled"), "{left:?}");
    let requests = scene.daemon.requests().await;
    assert_eq!(requests[0]["status"], "cancelled");
}

#[tokio::test]
async fn an_approval_whose_use_was_counted_by_a_lost_answer_runs_its_command_once() {
    let scene = Scene::new().await;
    let front = Front::before(&scene.daemon, |_, line| {
        if line.contains("/consume") {
            Way::AnswerLost
        } else {
            Way::Through
        }
    })
    .await;
    let requester = start(&front.url(), &scene.b.url(), &["--", "echo", "ran"]);
    let id = scene.daemon.the_pending_one().await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!((left.code, &*left.stdout), (Some(0), "ran\n"), "{left:?}");
    assert!(left.stderr.contains(&scene.change()), "{left:?}");
}

#[tokio::test]
async fn what_comes_back_by_the_id_knows_several_too() {
    let scene = Scene::new().await;
    let asked = scene.requester(&["--detach", "-m", "Deploy?"]).left().await;
    let id = asked.stdout.trim().to_owned();
    let (a, b) = (scene.a.url(), scene.b.url());
    scene.a.close().await;
    let status = start(&a, &b, &["status", &id]).left().await;
    assert_eq!(status.code, Some(3), "{status:?}");
    let waiting = start(&a, &b, &["wait", &id]);
    waiting.told("waiting for").await;
    let cancelled = start(&a, &b, &["cancel", &id]).left().await;
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    let left = waiting.left().await;
    assert_eq!(left.code, Some(4), "{left:?}");
    until("the end", async || {
        (scene.daemon.requests().await[0]["status"] == "cancelled").then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_that_cannot_be_told_to_be_the_daemon_is_passed_over_and_nothing_is_said_to_it() {
    let scene = Scene::new().await;
    let other = setup().start();
    let authority = scene.daemon.setup().path("authority.pem");
    std::fs::write(&authority, Authority::new().pem).unwrap();
    let not_by_tls = other.url().replace("http://", "https://");
    let flags = ["--ca-cert", authority.to_str().unwrap(), "-m", "Deploy?"];
    let requester = start(&not_by_tls, &scene.b.url(), &flags);
    let id = scene.daemon.the_pending_one().await;
    requester.told(&scene.change()).await;
    requester.told("it does not answer by TLS").await;
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(other.requests().await.is_empty());
}

#[tokio::test]
async fn the_page_that_is_named_is_at_the_one_in_use() {
    let scene = Scene::new().await;
    scene.a.now(Is::Shut);
    let requester = scene.requester(&["--qr", "-m", "Deploy?"]);
    let id = scene.daemon.the_pending_one().await;
    let page = format!("page: {}/r/{id}", scene.b.url());
    requester.told(&page).await;
}
