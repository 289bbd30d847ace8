//! Requests for a workload: asked, settled and read, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::http::{Answer, Connection, get, member};
use crate::latency::Samples;
use crate::peer::{Ids, Server};

/// Status of a daemon whose store cannot do it now, as when servers of NATS that have too little of a
/// machine choose another leader.
const UNAVAILABLE: u16 = 503;
/// Pause before such a call is made again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is made again at most.
const MOST_AGAIN: u64 = 40;

/// What many calls did.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// The ids of the requests.
    pub(crate) ids: Vec<String>,
    /// How long each call took.
    pub(crate) times: Samples,
    /// All calls in a second.
    pub(crate) per_second: f64,
    /// Calls that were made again.
    pub(crate) again: u64,
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
    let mut called = Called::default();
    while let Some(caller) = callers.join_next().await {
        let done = caller??;
        called.ids.extend(done.ids);
        called.times.extend(done.times);
        called.again += done.again;
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
) -> anyhow::Result<Called> {
    let mut connection = server.connect().await?;
    let mut called = Called::default();
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= count {
            return Ok(called);
        }
        let bytes = call(server, number);
        let sent = Instant::now();
        let answer = call_until_it_can(&mut connection, &bytes, &mut called.again).await?;
        called.times.add(answer.at - sent);
        called.ids.push(
            member(&answer.body, "id")
                .context("an answer without an id")?
                .to_owned(),
        );
    }
}

/// Calls again while the store cannot do it, as clients do; counts how often. Asks have no key, so
/// one whose outcome was unknown may be there twice, which is little beside all of them.
async fn call_until_it_can(
    connection: &mut Connection,
    call: &[u8],
    again: &mut u64,
) -> anyhow::Result<Answer> {
    for _ in 0..MOST_AGAIN {
        let answer = connection.call(call, &[200, 201, UNAVAILABLE]).await?;
        if answer.status != UNAVAILABLE {
            return Ok(answer);
        }
        *again += 1;
        sleep(PAUSE).await;
    }
    connection.call(call, &[200, 201]).await
}
