use std::time::Duration;

use super::*;
use crate::client::stand_in::{Reply, StandIn};
use crate::domain::Timestamp;
use crate::wire::Status;

const REQUEST: &str = r#"{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","topic":"t","title":"Deploy?",
    "status":"pending","version":1,"event_id":1,"requester":{"principal":"local"},
    "created_at":"2026-01-01T00:00:00.000Z","expires_at":"2026-01-01T01:00:00.000Z",
    "member_of_the_future":true}"#;

async fn read_from(
    reply: impl Fn() -> Reply + Send + 'static,
) -> Result<Answer<RequestView>, CallError> {
    let server = StandIn::start(move |_, _| reply()).await;
    let client = Client::new(server.url(), "test").unwrap();
    client.read(RequestId::from_bytes([0; 16]), None).await
}

fn transient(result: Result<Answer<RequestView>, CallError>) -> (String, Option<Duration>) {
    match result {
        Err(CallError::Transient {
            what,
            retry_after,
            unsent: false,
            ..
        }) => (what, retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_ask_carries_its_key_and_only_members_that_were_set() {
    let server = StandIn::start(|_, _| Reply::json(REQUEST)).await;
    let client = Client::new(server.url(), "requester").unwrap();
    let body = AskBody {
        title: "Deploy?".to_owned(),
        ..AskBody::default()
    };
    let answer = client.ask(&body, "key-1").await.unwrap();
    assert_eq!(answer.value.status, Status::Pending);
    let [call] = &server.calls()[..] else {
        panic!()
    };
    assert_eq!(call.line, "POST /v1/requests");
    assert_eq!(call.header("idempotency-key"), Some("key-1"));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("user-agent"), Some("pushd-requester/0.1.0"));
    assert_eq!(call.body, r#"{"title":"Deploy?"}"#);
}

#[tokio::test]
async fn a_wait_is_rounded_up_to_whole_seconds() {
    let server = StandIn::start(|_, _| Reply::json(REQUEST)).await;
    let client = Client::new(server.url(), "requester").unwrap();
    let wait = Duration::from_millis(4_001);
    let id = RequestId::from_bytes([0; 16]);
    client.read(id, Some(wait)).await.unwrap();
    assert_eq!(server.calls()[0].header("prefer"), Some("wait=5"));
}

#[tokio::test]
async fn the_date_is_told() {
    let headers = "content-type: application/json; charset=utf-8\r\n\
        date: Tue, 14 Nov 2023 22:13:20 GMT\r\n";
    let answer = read_from(|| Reply::with("200 OK", headers, REQUEST))
        .await
        .unwrap();
    assert_eq!(answer.date, Some(Timestamp::from_millis(1_700_000_000_000)));
}

#[tokio::test]
async fn an_error_page_of_a_proxy_may_pass() {
    let page = || {
        Reply::with(
            "502 Bad Gateway",
            "content-type: text/html\r\nretry-after: 7\r\n",
            "<h1>",
        )
    };
    let (what, retry_after) = transient(read_from(page).await);
    assert_eq!(what, "it answered 502 Bad Gateway");
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_limit_of_the_daemon_is_told_from_its_faults() {
    for (status, code, expected) in [
        (429, "anything", true),
        (503, "too_many_pending", true),
        (503, "outcome_unknown", false),
    ] {
        let error = read_from(move || Reply::problem(status, code, "full"))
            .await
            .unwrap_err();
        let CallError::Transient {
            what,
            at_limit,
            unsent,
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert!(what.ends_with(": full"), "{what}");
        assert_eq!((at_limit, unsent), (expected, expected), "{code}");
    }
}

/// A proxy had cut an ask in the middle, and `requester` took the daemon's complaint about the half
/// that came for a refusal of the request: it ended with 64 instead of asking again.
#[tokio::test]
async fn a_call_that_was_cut_on_its_way_may_pass() {
    for code in ["invalid_body", "invalid_http"] {
        let result = read_from(move || Reply::problem(400, code, "it broke off")).await;
        let (what, _) = transient(result);
        assert_eq!(what, "400 Bad Request: it broke off");
    }
}

#[tokio::test]
async fn a_retry_after_may_be_a_date() {
    let headers =
        "date: Tue, 14 Nov 2023 22:13:20 GMT\r\nretry-after: Tue, 14 Nov 2023 22:13:30 GMT\r\n";
    let busy = || Reply::with("503 Busy", headers, "");
    assert_eq!(
        transient(read_from(busy).await).1,
        Some(Duration::from_secs(10))
    );
}

#[tokio::test]
async fn a_cut_or_mangled_answer_may_pass() {
    for reply in [
        || Reply::Cut,
        || {
            Reply::Raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"id\"".to_owned())
        },
        || Reply::json(r#"{"id":"aaa"#),
        || Reply::Raw("SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
    ] {
        transient(read_from(reply).await);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let huge = || Reply::json(&"[".repeat(limits::ANSWER_BYTES + 1));
    let (what, _) = transient(read_from(huge).await);
    assert!(what.contains("more than"), "{what}");
}

#[tokio::test]
async fn another_server_is_told_from_a_daemon() {
    for reply in [
        || Reply::new("200 OK", "text/html", "<h1>It works!</h1>"),
        || Reply::new("404 Not Found", "text/html", "<h1>404</h1>"),
        || Reply::with("302 Found", "location: /login\r\n", ""),
        || Reply::json(r#"{"hello":"world"}"#),
        // They say what the contract would say, but not as it says it.
        || {
            Reply::new(
                "203 Non-Authoritative Information",
                "application/json",
                REQUEST,
            )
        },
        || Reply::new("206 Partial Content", "application/json", REQUEST),
        || Reply::new("202 Accepted", "application/json", REQUEST),
        || Reply::new("200 OK", "application/problem+json", REQUEST),
        || Reply::new("200 OK", "text/plain", REQUEST),
        || Reply::with("200 OK", "", REQUEST),
    ] {
        let error = read_from(reply).await.unwrap_err();
        assert!(matches!(error, CallError::NotPushd { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_daemons_words_and_the_request() {
    let body = format!(r#"{{"code":"final","detail":"is denied","request":{REQUEST}}}"#);
    let reply = move || Reply::new("409 Conflict", "application/problem+json", &body);
    let error = read_from(reply).await.unwrap_err();
    assert_eq!(error.to_string(), "is denied");
    let CallError::Refused {
        status: 409,
        problem,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(problem.request.unwrap().title, "Deploy?");
}

#[tokio::test]
async fn a_refusal_needs_no_problem_document() {
    for (reply, expected) in [
        (Reply::with as fn(&str, &str, &str) -> Reply, 404),
        (
            |_, _, _| Reply::new("403 Forbidden", "text/html", "<h1>No</h1>"),
            403,
        ),
    ] {
        let error = read_from(move || reply("404 Not Found", "", ""))
            .await
            .unwrap_err();
        assert!(
            matches!(error, CallError::Refused { status, .. } if status == expected),
            "{error:?}"
        );
        assert!(error.is_foreign() && !error.is_not_found(), "{error:?}");
    }
}

#[tokio::test]
async fn only_a_problem_document_with_a_code_is_the_daemons_own_refusal() {
    const BODY: &str = r#"{"status":404,"code":"not_found","detail":"gone"}"#;
    const CODELESS: &str = r#"{"status":404,"detail":"gone"}"#;
    for (kind, body, own) in [
        ("application/problem+json", BODY, true),
        ("application/problem+json; charset=utf-8", BODY, true),
        ("application/problem+json", CODELESS, false),
        ("application/json", BODY, false),
        ("text/plain", BODY, false),
    ] {
        let error = read_from(move || Reply::new("404 Not Found", kind, body))
            .await
            .unwrap_err();
        assert_eq!(
            (error.is_foreign(), error.is_not_found()),
            (!own, own),
            "{error:?}"
        );
    }
    let other = read_from(|| Reply::problem(404, "no_such_path", "x"))
        .await
        .unwrap_err();
    assert!(!other.is_foreign() && !other.is_not_found(), "{other:?}");
}

#[tokio::test]
async fn nobody_listening_is_certainly_unsent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(url.parse().unwrap(), "test").unwrap();
    let error = client.me().await.unwrap_err();
    let CallError::Transient {
        what, unsent: true, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(
        what.starts_with("cannot connect: Connection refused"),
        "{what}"
    );
}

// Packets to a host that is gone, or behind a firewall that drops them, are lost in silence. The
// clock is paused: it jumps while nothing comes.
#[tokio::test(start_paused = true)]
async fn a_connection_that_never_comes_about_is_certainly_unsent() {
    // The kernel drops what comes for a listener whose queue is full.
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    let patience = Duration::from_millis(300);
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, patience) {
        queue.push(stream);
    }
    let client = Client::new(format!("http://{address}").parse().unwrap(), "test").unwrap();
    let error = client.me().await.unwrap_err();
    let CallError::Transient {
        what, unsent: true, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(what.starts_with("cannot connect: "), "{what}");
}

#[tokio::test]
async fn being_seen_needs_no_body_in_return() {
    let server = StandIn::start(|_, _| {
        Reply::Raw("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned())
    })
    .await;
    let client = Client::new(server.url(), "test").unwrap();
    client.seen(RequestId::from_bytes([0; 16])).await.unwrap();
    assert_eq!(
        server.calls()[0].line,
        "POST /v1/requests/aaaaaaaaaaaaaaaaaaaaaaaaaa/seen"
    );
}

#[tokio::test]
async fn a_conditional_wait_takes_a_304_only_with_the_entity_tag_that_it_sent() {
    let id = RequestId::from_bytes([0; 16]);
    let wait = Duration::from_secs(1);
    for (tag, unchanged) in [
        ("ETag: \"7\"\r\n", true),
        ("ETag: \"8\"\r\n", false),
        ("", false),
    ] {
        let server = StandIn::start(move |_, _| Reply::with("304 Not Modified", tag, "")).await;
        let client = Client::new(server.url(), "requester").unwrap();
        let answer = client
            .read_news(id, wait, limits::POLL_GRACE, EventId(7))
            .await;
        assert_eq!(server.calls()[0].header("if-none-match"), Some("\"7\""));
        match answer {
            Ok(answer) => assert!(unchanged && answer.value.is_none()),
            Err(error) => assert!(!unchanged && error.is_foreign(), "{error:?}"),
        }
    }
    let server = StandIn::start(|_, _| Reply::json(REQUEST)).await;
    let client = Client::new(server.url(), "requester").unwrap();
    let answer = client
        .read_news(id, wait, limits::POLL_GRACE, EventId(7))
        .await
        .unwrap();
    assert_eq!(answer.value.map(|request| request.id), Some(id));
}
