//! Streams: bit by bit, and resumed by their readers.

use super::relay_to;
use crate::daemon::setup;
use crate::stream::Stream;
use crate::until::until;

/// Each event has arrived before the next one is made, so none was held back for company.
#[tokio::test]
async fn each_event_comes_before_the_next_one_is_made() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let lines = relay
        .get("/v1/events")
        .header("accept", "application/x-ndjson");
    let (mut events, mut lines) = (relay.listen("").await, Stream::open(lines).await);
    assert_eq!(events.header("x-accel-buffering"), Some("no"));
    events.beginning().await;
    for title in ["One?", "Two?", "Three?"] {
        let id = daemon.ask(title).await;
        assert_eq!(events.event().await.data["id"], *id);
        let line = until("its line", async || {
            let line = lines.block().await?;
            line.contains(&id).then_some(line)
        })
        .await;
        assert!(line.contains(title), "{line}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_daemon_and_is_resumed_without_a_gap() {
    let mut daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let mut stream = relay.listen("").await;
    stream.beginning().await;
    let first = daemon.ask("One?").await;
    let event = stream.event().await;
    assert_eq!(event.data["id"], *first);
    daemon.crash();
    assert_eq!(stream.block().await, None, "nobody pretends to listen");
    // It is opened while there is no daemon, and held until there is one.
    let call = relay.get("/v1/events").header("last-event-id", &event.id);
    let opening = tokio::spawn(Stream::open(call));
    let daemon = daemon.restart();
    let second = daemon.ask("Two?").await;
    let mut stream = opening.await.unwrap();
    let changed = until("the second question", async || {
        let event = stream.event().await;
        (event.name == "request").then_some(event)
    })
    .await;
    assert_eq!(
        changed.data["id"], *second,
        "and the first is not told again"
    );
}
