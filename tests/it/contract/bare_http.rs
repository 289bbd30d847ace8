//! What no HTTP client would send, byte by byte.

use super::malformed::nothing_was_asked;
use crate::daemon::setup;

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
    let daemon = setup().start();
    let head = "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Expect: 100-continue\r\nContent-Length: 600000\r\n\r\n";
    let reply = daemon.say(head).await;
    assert_eq!(reply.bare_problem(), (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    let daemon = setup().start();
    for bytes in [
        "\r\n\r\n\r\nhello there, is this the daemon?\r\n\r\n".to_owned(),
        "GET\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n".to_owned(),
        "GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nbad name: x\r\n\r\n".to_owned(),
        "GET /li\u{7}vez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3} a TLS hello from a wrong scheme"
            .to_owned(),
        "POST /v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(),
        "POST /v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
            .to_owned(),
    ] {
        let reply = daemon.say(&bytes).await;
        assert_eq!(
            reply.bare_problem(),
            (400, "invalid_http".to_owned()),
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so() {
    let daemon = setup().start();
    for head in [
        format!(
            "GET /livez HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(100_000)
        ),
        format!(
            "GET /livez?{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "x".repeat(100_000)
        ),
        format!(
            "GET /livez HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "a: b\r\n".repeat(20_000)
        ),
    ] {
        let reply = daemon.say(head).await;
        assert_eq!(reply.bare_problem(), (431, "head_too_large".to_owned()));
    }
}

#[tokio::test]
async fn odd_but_whole_calls_get_odd_but_whole_answers() {
    let daemon = setup().start();
    for (call, status, code) in [
        ("GET /v1/me HTTP/1.0\r\nHost: localhost\r\n\r\n", 200, ""),
        ("GET /livez HTTP/1.0\r\n\r\n", 200, ""),
        ("GET /v1/me HTTP/1.0\r\n\r\n", 421, "wrong_host"),
        (
            "GET /v1/me HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            421,
            "wrong_host",
        ),
        (
            "GET http://localhost/v1/me HTTP/1.1\r\nHost: other.example\r\n\r\n",
            200,
            "",
        ),
        (
            "GET http://other.example/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n",
            421,
            "wrong_host",
        ),
        (
            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
            "method_not_allowed",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            404,
            "no_such_path",
        ),
        (
            "TRACE /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
            "method_not_allowed",
        ),
        (
            "get /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
            "method_not_allowed",
        ),
        (
            "GET /v1/me?%zz=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "invalid_query",
        ),
        (
            "GET /v1/requests/%FF HTTP/1.1\r\nHost: localhost\r\n\r\n",
            404,
            "not_found",
        ),
        (
            "GET /v1/me HTTP/1.1\r\nHost: \u{e9}\r\n\r\n",
            421,
            "wrong_host",
        ),
        (
            "GET /v1/me HTTP/1.1\r\nHost: localhost\r\nAccept: \u{e9}\r\n\r\n",
            200,
            "",
        ),
    ] {
        let reply = daemon.say(call).await;
        assert_eq!(reply.status, status, "{call}: {reply:?}");
        if !code.is_empty() {
            assert_eq!(reply.bare_problem().1, code, "{call}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_makes_no_request() {
    let daemon = setup().start();
    let head =
        "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let reply = daemon
        .say(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"))
        .await;
    assert_eq!(reply.bare_problem(), (400, "invalid_body".to_owned()));
    let mut socket = daemon.socket().await;
    socket
        .say(format!(
            "{head}Content-Length: 100\r\n\r\n{{\"title\":\"a\"}}"
        ))
        .await;
    socket.heard().await;
    drop(socket);
    daemon.metric_is("pushd_connections", 1).await;
    nothing_was_asked(&daemon).await;
}
