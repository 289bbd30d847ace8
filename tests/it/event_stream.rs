//! Listening to what happens.

mod cursors;

use serde_json::json;

use crate::daemon::{Daemon, setup};
use crate::document::{DOCUMENT, conforms};
use crate::stream::{Event, Stream};

fn number(cursor: &str) -> u64 {
    cursor.split_once('-').unwrap().1.parse().unwrap()
}

/// Name of the event, and of the request in it its title and status.
fn told(events: &[Event]) -> Vec<String> {
    let told = events.iter().map(|event| {
        let part = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", event.name, part("title"), part("status"))
    });
    told.collect()
}

async fn next(stream: &mut Stream, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(stream.event().await);
    }
    events
}

#[tokio::test]
async fn the_stream_is_written_byte_for_byte_as_the_contract_says() {
    let daemon = setup().start();
    let decided = daemon.ask("decided").await;
    daemon.approve(&decided).await;
    let pending = daemon.ask("pending").await;
    let mut view = daemon.read(&pending).await;
    view.as_object_mut().unwrap().remove("history");
    let list = daemon.get("/v1/requests").await.json();
    let cursor = list["cursor"].as_str().unwrap();
    let (history, _) = cursor.split_once('-').unwrap();

    let mut stream = daemon.listen("").await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    let beginning = stream.beginning().await;
    let (_, now) = beginning.split_once("\"now\":\"").unwrap();
    let (now, _) = now.split_once('"').unwrap();
    // The order of the members is not part of the contract, so the view is read and compared.
    let data = beginning
        .lines()
        .find_map(|line| line.strip_prefix("data: {\"id\""))
        .unwrap();
    let data = format!("{{\"id\"{data}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&data).unwrap(),
        view
    );
    assert_eq!(
        beginning,
        format!(
            "retry: 3000\n\n\
             event: request\nid: {history}-3\ndata: {data}\n\n\
             event: caught-up\ndata: {{\"event_id\":3,\"now\":\"{now}\"}}\n\n\
             id: {history}-3\n\n"
        )
    );
    let id = daemon.ask("live").await;
    let block = stream.block().await.unwrap();
    assert!(block.starts_with(&format!(
        "event: request\nid: {history}-4\ndata: {{\"id\":\"{id}\""
    )));
    assert!(block.ends_with("}\n\n"));
    assert_eq!(block.matches('\n').count(), 4);
}

#[tokio::test]
async fn every_event_is_a_request_or_a_mark_as_documented() {
    let daemon = setup().start();
    let id = daemon.ask("first").await;
    let schemas = &DOCUMENT["components"]["schemas"];
    let mut stream = daemon.listen("?last_event_id=garbage").await;
    let mut events = next(&mut stream, 3).await;
    daemon.post(&format!("/v1/requests/{id}/seen")).await;
    daemon
        .deciding(&id, &json!({"verdict": "deny", "reason": "no"}))
        .await;
    events.extend(next(&mut stream, 2).await);
    let names: Vec<_> = events.iter().map(|event| &*event.name).collect();
    assert_eq!(
        names,
        ["reset", "request", "caught-up", "request", "request"]
    );
    for event in events {
        let schema = if event.name == "request" {
            "Request"
        } else {
            "Mark"
        };
        assert_eq!(event.id.is_empty(), schema == "Mark", "{event:?}");
        assert_eq!(event.data["history"], serde_json::Value::Null);
        conforms(&schemas[schema], &event.data).unwrap();
    }
}

#[tokio::test]
async fn all_changes_come_live_in_order_and_once() {
    let daemon = setup().start();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = daemon.listen("").await;
        stream.beginning().await;
        streams.push(stream);
    }
    let changes = (0..60).map(async |n| {
        let id = daemon.ask(&n.to_string()).await;
        daemon.post(&format!("/v1/requests/{id}/seen")).await;
        daemon.approve(&id).await;
    });
    futures_util::future::join_all(changes).await;
    let mut all = Vec::new();
    for stream in &mut streams {
        all.push(next(stream, 180).await);
    }
    let ids: Vec<_> = all[0].iter().map(|event| number(&event.id)).collect();
    assert_eq!(ids, (1..=180).collect::<Vec<_>>());
    assert!(
        all[0]
            .iter()
            .all(|event| event.data["event_id"] == number(&event.id))
    );
    assert_eq!(all[1], all[0]);
    assert_eq!(all[2], all[0]);
}

