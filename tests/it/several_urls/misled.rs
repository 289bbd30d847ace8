//! URLs whose daemons do not share a store, and what is said of requests that one does not know.

use super::door::{Door, Is};
use super::start;
use crate::daemon::setup;
use crate::front::{Front, Way};

#[tokio::test]
async fn that_the_other_does_not_know_the_request_is_not_believed_while_one_is_away() {
    let (daemon, other) = (setup().start(), setup().start());
    let (a, b) = (Door::to(&daemon).await, Door::to(&other).await);
    let requester = start(&a.url(), &b.url(), &["--timeout", "1s", "-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    requester.told("asked").await;
    a.now(Is::Shut);
    // It says who said what.
    requester.told("trouble: ").await;
    requester.told(&format!("{}: ", b.url())).await;
    daemon.approve(&id).await;
    a.now(Is::Open);
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(other.requests().await.is_empty(), "it was asked once");
}

#[tokio::test]
async fn a_request_that_only_the_other_knows_is_found_there() {
    let (daemon, other) = (setup().start(), setup().start());
    let asked = start(&daemon.url(), &daemon.url(), &["--detach", "-m", "Deploy?"]);
    let id = asked.left().await.stdout.trim().to_owned();
    let front = Front::before(&other, |_, _| Way::Through).await;
    let waiting = start(&front.url(), &daemon.url(), &["wait", &id]);
    waiting.told("waiting for").await;
    daemon.approve(&id).await;
    let left = waiting.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(front.calls().len(), 1, "who knows it is asked from then on");
}

#[tokio::test]
async fn a_request_that_nobody_knows_is_64_and_each_is_named() {
    let (daemon, other) = (setup().start(), setup().start());
    let urls = [daemon.url(), other.url()];
    let id = "a".repeat(26);
    let left = start(&urls[0], &urls[1], &["status", &id]).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    for url in urls {
        assert!(left.stderr.contains(&format!("{url}: ")), "{left:?}");
    }
}
