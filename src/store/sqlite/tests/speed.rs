//! How fast it is, measured and not asserted: `cargo test --lib speed -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "a person reads it")]

use std::fs::File;
use std::io::Write as _;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::domain::{Details, Status};
use crate::store::contract::{asked, at, done, settled};

const TIME: Duration = Duration::from_secs(3);

fn numbered(n: usize, details: usize) -> Request {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Request {
        id: RequestId::from_bytes(bytes),
        details: Details::new("a".repeat(details)).unwrap(),
        ..asked(0)
    }
}

/// Writes one page and flushes it, again and again.
fn flushes(dir: &Dir) -> f64 {
    let mut file = File::create(dir.0.path().join("flushes")).unwrap();
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < TIME {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

async fn commits(writers: usize, details: usize) -> f64 {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let begun = Instant::now();
    let tasks = (0..writers).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut count = 0_u32;
            while begun.elapsed() < TIME {
                let n = writer + writers * usize::try_from(count).unwrap();
                done(store.commit(None, numbered(n, details)).await.unwrap());
                count += 1;
            }
            count
        })
    });
    let total: u32 = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    f64::from(total) / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed() {
    println!("flushes alone: {:.0}/s", flushes(&Dir::new()));
    for (writers, details) in [(1, 0), (16, 0), (256, 0), (256, 4096)] {
        let rate = commits(writers, details).await;
        println!("{writers} writers, {details} bytes of details: {rate:.0} commits/s");
    }
    reads_and_purge().await;
}

async fn reads_and_purge() {
    const COUNT: usize = 20_000;
    for details in [0, 60_000] {
        let count = if details == 0 { COUNT } else { 1000 };
        let dir = Dir::new();
        let store = dir.open(Spy::new()).await;
        let all: Vec<_> = (0..count)
            .map(|n| settled(numbered(n, details), Status::Denied, at(1)))
            .collect();
        for some in all.chunks(500) {
            let writes = some
                .iter()
                .map(|request| store.commit(None, request.clone()));
            for write in join_all(writes).await {
                done(write.unwrap());
            }
        }
        let begun = Instant::now();
        for n in count - 1000..count {
            assert!(store.get(numbered(n, 0).id).await.unwrap().is_some());
        }
        println!(
            "{details} bytes: {:?} for a get of a recent request",
            begun.elapsed() / 1000
        );
        store.close().await;
        drop(store);
        let store = dir.open(Spy::new()).await;
        let begun = Instant::now();
        for n in 0..1000 {
            assert!(store.get(numbered(n, 0).id).await.unwrap().is_some());
        }
        println!(
            "{details} bytes: {:?} for a get from the disk",
            begun.elapsed() / 1000
        );
        let begun = Instant::now();
        let purged = store.purge(at(2), limits::SWEEP_BATCH).await.unwrap();
        println!("{details} bytes: {:?} to purge {purged}", begun.elapsed());
    }
}
