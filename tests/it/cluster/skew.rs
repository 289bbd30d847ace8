//! Daemons of two versions side by side, as during an upgrade.
//!
//! Two versions cannot be built from one source, so the newer one is played by the test: it writes
//! into the bucket what a daemon of the next record format would.

use serde_json::json;

use super::bucket::Bucket;
use super::nodes::{Cluster, patiently};

#[tokio::test]
async fn a_record_from_the_future_is_refused_by_its_id_and_never_mangled() {
    let cluster = Cluster::start(1).await;
    let bucket = Bucket::of(&cluster.servers).await;
    let (newer, other) = (
        cluster.daemons[0].ask("newer").await,
        cluster.daemons[1].ask("other").await,
    );
    let mut streams = Vec::new();
    for daemon in &cluster.daemons {
        // A read waits until the node has heard of it, and a stream does not.
        daemon.read(&other).await;
        let mut stream = daemon.listen("").await;
        stream.beginning().await;
        streams.push(stream);
    }
    let before = bucket.kept(&newer).await;
    let mut record = before.record.clone();
    record["format"] = json!(record["format"].as_u64().unwrap() + 1);
    record["request"]["what_comes_later"] = json!({"deep": [1, "two"]});
    bucket.follow(&newer, &before, &record).await;
    let kept = bucket.kept(&newer).await;

    for daemon in &cluster.daemons {
        daemon.logged(&newer).await;
        // Each call that would have to read it is refused, and leaves it as it is.
        let path = format!("/v1/requests/{newer}");
        for refused in [
            daemon.get(&path).await,
            daemon.deciding(&newer, &json!({"verdict": "deny"})).await,
            daemon.delete(&path).await,
        ] {
            assert_eq!(refused.problem(), (500, "internal".to_owned()));
        }
        assert_eq!(daemon.get("/readyz").await.status, 503);
        // All else goes on.
        let more = daemon.ask("more").await;
        daemon.approve(&more).await;
        assert_eq!(daemon.read(&other).await["status"], "pending");
    }
    assert_eq!(bucket.kept(&newer).await, kept);
    for stream in &mut streams {
        for _ in 0..6 {
            assert_ne!(stream.event().await.data["id"], newer.as_str());
        }
    }
    // One that starts finds it as well.
    let again = cluster.daemons[0].setup().clone().start();
    again.logged(&newer).await;
    assert_eq!(again.get("/readyz").await.status, 503);
    assert_eq!(again.read(&other).await["status"], "pending");

    // The newer daemons are taken back, and write what all can read.
    bucket.follow(&newer, &kept, &before.record).await;
    for (daemon, stream) in cluster.daemons.iter().zip(&mut streams) {
        assert_eq!(stream.event().await.data["id"], newer.as_str());
        patiently("the daemon to be ready", async || {
            (daemon.get("/readyz").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(daemon.read(&newer).await["status"], "pending");
    }
    cluster.daemons[2].approve(&newer).await;
}
