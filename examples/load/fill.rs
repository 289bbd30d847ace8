//! A database with many settled requests, written by the store itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pushd::clock::{Clock as _, SystemClock};
use pushd::domain::{
    Ask, Caller, Decision, Details, Digest, Event, EventId, Field, Request, RequestId, Timestamp,
    Title, Topic, Transition, Verdict, Vote,
};
use pushd::limits;
use pushd::store::sqlite::SqliteStore;
use pushd::store::{Commit, Feed, Store};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::flags::FillFlags;

/// Time between two asks.
const PACE: Duration = Duration::from_secs(5);
/// Topics that they are about.
const TOPICS: u32 = 20;

/// Nobody is told of it.
struct Nobody;

impl Feed for Nobody {
    fn deliver(&self, _: &[Event]) {}
    fn reached(&self, _: EventId) {}
}

/// Writes the database.
pub(crate) async fn run(flags: FillFlags) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let store = SqliteStore::open(&flags.database, Arc::new(Nobody)).await?;
    let now = SystemClock::new().now();
    let asked_at = |n: u32| now.before(PACE * (flags.count - n));
    let numbers: Vec<u32> = (0..flags.count).collect();
    for some in numbers.chunks(limits::WRITE_GROUP) {
        let writes = some.iter().map(|n| {
            let request = settled(*n, asked_at(*n));
            async { store.commit(None, request?).await.map_err(Into::into) }
        });
        for written in join_all(writes).await {
            let written: anyhow::Result<Commit> = written;
            anyhow::ensure!(
                matches!(written?, Commit::Done(_)),
                "the database is not empty"
            );
        }
    }
    store.close().await;
    let middle = flags.count / 2;
    Ok(json!({
        "workload": "fill",
        "count": flags.count,
        "seconds": begun.elapsed().as_secs_f64(),
        "bytes": std::fs::metadata(&flags.database)?.len(),
        // A place in the list, as `after` takes it.
        "middle": format!("{}-{}", asked_at(middle).as_millis(), id(middle)),
    }))
}

/// Ids as random as those of real requests, so that they stand all over their index.
fn id(n: u32) -> RequestId {
    RequestId::derive("load", &n.to_string())
}

/// A request as usual ones are: most are approved, some denied, some withdrawn.
fn settled(n: u32, at: Timestamp) -> anyhow::Result<Request> {
    let by = Caller::named("load");
    let field = |name: &str, value: &str| {
        let field = Field::new(name.to_owned(), value.to_owned());
        field.map_err(|(part, error)| anyhow::anyhow!("{part}: {error}"))
    };
    let ask = Ask {
        title: Title::new(format!("load {n}"))?,
        details: Details::new(String::new())?,
        fields: vec![field("service", "shop")?, field("commit", "3f9c2ab")?],
        topic: Topic::new(format!("load/{}", n % TOPICS))?,
        expires_in: None,
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(&n.to_be_bytes()),
    };
    let asked = Request::asked(id(n), ask, by.clone(), at);
    let at = at.after(Duration::from_secs(2));
    let step = match n % 10 {
        0 => asked.cancelled(&by, at),
        n => {
            let verdict = if n == 1 {
                Verdict::Deny
            } else {
                Verdict::Approve
            };
            let vote = Vote {
                decision: Decision {
                    verdict,
                    approver: Caller::named("approver"),
                    reason: None,
                    at,
                },
                is_known: true,
                shown: None,
                code: None,
            };
            asked.decided(EventId::ZERO, vote, |_| true)
        }
    };
    match step {
        Ok(Transition::Commit(request)) => Ok(*request),
        other => Err(anyhow::anyhow!("request {n} is not settled: {other:?}")),
    }
}
