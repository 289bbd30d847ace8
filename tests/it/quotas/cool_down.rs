//! `--cool-down`: what was denied is not asked again at once, and everything else is.

use serde_json::{Value, json};

use super::{asking, deny, knowing, wait_of};
use crate::daemon::{Daemon, setup};
use crate::programs::Requester;
use crate::until::until;

impl Daemon {
    /// Asks this, and denies it.
    async fn ask_and_deny(&self, members: &Value) {
        let asked = self.asking(members).await;
        assert_eq!(asked.status, 201, "{asked:?}");
        let denying = self.deciding(&asked.id(), &json!({"verdict": "deny"}));
        assert_eq!(denying.await.status, 200);
    }

    /// The same is refused for a while.
    async fn refuses_for_now(&self, members: &Value) {
        wait_of(&self.asking(members).await, "denied_recently");
    }

    /// This may be asked; answers its id.
    async fn takes(&self, members: &Value) -> String {
        let asked = self.asking(members).await;
        assert_eq!(asked.status, 201, "{members}: {asked:?}");
        asked.id()
    }
}

/// It is told at once that no patience of its own would be enough.
#[tokio::test]
async fn a_requester_whose_ask_was_denied_recently_ends_with_75_and_the_daemons_words() {
    let daemon = setup().flags("--cool-down 1h").start();
    let deny = async || {
        let id = daemon.the_pending_one().await;
        let denying = daemon.deciding(&id, &json!({"verdict": "deny"}));
        assert_eq!(denying.await.status, 200);
    };
    let url = format!("http://{}", daemon.address());
    let ((), left) = tokio::join!(deny(), Requester::start(&url, &["-m", "Deploy?"]).left());
    assert_eq!(left.code, Some(1), "{left:?}");
    let patient = ["--connect-timeout", "30m", "-m", "Deploy?"];
    let left = Requester::start(&url, &patient).left().await;
    assert_eq!(left.code, Some(75), "{left:?}");
    assert!(left.stderr.contains("denied a short while ago"), "{left:?}");
}

#[tokio::test]
async fn what_was_denied_may_not_be_asked_again_for_a_while() {
    let (daemon, people) = knowing("--cool-down 1h");
    let keyed = || asking(&daemon, &people, "ci", "a").header("idempotency-key", "one");
    let id = keyed().await.id();
    let held = people.by("ci", daemon.get(&format!("/v1/requests/{id}?wait=60")));
    let held = held.spawn();
    daemon.figure_is(&people, "pushd_waiters", 1).await;
    deny(&daemon, &people, &id).await;
    assert_eq!(held.await.unwrap().json()["status"], "denied");
    for _ in 0..10 {
        let members = json!({"title": "a", "match_code": "004207", "expires_in_secs": 60});
        let again = people.by("ci", daemon.asking(&members)).await;
        let wait = wait_of(&again, "denied_recently");
        assert!((3000..=3600).contains(&wait.get()), "{wait}");
    }
    assert_eq!(keyed().await.status, 200, "a replay tells the denial");
    assert_eq!(asking(&daemon, &people, "ci", "b").await.status, 201);
    assert_eq!(asking(&daemon, &people, "eve", "a").await.status, 201);
    let daemon = daemon.crash_and_restart();
    assert_eq!(asking(&daemon, &people, "ci", "a").await.status, 201);
}

