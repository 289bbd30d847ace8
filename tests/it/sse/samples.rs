//! Streams that no daemon writes, given to a browser: it has the last word on what the tests of our
//! own reader expect of the same streams.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::browser::Browser;

/// The streams of `tests/streams.json`, their bytes written as the characters of the same numbers.
fn samples() -> Vec<Value> {
    serde_json::from_str(include_str!("../../streams.json")).unwrap()
}

/// A server that has a page, and stream `n` at `/n`.
fn serve(streams: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Arc::new(streams);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let streams = Arc::clone(&streams);
            // A browser opens connections that it may not use.
            std::thread::spawn(move || drop(answer(&socket.unwrap(), &streams)));
        }
    });
    address
}

fn answer(mut socket: &TcpStream, streams: &[Vec<u8>]) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(socket);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let number = head
        .split([' ', '/'])
        .nth(2)
        .and_then(|number| number.parse().ok());
    let (kind, bytes) = match number.and_then(|number: usize| streams.get(number)) {
        Some(stream) => ("text/event-stream", &stream[..]),
        None => ("text/plain", &b"a page"[..]),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    socket.write_all(bytes)
}

/// Listens to all streams, each until it ends.
const LISTEN: &str = "
    window.heard = arguments[0].map((_, n) => {
        const heard = {events: [], done: false};
        const source = new EventSource('/' + n);
        for (const name of ['message', 'a', 'b']) {
            source.addEventListener(name, (event) =>
                heard.events.push([name, event.data, event.lastEventId]));
        }
        source.onerror = () => { source.close(); heard.done = true; };
        return heard;
    });
";

#[tokio::test]
async fn chromium_reads_odd_streams_as_our_own_reader_is_tested_to_do() {
    let samples = samples();
    let bytes = |sample: &Value| {
        let chars = sample["bytes"].as_str().unwrap().chars();
        chars.map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    };
    let address = serve(samples.iter().map(bytes).collect());
    let browser = Browser::start().await;
    browser.open(&format!("http://{address}/page")).await;
    browser.run(LISTEN, json!([samples])).await;
    let done = "return heard.every((it) => it.done) && heard.map((it) => it.events)";
    let heard = browser.until("all streams to end", done).await;
    for (sample, events) in samples.iter().zip(heard.as_array().unwrap()) {
        assert_eq!(*events, sample["events"], "{}", sample["name"]);
    }
    browser.quit().await;
}
