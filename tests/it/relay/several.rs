//! Several daemons behind one relay.

use std::net::TcpListener;

use rustix::process::Signal;

use super::{relay, relay_to};
use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn a_dead_daemon_is_passed_over() {
    let daemon = setup().start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free.local_addr().unwrap();
    drop(free);
    let urls = format!("http://{dead},{}", daemon.url());
    let (setup, command) = relay(&urls, "--listen 127.0.0.1:0");
    let relay = setup.start_by(command);
    relay.logged("a daemon is not ready").await;
    let id = relay.ask("Deploy?").await;
    relay.approve(&id).await;
    assert_eq!(relay.get("/readyz").await.text(), "ready\n");
    assert_eq!(relay.metric("pushd_relay_upstreams").await, 2);
    assert_eq!(relay.metric("pushd_relay_upstreams_ready").await, 1);
    // It is known not to be ready, so nobody waits for it.
    assert_eq!(relay.metric("pushd_relay_attempts_failed_total").await, 0);
}

/// It takes connections, because the kernel does, and never answers.
#[tokio::test]
async fn a_daemon_that_hangs_keeps_nobody_from_the_other() {
    let (hung, daemon) = (setup().start(), setup().start());
    let relay = relay_to(&[&hung, &daemon], "");
    hung.signal(Signal::STOP);
    assert_eq!(relay.get("/v1/me").await.status, 200);
    relay.metric_is("pushd_relay_upstreams_ready", 1).await;
    let id = relay.ask("Deploy?").await;
    assert_eq!(daemon.get(&format!("/v1/requests/{id}")).await.status, 200);
}

#[tokio::test]
async fn a_relay_is_ready_while_its_daemon_is_and_always_alive() {
    let mut daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    assert_eq!(relay.get("/readyz").await.status, 200);
    daemon.crash();
    let answer = until("not to be ready", async || {
        let answer = relay.get("/readyz").open().await;
        (answer.status() != 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.status(), 504);
    assert_eq!(relay.get("/livez").await.text(), "live\n");
    let daemon = daemon.restart();
    until("to be ready again", async || {
        (relay.get("/readyz").open().await.status() == 200).then_some(())
    })
    .await;
    drop(daemon);
}
