//! What calls take on a daemon that keeps many requests: pages of the list, and a decision alone
//! beside a flush to the same disk.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::flags::SizeFlags;
use crate::http::{Connection, get, member};
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::peer::Server;

/// Bytes that are flushed at once: a page of the database.
const FLUSH: usize = 4096;
/// Room in the file that is flushed. It is written once before, so that no flush has to note that the
/// file has grown, as none of a write-ahead log in use has.
const FLUSHED: usize = 256 * FLUSH;

/// Runs the workload.
pub(crate) async fn run(flags: SizeFlags) -> anyhow::Result<Value> {
    let server = flags.target.pushd()[0];
    let begun = Used::now(&flags.target.watch)?;
    let load_average = machine::load_average()?;
    let (memory, _) = machine::held_by(&flags.target.watch, "pushd")?;
    let mut lists = Map::new();
    for (name, query) in [
        ("newest", "limit=100".to_owned()),
        ("pending", "limit=100&status=pending".to_owned()),
        ("denied", "limit=100&status=denied".to_owned()),
        ("topic", "limit=100&topic=load/7".to_owned()),
        (
            "topic and status",
            "limit=100&topic=load/7&status=approved".to_owned(),
        ),
        ("deep", format!("limit=100&after={}", flags.middle)),
        (
            "deep, denied",
            format!("limit=100&status=denied&after={}", flags.middle),
        ),
    ] {
        let call = get(server.address, &format!("/v1/requests?{query}"));
        let took = calls(server.address, &call, flags.calls)
            .await
            .context(query)?;
        lists.insert(name.to_owned(), json!(took.quantiles()));
    }
    let (decisions, flushes) = decisions(server, flags.calls, &flags.disk).await?;
    let used = Used::now(&flags.target.watch)?.since(&begun);
    Ok(json!({
        "workload": "size",
        "bytes_before": memory,
        "lists": lists,
        "decide_alone": decisions.quantiles(),
        "flush": flushes.quantiles(),
        "cpu_seconds": used,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

async fn calls(address: SocketAddr, call: &[u8], count: u32) -> anyhow::Result<Samples> {
    let mut connection = Connection::open(address).await?;
    let mut samples = Samples::default();
    for _ in 0..count {
        let sent = Instant::now();
        let answer = connection.call(call, &[200]).await?;
        samples.add(answer.at - sent);
    }
    Ok(samples)
}

/// Decisions one after the other, with nothing else going on, and a flush after each of them.
async fn decisions(server: Server, count: u32, disk: &Path) -> anyhow::Result<(Samples, Samples)> {
    let mut connection = server.connect().await?;
    let path = disk.join("flushed");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    file.write_all_at(&vec![1; FLUSHED], 0)?;
    file.sync_all()?;
    let (mut decisions, mut flushes) = (Samples::default(), Samples::default());
    for n in 0..count {
        let ask = server.ask("load/alone", &format!("alone {n}"), "");
        let answer = connection.call(&ask, &[201]).await?;
        let id = member(&answer.body, "id").context("an answer without an id")?;
        let approval = server.approval(id);
        let sent = Instant::now();
        let answer = connection.call(&approval, &[200]).await?;
        decisions.add(answer.at - sent);
        let begun = Instant::now();
        let offset = n as usize * FLUSH % FLUSHED;
        file.write_all_at(&[2; FLUSH], offset as u64)?;
        file.sync_data()?;
        flushes.add(begun.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok((decisions, flushes))
}
