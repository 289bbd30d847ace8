//! The insides of three daemons on one store in memory, that talk over a real `nats-server`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use pushd::approvals::{Access, Approvals, Pump, Setting, leases};
use pushd::clock::SystemClock;
use pushd::domain::{
    Ask, Caller, Details, Digest, Event, EventId, HistoryId, RequestId, Rights, Role, Status,
    Title, Topic, TopicPattern,
};
use pushd::hub::{Hub, Wants};
use pushd::limits::{self, Limits};
use pushd::metrics::Metrics;
use pushd::nodes::{Line as _, Together};
use pushd::principals::Grant;
use pushd::store::memory::MemoryStore;
use pushd::store::{Feed, SharedStore};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::line::line;
use crate::nats_server::NatsServers;
use crate::until::{soon, until};

/// The feed of a store that several nodes have open.
struct ToAll(Vec<Arc<Pump>>);

impl Feed for ToAll {
    fn deliver(&self, events: &[Event]) {
        for pump in &self.0 {
            pump.deliver(events);
        }
    }

    fn reached(&self, head: EventId) {
        for pump in &self.0 {
            pump.reached(head);
        }
    }
}

async fn nodes(servers: &NatsServers, count: u64) -> Vec<Arc<Approvals>> {
    let limits = Limits::for_descriptors(1024);
    let metrics = Arc::new(Metrics::default());
    let pump = |_| Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
    let pumps: Vec<_> = (0..count).map(pump).collect();
    let memory = MemoryStore::new(HistoryId::from_random(14), Arc::new(ToAll(pumps.clone())));
    let store: SharedStore = Arc::new(memory);
    let mut nodes = Vec::new();
    for (name, pump) in (1..).zip(pumps) {
        let line = line(servers, "pushd.inside").await;
        let together = Together::new(line, name, Arc::clone(&metrics));
        let setting = Setting {
            nodes: Arc::clone(&together) as _,
            ..limits.into()
        };
        let (clock, drain) = (Arc::new(SystemClock::new()), CancellationToken::new());
        let begun = Approvals::begin(Arc::clone(&store), pump, clock, setting, drain);
        let approvals = begun.await.unwrap();
        tokio::spawn(together.keep(Arc::clone(&approvals)));
        tokio::spawn(leases::keep(Arc::clone(&approvals)));
        nodes.push(approvals);
    }
    nodes
}

fn asker(node: &Arc<Approvals>) -> Access {
    let caller = Caller::named("ci");
    let rights = Rights {
        principal: caller.principal.clone(),
        is_known: true,
        roles: vec![Role::Requester],
        topics: vec![TopicPattern::new(TopicPattern::ALL).unwrap()],
    };
    Access::new(Arc::clone(node), caller, Grant::lasting(Arc::new(rights)))
}

fn leased() -> Ask {
    Ask {
        title: Title::new("Deploy?".to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: Some(limits::EXPIRY_MAX),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: Some(Duration::from_secs(2)),
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b""),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_at_one_node_keeps_what_ends_at_another_until_it_is_gone() {
    let servers = NatsServers::start(1);
    let listener = line(&servers, "pushd.inside").await;
    let mut overheard = listener.listen().await.unwrap();
    let all = nodes(&servers, 3).await;
    let id = RequestId::from_bytes([7; 16]);
    let asking = asker(&all[0]);
    asking.ask(leased(), None, || id).await.unwrap();
    let polling = asker(&all[1]);
    let poll = tokio::spawn(async move {
        let held = polling.wait(id, Wants::Final, limits::WAIT_MAX).await;
        held.unwrap().request.status
    });
    until("the poll to be held", async || {
        (all[1].leases().counts() == (1, 0)).then_some(())
    })
    .await;
    for _ in 0..3 {
        let kept = async {
            loop {
                let message = overheard.next().await.expect("the server runs");
                let message: Value = serde_json::from_slice(&message).unwrap();
                let answers = &message["tells"]["answers"];
                if answers["kept"][0][0] == id.to_string() {
                    return message["from"].clone();
                }
            }
        };
        assert_eq!(
            soon("an answer that keeps it", kept).await,
            2,
            "who holds the poll"
        );
    }
    let stands = async || all[2].read(id).await.unwrap().request;
    assert_eq!(stands().await.status, Status::Pending);
    poll.abort();
    let request = until("the end of the lease", async || {
        let request = stands().await;
        request.status.is_final().then_some(request)
    })
    .await;
    assert!(request.lease_ended, "{request:?}");
    assert_eq!(request.history.len(), 2, "once");
    for node in &all {
        until("nobody to keep it", async || {
            (node.leases().counts() == (0, 0)).then_some(())
        })
        .await;
    }
}
