//! A relay lends nobody what it may do itself, or what its daemon lets this machine do.

use serde_json::json;

use super::{relay, relay_to};
use crate::daemon::{Daemon, Ran, setup};
use crate::people::People;
use crate::until::until;

/// A daemon that knows somebody who asks and somebody who approves.
fn town() -> (Daemon, People) {
    let setup = setup();
    let roles = [("ana", "approver", "*"), ("ci", "requester", "*")];
    let people = People::new(&setup, &roles);
    (setup.flags(&people.flag()).start(), people)
}

#[tokio::test]
async fn tokens_go_through_and_who_has_none_gets_nothing() {
    let (daemon, people) = town();
    let relay = relay_to(&[&daemon], "");
    assert_eq!(relay.get("/v1/me").await.status, 401);
    let id = relay.asked_by(&people, "ci", "default").await;
    let deciding = || relay.deciding(&id, &json!({"verdict": "approve"}));
    assert_eq!(deciding().await.status, 401);
    assert_eq!(people.by("ci", deciding()).await.status, 403);
    let decided = people.by("ana", deciding()).await.json();
    assert_eq!(decided["decisions"][0]["approver"]["principal"], "ana");
    assert!(!relay.log().contains("pushd_"), "{}", relay.log());
}

#[tokio::test]
async fn a_relay_lets_no_network_in_before_a_daemon_that_trusts_everybody() {
    let daemon = setup().start();
    for flags in [
        "--listen 0.0.0.0:0",
        "--listen 127.0.0.1:0 --trust-proxy 127.0.0.1",
    ] {
        let (_, command) = relay(&daemon.url(), flags);
        let ran = Ran::to_its_end(command);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains("--tokens FILE"), "{ran:?}");
    }
    let flags = "--listen 0.0.0.0:0 --trust-everybody-on-the-network";
    let (setup, command) = relay(&daemon.url(), flags);
    let relay = setup.start_by(command);
    relay.logged("everybody who reaches this address").await;
}

/// A daemon that is started anew without tokens would trust the relay's callers. It is told that
/// they are none of this machine's, so there is no moment in which it does.
#[tokio::test]
async fn a_daemon_that_loses_its_tokens_gets_nothing_from_a_network() {
    let (mut daemon, people) = town();
    let (made, command) = relay(&daemon.url(), "--listen 0.0.0.0:0");
    let relay = made.start_by(command);
    let port = relay.address().port();
    let mut relay = relay;
    relay.clients = crate::call::Clients::new(([127, 0, 0, 1], port).into());
    let me = people.by("ana", relay.get("/v1/me")).await;
    assert_eq!(
        (me.status, me.json()["principal"].as_str()),
        (200, Some("ana"))
    );
    daemon.crash();
    let daemon = setup().listen(&daemon.address().to_string()).start();
    let refused = until("the relay to know", async || {
        let answer = relay.get("/v1/me").open().await;
        let status = answer.status().as_u16();
        assert!(matches!(status, 401 | 502 | 504), "{status}");
        (status == 502).then_some(answer)
    })
    .await;
    let text = refused.text().await.unwrap();
    assert!(text.contains("upstream_trusts_everybody"), "{text}");
    relay.logged("answers without a token").await;
    drop(daemon);
}

#[tokio::test]
async fn a_call_that_says_to_be_relayed_has_a_token_or_nothing() {
    let (daemon, people) = town();
    let me = |daemon: &Daemon| daemon.get("/v1/me").header("pushd-relayed", "1");
    assert_eq!(me(&daemon).await.status, 401);
    assert_eq!(people.by("ana", me(&daemon)).await.status, 200);
    let trusting = setup().in_memory().start();
    let refused = me(&trusting).await;
    assert_eq!(refused.problem(), (401, "unauthenticated".to_owned()));
    assert!(refused.detail().contains("relay"), "{refused:?}");
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let daemon = setup().start();
    for (flags, code, words) in [
        (
            "--listen 0.0.0.0:0 --classic",
            78,
            "--classic-lets-anybody-decide",
        ),
        ("--listen unix:/tmp/x.sock", 64, "an IP address and a port"),
        ("--upstream unix:/run/pushd.sock", 64, "by the account"),
        ("--ca-cert /nowhere.pem", 78, "--ca-cert /nowhere.pem"),
    ] {
        let (_, command) = relay(&daemon.url(), flags);
        let ran = Ran::to_its_end(command);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
}
