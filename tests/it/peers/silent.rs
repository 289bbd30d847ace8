//! Peers that connect and say nothing, or nearly nothing.

use super::census::may_open;
use super::healthy::Healthy;
use super::hostile::{deaf, read_out};
use super::http2;
use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn thousands_of_connections_that_say_nothing_are_closed_and_cost_little() {
    const EACH: usize = 1000;
    may_open(4096);
    let daemon = setup().start();
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let (address, opening) = (daemon.address(), http2::opening(&[]));
    let (mut silent, begun, http2) = tokio::join!(
        deaf(address, EACH, b""),
        deaf(address, EACH, b"G"),
        deaf(address, EACH / 2, &opening),
    );
    silent.extend(begun.into_iter().chain(http2));
    until("most of them to be accepted", async || {
        let open = daemon.metric("pushd_connections").await;
        (open >= 1500).then_some(())
    })
    .await;
    let during = daemon.census();
    healthy.approvals(5).await;
    let each = (during.memory - before.memory) * 1024 / silent.len() as u64;
    assert!(each < 32 * 1024, "{each} bytes for each, {during}");
    // Ten seconds after they came they are closed.
    let closed = tokio::time::timeout(std::time::Duration::from_mins(1), read_out(&mut silent));
    closed.await.expect("the daemon closes them");
    healthy.approvals(1).await;
    daemon.is_as(before, 96).await;
}

/// Whether the kernel looks for a peer that has vanished: the timer of the daemon's sockets.
#[tokio::test]
async fn every_connection_is_watched_by_the_kernel() {
    let daemon = setup().start();
    let healthy = Healthy::new(&daemon).await;
    let local = format!(":{:04X}", daemon.address().port());
    until("the keep-alive timers", async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let rows = table.lines();
        let rows = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
        // proc_net_tcp(5): state 01 is established; timer 02 is keep-alive, unless another one
        // runs because something is on its way.
        let mut open = rows.filter(|row| row[1].ends_with(&local) && row[3] == "01");
        let first = open.next()?;
        let all = first[5].starts_with("02:") && open.all(|row| row[5].starts_with("02:"));
        all.then_some(())
    })
    .await;
    drop(healthy);
}
