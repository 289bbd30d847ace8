//! A stream that is written in every way that the HTML Standard allows, and in ways that it does
//! not: what is asked is a request of the daemon's, and nothing else decides.

use std::time::Duration;

use pushd::limits;
use pushd::wire::{RequestView, Status};

use super::approver;
use super::stand_in::{StandIn, decided, request};

/// A request whose question has characters of two, three and four bytes in it.
fn tricky() -> RequestView {
    RequestView {
        title: "Größe 部署 🚀?".to_owned(),
        ..request(1)
    }
}

#[test]
fn every_line_ending_and_every_split_asks_the_same_question() {
    let data = serde_json::to_string(&tricky()).unwrap();
    // A line break inside of JSON is a space, and data of several lines has one between them.
    let (one, two) = data.split_once(",\"title\"").unwrap();
    let lines = [
        "\u{feff}: a comment, größer than most",
        "retry:100",
        "",
        ":",
        "",
        "",
        "event:request",
        "unknown: field",
        &format!("data:{one},"),
        &format!("data: \"title\"{two}"),
        "id: 1-1",
        "id: a\0b",
        "",
        "data",
        "",
        "event: caught-up",
        "data: {\"event_id\":1,\"now\":\"2026-01-01T00:00:00.000Z\"}",
        "",
        "",
    ];
    for end in ["\n", "\r", "\r\n"] {
        let daemon = StandIn::start();
        let pty = approver(&daemon);
        daemon.wait_for_listener();
        for byte in lines.join(end).as_bytes() {
            daemon.send_bytes(&[*byte]);
        }
        pty.wait_for("Größe 部署 🚀?");
        pty.answer("y");
        daemon.wait_for_decisions(1);
        assert_eq!(daemon.decisions().len(), 1, "{end:?}");
        // The id with a NUL in it was none, and the one before it counts.
        daemon.cut();
        daemon.wait_for_listens(2);
        assert_eq!(daemon.last_event_id().as_deref(), Some("1-1"), "{end:?}");
    }
}

#[test]
fn nothing_but_a_pending_request_becomes_a_question() {
    let data = serde_json::to_string(&request(1)).unwrap();
    let of_the_future = data.replace("\"pending\"", "\"approved?\"");
    let approved = serde_json::to_string(&decided(1, 9, Status::Approved, "")).unwrap();
    let (front, back) = data.split_at(data.len() / 2);
    let daemon = StandIn::start();
    for block in [
        // Not a request: other names, no name, and names that only look like ours.
        format!("data: {data}"),
        format!("event: message\ndata: {data}"),
        format!("event: Request\ndata: {data}"),
        format!("event:  request\ndata: {data}"),
        format!("event: request\u{feff}\ndata: {data}"),
        format!("event: request\nevent: other\ndata: {data}"),
        format!("\u{feff}event: request\n\u{feff}data: {data}"),
        format!("event: request\nData: {data}\n data: {data}\ndata : {data}"),
        // No data, half of it, and more than one.
        "event: request".to_owned(),
        "event: request\ndata".to_owned(),
        format!("event: request\ndata: {front}"),
        format!("event: request\ndata: {front}\n\ndata: {back}"),
        format!("event: request\ndata: {data}{data}"),
        format!("event: request\ndata: [{data}]"),
        // Of a request that is not pending, or nobody knows what.
        format!("event: request\ndata: {of_the_future}"),
        format!("event: request\ndata: {approved}"),
        // Not text at all.
        "event: request\ndata: \0\u{1b}[2J".to_owned(),
        "retry: 99999999999999999999\nretry: -1\nretry: 1e3\nretry: +5\nretry".to_owned(),
    ] {
        daemon.send_raw(&format!("{block}\n\n"));
    }
    daemon.send_bytes(b"event: request\ndata: \xff\xfe\x80\xc3\n\n\xff\xff\n\n");
    daemon
        .send_raw("event: caught-up\ndata: {\"event_id\":1,\"now\":\"2026-01-01T00:00:00Z\"}\n\n");
    let pty = approver(&daemon);
    // Who types while nothing is asked decides nothing.
    pty.type_keys("y\ny\ny\n");
    pty.wait_for("Something was left out");
    daemon.send("request", &request(2));
    pty.wait_for("Deploy 2?");
    assert!(!pty.text().contains("Deploy 1?"), "{}", pty.text());
    assert_eq!(daemon.decisions(), [""; 0]);
    pty.answer("n");
    daemon.wait_for_decisions(1);
    assert!(daemon.decisions()[0].contains("\"deny\""));
}

