//! Requests for a workload: asked, settled and read, many at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::{Connection, get, member, post};
use crate::latency::Samples;

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
type Call = Arc<dyn Fn(SocketAddr, usize) -> Vec<u8> + Send + Sync>;

/// The call that asks, with a title and facts as long as usual ones.
pub(crate) fn ask(address: SocketAddr, topic: &str, title: &str) -> Vec<u8> {
    let body = format!(
        "{{\"title\":\"{title}\",\"topic\":\"{topic}\",\"expires_in_secs\":86400,\
         \"fields\":[{{\"name\":\"service\",\"value\":\"shop\"}},\
         {{\"name\":\"commit\",\"value\":\"3f9c2ab\"}}]}}"
    );
    post(address, "/v1/requests", &body)
}

/// The call that approves a request.
pub(crate) fn approval(address: SocketAddr, id: &str) -> Vec<u8> {
    post(
        address,
        &format!("/v1/requests/{id}/decision"),
        "{\"verdict\":\"approve\"}",
    )
}

/// The long poll of a request, for so many seconds.
pub(crate) fn poll(address: SocketAddr, id: &str, secs: u64) -> Vec<u8> {
    get(address, &format!("/v1/requests/{id}?wait={secs}"))
}

/// Asks `count` requests, spread over the addresses.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn ask_many(
    addresses: &[SocketAddr],
    count: usize,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let call = Arc::new(|address, number| ask(address, "load/kept", &format!("load {number}")));
    call_many(addresses, count, in_flight, call)
        .await
        .context("cannot ask")
}

/// Approves these requests.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn approve_many(
    addresses: &[SocketAddr],
    ids: Vec<String>,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let count = ids.len();
    let call = Arc::new(move |address, number: usize| approval(address, &ids[number]));
    call_many(addresses, count, in_flight, call)
        .await
        .context("cannot decide")
}

/// Reads these requests, without waiting.
///
/// # Errors
/// A daemon refuses one.
pub(crate) async fn read_many(
    addresses: &[SocketAddr],
    ids: Vec<String>,
    in_flight: usize,
) -> anyhow::Result<Called> {
    let count = ids.len();
    let call = Arc::new(move |address, number: usize| {
        get(address, &format!("/v1/requests/{}", ids[number]))
    });
    call_many(addresses, count, in_flight, call)
        .await
        .context("cannot read")
}

async fn call_many(
    addresses: &[SocketAddr],
    count: usize,
    in_flight: usize,
    call: Call,
) -> anyhow::Result<Called> {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for (_, address) in (0..in_flight.min(count)).zip(addresses.iter().cycle()) {
        callers.spawn(call_on(
            *address,
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
    address: SocketAddr,
    count: usize,
    next: Arc<AtomicUsize>,
    call: Call,
) -> anyhow::Result<(Vec<String>, Samples)> {
    let mut connection = Connection::open(address).await.context("no connection")?;
    let (mut ids, mut calls) = (Vec::new(), Samples::default());
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= count {
            return Ok((ids, calls));
        }
        let bytes = call(address, number);
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
