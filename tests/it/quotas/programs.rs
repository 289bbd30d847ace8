//! The two clients where their token has met its limit: they say which, and until when.

use reqwest::Method;

use super::{asking, deny, knowing, wait_of};
use crate::programs::{Left, Requester};
use crate::pty::Pty;
use crate::until::until;

/// Left because of a limit, in one line that says all this.
fn gave_up(left: &Left, words: &[&str]) {
    assert_eq!(left.code, Some(75), "{left:?}");
    assert_eq!(left.stdout, "");
    let last = left.stderr.lines().last().unwrap();
    for word in words {
        assert!(last.contains(word), "{word}: {left:?}");
    }
}

/// The next ask is taken a minute later, and nobody waits for that at a prompt.
#[tokio::test]
async fn a_requester_that_may_ask_too_late_for_its_patience_ends_at_once_with_75() {
    let (daemon, people) = knowing("--asks-per-minute 1");
    assert_eq!(asking(&daemon, &people, "ci", "a").await.status, 201);
    let file = people.token_file("ci", 0o600);
    let args = ["--token-file", &file, "-m", "Deploy?"];
    let left = Requester::start(&daemon.url(), &args).left().await;
    let words = [
        "does not take this request for another",
        "--connect-timeout is over before that; try again then",
        "one requester may ask 1 times a minute, the limit; ask again in",
    ];
    gave_up(&left, &words);
    let figure = people.by("probe", daemon.get("/metrics")).await.text();
    let refused = "pushd_problems_total{code=\"too_many_asks\"} 1";
    assert!(figure.contains(refused), "it was tried again: {figure}");
    let requests = people.by("ci", daemon.get("/v1/requests")).await.json();
    assert_eq!(requests["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_requester_with_patience_asks_again_when_it_may() {
    let (daemon, people) = knowing("--asks-per-minute 20");
    let refused = until("a refusal", async || {
        let reply = asking(&daemon, &people, "ci", "a").await;
        (reply.status != 201).then_some(reply)
    });
    wait_of(&refused.await, "too_many_asks");
    let file = people.token_file("ci", 0o600);
    let args = ["--token-file", &file, "--connect-timeout", "1m", "-m", "b"];
    let requester = Requester::start(&daemon.url(), &args);
    requester.told("asked").await;
}

#[tokio::test]
async fn a_requester_with_too_many_pending_requests_tries_until_its_patience_ends() {
    let (daemon, people) = knowing("--max-pending-per-requester 1");
    let first = asking(&daemon, &people, "ci", "a").await.id();
    let limit = "no more requests of one requester may be pending than 1, the limit; settle some";
    let token = [("PUSHD_TOKEN", people.token_of("ci"))];
    let hasty = ["--connect-timeout", "3s", "-m", "b"];
    let left = Requester::start_with(&daemon.url(), &hasty, &token);
    gave_up(&left.left().await, &["try later", limit]);
    let patient = ["--connect-timeout", "5m", "-m", "b"];
    let patient = Requester::start_with(&daemon.url(), &patient, &token);
    patient.told(limit).await;
    deny(&daemon, &people, &first).await;
    patient.told("the trouble is over").await;
    let list = people.by("ci", daemon.get("/v1/requests?status=pending"));
    let id = list.await.json()["requests"][0]["id"].clone();
    deny(&daemon, &people, id.as_str().unwrap()).await;
    assert_eq!(patient.left().await.code, Some(1));
}

/// Without a place to wait it asks again and again, and is told the end all the same.
#[tokio::test]
async fn a_requester_that_finds_no_place_to_wait_says_so_and_gets_its_answer() {
    let (daemon, people) = knowing("--max-waiters-per-requester 1");
    let other = daemon.asked_by(&people, "ci", "a").await;
    let held = people.by("ci", daemon.get(&format!("/v1/requests/{other}?wait=60")));
    let held = held.spawn();
    daemon.figure_is(&people, "pushd_waiters", 1).await;
    let token = [("PUSHD_TOKEN", people.token_of("ci"))];
    let args = ["-m", "Deploy?", "--topic", "b"];
    let requester = Requester::start_with(&daemon.url(), &args, &token);
    let limit = "trouble: 429 Too Many Requests: long polls: all 1 places of one requester";
    requester.told(limit).await;
    let list = people.by("ci", daemon.get("/v1/requests?topic=b"));
    let id = list.await.json()["requests"][0]["id"].clone();
    deny(&daemon, &people, id.as_str().unwrap()).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(!held.is_finished());
}

/// On threads of its own, so that the stream is closed while the test looks at the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn an_approver_that_finds_no_place_to_listen_says_so_and_comes_in_when_there_is_one() {
    let (daemon, people) = knowing("--max-subscribers-per-requester 1");
    let stream = people.by("alice", daemon.call(Method::GET, "/v1/events"));
    let stream = stream.open().await;
    let token = [("PUSHD_TOKEN", people.token_of("alice"))];
    let url = daemon.url();
    let args = ["--url", &*url];
    let size = (50, 60);
    let mut terminal = Pty::run_sized(env!("CARGO_BIN_EXE_approver"), &args, &token, size);
    terminal.wait_for("The daemon has no place for us now, trying again:");
    // In a narrow window, too, it is read to its end.
    for words in ["all 1", "places", "another terminal"] {
        terminal.wait_for(words);
    }
    drop(stream);
    terminal.wait_for("Connected");
    daemon.asked_by(&people, "ci", "a").await;
    terminal.answer("no");
    terminal.wait_for("denied");
    terminal.type_keys("q\n");
    assert_eq!(terminal.exit_code(), 0);
    assert!(!terminal.text().contains("No connection"));
}
