//! How a call may arrive, as the flags say: the time for its head and its body, and its size.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::call::Call;
use crate::daemon::{Daemon, Setup, setup};
use crate::raw::Socket;

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const REST: &str = "1\r\n\r\n";

/// Connections that do not come to the point: one that says nothing, one that breaks off in the
/// first byte, one in its head, one that is idle after a call, and one in its second head.
async fn silent(daemon: &Daemon) -> Vec<Socket> {
    let half = &LIVEZ.replace("\r\n\r\n", "\r\nX-Half: ");
    let mut open = Vec::new();
    for (call, begun) in [("", ""), ("", "G"), ("", half), (LIVEZ, ""), (LIVEZ, half)] {
        let mut socket = daemon.socket().await;
        if !call.is_empty() {
            socket.say(call).await;
            assert_eq!(socket.answer().await.status, 200);
        }
        socket.say(begun).await;
        open.push(socket);
    }
    open
}

/// They are open still: what is missing is said, and answered.
async fn come_to_the_point(open: Vec<Socket>) {
    for (mut socket, rest) in open
        .into_iter()
        .zip([LIVEZ, &LIVEZ[1..], REST, LIVEZ, REST])
    {
        socket.say(rest).await;
        assert_eq!(socket.answer().await.status, 200);
    }
}

/// Who is quicker is told by the others, not by a clock.
#[tokio::test]
async fn a_head_has_the_time_that_the_flag_says() {
    let quick = setup().in_memory().flags("--head-time 1s").start();
    let usual = setup().in_memory().start();
    let patient = setup().in_memory().flags("--head-time 10m").start();
    let (at_patient, at_usual) = (silent(&patient).await, silent(&usual).await);
    for mut socket in silent(&quick).await {
        assert_eq!(socket.closed().await, b"");
    }
    quick.metric_is("pushd_connections_late_total", 5).await;
    come_to_the_point(at_usual).await;
    for mut socket in silent(&usual).await {
        assert_eq!(socket.closed().await, b"");
    }
    come_to_the_point(at_patient).await;
    assert_eq!(patient.metric("pushd_connections_late_total").await, 0);
}

#[tokio::test]
async fn a_body_has_the_time_that_the_flag_says_and_is_told_it() {
    let daemon = setup().in_memory().flags("--body-time 1500ms").start();
    let mut socket = daemon.socket().await;
    let head = "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 13\r\n\r\n";
    socket.say(head).await;
    socket.say("{\"title\":").await;
    let reply = socket.answer().await;
    assert_eq!(reply.bare_problem(), (408, "body_timeout".to_owned()));
    assert!(reply.detail().contains("1s 500ms"), "{}", reply.detail());
    assert_eq!(daemon.requests().await.len(), 0);
    // One that arrives in time is taken.
    let mut socket = daemon.socket().await;
    socket.say(head).await;
    socket.say("{\"title\":\"a\"}").await;
    assert_eq!(socket.answer().await.status, 201);
}

/// An ask in so many bytes.
fn sized(daemon: &Daemon, length: usize) -> Call {
    let ask = "{\"title\":\"a\"}";
    let body = format!("{}{ask}", " ".repeat(length - ask.len()));
    let call = daemon.post("/v1/requests");
    call.header("content-type", "application/json").body(body)
}

#[tokio::test]
async fn a_body_has_the_size_that_the_flag_says_and_is_told_it() {
    let flags = "--max-body-bytes 8192 --classic";
    let daemon = setup().in_memory().flags(flags).start();
    let id = sized(&daemon, 8192).await.id();
    let too_large = |reply: crate::call::Reply| {
        assert_eq!(reply.problem(), (413, "body_too_large".to_owned()));
        assert!(reply.detail().contains("8192 bytes"), "{}", reply.detail());
    };
    too_large(sized(&daemon, 8193).await);
    // The same without a length that is known beforehand.
    let parts = vec![Bytes::from(vec![b' '; 1024]); 9];
    let parts = stream::iter(parts).map(Ok::<_, std::io::Error>);
    let call = daemon.post("/v1/requests");
    let call = call.header("content-type", "application/json");
    too_large(call.body(reqwest::Body::wrap_stream(parts)).await);
    too_large(daemon.post("/btServer").body(vec![b' '; 8193]).await);
    // The least that may be said is enough for the longest decision, spelled as long as it can be.
    let reason = "\\ud83d\\ude00".repeat(500);
    let decision = format!("{{\"verdict\":\"approve\",\"reason\":\"{reason}\"}}");
    let deciding = daemon.post(&format!("/v1/requests/{id}/decision"));
    let deciding = deciding.header("content-type", "application/json");
    let decided = deciding.body(decision).await;
    assert_eq!(decided.json()["status"], "approved");
}

