//! The same course over real sockets, where time is real too: nothing here waits for it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::tests::plan;
use super::*;
use crate::cli::requester::interrupt::Signal;
use crate::cli::requester::script::request;
use crate::client::stand_in::{Call, Reply, StandIn};
use crate::wire::Status;

/// One signal, when somebody gives it.
struct Given(Arc<Notify>);

impl Interrupts for Given {
    async fn next(&mut self) -> Signal {
        self.0.notified().await;
        Signal::Interrupt
    }
}

fn says(status: Status) -> Reply {
    Reply::json(&serde_json::to_string(&request(status)).unwrap())
}

fn page(status: &str) -> Reply {
    Reply::new(status, "text/html", "<html><h1>nginx</h1></html>")
}

/// The exit code and the calls of a run against a server that answers by `script`; the second
/// argument of `script` gives the signal.
async fn run_against(
    script: impl Fn(usize, &Notify) -> Reply + Send + 'static,
) -> (u8, String, Vec<Call>) {
    let signal = Arc::new(Notify::new());
    let given = Arc::clone(&signal);
    let server = StandIn::start(move |number, _| script(number, &given)).await;
    let client = Client::new(server.url(), "requester").unwrap();
    let plan = Plan {
        daemon: server.url().to_string(),
        ..plan()
    };
    let progress = Progress::to_lines("requester", "Deploy?", Box::new(std::io::sink()));
    let told = run(&client, &plan, &mut Given(signal), &progress)
        .await
        .told();
    (told.code, told.words, server.calls())
}

#[tokio::test]
async fn an_error_page_of_a_proxy_and_a_cut_connection_do_not_ask_twice() {
    let (code, words, calls) = run_against(|number, _| match number {
        0 => page("502 Bad Gateway"),
        1 | 4 => Reply::Cut,
        2 => says(Status::Pending),
        3 => page("504 Gateway Timeout"),
        _ => says(Status::Approved),
    })
    .await;
    assert_eq!(code, 0, "{words}");
    let lines: Vec<_> = calls.iter().map(|call| &*call.line).collect();
    assert_eq!(lines[..3], ["POST /v1/requests"; 3]);
    let poll = format!("GET /v1/requests/{}", request(Status::Pending).id);
    assert_eq!(lines[3..], [&*poll; 3]);
    for call in &calls[..3] {
        assert_eq!(call.header("idempotency-key"), Some("key-1"));
        assert_eq!(call.body, r#"{"title":"Deploy?"}"#);
    }
    assert_eq!(calls[3].header("prefer"), Some("wait=5"));
}

#[tokio::test]
async fn refusals_of_the_ask_end_it_and_a_404_afterwards_means_lost() {
    for (reply, expected) in [
        (Reply::problem as fn(u16, &str, &str) -> Reply, 64),
        (|_, _, detail| Reply::problem(403, "forbidden", detail), 77),
        (|_, _, _| page("404 Not Found"), 69),
        (|_, _, _| page("200 OK"), 69),
    ] {
        let (code, words, calls) =
            run_against(move |_, _| reply(422, "bad_title", "the title is rude")).await;
        assert_eq!((code, calls.len()), (expected, 1), "{words}");
    }
    let (code, words, calls) = run_against(|number, _| match number {
        0 => says(Status::Pending),
        _ => Reply::problem(404, "not_found", "there is no such request"),
    })
    .await;
    assert_eq!((code, calls.len()), (70, 2), "{words}");
}

#[tokio::test]
async fn an_approval_in_anything_but_a_whole_answer_with_json_is_none() {
    let approved = || serde_json::to_string(&request(Status::Approved)).unwrap();
    let (code, words, calls) = run_against(move |number, _| match number {
        0 => says(Status::Pending),
        1 => Reply::new("206 Partial Content", "application/json", &approved()),
        2 => Reply::new("203 Changed", "application/json", &approved()),
        3 => Reply::new("200 OK", "application/problem+json", &approved()),
        4 => Reply::new("404 Not Found", "text/plain", "404 page not found"),
        5 => Reply::new("409 Conflict", "application/json", &approved()),
        _ => says(Status::Denied),
    })
    .await;
    assert_eq!((code, calls.len()), (1, 7), "{words}");
}

#[tokio::test]
async fn a_signal_during_a_silent_poll_cancels() {
    let (code, words, calls) = run_against(|number, signal| match number {
        0 => says(Status::Pending),
        1 => {
            signal.notify_one();
            Reply::Silence
        }
        _ => says(Status::Cancelled),
    })
    .await;
    assert_eq!(code, 130);
    assert!(words.ends_with("is cancelled"), "{words}");
    assert!(
        calls[2].line.starts_with("DELETE /v1/requests/"),
        "{calls:?}"
    );
}
