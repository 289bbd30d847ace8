//! Signals to `requester`: the question must not stay on anybody's screen.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use crate::daemon::{Daemon, setup};
use crate::front::{Front, NO_BACKEND, Way};
use crate::programs::Requester;
use crate::until::until;

/// Enough runs that a race shows.
const RUNS: usize = 30;

async fn pending(daemon: &Daemon, count: usize) {
    until(&format!("{count} pending requests"), async || {
        let requests = daemon.requests().await;
        let pending = requests.iter().filter(|one| one["status"] == "pending");
        (pending.count() == count).then_some(())
    })
    .await;
}

async fn is_cancelled(requester: Requester, code: i32) {
    let left = requester.left().await;
    assert_eq!(left.code, Some(code), "{left:?}");
    assert!(left.stderr.contains("is cancelled"), "{left:?}");
}

async fn all_are_cancelled(daemon: &Daemon, requesters: Vec<Requester>, code: i32) {
    for requester in requesters {
        is_cancelled(requester, code).await;
    }
    for request in daemon.requests().await {
        assert_eq!(request["status"], "cancelled", "{request}");
    }
}

// It signals its child and then the group in which the child is. The second signal was taken for
// somebody who does not even want to wait for the cancellation, and the question stayed.
#[tokio::test]
async fn timeout_1_cancels_what_it_ends() {
    let daemon = setup().start();
    let wrapper = ["timeout", "--preserve-status", "60"];
    let start = |_| Requester::start_under(&wrapper, &daemon.url(), &["--expires", "2m"]);
    let requesters: Vec<_> = (0..RUNS).map(start).collect();
    pending(&daemon, RUNS).await;
    for requester in requesters {
        // It passes on a signal in the same way as it sends its own when the time is up. One after
        // the other, because two signals become one when there is no time to take the first.
        requester.signal(Signal::TERM);
        is_cancelled(requester, 143).await;
    }
    pending(&daemon, 0).await;
}

#[tokio::test]
async fn timeout_1_cancels_when_the_time_is_up() {
    let daemon = setup().start();
    let wrapper = ["timeout", "--preserve-status", "8"];
    let requester = Requester::start_under(&wrapper, &daemon.url(), &["--expires", "2m"]);
    pending(&daemon, 1).await;
    all_are_cancelled(&daemon, vec![requester], 143).await;
}

// Script runners pass on a Ctrl-C that the terminal has sent to the whole group already.
#[tokio::test]
async fn a_ctrl_c_that_is_passed_on_cancels_all_the_same() {
    let daemon = setup().start();
    let requesters: Vec<_> = (0..RUNS)
        .map(|_| Requester::start(&daemon.url(), &[]))
        .collect();
    pending(&daemon, RUNS).await;
    for requester in &requesters {
        requester.signal(Signal::INT);
        // The gap between the two is what is tested here.
        sleep(Duration::from_millis(1)).await;
        requester.signal(Signal::INT);
    }
    all_are_cancelled(&daemon, requesters, 130).await;
}

#[tokio::test]
async fn a_second_ctrl_c_does_not_wait_for_a_daemon_that_is_silent() {
    let daemon = setup().start();
    let mut requester = Requester::start(&daemon.url(), &[]);
    daemon.the_pending_one().await;
    requester.told("asked").await;
    daemon.signal(Signal::STOP);
    requester.signal(Signal::INT);
    requester.told("cancelling the request").await;
    // The first of them are too early to be meant; then one counts.
    while requester.runs() {
        requester.signal(Signal::INT);
        sleep(Duration::from_millis(20)).await;
    }
    let left = requester.left().await;
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("(interrupted again)"), "{left:?}");
}

#[tokio::test]
async fn a_silent_daemon_does_not_hold_an_interrupted_script_for_long() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &[]);
    daemon.the_pending_one().await;
    requester.told("asked").await;
    daemon.signal(Signal::STOP);
    requester.signal(Signal::TERM);
    let left = requester.left().await;
    assert_eq!(left.code, Some(143), "{left:?}");
    assert!(left.stderr.contains("could not be cancelled"), "{left:?}");
}

#[tokio::test]
async fn an_ask_whose_answer_was_lost_is_found_and_cancelled() {
    let daemon = setup().start();
    // The second attempt learns the id.
    let front = Front::before(&daemon, |number, _| match number {
        0 => Way::AnswerLost,
        1..4 => NO_BACKEND,
        _ => Way::Through,
    })
    .await;
    let requester = Requester::start(&front.url(), &[]);
    requester.told("trouble").await;
    requester.signal(Signal::INT);
    all_are_cancelled(&daemon, vec![requester], 130).await;
    assert_eq!(daemon.requests().await.len(), 1, "{:?}", front.calls());
}

#[tokio::test]
async fn an_ask_that_a_stopped_daemon_takes_up_later_is_cancelled() {
    let daemon = setup().start();
    daemon.signal(Signal::STOP);
    let requester = Requester::start(&daemon.url(), &[]);
    until("the ask to arrive", async || unread(&daemon).then_some(())).await;
    requester.signal(Signal::INT);
    requester
        .told("asking the daemon whether it has the request")
        .await;
    daemon.signal(Signal::CONT);
    all_are_cancelled(&daemon, vec![requester], 130).await;
    assert_eq!(daemon.requests().await.len(), 1);
}

/// Whether something has arrived at the daemon's port that it has not read.
fn unread(daemon: &Daemon) -> bool {
    let port = format!(":{:04X}", daemon.address().port());
    // proc_net_tcp(5): after the number of the row come the local and the remote address, the
    // state (0A listens), and both queues, all in hexadecimal.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>())
        .any(|row| row[1].ends_with(&port) && row[3] != "0A" && !row[4].ends_with(":00000000"))
}

#[tokio::test]
async fn a_page_of_a_proxy_does_not_end_a_cancellation() {
    let daemon = setup().start();
    let deletes = std::sync::atomic::AtomicUsize::new(0);
    let front = Front::before(&daemon, move |_, line| {
        let first = line.starts_with("DELETE")
            && deletes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        if first { NO_BACKEND } else { Way::Through }
    })
    .await;
    let requester = Requester::start(&front.url(), &[]);
    daemon.the_pending_one().await;
    requester.told("asked").await;
    requester.signal(Signal::INT);
    all_are_cancelled(&daemon, vec![requester], 130).await;
}
