//! Peers that leave, over TLS: it is noticed as it is without.

use crate::authority::Authority;
use crate::call::Clients;
use crate::daemon::{Daemon, setup};
use crate::stream::Stream;

#[tokio::test]
async fn who_leaves_a_poll_or_a_stream_is_forgotten() {
    let daemon = Daemon::secured(setup().in_memory(), &Authority::new());
    let id = daemon.ask("Deploy?").await;
    let poll = daemon.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    let stream = Stream::open(daemon.get("/v1/events")).await;
    daemon.waiters_are(1).await;
    daemon.subscribers_are(1).await;
    poll.abort();
    drop(stream);
    daemon.waiters_are(0).await;
    daemon.subscribers_are(0).await;
}

/// The last word of TLS lies before the end of the connection, so a look at what is unread has to
/// see past it.
#[tokio::test]
async fn an_answer_is_not_given_to_a_classic_poll_whose_page_has_left() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup().flags("--classic"), &authority);
    let page = Clients::trusting(daemon.address(), &authority.pem);
    let url = format!("{}/longPolling", daemon.https());
    let poll = tokio::spawn(page.http1.get(url).send());
    daemon.waiters_are(1).await;
    daemon.the_pending_one().await;
    poll.abort();
    drop((poll.await, page));
    // Whether the daemon has noticed by now or not: the answer is for the next poll.
    let yes = daemon
        .post("/sure")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(yes.body("data=yes").await.status, 200);
    let next = daemon.get("/longPolling").await;
    assert_eq!(next.status, 200, "{next:?}");
}

#[tokio::test]
async fn a_stream_ends_with_the_daemon_and_is_not_cut() {
    let mut daemon = Daemon::secured(setup().in_memory(), &Authority::new());
    let mut stream = Stream::open(daemon.get("/v1/events")).await;
    stream.beginning().await;
    daemon.signal(rustix::process::Signal::TERM);
    stream.ended().await;
    assert_eq!(daemon.ended().await, Some(0));
}