#[tokio::test]
async fn a_larger_body_than_usual_can_be_allowed() {
    let flags = "--max-body-bytes 4194304";
    let daemon = setup().in_memory().flags(flags).start();
    assert_eq!(sized(&daemon, 4_194_304).await.status, 201);
    let reply = sized(&daemon, 4_194_305).await;
    assert_eq!(reply.problem(), (413, "body_too_large".to_owned()));
}

/// A daemon that is told this by its environment.
fn told(setup: &Setup, variables: &[(&str, &str)]) -> std::process::Command {
    let mut command = setup.command();
    command.envs(variables.iter().copied());
    command
}

#[tokio::test]
async fn the_variables_say_the_same_and_the_metrics_show_it() {
    let variables = [
        ("PUSHD_HEAD_TIME", "2500ms"),
        ("PUSHD_BODY_TIME", "1m 30s"),
        ("PUSHD_MAX_BODY_BYTES", "9000"),
    ];
    let setup = setup().in_memory().flags("--cool-down 500ms");
    let command = told(&setup, &variables);
    let daemon = setup.start_by(command);
    let text = daemon.get("/metrics").await.text();
    for line in [
        "pushd_head_time_limit_seconds 2.5",
        "pushd_body_time_limit_seconds 90.0",
        "pushd_body_limit_bytes 9000",
        "pushd_cool_down_seconds 0.5",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    assert_eq!(sized(&daemon, 9001).await.status, 413);
}

#[test]
fn what_is_out_of_bounds_is_a_usage_error_with_value_and_remedy() {
    for (flag, value, remedy) in [
        ("--head-time", "999ms", "at least 1s"),
        ("--head-time", "601s", "at most 10m"),
        ("--head-time", "10", "write a number and a unit"),
        ("--body-time", "0s", "longer than nothing"),
        ("--body-time", "10ms", "at least 1s"),
        ("--body-time", "121s", "at most 2m"),
        ("--max-body-bytes", "8191", "at least 8192"),
        ("--max-body-bytes", "4194305", "at most 4194304"),
        ("--max-body-bytes", "512KiB", "write a number of bytes"),
        ("--max-body-bytes", "", "write a number of bytes"),
    ] {
        let variable = format!("PUSHD_{}", flag[2..].replace('-', "_").to_uppercase());
        let mut by_flag = setup().in_memory().command();
        by_flag.arg(format!("{flag}={value}"));
        let by_variable = told(&setup().in_memory(), &[(&variable, value)]);
        for command in [by_flag, by_variable] {
            let ran = crate::daemon::Ran::to_its_end(command);
            assert_eq!(ran.code, Some(64), "{flag} {value}: {ran:?}");
            for word in [flag, &format!("'{value}'"), remedy] {
                assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
            }
        }
    }
}

#[tokio::test]
async fn a_requester_whose_ask_is_too_large_is_told_the_size_that_is_taken() {
    let flags = "--max-body-bytes 8192";
    let daemon = setup().in_memory().flags(flags).start();
    let details = "x".repeat(9000);
    let args = ["-m", "Deploy?", "-d", &details];
    let left = crate::programs::Requester::start(&daemon.url(), &args);
    let left = left.left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("8192 bytes"), "{left:?}");
    let list = daemon.get("/v1/requests").await.json();
    assert_eq!(list["requests"], json!([]));
}

/// What begins like HTTP/2 may be a call of HTTP/1.1 all the same, and come in pieces. Nothing tells
/// of the rest, so it was looked for ever less often, and a call that came in time was not seen.
#[tokio::test]
async fn who_begins_like_http2_is_heard_to_the_end() {
    let daemon = setup().in_memory().flags("--head-time 10m").start();
    let mut slow = daemon.socket().await;
    slow.say("P").await;
    // One who leaves before it is clear is let go at once, and not when the time is over. The third
    // connection is the one that asks.
    let mut gone = daemon.socket().await;
    gone.say("PRI").await;
    daemon.metric_is("pushd_connections", 3).await;
    drop(gone);
    daemon.metric_is("pushd_connections", 2).await;
    slow.say("UT /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(slow.answer().await.status, 405);
}
