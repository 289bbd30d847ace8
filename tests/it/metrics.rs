//! What `/metrics` tells, and that the documents say the same.

use std::collections::BTreeSet;

use serde_json::json;

use crate::authority::Authority;
use crate::daemon::{Daemon, setup};
use crate::event_stream::fill;
use crate::until::until;

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// Name and type of each figure in the documents' table, but for those of other nodes, which are
/// there with a NATS store alone.
fn documented() -> BTreeSet<(String, String)> {
    let of_nodes = |(name, _): &(String, String)| {
        name.starts_with("pushd_nodes_") || name == "pushd_lease_questions"
    };
    let rows = OPERATIONS.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `pushd_")?.split_once("` | ")?;
        let (kind, _) = rest.split_once(" |")?;
        Some((format!("pushd_{name}"), kind.to_owned()))
    });
    rows.filter(|row| !of_nodes(row)).collect()
}

/// Name and type of each figure that is served.
fn served(text: &str) -> BTreeSet<(String, String)> {
    let types = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_documents_list_exactly_what_is_served() {
    // Some figures are there only where TLS is, others where a command is told what happens.
    let setup = setup().in_memory().flag("--notify", "true");
    let daemon = Daemon::secured(setup, &Authority::new());
    let text = daemon.get("/metrics").await.text();
    assert_eq!(served(&text), documented(), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        let sample = |line: &str| line.starts_with(name) && !line.starts_with('#');
        assert!(text.lines().any(sample), "{name} has no sample");
    }
}

/// Every name of a figure in the example alerts is one that is served, so that no alert is silent
/// for ever.
#[tokio::test]
async fn the_example_alerts_look_at_what_is_served() {
    let daemon = Daemon::secured(setup().in_memory(), &Authority::new());
    let text = daemon.get("/metrics").await.text();
    let (_, alerts) = OPERATIONS.split_once("```yaml").unwrap();
    let (alerts, _) = alerts.split_once("```").unwrap();
    let words = alerts.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names: BTreeSet<_> = words.filter(|word| word.starts_with("pushd_")).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let sample = |line: &str| {
            line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))
        };
        assert!(text.lines().any(sample), "{name} is not in {text}");
    }
}

#[tokio::test]
async fn what_happens_is_counted_and_no_word_of_a_caller_is_shown() {
    let daemon = setup().start();
    assert_eq!(daemon.metric("pushd_ready").await, 1);
    let before = daemon.get("/metrics").await.text();
    for zero in [
        "pushd_decisions_total{verdict=\"approve\"} 0",
        "pushd_requests_settled_total{status=\"expired\"} 0",
        "pushd_requests_abandoned_total 0",
        "pushd_problems_total{code=\"store_unavailable\"} 0",
    ] {
        assert!(before.contains(zero), "{zero} is not in {before}");
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        let members = json!({"title": "hush", "topic": "hidden/place"});
        ids.push(daemon.asking(&members).await.id());
    }
    daemon.approve(&ids[0]).await;
    // The same word again is no second decision.
    daemon.approve(&ids[0]).await;
    let deny = json!({"verdict": "deny", "reason": "hush"});
    assert_eq!(daemon.deciding(&ids[1], &deny).await.status, 200);
    assert_eq!(daemon.deciding(&ids[0], &deny).await.status, 409);
    daemon.delete(&format!("/v1/requests/{}", ids[2])).await;
    let text = daemon.get("/metrics").await.text();
    for line in [
        "pushd_requests_asked_total 3",
        "pushd_decisions_total{verdict=\"approve\"} 1",
        "pushd_decisions_total{verdict=\"deny\"} 1",
        "pushd_requests_settled_total{status=\"approved\"} 1",
        "pushd_requests_settled_total{status=\"cancelled\"} 1",
        "pushd_problems_total{code=\"already_final\"} 1",
        "pushd_commits_total 6",
        "pushd_commit_duration_seconds_count 6",
        "pushd_commit_duration_seconds_bucket{le=\"+Inf\"} 6",
        "pushd_requests_pending 0",
        "pushd_requests_pending_limit 100000",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    for word in ["hush", "hidden", &*ids[0]] {
        assert!(!text.contains(word), "{word} is in {text}");
    }
}

#[tokio::test]
async fn a_stream_that_does_not_read_on_is_seen_to_be_behind() {
    let daemon = setup().start();
    fill(&daemon, 100).await;
    let mut stuck = daemon.narrow_socket().await;
    stuck
        .say("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    stuck.stuck().await;
    let mut healthy = daemon.listen("").await;
    healthy.beginning().await;
    assert_eq!(daemon.metric("pushd_slowest_subscriber_events").await, 0);
    let id = daemon.ask("Deploy?").await;
    daemon.approve(&id).await;
    // Two commits later it is two behind; the one that reads has them and is not.
    daemon.metric_is("pushd_slowest_subscriber_events", 2).await;
    drop(stuck);
    daemon.subscribers_are(1).await;
    until("the reader to be told", async || {
        let behind = daemon.metric("pushd_slowest_subscriber_events").await;
        (behind == 0).then_some(())
    })
    .await;
}
