//! Against a server that sends exactly these bytes, on real sockets.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const MARK: &str = r#"{"event_id":1,"now":"2026-01-01T00:00:00.000Z"}"#;

struct Server {
    listener: TcpListener,
}

impl Server {
    async fn start() -> (Self, EventStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new(url.parse().unwrap(), "approver").unwrap();
        (Self { listener }, EventStream::new(client, &[]))
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Answers one call with these bytes and closes; gives the head of the call.
    async fn answer(&self, bytes: &str) -> String {
        let (head, mut socket) = self.accept().await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        head
    }

    async fn accept(&self) -> (String, TcpStream) {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        (String::from_utf8(head).unwrap().to_lowercase(), socket)
    }
}

/// What the stream says until it is cut, while the server answers once.
async fn one_answer(
    server: &Server,
    stream: &mut EventStream,
    bytes: &str,
) -> (String, Vec<StreamEvent>) {
    let listen = async {
        let mut events = Vec::new();
        loop {
            let event = stream.next().await;
            let last = matches!(
                event,
                StreamEvent::Cut { .. } | StreamEvent::Ended | StreamEvent::Refused { .. }
            );
            events.push(event);
            if last {
                return events;
            }
        }
    };
    tokio::join!(server.answer(bytes), listen)
}

fn connected(resumed: bool) -> StreamEvent {
    StreamEvent::Connected { resumed, now: None }
}

fn is_cut(event: Option<&StreamEvent>) -> bool {
    matches!(event, Some(StreamEvent::Cut { .. }))
}

/// The first lines of every stream in these tests, so that they need not wait for long.
const SOON: &str = "retry: 100\n\n";

#[tokio::test]
async fn it_resumes_after_the_last_id_and_says_what_it_accepts() {
    let (server, mut stream) = Server::start().await;
    let text =
        format!("{OK}{SOON}event: caught-up\ndata: {MARK}\n\nid: 7-12\n\nid: 7-13\ndata: lost");
    let (head, events) = one_answer(&server, &mut stream, &text).await;
    assert!(head.starts_with("get /v1/events http/1.1"), "{head}");
    assert!(
        head.contains("accept: text/event-stream\r\n") && !head.contains("last-event-id"),
        "{head}"
    );
    assert_eq!(events[0], connected(false));
    assert!(matches!(&events[1], StreamEvent::CaughtUp(mark) if mark.event_id.0 == 1));
    assert!(is_cut(events.get(2)) && events.len() == 3, "{events:?}");

    let (head, events) = one_answer(
        &server,
        &mut stream,
        &format!("{OK}data: nothing about ids\n\n"),
    )
    .await;
    assert!(head.contains("last-event-id: 7-12\r\n"), "{head}");
    assert_eq!(events[0], connected(true));

    // An empty id is an id: the next stream starts from the beginning.
    let (head, _) = one_answer(&server, &mut stream, &format!("{OK}id\n\n")).await;
    assert!(head.contains("last-event-id: 7-12\r\n"), "{head}");
    let (head, events) = one_answer(&server, &mut stream, OK).await;
    assert!(!head.contains("last-event-id"), "{head}");
    assert_eq!(events[0], connected(false));
}

#[tokio::test]
async fn the_pause_follows_the_stream_and_grows_while_it_fails() {
    let (server, mut stream) = Server::start().await;
    let error = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    for (answer, least, most) in [
        (format!("{OK}retry: 200\n\n"), 140, 300),
        (error.to_owned(), 140, 300),
        (error.to_owned(), 280, 600),
        (format!("{OK}:\n\n"), 140, 300),
    ] {
        // The pause is counted from some moment after the end of the one before, and before now.
        let State::Waiting(begun) = stream.state else {
            panic!("{stream:?}");
        };
        one_answer(&server, &mut stream, &answer).await;
        let State::Waiting(until) = stream.state else {
            panic!("{stream:?}");
        };
        assert!(until >= begun + Duration::from_millis(least), "{answer}");
        let latest = Instant::now() + Duration::from_millis(most);
        assert!(until <= latest, "{answer}");
    }
}

#[tokio::test]
async fn a_204_ends_it_for_good() {
    let (server, mut stream) = Server::start().await;
    let (_, events) = one_answer(&server, &mut stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(events, [StreamEvent::Ended]);
    let next = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test]
async fn who_is_not_permitted_does_not_try_again() {
    let body = r#"{"status":403,"detail":"your token may not listen","code":"forbidden"}"#;
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (server, mut stream) = Server::start().await;
    let (_, events) = one_answer(&server, &mut stream, &answer).await;
    let why = "your token may not listen".to_owned();
    assert_eq!(events, [StreamEvent::Refused { why }]);
}

#[tokio::test]
async fn another_content_type_is_no_stream() {
    let (server, mut stream) = Server::start().await;
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
    let (_, events) = one_answer(&server, &mut stream, page).await;
    assert!(
        matches!(&events[..], [StreamEvent::Cut { why, foreign: true, .. }] if why.contains("text/html")),
        "{events:?}"
    );
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_bound() {
    let (server, mut stream) = Server::start().await;
    let (other, _) = Server::start().await;
    let away = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/elsewhere?x\r\ncontent-length: 0\r\n\r\n",
        other.address()
    );
    let ((_, head), event) = tokio::join!(
        async { (server.answer(&away).await, other.answer(OK).await) },
        stream.next()
    );
    assert!(head.starts_with("get /elsewhere?x "), "{head}");
    assert_eq!(event, connected(false));

    let (server, mut stream) = Server::start().await;
    let around =
        "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let serve = async {
        for _ in 0..=limits::REDIRECTS {
            server.answer(around).await;
        }
    };
    let ((), event) = tokio::join!(serve, stream.next());
    assert!(
        matches!(&event, StreamEvent::Cut { why, .. } if why.contains("redirects")),
        "{event:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_trouble_and_not_the_end() {
    let (server, mut stream) = Server::start().await;
    drop(server);
    let event = stream.next().await;
    assert!(
        matches!(&event, StreamEvent::Cut { why, .. } if why.contains("refused")),
        "{event:?}"
    );
}

/// Two servers, and a stream of the daemon that has both addresses.
async fn two() -> ([Server; 2], EventStream) {
    let (a, _) = Server::start().await;
    let (b, _) = Server::start().await;
    let urls = [&a, &b].map(|server| format!("http://{}", server.address()).parse().unwrap());
    let client = Client::trusting(urls.into(), None, None, "approver").unwrap();
    ([a, b], EventStream::new(client, &[]))
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_at_the_next_address_after_the_same_id() {
    let ([a, b], mut stream) = two().await;
    let text = format!("{OK}retry: 30000\n\nevent: caught-up\ndata: {MARK}\n\nid: 7-12\n\n");
    let rest = async {
        a.answer(&text).await;
        let (head, mut socket) = b.accept().await;
        let text = format!("{OK}event: caught-up\ndata: {MARK}\n\n");
        socket.write_all(text.as_bytes()).await.unwrap();
        (head, socket)
    };
    let listen = async {
        let mut events = Vec::new();
        while events.len() < 5 {
            events.push(stream.next().await);
        }
        events
    };
    let both = async { tokio::join!(rest, listen) };
    let ((head, _socket), events) = timeout(Duration::from_secs(30), both).await.unwrap();
    assert!(head.contains("last-event-id: 7-12\r\n"), "{head}");
    assert_eq!(events[0], connected(false));
    assert!(matches!(events[1], StreamEvent::CaughtUp(_)), "{events:?}");
    // Nobody is told that there was no stream for a moment, but which one there is.
    let told = events[2..4].iter().find_map(|event| {
        let StreamEvent::Moved(words) = event else {
            return None;
        };
        Some(words)
    });
    let told = told.unwrap();
    let begin = format!("going on with http://{} (", b.address());
    assert!(told.starts_with(&begin), "{told}");
    assert!(events[2..4].contains(&connected(true)), "{events:?}");
    assert!(matches!(events[4], StreamEvent::CaughtUp(_)), "{events:?}");
}

#[tokio::test]
async fn no_stream_anywhere_is_told_once_for_all_addresses() {
    let ([a, b], mut stream) = two().await;
    let names = [&a, &b].map(Server::address);
    drop(b);
    let busy = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (_, events) = one_answer(&a, &mut stream, busy).await;
    let [
        StreamEvent::Cut {
            why,
            foreign: false,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(
        why.starts_with(&format!("http://{}: it answered 503", names[0])),
        "{why}"
    );
    assert!(
        why.contains(&format!("; http://{}: cannot connect", names[1])),
        "{why}"
    );
}

#[tokio::test]
async fn who_may_not_have_the_stream_does_not_ask_the_next() {
    let ([a, _b], mut stream) = two().await;
    let no = "HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (_, events) = one_answer(&a, &mut stream, no).await;
    assert!(
        matches!(&events[..], [StreamEvent::Refused { .. }]),
        "{events:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_reported_and_the_stream_goes_on() {
    let (server, mut stream) = Server::start().await;
    let giant = "x".repeat(limits::EVENT_BYTES + 1);
    let text = format!(
        "{OK}event: request\ndata: {giant}\n\nevent: request\ndata: {{}}\n\nevent: from-the-future\ndata: 1\n\n\
         event: reset\ndata: {MARK}\n\n"
    );
    let (_, events) = one_answer(&server, &mut stream, &text).await;
    assert!(
        matches!(&events[1], StreamEvent::Skipped { why } if why.contains("1048576")),
        "{events:?}"
    );
    assert!(
        matches!(&events[2], StreamEvent::Skipped { why } if why.contains("missing field")),
        "{events:?}"
    );
    assert!(matches!(&events[3], StreamEvent::Reset(_)), "{events:?}");
    assert!(is_cut(events.get(4)), "{events:?}");
}

#[tokio::test]
async fn dropping_the_future_loses_nothing() {
    let (server, mut stream) = Server::start().await;
    let serve = async {
        let (_, mut socket) = server.accept().await;
        for byte in format!("{OK}event: caught-up\ndata: {MARK}\n\n").bytes() {
            socket.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        socket
    };
    let listen = async {
        let mut events = Vec::new();
        while events.len() < 2 {
            tokio::select! {
                biased;
                event = stream.next() => events.push(event),
                () = tokio::task::yield_now() => {}
            }
        }
        events
    };
    let (_socket, events) = tokio::join!(serve, listen);
    assert_eq!(events[0], connected(false));
    assert!(matches!(events[1], StreamEvent::CaughtUp(_)), "{events:?}");
}

#[tokio::test]
async fn a_silent_stream_is_cut() {
    let (server, mut stream) = Server::start().await;
    let serve = async {
        let (_, mut socket) = server.accept().await;
        socket.write_all(OK.as_bytes()).await.unwrap();
        socket
    };
    let (_socket, event) = tokio::join!(serve, stream.next());
    assert_eq!(event, connected(false));
    // From here on nothing comes, so a paused clock may jump.
    tokio::time::pause();
    let before = Instant::now();
    let event = stream.next().await;
    assert!(
        matches!(&event, StreamEvent::Cut { why, .. } if why.contains("silent")),
        "{event:?}"
    );
    assert!(before.elapsed() <= limits::STREAM_SILENCE + Duration::from_secs(1));
}
