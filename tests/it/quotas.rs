//! Floods by one requester or from one address: they meet their own limit, and nobody else's.

mod cool_down;
mod programs;

use std::num::NonZeroU64;

use reqwest::Method;
use serde_json::json;

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, Holds, setup};
use crate::people::People;
use crate::until::until;

/// What a daemon may have more of after a flood that was refused: the allocator's own, roughly.
const SLACK_KIB: usize = 32 * 1024;
/// Calls of a flood.
const FLOOD: usize = 300;

/// A daemon that knows some people and has these flags.
fn knowing(flags: &str) -> (Daemon, People) {
    let setup = setup();
    let everybody = [
        ("ci", "requester", "*"),
        ("eve", "requester", "*"),
        ("alice", "approver", "*"),
        ("probe", "observer", "*"),
    ];
    let people = People::new(&setup, &everybody);
    let daemon = setup.flags(&people.flag()).flags(flags).start();
    (daemon, people)
}

/// How long the refusal says to wait.
fn wait_of(reply: &Reply, code: &str) -> NonZeroU64 {
    assert_eq!(reply.problem(), (429, code.to_owned()), "{reply:?}");
    reply.header("retry-after").unwrap().parse().unwrap()
}

fn is_bounded(daemon: &Daemon, before: Holds) {
    let after = daemon.holds();
    assert!(
        after.rss_kib < before.rss_kib + SLACK_KIB,
        "{before:?} {after:?}"
    );
}

fn asking(daemon: &Daemon, people: &People, who: &str, title: &str) -> Call {
    people.by(who, daemon.asking(&json!({ "title": title })))
}

async fn deny(daemon: &Daemon, people: &People, id: &str) {
    let denying = daemon.deciding(id, &json!({"verdict": "deny"}));
    assert_eq!(people.by("alice", denying).await.status, 200);
}

#[tokio::test]
async fn pending_requests_of_one_requester_leave_room_for_others() {
    let (daemon, people) = knowing("--max-pending-per-requester 3 --asks-per-minute 10000");
    let before = daemon.holds();
    // At the same time, so that none of them slips past the count.
    let flood = (0..FLOOD).map(|n| asking(&daemon, &people, "ci", &n.to_string()).into_future());
    let replies = futures_util::future::join_all(flood).await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert!(!made.is_empty() && made.len() <= 3, "{}", made.len());
    for reply in refused {
        wait_of(reply, "too_many_pending_of_requester");
    }
    assert_eq!(asking(&daemon, &people, "eve", "a").await.status, 201);
    is_bounded(&daemon, before);
    for n in made.len()..3 {
        let title = format!("more {n}");
        assert_eq!(asking(&daemon, &people, "ci", &title).await.status, 201);
    }
    wait_of(
        &asking(&daemon, &people, "ci", "a").await,
        "too_many_pending_of_requester",
    );
    deny(&daemon, &people, &made[0].id()).await;
    assert_eq!(asking(&daemon, &people, "ci", "a").await.status, 201);
}

#[tokio::test]
async fn a_requester_that_asks_too_often_is_told_when_it_may_and_replays_do_not_count() {
    let (daemon, people) = knowing("--asks-per-minute 20");
    let before = daemon.holds();
    let keyed = || asking(&daemon, &people, "ci", "a").header("idempotency-key", "one");
    assert_eq!(keyed().await.status, 201);
    for _ in 0..FLOOD {
        let reply = keyed().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let refused = until("a refusal", async || {
        let reply = asking(&daemon, &people, "ci", "a").await;
        (reply.status != 201).then_some(reply)
    });
    let wait = wait_of(&refused.await, "too_many_asks");
    assert!(wait.get() <= 3, "{wait}");
    assert_eq!(keyed().await.status, 200);
    assert_eq!(asking(&daemon, &people, "eve", "a").await.status, 201);
    is_bounded(&daemon, before);
    until("room for another ask", async || {
        let reply = asking(&daemon, &people, "ci", "a").await;
        (reply.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn long_polls_of_one_requester_leave_room_for_others() {
    let (daemon, people) = knowing("--max-waiters-per-requester 2");
    let before = daemon.holds();
    let (id, others) = (
        daemon.asked_by(&people, "ci", "a").await,
        daemon.asked_by(&people, "eve", "a").await,
    );
    let path = format!("/v1/requests/{id}?wait=60");
    let waiting = || people.by("ci", daemon.get(&path));
    let held = [waiting().spawn(), waiting().spawn()];
    daemon.figure_is(&people, "pushd_waiters", 2).await;
    for _ in 0..FLOOD {
        wait_of(&waiting().await, "too_many_waiters_of_requester");
    }
    let others = format!("/v1/requests/{others}?wait=60");
    let other = people.by("eve", daemon.get(&others)).spawn();
    daemon.figure_is(&people, "pushd_waiters", 3).await;
    is_bounded(&daemon, before);
    other.abort();
    deny(&daemon, &people, &id).await;
    for held in held {
        assert_eq!(held.await.unwrap().json()["status"], "denied");
    }
    // What there is to tell is told, and the places are free again.
    assert_eq!(waiting().await.json()["status"], "denied");
    let next = daemon.asked_by(&people, "ci", "a").await;
    let next = people.by("ci", daemon.get(&format!("/v1/requests/{next}?wait=60")));
    let next = next.spawn();
    daemon.figure_is(&people, "pushd_waiters", 1).await;
    next.abort();
}

#[tokio::test]
async fn streams_of_one_requester_leave_room_for_others() {
    let (daemon, people) = knowing("--max-subscribers-per-requester 2");
    let before = daemon.holds();
    let listening = |who| people.by(who, daemon.call(Method::GET, "/v1/events"));
    let open = [listening("ci").open().await, listening("ci").open().await];
    for _ in 0..FLOOD {
        wait_of(&listening("ci").await, "too_many_subscribers_of_requester");
    }
    let other = listening("eve").open().await;
    assert_eq!(other.status(), 200);
    is_bounded(&daemon, before);
    drop((open, other));
    daemon.figure_is(&people, "pushd_subscribers", 0).await;
    assert_eq!(listening("ci").open().await.status(), 200);
}

#[tokio::test]
async fn without_tokens_only_what_is_held_in_all_is_bounded() {
    let flags = "--max-pending-per-requester 1 --asks-per-minute 1 
                 --max-waiters-per-requester 1 --max-subscribers-per-requester 1 
                 --max-connections-per-address 1";
    let daemon = setup().flags(flags).start();
    let ids = [daemon.ask("a").await, daemon.ask("b").await];
    let held = ids.map(|id| daemon.get(&format!("/v1/requests/{id}?wait=60")).spawn());
    daemon.waiters_are(2).await;
    let streams = [daemon.listen("").await, daemon.listen("").await];
    daemon.subscribers_are(2).await;
    drop(streams);
    for held in held {
        held.abort();
    }
}
