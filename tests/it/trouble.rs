//! Trouble between `requester` and the daemon: it waits on, and is told when that is in vain.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, NO_BACKEND, Way};
use crate::programs::Requester;

#[tokio::test]
async fn a_poll_that_a_stopped_daemon_holds_is_dropped_and_sent_again() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["--timeout", "1s", "-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    requester.told("asked").await;
    daemon.signal(Signal::STOP);
    // That is --timeout and 5 s of grace, the first of which may have passed before.
    requester.told("trouble: no answer within").await;
    daemon.signal(Signal::CONT);
    requester.told("the trouble is over").await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(daemon.requests().await.len(), 1, "it was asked once");
}

// A proxy whose backend restarts says `404 page not found`, which was taken for the daemon having
// lost the request.
#[tokio::test]
async fn pages_of_a_proxy_are_waited_out_and_do_not_ask_twice() {
    let daemon = setup().start();
    let front = Front::before(&daemon, |number, _| match number {
        0 | 4 => BAD_GATEWAY,
        1 => Way::AnswerLost,
        2 | 5 => NO_BACKEND,
        6 => Way::Page("403 Forbidden", "text/html", "<h1>no</h1>"),
        7 => Way::Page("400 Bad Request", "text/plain", "bad"),
        _ => Way::Through,
    })
    .await;
    let requester = Requester::start(&front.url(), &["-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    requester.told("asked").await;
    requester.told("trouble: it answered 502").await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(daemon.requests().await.len(), 1, "{:?}", front.calls());
}

// The daemon says 400 to half a call, which was taken for its word on the whole one.
#[tokio::test]
async fn a_call_that_is_cut_on_its_way_is_sent_again() {
    let daemon = setup().start();
    let front = Front::before(&daemon, |number, _| match number {
        0 => Way::CallCut,
        _ => Way::Through,
    })
    .await;
    let requester = Requester::start(&front.url(), &["-m", "Deploy?"]);
    requester.told("the body broke off").await;
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
}

#[tokio::test]
async fn another_server_at_the_url_is_69_in_one_line() {
    let daemon = setup().start();
    for page in [
        NO_BACKEND,
        Way::Page("404 Not Found", "text/html", "<h1>404</h1>"),
        Way::Page("200 OK", "text/html", "<h1>It works!</h1>"),
    ] {
        let front = Front::before(&daemon, move |_, _| page).await;
        let left = Requester::start(&front.url(), &[]).left().await;
        assert_eq!(left.code, Some(69), "{left:?}");
        assert_eq!(left.stderr.lines().count(), 1, "{left:?}");
        assert!(left.stderr.contains("check --url"), "{left:?}");
        assert_eq!(front.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_says_that_the_request_may_exist() {
    let daemon = setup().start();
    let front = Front::before(&daemon, |number, _| match number {
        0 => Way::AnswerLost,
        _ => Way::Page(
            "403 Forbidden",
            "application/problem+json",
            r#"{"status":403,"code":"forbidden","detail":"your token was revoked"}"#,
        ),
    })
    .await;
    let left = Requester::start(&front.url(), &[]).left().await;
    assert_eq!(left.code, Some(77), "{left:?}");
    for words in ["your token was revoked", "the request may exist"] {
        assert!(left.stderr.contains(words), "{left:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_comes_back_with_an_empty_store_is_70() {
    let daemon = setup().in_memory().start();
    let requester = Requester::start(&daemon.url(), &[]);
    daemon.the_pending_one().await;
    requester.told("asked").await;
    let _daemon = daemon.crash_and_restart();
    let left = requester.left().await;
    assert_eq!(left.code, Some(70), "{left:?}");
    assert!(left.stderr.contains("lost or purged"), "{left:?}");
}

#[tokio::test]
async fn a_host_name_that_the_daemon_does_not_serve_is_78() {
    let daemon = setup().start();
    // By way of a "proxy" the daemon is called by a name that need not be looked up.
    let proxy = [("http_proxy", &*daemon.url())];
    let requester = Requester::start_with("http://approvals.example.org", &[], &proxy);
    let left = requester.left().await;
    assert_eq!(left.code, Some(78), "{left:?}");
    assert!(left.stderr.contains("--allow-host"), "{left:?}");
}

#[tokio::test]
async fn the_same_key_joins_the_same_request() {
    let daemon = setup().start();
    let url = daemon.url();
    let args = ["--key", "deploy-7", "-m", "Deploy 7?", "--json"];
    let first = Requester::start(&url, &args);
    let id = daemon.the_pending_one().await;
    let second = Requester::start(&url, &args);
    second.told("asked").await;
    daemon.approve(&id).await;
    // One that comes when all is over gets the same answer at once.
    let (first, second) = (first.left().await, second.left().await);
    for left in [first, second, Requester::start(&url, &args).left().await] {
        assert_eq!(left.code, Some(0), "{left:?}");
        let request: Value = serde_json::from_str(&left.stdout).unwrap();
        assert_eq!(request["id"], *id);
    }
    let other = ["--key", "deploy-7", "-m", "Deploy 8?"];
    let left = Requester::start(&url, &other).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert_eq!(daemon.requests().await.len(), 1);
}

// Polls last for 30 s here, so an answer that came only with the next poll would be too late for
// the test.
#[tokio::test]
async fn the_answer_wakes_the_poll_that_waits_for_it() {
    const RUNS: u32 = 10;
    let daemon = setup().start();
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..RUNS {
        let mut requester = Requester::start(&daemon.url(), &["-m", "Deploy?"]);
        let id = daemon.the_pending_one().await;
        requester.told("asked").await;
        assert!(requester.runs(), "it has left before the decision");
        let decided = Instant::now();
        daemon.approve(&id).await;
        let left = requester.left().await;
        let took = decided.elapsed();
        assert_eq!(left.code, Some(0), "{left:?}");
        sum += took;
        longest = took.max(longest);
    }
    #[allow(
        clippy::print_stderr,
        reason = "a figure for whoever runs it with --nocapture"
    )]
    {
        eprintln!(
            "from the decision to the end of the script: mean {:?}, longest {longest:?}",
            sum / RUNS
        );
    }
}
