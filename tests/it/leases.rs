//! Requests with a lease: askers that are killed, and daemons that are.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::until::soon;

fn members(lease: u64) -> Value {
    json!({"title": "Deploy?", "topic": "deploy", "lease_secs": lease})
}

/// Asks and polls in one call of a curl, as a script does.
fn curl(daemon: &Daemon, lease: u64) -> Child {
    Command::new("curl")
        .args(["-sS", "--noproxy", "*"])
        .args(["-H", "Content-Type: application/json"])
        .args(["-d", &members(lease).to_string()])
        .arg(format!("{}/v1/requests?wait=60", daemon.url()))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("there is a curl")
}

/// The bytes of a poll.
fn get(id: &str) -> String {
    format!("GET /v1/requests/{id}?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// That this is a request whose lease has ended.
#[track_caller]
fn assert_abandoned(request: &Value) {
    assert_eq!(request["status"], "cancelled", "{request}");
    assert_eq!(request["lease_ended"], true, "{request}");
}

#[tokio::test]
async fn an_asker_that_is_killed_has_its_request_withdrawn_and_open_streams_say_so() {
    let daemon = setup().start();
    let mut stream = daemon.listen("").await;
    stream.until_caught_up().await;
    let mut script = curl(&daemon, 2);
    let asked = stream.event().await.data;
    assert_eq!(asked["lease_secs"], 2);
    daemon.waiters_are(1).await;
    // No condition to wait for: this is the time that the poll outlasts the lease.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(daemon.metric("pushd_leases").await, 1);
    assert_eq!(daemon.metric("pushd_leases_running").await, 0);
    assert_eq!(daemon.metric("pushd_requests_abandoned_total").await, 0);
    script.kill().await.unwrap();
    daemon.waiters_are(0).await;
    let gone = stream.event().await.data;
    assert_eq!(gone["id"], asked["id"]);
    assert_abandoned(&gone);
    let read = daemon.read(asked["id"].as_str().unwrap()).await;
    assert_abandoned(&read);
    let last = read["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["what"], last.get("by")), (&json!("cancelled"), None));
    daemon.metric_is("pushd_leases", 0).await;
    assert_eq!(daemon.metric("pushd_requests_abandoned_total").await, 1);
    daemon.logged("withdrawn: its asker is gone").await;
}

#[tokio::test]
async fn a_daemon_that_was_down_for_longer_than_the_lease_cancels_nobody() {
    let mut daemon = setup().start();
    let id = daemon.asking(&members(6)).await.id();
    let path = format!("/v1/requests/{id}?wait=60");
    let mut poll = daemon.socket().await;
    poll.say(get(&id)).await;
    daemon.waiters_are(1).await;
    daemon.crash();
    assert_eq!(poll.closed().await, b"");
    // No condition to wait for: this is the time that it is down.
    sleep(Duration::from_secs(7)).await;
    let daemon = daemon.restart();
    let again = daemon.get(&path).spawn();
    daemon.waiters_are(1).await;
    // Its lease would have ended by now, had it gone on.
    daemon.approve(&id).await;
    let answer = soon("the answer", again).await.unwrap().json();
    assert_eq!(answer["status"], "approved");
    assert_eq!(daemon.metric("pushd_requests_abandoned_total").await, 0);
}

#[tokio::test]
async fn an_asker_that_does_not_come_back_to_a_new_daemon_is_gone() {
    let daemon = setup().start();
    let id = daemon.asking(&members(2)).await.id();
    let daemon = daemon.crash_and_restart();
    let mut stream = daemon.listen("").await;
    let told = loop {
        let told = stream.event().await;
        if told.data["status"] == "cancelled" {
            break told.data;
        }
    };
    assert_eq!(told["id"], *id);
    assert_abandoned(&told);
}

/// The timers of a process that was stopped are all late, and what came meanwhile lies in the
/// kernel: whoever looked at the time first would find every asker gone.
#[tokio::test]
async fn a_daemon_that_was_stopped_for_longer_than_the_lease_cancels_nobody() {
    let daemon = setup().start();
    let id = daemon.asking(&members(6)).await.id();
    daemon.signal(Signal::STOP);
    // No condition to wait for: this is the time that it is stopped.
    sleep(Duration::from_secs(8)).await;
    let mut poll = daemon.socket().await;
    poll.say(get(&id)).await;
    daemon.signal(Signal::CONT);
    daemon.waiters_are(1).await;
    daemon.approve(&id).await;
    assert_eq!(poll.answer().await.json()["status"], "approved");
}

#[tokio::test]
async fn neither_an_approver_nor_a_page_of_the_asker_keeps_a_request_for_one_who_is_gone() {
    let setup = setup();
    let people = People::new(
        &setup,
        &[
            ("ci", "requester", "*"),
            ("alice", "approver", "*"),
            ("probe", "observer", "*"),
        ],
    );
    let daemon = setup.flags(&people.flag()).start();
    let asked = people.by("ci", daemon.asking(&members(6))).await;
    let path = format!("/v1/requests/{}?wait=60", asked.id());
    let hers = people.by("alice", daemon.get(&path)).spawn();
    let page = daemon.get(&path).header("pushd-channel", "page");
    let page = people.by("ci", page).spawn();
    daemon.figure_is(&people, "pushd_waiters", 2).await;
    daemon.figure_is(&people, "pushd_leases_running", 1).await;
    for poll in [hers, page] {
        let told = soon("the end of the lease", poll).await.unwrap();
        assert_abandoned(&told.json());
    }
}

#[tokio::test]
async fn where_nobody_is_known_an_open_page_does_not_keep_a_request_for_one_who_is_gone() {
    let daemon = setup().start();
    let id = daemon.asking(&members(6)).await.id();
    let page = daemon.get(&format!("/v1/requests/{id}?wait=60"));
    let page = page.header("pushd-channel", "page").spawn();
    daemon.waiters_are(1).await;
    daemon.metric_is("pushd_leases_running", 1).await;
    let told = soon("the end of the lease", page).await.unwrap();
    assert_abandoned(&told.json());
}

#[tokio::test]
async fn a_thousand_askers_that_are_gone_at_once_are_all_found_out() {
    let daemon = setup().start();
    let members = members(2);
    for _ in 0..20 {
        let asks = (0..50).map(|_| daemon.asking(&members).spawn());
        for ask in asks.collect::<Vec<_>>() {
            assert_eq!(ask.await.unwrap().status, 201);
        }
    }
    daemon
        .metric_is("pushd_requests_abandoned_total", 1000)
        .await;
    assert_eq!(daemon.metric("pushd_leases").await, 0);
    assert_eq!(daemon.metric("pushd_requests_pending").await, 0);
    assert_eq!(daemon.metric("pushd_commits_total").await, 2000);
}