#[cfg(target_os = "linux")]
#[test]
fn what_never_ends_takes_no_memory_and_the_next_question_is_asked() {
    const PIECE: usize = 64 * 1024;
    const ROOM: u64 = 16 * 1024 * 1024;
    let daemon = StandIn::start();
    let pty = approver(&daemon);
    daemon.wait_for_listener();
    daemon
        .send_raw("event: caught-up\ndata: {\"event_id\":0,\"now\":\"2026-01-01T00:00:00Z\"}\n\n");
    pty.wait_for("othing");
    let before = pty.peak_memory();
    // Twice the room each: a line, a field's name, a comment, an id, many lines, and no events.
    let twice = usize::try_from(ROOM).unwrap() * 2 / PIECE;
    for (beginning, piece, end) in [
        ("event: request\ndata: ", "x".repeat(PIECE), "\n\n"),
        ("", "name".repeat(PIECE / 4), "\n\n"),
        (": ", "comment ".repeat(PIECE / 8), "\n\n"),
        ("id: ", "7-7".repeat(PIECE / 3), "\n\n"),
        ("", "data: x\n".repeat(PIECE / 8), "\n"),
        ("", "\n".repeat(PIECE), ""),
    ] {
        daemon.send_raw(beginning);
        for _ in 0..twice {
            daemon.send_once(piece.as_bytes());
        }
        daemon.send_raw(end);
    }
    daemon.send("request", &request(1));
    pty.wait_for("Deploy 1?");
    let more = pty.peak_memory() - before;
    assert!(more < ROOM, "{more} bytes more for bytes without an end");
    assert!(
        pty.text()
            .contains(&format!("more than {} bytes", limits::EVENT_BYTES))
    );
    pty.answer("y");
    daemon.wait_for_decisions(1);
}

#[test]
fn what_is_no_stream_says_why_and_leaves_with_its_code() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
    for (answer, code, told) in [
        (
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            69,
            "takes no listeners",
        ),
        (page, 69, "text/html"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            69,
            "no content type",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            77,
            "401",
        ),
    ] {
        let daemon = StandIn::start();
        daemon.answer_listeners(answer);
        let mut pty = approver(&daemon);
        pty.wait_for("approver: ");
        pty.wait_for(told);
        assert_eq!(pty.exit_code(), code, "{answer}");
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}

#[test]
fn what_may_pass_is_told_and_tried_again_at_a_bearable_pace() {
    let around = "HTTP/1.1 302 Found\r\nlocation: /v1/events\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let torn = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nnonsense";
    let hasty = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 0\n\n";
    for (answer, told) in [
        (around, "redirects"),
        (torn, "broke off"),
        (hasty, "ended the stream"),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "500",
        ),
        ("nonsense\r\n\r\n", "No connection"),
        ("", "No connection"),
    ] {
        let daemon = StandIn::start();
        daemon.answer_listeners(answer);
        let pty = approver(&daemon);
        pty.wait_for(told);
        if answer == hasty {
            // Even who asks for no pause at all gets one.
            pty.watch(Duration::from_secs(1));
            let shortest = limits::RECONNECT.0.as_millis();
            assert!(u128::try_from(daemon.listens()).unwrap() < 2 + 1500 / shortest);
        }
        assert_eq!(daemon.decisions(), [""; 0]);
    }
}
