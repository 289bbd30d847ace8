//! The contract, and what only several nodes and their servers can do.

mod away;
mod gone;
mod nodes;
mod opening;

use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;

use super::server::NatsServers;
use super::*;
use crate::store::SharedStore;
use crate::store::contract::{Opener, suite};

/// Servers that tests share while some of them run.
struct Shelf(Mutex<Weak<NatsServers>>, usize);

static ONE: Shelf = Shelf(Mutex::new(Weak::new()), 1);
static THREE: Shelf = Shelf(Mutex::new(Weak::new()), 3);
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

impl Shelf {
    fn servers(&self) -> Arc<NatsServers> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let servers = Arc::new(NatsServers::start(self.1));
            *shared = Arc::downgrade(&servers);
            servers
        })
    }
}

/// A bucket of its own, not made yet.
struct Nats {
    servers: Arc<NatsServers>,
    settings: Settings,
}

impl Nats {
    fn on(servers: Arc<NatsServers>) -> Self {
        let number = BUCKETS.fetch_add(1, Ordering::Relaxed);
        let settings = Settings {
            servers: servers.urls().parse().unwrap(),
            bucket: format!("test-{number}"),
            replicas: servers.count(),
            max_bytes: 4 * limits::NATS_BYTES_MIN,
            access: Access::default(),
        };
        Self { servers, settings }
    }

    fn single() -> Self {
        Self::on(ONE.servers())
    }

    fn three() -> Self {
        Self::on(THREE.servers())
    }

    async fn opened(&self, feed: Arc<dyn Feed>) -> NatsStore {
        let opened = NatsStore::open(&self.settings, feed).await;
        let store = opened.unwrap_or_else(|error| panic!("{error}"));
        // On a busy machine the first look at the servers may be in vain.
        let mut health = store.health();
        let stands = health.wait_for(|health| !matches!(health, Health::Failing(_)));
        let stands = tokio::time::timeout(DEADLINE, stands).await;
        assert!(stands.is_ok(), "it does not come to work");
        store
    }

    /// What an operator's own client would see and do.
    async fn raw(&self) -> (Client, Bucket) {
        let (bucket, client, _) = Bucket::open(&self.settings).await.unwrap();
        (client, bucket)
    }
}

#[async_trait]
impl Opener for Nats {
    fn durable(&self) -> bool {
        true
    }

    async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
        Arc::new(self.opened(feed).await)
    }

    async fn damage(&self, id: RequestId) {
        let (_, bucket) = self.raw().await;
        let key = id.to_string();
        let sound = bucket.latest(&key).await.unwrap().expect("it has a record");
        // Every second one comes from the future instead.
        let future = br#"{"format":99}"#.as_slice();
        let is_even = id.as_bytes()[0].is_multiple_of(2);
        let record = if is_even { future } else { b"{" };
        let mut headers = HeaderMap::new();
        if let Some(settled) = sound.headers.get("Pushd-Settled") {
            headers.insert("Pushd-Settled", settled.as_str());
        }
        headers.insert("Pushd-Follows", sound.sequence.to_string());
        let put = bucket.overwrite(&key, headers, Bytes::from_static(record));
        assert!(put.await.is_ok());
    }
}

mod single {
    use super::*;

    suite!(Nats::single());
}

mod three {
    use super::*;

    suite!(Nats::three());
}

/// How long anything may take on a slow machine under load.
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until something is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("it becomes so");
}
