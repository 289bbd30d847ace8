//! The one task that lets requests expire on time and forgets old ones.
//!
//! It sleeps until the earliest `expires_at`; nothing runs per request or per waiter.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Approvals, Error};
use crate::limits;

/// Runs until the daemon winds down. `retain` is how long settled requests are kept.
pub async fn run(approvals: Arc<Approvals>, retain: Duration) {
    let mut purge_at = Instant::now();
    loop {
        let purge_due = Instant::now() >= purge_at;
        if purge_due {
            purge_at = Instant::now() + limits::PURGE_INTERVAL;
        }
        let wake_at = match round(&approvals, retain, purge_due).await {
            Ok(sleep) => Instant::now() + sleep,
            Err(error) => {
                tracing::debug!(%error, "sweep");
                Instant::now() + limits::SWEEP_PAUSE
            }
        };
        tokio::select! {
            () = approvals.drain.cancelled() => return,
            () = sleep_until(wake_at) => {}
            // A new request may expire before all others.
            () = approvals.pump.asked() => {}
        }
    }
}

/// Expires what is overdue, purges what is old; answers how long there is nothing to do.
async fn round(approvals: &Approvals, retain: Duration, purge: bool) -> Result<Duration, Error> {
    while approvals.expire_overdue(limits::SWEEP_BATCH).await? == limits::SWEEP_BATCH {}
    if purge {
        let before = approvals.now().before(retain);
        while approvals.store.purge(before, limits::SWEEP_BATCH).await? == limits::SWEEP_BATCH {
            tokio::task::yield_now().await;
        }
    }
    let next = approvals.store.next_expiry().await?;
    let sleep = next.map(|at| at.since(approvals.now()) + Duration::from_millis(1));
    Ok(sleep
        .unwrap_or(limits::SWEEP_SLEEP)
        .min(limits::SWEEP_SLEEP))
}