#[tokio::test]
async fn another_question_may_be_asked_and_the_same_however_it_is_spelled_may_not() {
    let daemon = setup().in_memory().flags("--cool-down 1h").start();
    let field = |name: &str, value: &str| json!({"name": name, "value": value});
    let asked = json!({
        "title": "Deploy?", "topic": "shop", "details": "1.4.2",
        "fields": [field("a", "1"), field("b", "2")],
    });
    daemon.ask_and_deny(&asked).await;
    let with = |name: &str, value: Value| {
        let mut members = asked.clone();
        members[name] = value;
        members
    };
    for same in [
        with("expires_in_secs", json!(77)),
        with("match_code", json!("004207")),
    ] {
        daemon.refuses_for_now(&same).await;
    }
    for other in [
        with("title", json!("Deploy!")),
        with("topic", json!("shop/eu")),
        with("details", json!("1.4.3")),
        with("fields", json!([field("a", "1")])),
        with("fields", json!([field("b", "2"), field("a", "1")])),
        with("fields", json!([field("a", "1"), field("b", "3")])),
        with("fields", json!([field("a", "1"), field("c", "2")])),
    ] {
        daemon.takes(&other).await;
    }
    daemon.refuses_for_now(&asked).await;
}

#[tokio::test]
async fn what_was_approved_cancelled_or_has_expired_may_be_asked_again_at_once() {
    let daemon = setup().in_memory().flags("--cool-down 1h").start();
    let ask = json!({"title": "Deploy?", "expires_in_secs": 1});
    let id = daemon.takes(&ask).await;
    until("its expiry", async || {
        (daemon.read(&id).await["status"] == "expired").then_some(())
    })
    .await;
    let ask = json!({"title": "Deploy?"});
    let id = daemon.takes(&ask).await;
    daemon.approve(&id).await;
    let id = daemon.takes(&ask).await;
    let cancelled = daemon.delete(&format!("/v1/requests/{id}")).await;
    assert_eq!(cancelled.status, 200);
    daemon.ask_and_deny(&ask).await;
    daemon.refuses_for_now(&ask).await;
}

/// Whoever guesses would otherwise guess on in a request that is made anew at once.
#[tokio::test]
async fn three_wrong_match_codes_are_a_denial_here_too() {
    let daemon = setup().in_memory().flags("--cool-down 1h").start();
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let id = daemon.takes(&ask).await;
    let guess = json!({"verdict": "approve", "match_code": "999999"});
    for left in [2, 1, 0] {
        let wrong = daemon.deciding(&id, &guess).await.json();
        assert_eq!(wrong["tries_left"], left);
    }
    daemon.refuses_for_now(&ask).await;
}

#[tokio::test]
async fn it_passes_and_may_be_denied_again() {
    let daemon = setup().in_memory().flags("--cool-down 1500ms").start();
    let ask = json!({"title": "Deploy?"});
    daemon.ask_and_deny(&ask).await;
    for _ in 0..2 {
        let id = until("the end of the cool-down", async || {
            let asked = daemon.asking(&ask).await;
            (asked.status == 201).then(|| asked.id())
        });
        let id = id.await;
        let denying = daemon.deciding(&id, &json!({"verdict": "deny"}));
        assert_eq!(denying.await.status, 200);
    }
}

/// A requester in a loop would otherwise be told that it asks too often, and not why in vain.
#[tokio::test]
async fn what_is_refused_for_it_is_not_counted_as_asked() {
    let (daemon, people) = knowing("--cool-down 1h --asks-per-minute 2");
    let id = asking(&daemon, &people, "ci", "a").await.id();
    deny(&daemon, &people, &id).await;
    for _ in 0..5 {
        let again = asking(&daemon, &people, "ci", "a").await;
        wait_of(&again, "denied_recently");
    }
    assert_eq!(asking(&daemon, &people, "ci", "b").await.status, 201);
}

/// Their pages ask the same again and again; that is what they are for.
#[tokio::test]
async fn the_classic_routes_have_none() {
    let flags = "--cool-down 1h --classic";
    let daemon = setup().in_memory().flags(flags).start();
    for _ in 0..2 {
        let poll = daemon.get("/longPolling").spawn();
        let id = daemon.the_pending_one().await;
        let denying = daemon.deciding(&id, &json!({"verdict": "deny"}));
        assert_eq!(denying.await.status, 200);
        assert_eq!(poll.await.unwrap().status, 204);
    }
}
