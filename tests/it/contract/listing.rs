//! Lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::daemon::{Daemon, setup};

fn ids(list: &Value) -> Vec<String> {
    let requests = list["requests"].as_array().unwrap().iter();
    requests
        .map(|request| request["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn list(daemon: &Daemon, query: &str) -> Value {
    let reply = daemon.get(&format!("/v1/requests{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn a_list_is_newest_first_and_filtered() {
    let daemon = setup().start();
    let mut asked = Vec::new();
    for topic in ["a", "b", "a"] {
        let before = daemon.metric("pushd_head_event_id").await;
        let reply = daemon.asking(&json!({"title": "t", "topic": topic})).await;
        assert!(reply.json()["event_id"].as_u64() > Some(before));
        asked.push(reply.id());
    }
    let [first, second, third] = &asked[..] else {
        unreachable!("three were asked")
    };
    daemon.approve(first).await;
    let all = list(&daemon, "").await;
    // Requests of the same millisecond are ordered by their ids.
    assert_eq!(
        ids(&all).iter().collect::<BTreeSet<_>>(),
        asked.iter().collect()
    );
    let times: Vec<_> = all["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["created_at"].as_str())
        .collect();
    assert!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
    assert_eq!(all["next"], Value::Null);
    assert_eq!(all["event_id"], 4);

    assert_eq!(ids(&list(&daemon, "?topic=b").await), [&**second]);
    assert_eq!(ids(&list(&daemon, "?status=approved").await), [&**first]);
    assert_eq!(
        ids(&list(&daemon, "?status=pending&topic=a").await),
        [&**third]
    );
    assert_eq!(
        list(&daemon, "?status=expired").await["requests"],
        json!([])
    );
}

#[tokio::test]
async fn pages_show_everything_once() {
    let daemon = setup().start();
    let mut asked = BTreeSet::new();
    for n in 0..7 {
        asked.insert(daemon.ask(&n.to_string()).await);
    }
    let (mut shown, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(&daemon, &format!("?limit=3{after}")).await;
        assert!(ids(&page).len() <= 3);
        shown.extend(ids(&page));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((shown.len(), pages), (7, 3));
    assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), asked);
}

#[tokio::test]
async fn a_list_by_status_knows_of_expiries() {
    let daemon = setup().start();
    let id = daemon
        .asking(&json!({"title": "a", "expires_in_secs": 1}))
        .await
        .id();
    let expired = crate::until::until("the expiry", async || {
        let expired = ids(&list(&daemon, "?status=expired").await);
        let pending = ids(&list(&daemon, "?status=pending").await);
        (!expired.is_empty()).then_some((expired, pending))
    });
    assert_eq!(expired.await, (vec![id], vec![]));
}

#[tokio::test]
async fn a_stream_from_a_lists_cursor_misses_nothing_and_repeats_nothing() {
    let daemon = setup().start();
    daemon.ask("before").await;
    let cursor = list(&daemon, "").await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let after = daemon.ask("after").await;
    let events = daemon.resume(&cursor).await.until_caught_up().await;
    let told: Vec<_> = events
        .iter()
        .map(|event| event.data["id"].as_str().unwrap())
        .collect();
    assert_eq!(told, [after]);
}

#[tokio::test]
async fn large_requests_make_short_pages_but_never_lost_ones() {
    let daemon = setup().start();
    let details = "d".repeat(64 * 1024);
    let asks = (0..24).map(|_| {
        daemon
            .asking(&json!({"title": "a", "details": details}))
            .spawn()
    });
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.await.unwrap().status, 201);
    }
    let first = list(&daemon, "?limit=1000").await;
    let shown = ids(&first).len();
    assert!((1..24).contains(&shown), "{shown}");
    let mut all = ids(&first);
    let mut page = first;
    while let Some(next) = page["next"].as_str() {
        page = list(&daemon, &format!("?limit=1000&after={next}")).await;
        assert!(!ids(&page).is_empty(), "a page has something to show");
        all.extend(ids(&page));
    }
    assert_eq!(all.len(), 24);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 24, "none came twice");
}

#[tokio::test]
async fn malformed_parameters_are_named() {
    let daemon = setup().start();
    for (query, named) in [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?status=open", "status"),
        ("?status=Pending", "status"),
        ("?topic=", "topic"),
        ("?topic=a%20b", "topic"),
        ("?topic=%FF", "topic"),
        ("?after=", "after"),
        ("?after=1-x", "after"),
        ("?after=x-aaaaaaaaaaaaaaaaaaaaaaaaaa", "after"),
        ("?wait=1", "wait"),
        ("?stat%75s=pending&x", "x"),
    ] {
        let reply = daemon.get(&format!("/v1/requests{query}")).await;
        assert_eq!(
            reply.problem(),
            (400, "invalid_query".to_owned()),
            "{query}"
        );
        assert!(
            reply.detail().contains(&format!("?{named}")),
            "{query}: {reply:?}"
        );
    }
}
