//! Waiting is cheap: what the daemon uses while nothing happens.

use std::time::Duration;

use crate::daemon::setup;

/// Counts what the operating system charges to the daemon, so the machine's load does not matter.
#[tokio::test]
async fn a_thousand_held_polls_and_a_hundred_streams_cost_nothing_while_they_wait() {
    const POLLS: u64 = 1000;
    const STREAMS: u64 = 100;
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}?wait=60");
    let polls: Vec<_> = (0..POLLS).map(|_| daemon.get(&path).spawn()).collect();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(daemon.get("/v1/events").open().await);
    }
    daemon.waiters_are(POLLS).await;
    daemon.subscribers_are(STREAMS).await;
    // What came before may have its end in the first seconds (memory that is given back, and on a
    // slow machine keep-alives), so the quietest of three times counts.
    let mut used = u64::MAX;
    for _ in 0..3 {
        let before = daemon.cpu_millis();
        // No condition to wait for: this is the quiet time that is measured.
        tokio::time::sleep(Duration::from_secs(10)).await;
        used = used.min(daemon.cpu_millis() - before);
        if used < 50 {
            break;
        }
    }
    assert!(used < 50, "{used} ms of processor time in 10 quiet seconds");
    daemon.approve(&id).await;
    for poll in polls {
        assert_eq!(poll.await.unwrap().json()["status"], "approved");
    }
    drop(streams);
    daemon.waiters_are(0).await;
    daemon.subscribers_are(0).await;
}
