//! One event after the other to many streams: how long until the last of them has it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::crowd::Crowd;
use crate::flags::CrowdFlags;
use crate::flood::told;
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::peer::Ids;

/// Events before those that count.
const WARM_UP: u32 = 5;

/// Runs the workload.
pub(crate) async fn run(flags: CrowdFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.on.servers(), &flags.on.target.watch);
    let load_average = machine::load_average()?;
    let ids = Ids::new();
    let streams = u64::from(flags.streams);
    let crowd = Crowd::open(&servers, &ids.topic(), flags.streams as usize, 1).await?;
    let mut publisher = servers[0].connect_to_publish().await?;
    let mut times = Samples::default();
    let (mut begun, mut then) = (Instant::now(), Used::now(watched)?);
    let mut before = crowd.reach(0).await?;
    let patience = Duration::from_secs(flags.seconds);
    for turn in 1..=WARM_UP + flags.events {
        if turn == WARM_UP + 1 {
            (begun, then) = (Instant::now(), Used::now(watched)?);
            before = crowd.reach(0).await?;
        }
        let id = ids.id(0, u64::from(turn));
        let ask = servers[0].ask(&ids.topic(), &format!("load 0/{turn}"), &id);
        let sent = Instant::now();
        publisher.send(&ask).await?;
        let come = crowd.reach(streams * u64::from(turn)).await?;
        let answer = timeout(patience, publisher.answer()).await??;
        if answer.closes {
            publisher = servers[0].connect_to_publish().await?;
        }
        servers[0].asked(answer, id)?;
        if turn > WARM_UP {
            times.add(come.last - sent);
            if begun.elapsed() > patience {
                break;
            }
        }
    }
    let cpu = Used::now(watched)?.since(&then);
    let seconds = begun.elapsed().as_secs_f64();
    let come = crowd.reach(0).await?;
    let events = times.len();
    crowd.close();
    let mut figures = told(&flags, &before, &come, &cpu, seconds);
    figures["workload"] = json!("fanout");
    figures["events"] = json!(events);
    figures["us"] = json!({ "publish_to_last": times.quantiles() });
    figures["load_average"] = json!(load_average);
    Ok(figures)
}
