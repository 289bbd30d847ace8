//! How the daemon ends, and how it does not begin.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Daemon, setup};
use crate::event_stream::fill;
use crate::raw::Socket;
use crate::until::{soon, until};

const WINDING_DOWN: &str = "winding down";

#[tokio::test]
async fn on_sigterm_polls_are_answered_with_what_is_true_streams_end_and_the_exit_code_is_0() {
    let mut daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let tag = format!("\"{}\"", daemon.read(&id).await["event_id"]);
    let path = format!("/v1/requests/{id}?wait=60");
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    let held = daemon.get(&path).spawn();
    let conditional = daemon.get(&path).header("if-none-match", &tag).spawn();
    let over_http_2 = daemon.call_http2(Method::GET, &path).spawn();
    daemon.waiters_are(3).await;
    daemon.signal(Signal::TERM);
    let held = held.await.unwrap();
    assert_eq!(
        (held.status, held.json()["status"].as_str()),
        (200, Some("pending"))
    );
    assert_eq!(held.header("connection"), Some("close"));
    assert_eq!(held.header("preference-applied"), Some("wait=60"));
    assert_eq!(conditional.await.unwrap().status, 304);
    assert_eq!(over_http_2.await.unwrap().json()["status"], "pending");
    stream.ended().await;
    assert_eq!(daemon.ended().await, Some(0));
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn an_ask_that_comes_while_the_daemon_winds_down_is_told_to_try_again() {
    let mut daemon = setup().start();
    let mut socket = daemon.socket().await;
    let body = "{\"title\":\"a\"}";
    socket
        .say("POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: ")
        .await;
    socket.heard().await;
    daemon.signal(Signal::TERM);
    daemon.logged(WINDING_DOWN).await;
    let length = body.len();
    socket
        .say(format!(
            "application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    let reply = socket.answer().await;
    assert_eq!(reply.bare_problem(), (503, "draining".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(daemon.ended().await, Some(0));
    let daemon = daemon.restart();
    assert_eq!(
        daemon.get("/v1/requests").await.json()["requests"],
        json!([])
    );
}

#[tokio::test]
async fn an_ask_whose_body_is_on_its_way_is_still_made() {
    let mut daemon = setup().start();
    let mut socket = daemon.socket().await;
    let head = "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    socket
        .say(format!(
            "{head}\r\nExpect: 100-continue\r\nContent-Length: 13\r\n\r\n"
        ))
        .await;
    assert_eq!(socket.answer().await.status, 100);
    daemon.signal(Signal::TERM);
    daemon.logged(WINDING_DOWN).await;
    socket.say("{\"title\":\"a\"}").await;
    let reply = socket.answer().await;
    assert_eq!(
        (reply.status, reply.header("connection")),
        (201, Some("close"))
    );
    assert_eq!(daemon.ended().await, Some(0));
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&reply.id()).await["status"], "pending");
}

/// A reader in the middle of more than sockets hold back, which does not read on.
async fn stuck_reader(daemon: &Daemon) -> Socket {
    fill(daemon, 100).await;
    let mut stuck = daemon.narrow_socket().await;
    stuck
        .say("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    stuck.stuck().await;
    stuck
}

#[tokio::test]
async fn a_reader_that_is_stuck_does_not_keep_the_daemon_from_ending_in_time() {
    let mut daemon = setup().flags("--drain 1s").start();
    let stuck = stuck_reader(&daemon).await;
    daemon.signal(Signal::TERM);
    // A daemon that waits for the reader does not end.
    assert_eq!(daemon.ended().await, Some(0));
    daemon.logged("are given up").await;
    drop(stuck);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_the_signals_exit_code() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut daemon = setup().flags("--drain 10min").start();
        let stuck = stuck_reader(&daemon).await;
        daemon.signal(Signal::INT);
        daemon.logged(WINDING_DOWN).await;
        // One that comes at once is taken for the same signal.
        let ended = until("the daemon to end", async || {
            let ended = daemon.has_ended();
            if ended.is_none() {
                daemon.signal(signal);
            }
            ended
        });
        assert_eq!(ended.await, code);
        drop(stuck);
    }
}

/// timeout(1) signals its child and then the child's group; the second of these ended the daemon
/// without a drain.
#[tokio::test]
async fn a_signal_that_comes_twice_at_once_winds_the_daemon_down() {
    // On a machine that stands still for a while the second may come late, and then it counts.
    until("a second signal that comes at once", async || {
        let mut daemon = setup().flags("--drain 1s").start();
        let stuck = stuck_reader(&daemon).await;
        daemon.signal(Signal::TERM);
        daemon.logged(WINDING_DOWN).await;
        daemon.signal(Signal::TERM);
        let code = daemon.ended().await;
        drop(stuck);
        match code {
            Some(0) => {
                daemon.logged("taken for an echo").await;
                Some(())
            }
            _ => None,
        }
    })
    .await;
}

/// Asks one request after another, in the background.
struct Asking {
    task: JoinHandle<BTreeSet<String>>,
    stop: CancellationToken,
}

impl Asking {
    /// Begins to ask; returns in the middle of it.
    async fn begin(daemon: &Daemon) -> Self {
        let url = format!("http://{}/v1/requests", daemon.address());
        let (client, stop) = (daemon.clients.http1.clone(), CancellationToken::new());
        let (stopped, made) = (stop.clone(), Arc::new(Semaphore::new(0)));
        let count = Arc::clone(&made);
        let task = tokio::spawn(async move {
            let mut ids = BTreeSet::new();
            while !stopped.is_cancelled() {
                let call = client.post(&url).header("content-type", "application/json");
                let Ok(reply) = call.body("{\"title\":\"a\"}").send().await else {
                    break;
                };
                let (status, body) = (reply.status(), reply.bytes().await);
                let (201, Ok(body)) = (status.as_u16(), body) else {
                    break;
                };
                let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
                ids.insert(request["id"].as_str().unwrap().to_owned());
                count.add_permits(1);
            }
            ids
        });
        soon("twenty asks", made.acquire_many(20))
            .await
            .unwrap()
            .forget();
        Self { task, stop }
    }

    /// The ids of all requests that were acknowledged.
    async fn end(self) -> BTreeSet<String> {
        self.stop.cancel();
        soon("the last ask", self.task).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_shutdown_and_after_a_crash() {
    let mut daemon = setup().start();
    let asking = Asking::begin(&daemon).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    let mut acknowledged = asking.end().await;

    let daemon = daemon.restart();
    let asking = Asking::begin(&daemon).await;
    let daemon = daemon.crash_and_restart();
    acknowledged.extend(asking.end().await);
    assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
    let mut kept = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = daemon
            .get(&format!("/v1/requests?limit=1000{after}"))
            .await
            .json();
        let requests = page["requests"].as_array().unwrap().iter();
        kept.extend(requests.map(|request| request["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

fn one_line(stderr: &str) -> &str {
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_69_and_one_clear_line() {
    let daemon = setup().start();
    let address = daemon.address().to_string();
    let (code, stderr) = setup().listen(&address).fails();
    assert_eq!(code, Some(69), "{stderr}");
    assert!(one_line(&stderr).contains(&address), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
}

#[test]
fn bad_flags_end_it_with_64_and_say_which() {
    for (flags, named) in [
        ("--no-such-flag", "--no-such-flag"),
        ("--store nats://example", "--store"),
        ("--drain soon", "--drain"),
        ("--max-waiters 0", "--max-waiters"),
        ("--log-format xml", "--log-format"),
        ("unexpected", "unexpected"),
    ] {
        let (code, stderr) = setup().in_memory().flags(flags).fails();
        assert_eq!(code, Some(64), "{flags}: {stderr}");
        assert!(stderr.contains(named), "{flags}: {stderr}");
    }
    let (code, stderr) = setup().listen("localhost").fails();
    assert_eq!(code, Some(64), "{stderr}");
}

#[test]
fn an_address_that_others_reach_is_refused_with_78() {
    for wide in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let (code, stderr) = setup().listen(wide).fails();
        assert_eq!(code, Some(78), "{stderr}");
        assert!(one_line(&stderr).contains(wide), "{stderr}");
    }
}

#[tokio::test]
async fn an_address_that_others_reach_is_taken_when_told_so_unmistakably() {
    let wide = setup().in_memory().listen("0.0.0.0:0");
    let daemon = wide.flags("--trust-everybody-on-the-network").start();
    assert_eq!(daemon.address().ip().to_string(), "0.0.0.0");
    daemon.logged("may approve anything").await;
}

#[tokio::test]
async fn a_database_that_is_in_use_or_cannot_be_opened_ends_it_with_78_and_one_clear_line() {
    let daemon = setup();
    let second = daemon.clone();
    let daemon = daemon.start();
    let (code, stderr) = second.fails();
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("pushd.db"), "{stderr}");
    assert_eq!(daemon.get("/readyz").await.status, 200);

    let (code, stderr) = setup().store("sqlite:/proc/none/pushd.db").fails();
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("/proc/none"), "{stderr}");
}

#[tokio::test]
async fn it_listens_on_all_addresses_that_it_is_given() {
    let daemon = setup().in_memory().flags("--listen 127.0.0.2:0").start();
    assert_eq!(daemon.get("/v1/me").await.status, 200);
    daemon.logged("address=127.0.0.2:").await;
}

/// hyper waits for the whole preface of HTTP/2 before it winds a connection down.
#[tokio::test]
async fn who_has_only_begun_to_speak_http2_holds_up_no_end() {
    let mut daemon = setup().flags("--drain 10min --head-time 10m").start();
    let mut begun = daemon.socket().await;
    begun.say("PRI * HTTP/2.0\r\n").await;
    daemon.metric_is("pushd_connections", 2).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    drop(begun);
}
