//! What a daemon says that it holds.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use crate::http::{Connection, get};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Time for what was sent to be held.
const PATIENCE: Duration = Duration::from_mins(1);

/// Held long polls.
pub(crate) const WAITERS: &str = "pushd_waiters";
/// Open streams.
pub(crate) const SUBSCRIBERS: &str = "pushd_subscribers";

/// The value of a gauge of a daemon.
///
/// # Errors
/// The daemon does not tell.
pub(crate) async fn gauge(address: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let mut connection = Connection::open(address)
        .await
        .context("no connection for the metrics")?;
    let answer = connection.call(&get(address, "/metrics"), &[200]).await?;
    value(&String::from_utf8_lossy(&answer.body), name)
        .with_context(|| format!("the metrics of {address} have no {name}"))
}

/// Waits until the gauges of these daemons add up to at least so much.
///
/// # Errors
/// They do not within a minute.
pub(crate) async fn reach(addresses: &[SocketAddr], name: &str, value: u64) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut sum = 0;
        for address in addresses {
            sum += gauge(*address, name).await?;
        }
        if sum >= value {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("{name} is {sum} and should be {value} after {PATIENCE:?}");
        }
        sleep(LOOK).await;
    }
}

fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let metrics =
            "# TYPE pushd_waiters gauge\npushd_waiters_limit 100\npushd_waiters 7\n# EOF\n";
        assert_eq!(value(metrics, WAITERS), Some(7));
        assert_eq!(value(metrics, SUBSCRIBERS), None);
    }
}
