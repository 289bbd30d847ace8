//! Going on where a reader was, or beginning anew.

use super::{next, number, told};
use crate::daemon::setup;
use crate::stream::Stream;

#[tokio::test]
async fn a_reader_resumes_where_it_was_with_the_latest_state_of_what_changed() {
    let daemon = setup().start();
    let (a, b) = (daemon.ask("a").await, daemon.ask("b").await);
    let mut stream = daemon.listen("").await;
    let cursor = next(&mut stream, 2).await.pop().unwrap().id;
    drop(stream);
    daemon.post(&format!("/v1/requests/{a}/seen")).await;
    daemon.ask("c").await;
    daemon.approve(&a).await;
    daemon.approve(&b).await;
    let mut stream = daemon.resume(&cursor).await;
    let missed = stream.until_caught_up().await;
    assert_eq!(
        told(&missed),
        [
            "request c pending",
            "request a approved",
            "request b approved"
        ]
    );
    assert!(missed.is_sorted_by_key(|event| number(&event.id)));
    daemon.ask("d").await;
    assert_eq!(told(&next(&mut stream, 1).await), ["request d pending"]);
}

#[tokio::test]
async fn the_header_goes_before_the_parameter_and_an_empty_one_is_none() {
    let daemon = setup().start();
    daemon.ask("a").await;
    let mut stream = daemon.listen("").await;
    // What is asked before that may be told before it.
    let first = stream.until_caught_up().await.pop().unwrap().id;
    daemon.ask("b").await;
    let second = next(&mut stream, 1).await.pop().unwrap().id;
    let beginning = async |query: &str, header: Option<&str>| {
        let call = daemon.get(&format!("/v1/events{query}"));
        let call = match header {
            Some(header) => call.header("last-event-id", header),
            None => call,
        };
        told(&Stream::open(call).await.until_caught_up().await)
    };
    let from_first = format!("?last_event_id={first}");
    assert_eq!(beginning(&from_first, None).await, ["request b pending"]);
    assert!(beginning(&from_first, Some(&second)).await.is_empty());
    let all = ["request a pending", "request b pending"];
    assert_eq!(beginning(&from_first, Some("")).await, all);
    assert_eq!(beginning("?last_event_id=", None).await, all);
}

#[tokio::test]
async fn a_cursor_that_the_daemon_does_not_know_resets_the_reader() {
    let daemon = setup().start();
    let gone = daemon.ask("gone").await;
    daemon.delete(&format!("/v1/requests/{gone}")).await;
    daemon.ask("here").await;
    let cursor = daemon.get("/v1/requests").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let (history, event) = cursor.split_once('-').unwrap();
    let other = history.parse::<u64>().unwrap() ^ 1;
    for unknown in [
        "garbage",
        "1",
        "-",
        " ",
        "\u{e9}",
        &format!("{other}-{event}"),
        &format!("{history}-4"),
        &format!("{history}-18446744073709551616"),
        &format!("{history}-03"),
        &format!("{cursor} "),
        &format!("{cursor},{cursor}"),
    ] {
        // A header loses the spaces around its value, so these go into the query.
        let query = url::form_urlencoded::byte_serialize(unknown.as_bytes()).collect::<String>();
        let mut stream = daemon.listen(&format!("?last_event_id={query}")).await;
        let events = stream.until_caught_up().await;
        assert_eq!(
            told(&events),
            ["reset  ", "request here pending"],
            "{unknown:?}"
        );
        assert_eq!(events[0].data["event_id"], 3, "{unknown:?}");
    }
    let header = daemon.resume("\u{e9}").await.until_caught_up().await;
    assert_eq!(header[0].name, "reset");
    assert!(
        daemon
            .resume(&cursor)
            .await
            .until_caught_up()
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_cursor_from_another_store_resets_and_one_from_before_a_crash_does_not() {
    let daemon = setup().start();
    daemon.ask("a").await;
    let cursor = daemon.get("/v1/requests").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let daemon = daemon.crash_and_restart();
    assert!(
        daemon
            .resume(&cursor)
            .await
            .until_caught_up()
            .await
            .is_empty()
    );
    let other = setup().start();
    other.ask("b").await;
    let events = other.resume(&cursor).await.until_caught_up().await;
    assert_eq!(told(&events), ["reset  ", "request b pending"]);
}
