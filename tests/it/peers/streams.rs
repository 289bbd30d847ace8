//! Streams whose readers are slow, far behind, or many.

use serde_json::json;

use super::census::{may_open, peak};
use super::healthy::Healthy;
use super::hostile::{deaf, get, large_requests};
use super::http2;
use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn a_replay_that_nobody_reads_is_not_kept_and_delays_no_other_stream() {
    let daemon = setup().start();
    large_requests(&daemon, 16).await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let most = peak(&daemon, before, async {
        let deaf = deaf(daemon.address(), 80, &get("/v1/events")).await;
        until("connections to be cut", async || {
            healthy.approval().await;
            (daemon.metric("pushd_connections_cut_total").await >= 20).then_some(())
        })
        .await;
        // A reader that comes now gets all that is pending.
        let mut late = daemon.listen("?topic=large").await;
        assert_eq!(late.until_caught_up().await.len(), 16);
        drop(deaf);
    })
    .await;
    assert!(most < 64 + 96, "{most} MiB");
    daemon.is_as(before, 96).await;
}

/// One reader stops in the middle of a fast feed that is larger than what is kept for streams, and
/// goes on when it is over.
#[tokio::test]
async fn a_reader_far_behind_a_fast_feed_delays_nobody_and_misses_nothing() {
    const FEED: usize = 600;
    let daemon = setup().start();
    let mut healthy = Healthy::new(&daemon).await;
    let mut slow = daemon.listen("?topic=feed").await;
    slow.beginning().await;
    let mut quick = daemon.listen("?topic=feed").await;
    quick.beginning().await;
    let details = "d".repeat(60_000);
    for number in 0..FEED {
        let members = json!({"title": number.to_string(), "topic": "feed", "details": details});
        assert_eq!(daemon.asking(&members).await.status, 201);
        let heard = quick.event().await;
        assert_eq!(heard.data["title"], number.to_string());
        if number % 100 == 0 {
            healthy.approval().await;
        }
    }
    for number in 0..FEED {
        let heard = slow.event().await;
        assert_eq!(heard.data["title"], number.to_string(), "no gap, in order");
    }
}

#[tokio::test]
async fn an_approver_with_a_thousand_streams_takes_nothing_from_others() {
    const STREAMS: u64 = 1000;
    may_open(4096);
    let daemon = setup().start();
    for number in 0..50 {
        daemon.ask(&number.to_string()).await;
    }
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    // Four connections with 250 streams each, whose windows are as they begin: 64 KiB for all.
    let mut says = http2::opening(&[]);
    for number in 0..250 {
        says.extend(http2::get(number, "/v1/events"));
    }
    let many = deaf(daemon.address(), 4, &says).await;
    daemon.subscribers_are(STREAMS + 1).await;
    healthy.approvals(10).await;
    let during = daemon.census();
    let each = during.memory.saturating_sub(before.memory) * 1024 / STREAMS;
    assert!(each < 64 * 1024, "{each} bytes for each");
    drop(many);
    daemon.subscribers_are(1).await;
    daemon.is_as(before, 96).await;
}