#[tokio::test]
async fn a_filtered_stream_tells_its_topics_and_nothing_else() {
    let daemon = setup().start();
    let ask = async |topic: &str| {
        let reply = daemon
            .asking(&json!({"title": topic, "topic": topic}))
            .await;
        assert_eq!(reply.status, 201);
    };
    // A topic is taken as a whole, not as the beginning of others.
    for topic in ["a", "ab", "b", "c/d"] {
        ask(topic).await;
    }
    let mut stream = daemon.listen("?topic=a&topic=c%2Fd&topic=z").await;
    let beginning = stream.until_caught_up().await;
    assert_eq!(
        told(&beginning),
        ["request a pending", "request c/d pending"]
    );
    for topic in ["b", "z", "a/b", "c", "a"] {
        ask(topic).await;
    }
    let live = next(&mut stream, 2).await;
    assert_eq!(told(&live), ["request z pending", "request a pending"]);
    let many = "topic=a&".repeat(33);
    let reply = daemon.get(&format!("/v1/events?{many}")).await;
    assert_eq!(reply.problem(), (400, "invalid_query".to_owned()));
}

#[tokio::test]
async fn json_lines_tell_the_same() {
    let daemon = setup().start();
    daemon.ask("a").await;
    let call = daemon.get("/v1/events?last_event_id=x");
    let mut stream = Stream::open(call.header("accept", "application/x-ndjson")).await;
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(stream.block().await.unwrap());
    }
    daemon.ask("b").await;
    lines.push(stream.block().await.unwrap());
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        conforms(&DOCUMENT["components"]["schemas"]["StreamLine"], line).unwrap();
    }
    let names: Vec<_> = lines.iter().map(|line| line["event"].as_str()).collect();
    let expected = ["reset", "request", "caught-up", "", "request"];
    assert_eq!(
        names,
        expected.map(|name| (!name.is_empty()).then_some(name))
    );
    assert_eq!(
        lines[3]["id"], lines[1]["id"],
        "the fourth moves the cursor"
    );
    assert_eq!(lines[4]["data"]["title"], "b");
    assert_eq!(number(lines[4]["id"].as_str().unwrap()), 2);
}

#[tokio::test]
async fn only_streams_are_offered() {
    let daemon = setup().start();
    for accept in ["application/json", "text/html", "text/plain"] {
        let reply = daemon.get("/v1/events").header("accept", accept).await;
        assert_eq!(
            reply.problem(),
            (406, "not_acceptable".to_owned()),
            "{accept}"
        );
    }
    for accept in ["*/*", "text/*", "text/event-stream"] {
        let stream = Stream::open(daemon.get("/v1/events").header("accept", accept)).await;
        assert_eq!(
            stream.header("content-type"),
            Some("text/event-stream"),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_no_subscriber() {
    let daemon = setup().start();
    let streams = [daemon.listen("").await, daemon.listen("").await];
    daemon.subscribers_are(2).await;
    drop(streams);
    daemon.subscribers_are(0).await;
    // The daemon notices it too when it is in the middle of a long answer.
    fill(&daemon, 100).await;
    let mut socket = daemon.narrow_socket().await;
    socket
        .say("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    socket.stuck().await;
    drop(socket);
    daemon.subscribers_are(0).await;
}

/// Makes so many requests of 64 KiB: a hundred are more than sockets hold back.
pub(crate) async fn fill(daemon: &Daemon, count: usize) {
    let details = "d".repeat(64 * 1024);
    let members = json!({"title": "large", "details": details});
    let asks: Vec<_> = (0..count)
        .map(|_| daemon.asking(&members).spawn())
        .collect();
    for ask in asks {
        assert_eq!(ask.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_up() {
    let daemon = setup().start();
    fill(&daemon, 100).await;
    let mut stuck = daemon.narrow_socket().await;
    stuck
        .say("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    stuck.stuck().await;
    let mut quick = daemon.listen("").await;
    assert_eq!(quick.until_caught_up().await.len(), 100);
    for n in 0..50 {
        let id = daemon.ask(&n.to_string()).await;
        let event = quick.event().await;
        assert_eq!(event.data["id"], id);
    }
    assert_eq!(daemon.metric("pushd_subscribers").await, 2);
    // And it can still have everything, in order, when it begins to read.
    let mut late = daemon.listen("").await;
    assert_eq!(late.until_caught_up().await.len(), 150);
    drop(stuck);
}
