//! Several daemons on one bucket of a real `nats-server`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::daemon::{Daemon, Setup, setup};
use crate::nats_server::NatsServers;
use crate::people::People;
use crate::until::{soon, until};

/// How to start daemons on these servers.
fn on(servers: &NatsServers) -> Setup {
    setup().store(&servers.urls())
}

/// So many daemons that know of each other.
async fn together(setup: &Setup, count: u64) -> Vec<Daemon> {
    let daemons: Vec<_> = (0..count).map(|_| setup.clone().start()).collect();
    for daemon in &daemons {
        daemon.metric_is("pushd_nodes_others", count - 1).await;
    }
    daemons
}

fn leased() -> Value {
    json!({"title": "Deploy?", "lease_secs": 2})
}

const SURE: &str = "pushd_lease_questions_total{outcome=\"sure\"}";

impl Daemon {
    /// Waits until it has asked the others so many times more, and all have answered.
    async fn asks_and_is_sure(&self, times: u64) {
        for _ in 0..times {
            let before = self.metric(SURE).await;
            until("a question that all have answered", async || {
                (self.metric(SURE).await > before).then_some(())
            })
            .await;
        }
    }

    async fn is_ready(&self, ready: bool) {
        self.metric_is("pushd_ready", u64::from(ready)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_asker_polls_at_one_node_is_kept_by_all_and_withdrawn_once_when_it_is_gone()
{
    let servers = NatsServers::start(1);
    let daemons = together(&on(&servers), 3).await;
    let [a, b, c] = &daemons[..] else { panic!() };
    let [kept, gone] = [
        a.asking(&leased()).await.id(),
        a.asking(&leased()).await.id(),
    ];
    let poll = |id: &str| b.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    let (poll, killed) = (poll(&kept), poll(&gone));
    b.waiters_are(2).await;
    // Each of them is the end of a lease at a node that holds no poll.
    a.asks_and_is_sure(2).await;
    c.asks_and_is_sure(2).await;
    for daemon in &daemons {
        assert_eq!(daemon.metric("pushd_requests_pending").await, 2);
        assert_eq!(
            daemon.metric("pushd_commits_total").await,
            2,
            "nothing else was written"
        );
    }
    killed.abort();
    for daemon in &daemons {
        daemon.metric_is("pushd_requests_abandoned_total", 1).await;
        daemon.metric_is("pushd_leases", 1).await;
    }
    let request = c.read(&gone).await;
    assert_eq!(
        (&request["status"], &request["lease_ended"]),
        (&json!("cancelled"), &json!(true))
    );
    assert_eq!(request["history"].as_array().map(Vec::len), Some(2), "once");
    a.asks_and_is_sure(1).await;
    c.approve(&kept).await;
    let answer = soon("the answer", poll).await.unwrap().json();
    assert_eq!(answer["status"], "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asker_whose_node_is_killed_finds_its_request_at_another_one() {
    let servers = NatsServers::start(1);
    let mut daemons = together(&on(&servers), 2).await;
    let (mut b, a) = (daemons.pop().unwrap(), daemons.pop().unwrap());
    let members = json!({"title": "Deploy?", "lease_secs": 4});
    let path = format!("/v1/requests/{}?wait=60", a.asking(&members).await.id());
    let mut cut = b.socket().await;
    cut.say(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
        .await;
    b.waiters_are(1).await;
    a.asks_and_is_sure(1).await;
    b.crash();
    // The asker is away for longer than its lease, which does not end while its node is missed.
    a.metric_is("pushd_nodes_others", 0).await;
    a.logged("another node is gone").await;
    let poll = a.get(&path).spawn();
    a.waiters_are(1).await;
    a.approve(path.split(['/', '?']).nth(3).unwrap()).await;
    let answer = soon("the answer", poll).await.unwrap().json();
    assert_eq!(answer["status"], "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_is_away_nothing_is_withdrawn_and_then_askers_have_their_time() {
    let servers = NatsServers::start(1);
    let daemons = together(&on(&servers), 2).await;
    let [a, b] = &daemons[..] else { panic!() };
    let id = a.asking(&leased()).await.id();
    let poll = b.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    b.waiters_are(1).await;
    a.asks_and_is_sure(1).await;
    servers.kill(0);
    a.is_ready(false).await;
    b.is_ready(false).await;
    servers.restart(0);
    servers.wait_until_ready();
    a.is_ready(true).await;
    b.is_ready(true).await;
    a.metric_is("pushd_nodes_others", 1).await;
    a.asks_and_is_sure(1).await;
    assert_eq!(a.metric("pushd_requests_abandoned_total").await, 0);
    a.approve(&id).await;
    let answer = soon("the answer", poll).await.unwrap().json();
    assert_eq!(answer["status"], "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_winds_down_says_so_and_is_not_waited_for() {
    let servers = NatsServers::start(1);
    let mut daemons = together(&on(&servers), 2).await;
    let (mut b, a) = (daemons.pop().unwrap(), daemons.pop().unwrap());
    let id = a
        .asking(&json!({"title": "Deploy?", "lease_secs": 60}))
        .await
        .id();
    b.signal(rustix::process::Signal::TERM);
    assert_eq!(b.ended().await, Some(0));
    a.logged("another node has left").await;
    assert!(!a.log().contains("another node is gone"), "{}", a.log());
    assert_eq!(a.read(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvers_at_any_node_are_counted_once_by_what_the_asked_node_knows_of_them() {
    let servers = NatsServers::start(1);
    let setup = on(&servers);
    let people = People::new(
        &setup,
        &[
            ("ci", "requester", "*"),
            ("alice", "approver", "*"),
            ("bob", "approver", "b"),
            ("watcher", "observer", "*"),
        ],
    );
    let setup = setup.flags(&people.flag());
    let daemons: Vec<_> = (0..3).map(|_| setup.clone().start()).collect();
    let [a, b, c] = &daemons[..] else { panic!() };
    let is = async |node: &Daemon, topic: &str, count: u64| {
        let what = format!("{count} to be counted for {topic}");
        until(&what, async || {
            let ask = node.asking(&json!({"title": "Deploy?", "topic": topic}));
            let connected = people.by("ci", ask).await.json()["approvers_connected"].clone();
            (connected == count).then_some(())
        })
        .await;
    };
    is(a, "b", 0).await;
    let hers = c.heard_by(&people, "alice", "").await;
    is(a, "b", 1).await;
    is(a, "other", 1).await;
    let again = a.heard_by(&people, "alice", "").await;
    let his = b.heard_by(&people, "bob", "").await;
    let _watches = b.heard_by(&people, "watcher", "").await;
    is(a, "b", 2).await;
    is(b, "b", 2).await;
    is(c, "other", 1).await;
    drop(again);
    is(a, "b", 2).await;
    drop((hers, his));
    is(a, "b", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_has_logged_in_at_one_node_is_known_at_the_others_until_its_token_is_revoked()
 {
    let servers = NatsServers::start(1);
    let setup = on(&servers);
    let people = People::new(&setup, &[("alice", "approver", "*")]);
    let setup = setup.flags(&people.flag());
    let (a, b) = (setup.clone().start(), setup.start());
    let session = json!({"token": people.token_of("alice")});
    let login = a.post("/v1/session").json(&session).await;
    let cookie = login
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let me = async || b.get("/v1/me").header("cookie", cookie).await;
    assert_eq!(me().await.json()["principal"], "alice");
    people.revoke("alice");
    until("b to know of it", async || {
        (me().await.status == 401).then_some(())
    })
    .await;
}

/// The figures that are in the document and there with a NATS store alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_nodes_are_in_the_document() {
    let servers = NatsServers::start(1);
    let daemon = on(&servers).start();
    let text = daemon.get("/metrics").await.text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let of_nodes =
        |line: &&str| line.starts_with("pushd_nodes_") || line.contains("lease_questions");
    let served: BTreeSet<_> = types.filter(of_nodes).map(str::to_owned).collect();
    assert_eq!(served.len(), 3, "{text}");
    let document = include_str!("../../../docs/operations.md");
    for figure in served {
        let (name, kind) = figure.split_once(' ').unwrap();
        assert!(
            document.contains(&format!("| `{name}` | {kind} |")),
            "{figure}"
        );
    }
}
