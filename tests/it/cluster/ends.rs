//! Requests come to their end once, however many daemons look after them.

use std::collections::HashMap;

use serde_json::json;

use super::bucket::Bucket;
use super::nodes::{Cluster, patiently};

#[tokio::test]
async fn each_request_expires_once_and_for_all_daemons_alike() {
    const COUNT: usize = 24;
    let cluster = Cluster::start(1).await;
    let mut streams = Vec::new();
    for daemon in &cluster.daemons {
        let mut stream = daemon.listen("").await;
        stream.beginning().await;
        streams.push(stream);
    }
    for n in 0..COUNT {
        let daemon = &cluster.daemons[n % 3];
        let ask = json!({"title": format!("{n}"), "expires_in_secs": 2});
        assert_eq!(daemon.asking(&ask).await.status, 201);
    }
    let mut all = Vec::new();
    for stream in &mut streams {
        let mut told = Vec::new();
        for _ in 0..2 * COUNT {
            let event = stream.event().await;
            told.push((
                event.id,
                event.data["id"].clone(),
                event.data["status"].clone(),
            ));
        }
        all.push(told);
    }
    assert!(all.iter().all(|told| *told == all[0]), "{all:?}");
    let mut ends: HashMap<String, usize> = HashMap::new();
    for (_, id, status) in &all[0] {
        if *status == "expired" {
            *ends.entry(id.to_string()).or_default() += 1;
        }
    }
    assert_eq!(ends.len(), COUNT);
    assert!(ends.values().all(|times| *times == 1), "{ends:?}");
    // Nothing comes after it: the next thing that anybody is told of is the next ask.
    let id = cluster.daemons[0].ask("next").await;
    for stream in &mut streams {
        assert_eq!(stream.event().await.data["id"], id.as_str());
    }
    for (id, request) in cluster.daemons[0]
        .requests()
        .await
        .iter()
        .enumerate()
        .skip(1)
    {
        let whole = cluster.daemons[id % 3]
            .read(request["id"].as_str().unwrap())
            .await;
        assert_eq!(whole["history"].as_array().unwrap().len(), 2, "{whole}");
    }
}

#[tokio::test]
async fn what_is_past_its_time_is_forgotten_by_all_daemons() {
    const COUNT: usize = 12;
    let mut cluster = Cluster::start_with(1, "--retain 1h").await;
    let bucket = Bucket::of(&cluster.servers).await;
    let mut stream = cluster.daemons[0].listen("").await;
    let before = stream.beginning().await;
    let cursor = before.rsplit("id: ").next().unwrap().trim().to_owned();
    let stays = cluster.daemons[1].ask("stays").await;
    let mut go = Vec::new();
    for n in 0..COUNT {
        let id = cluster.daemons[n % 3].ask("goes").await;
        cluster.daemons[(n + 1) % 3].approve(&id).await;
        // Somebody approved it two hours ago.
        let mut kept = bucket.kept(&id).await;
        let settled_at = &mut kept.record["request"]["settled_at"];
        let ago = settled_at.as_i64().expect("milliseconds") - 2 * 60 * 60 * 1000;
        *settled_at = json!(ago);
        let ago = ago.to_string();
        kept.headers.insert("Pushd-Settled", ago.as_str());
        bucket.follow(&id, &kept, &kept.record).await;
        // Nothing says that it was settled now: no request was ever settled twice.
        bucket.remove(kept.number).await;
        go.push(id);
    }
    // All look for what is past its time when they start, and do so at the same time: one of them may
    // read the bucket while another removes from it.
    let restarting: Vec<_> = cluster
        .daemons
        .drain(..)
        .map(|daemon| tokio::task::spawn_blocking(|| daemon.crash_and_restart()))
        .collect();
    for restarting in restarting {
        cluster.daemons.push(restarting.await.unwrap());
    }
    for daemon in &cluster.daemons {
        patiently("what is past its time to be forgotten", async || {
            (daemon.requests().await.len() == 1).then_some(())
        })
        .await;
        assert_eq!(daemon.read(&stays).await["status"], "pending");
        for id in &go {
            // A server that is slow to answer may be found away.
            patiently("it to be unknown", async || {
                let gone = daemon.get(&format!("/v1/requests/{id}")).await;
                let (status, code) = gone.problem();
                assert!(matches!(status, 404 | 503), "{gone:?}");
                (code == "not_found").then_some(())
            })
            .await;
        }
        // A reader who may have missed something is told so, by each of them.
        let mut resumed = daemon.resume(&cursor).await;
        assert_eq!(resumed.event().await.name, "reset");
        assert_eq!(resumed.event().await.data["id"], stays.as_str());
    }
    // Nothing is left of them in the bucket either.
    for id in &go {
        patiently("it to be gone from the bucket", async || {
            (!bucket.has(id).await).then_some(())
        })
        .await;
    }
    assert!(bucket.has(&stays).await);
}
