//! Peers that begin to say something and do not come to its end.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::interval;

use super::census::{may_open, peak};
use super::healthy::Healthy;
use super::hostile::deaf;
use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn bodies_that_stop_hold_no_more_than_their_limit() {
    let daemon = setup().start();
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let head = "POST /v1/requests HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 500000\r\n\r\n";
    let half = [head.as_bytes(), &vec![b' '; 400_000]].concat();
    let most = peak(&daemon, before, async {
        let stopped = deaf(daemon.address(), 300, &half).await;
        until("connections to be cut", async || {
            healthy.approval().await;
            (daemon.metric("pushd_connections_cut_total").await >= 50).then_some(())
        })
        .await;
        drop(stopped);
    })
    .await;
    // A buffer that grows has room for more than is in it, so 64 MiB of bodies may take half as much
    // again on a machine with much else to do.
    assert!(most < 96 + 96, "{most} MiB");
    daemon.is_as(before, 96).await;
}

#[tokio::test]
async fn heads_and_bodies_a_byte_at_a_time_end_in_their_time() {
    const EACH: usize = 100;
    may_open(2048);
    let daemon = setup().start();
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let head = "POST /v1/requests HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 5000\r\n\r\n";
    let mut slow = deaf(daemon.address(), EACH, b"GET / HTTP/1.1\r\nx: ").await;
    slow.extend(deaf(daemon.address(), EACH, head.as_bytes()).await);
    let trickle = async {
        let mut second = interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            for stream in &mut slow {
                // It may have been closed by now.
                drop(stream.write_all(b" ").await);
            }
        }
    };
    let healthy = async {
        loop {
            healthy.approval().await;
            let open = daemon.metric("pushd_connections").await;
            if open < u64::try_from(EACH).unwrap() / 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        () = healthy => {}
        () = tokio::time::sleep(Duration::from_mins(1)) => panic!("they are still there"),
    }
    daemon.is_as(before, 16).await;
}
