//! Requests for a workload: asked, settled and read, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::{get, member};
use crate::latency::Samples;
use crate::peer::{Ids, Server};

/// What many calls did.
#[derive(Debug)]
pub(crate) struct Called {
    /// The ids of the requests.
    pub(crate) ids: Vec<String>,
    /// How long each call took.
    pub(crate) times: Samples,
    /// All calls in a second.
    pub(crate) per_second: f64,
}

/// The bytes of the call with this number.
type Call = Arc<dyn Fn(Server, usize) -> Vec<u8> + Send + Sync>;

/// Ids of `count` requests that somebody can wait for, which are asked where the peers keep requests.
///
/// # Errors
/// A peer refuses one.
pub(crate) async fn requests(
    servers: &[Server],
    count: usize,
    in_flight: usize,
) -> anyhow::Result<Vec<String>> {
    if servers.iter().all(Server::keeps_requests) {
        return Ok(ask_many(servers, count, in_flight).await?.ids);
    }
    let ids = Ids::new();
    Ok((0..count).map(|slot| ids.id(slot, 0)).collect())
}

/// Asks `count` requests, spread over the servers.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn ask_many(
    servers: &[Server],
    count: usize,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let call =
        Arc::new(|server: Server, number| server.ask("load/kept", &format!("load {number}"), ""));
    call_many(servers, count, in_flight, call)
        .await
        .context("cannot ask")
}

/// Approves these requests.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn approve_many(
    servers: &[Server],
    ids: Vec<String>,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let count = ids.len();
    let call = Arc::new(move |server: Server, number: usize| server.approval(&ids[number]));
    call_many(servers, count, in_flight, call)
        .await
        .context("cannot decide")
}

/// Reads these requests, without waiting.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn read_many(
    servers: &[Server],
    ids: Vec<String>,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let count = ids.len();
    let call = Arc::new(move |server: Server, number: usize| {
        get(server.address, &format!("/v1/requests/{}", ids[number]))
    });
    call_many(servers, count, in_flight, call)
        .await
        .context("cannot read")
}

async fn call_many(
    servers: &[Server],
    count: usize,
    in_flight: usize,
    call: Call,
) -> anyhow::Result<Called> {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for (_, server) in (0..in_flight.min(count)).zip(servers.iter().cycle()) {
        callers.spawn(call_on(
            *server,
            count,
            Arc::clone(&next),
            Arc::clone(&call),
        ));
    }
    let mut called = Called {
        ids: Vec::new(),
        times: Samples::default(),
        per_second: 0.0,
    };
    while let Some(caller) = callers.join_next().await {
        let (ids, calls) = caller??;
        called.ids.extend(ids);
        called.times.extend(calls);
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "a count of calls is far below 2^52"
    )]
    let calls = count as f64;
    called.per_second = calls / begun.elapsed().as_secs_f64();
    Ok(called)
}

/// Calls for one number after the other until there are none.
async fn call_on(
    server: Server,
    count: usize,
    next: Arc<AtomicUsize>,
    call: Call,
) -> anyhow::Result<(Vec<String>, Samples)> {
    let mut connection = server.connect().await?;
    let (mut ids, mut calls) = (Vec::new(), Samples::default());
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= count {
            return Ok((ids, calls));
        }
        let bytes = call(server, number);
        let sent = Instant::now();
        let answer = connection.call(&bytes, &[200, 201]).await?;
        calls.add(answer.at - sent);
        ids.push(
            member(&answer.body, "id")
                .context("an answer without an id")?
                .to_owned(),
        );
    }
}
