//! Peers that ask for much and read nothing.

use super::census::peak;
use super::healthy::Healthy;
use super::hostile::{deaf, deaf_over_tls, get, large_requests};
use super::http2;
use crate::authority::Authority;
use crate::daemon::{Daemon, setup};
use crate::until::until;

/// What all answers that nobody takes may cost, in MiB: the limit of 64, what a few connections
/// bring before they are cut, and what the store and the tail keep anyway.
const MOST: u64 = 64 + 96;

/// Each of these is less than the limit for all, and together they are several times as much.
#[tokio::test]
async fn lists_that_nobody_reads_hold_no_more_than_their_limit() {
    let daemon = setup().start();
    large_requests(&daemon, 16).await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let most = peak(&daemon, before, async {
        let list = get("/v1/requests?topic=large");
        // Each is more than one and a half megabytes.
        let deaf = deaf(daemon.address(), 150, &list).await;
        until("connections to be cut", async || {
            healthy.approval().await;
            (daemon.metric("pushd_connections_cut_total").await >= 20).then_some(())
        })
        .await;
        healthy.approvals(5).await;
        drop(deaf);
    })
    .await;
    assert!(most < MOST, "{most} MiB");
    daemon.is_as(before, 96).await;
}

/// TLS has a store of its own for what is to be sent, which is small, and cutting a connection does
/// not wait for the peer to take a last word.
#[tokio::test]
async fn lists_that_nobody_reads_over_tls_hold_no_more_than_their_limit() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup(), &authority);
    large_requests(&daemon, 16).await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let most = peak(&daemon, before, async {
        let list = get("/v1/requests?topic=large");
        let deaf = deaf_over_tls(daemon.address(), &authority, 150, &list).await;
        until("connections to be cut", async || {
            healthy.approval().await;
            (daemon.metric("pushd_connections_cut_total").await >= 20).then_some(())
        })
        .await;
        healthy.approvals(5).await;
        drop(deaf);
    })
    .await;
    assert!(most < MOST, "{most} MiB");
    daemon.is_as(before, 96).await;
}

#[tokio::test]
async fn calls_in_a_row_are_answered_one_by_one_whatever_is_read() {
    let daemon = setup().start();
    let ids = large_requests(&daemon, 1).await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let read = get(&format!("/v1/requests/{}", ids[0]));
    let most = peak(&daemon, before, async {
        // A thousand answers of 400 KB on each, one of which is kept.
        let deaf = deaf(daemon.address(), 50, &read.repeat(1000)).await;
        healthy.approvals(5).await;
        drop(deaf);
    })
    .await;
    assert!(most < MOST, "{most} MiB");
    assert_eq!(daemon.metric("pushd_connections_cut_total").await, 0);
    daemon.is_as(before, 96).await;
}

/// The peer's windows are closed, so the answers lie in the streams and not in the socket.
#[tokio::test]
async fn http2_streams_without_a_window_hold_no_more_than_their_limit() {
    let daemon = setup().start();
    let ids = large_requests(&daemon, 1).await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let most = peak(&daemon, before, async {
        let mut says = http2::opening(&[(http2::INITIAL_WINDOW, 0)]);
        for number in 0..100 {
            says.extend(http2::get(number, &format!("/v1/requests/{}", ids[0])));
        }
        let deaf = deaf(daemon.address(), 10, &says).await;
        until("connections to be cut", async || {
            healthy.approval().await;
            (daemon.metric("pushd_connections_cut_total").await >= 5).then_some(())
        })
        .await;
        drop(deaf);
    })
    .await;
    assert!(most < MOST, "{most} MiB");
    daemon.is_as(before, 96).await;
}
