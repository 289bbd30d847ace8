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
        approvals.pump.sweep_looks();
        let sleep = match round(&approvals, retain, purge_due).await {
            Ok(sleep) => {
                if purge_due {
                    purge_at = Instant::now() + limits::PURGE_INTERVAL;
                }
                sleep
            }
            // All of it is tried again, also what was to be forgotten.
            Err(error) => {
                tracing::debug!(%error, "sweep");
                limits::SWEEP_PAUSE
            }
        };
        let next = approvals.now().after(sleep);
        tokio::select! {
            () = approvals.drain.cancelled() => return,
            () = sleep_until(Instant::now() + sleep) => {}
            () = approvals.pump.expires_before(next) => {}
        }
    }
}

/// Expires what is overdue, purges what is old; answers how long there is nothing to do.
async fn round(approvals: &Approvals, retain: Duration, purge: bool) -> Result<Duration, Error> {
    while approvals.expire_overdue(limits::SWEEP_BATCH).await? == limits::SWEEP_BATCH {}
    let before = approvals.now().before(retain);
    let mut more = purge;
    while more && !approvals.drain.is_cancelled() {
        more = approvals.store.purge(before, limits::SWEEP_BATCH).await? == limits::SWEEP_BATCH;
    }
    let next = approvals.store.next_expiry().await?;
    let sleep = next.map(|at| at.since(approvals.now()) + Duration::from_millis(1));
    Ok(sleep
        .unwrap_or(limits::SWEEP_SLEEP)
        .min(limits::SWEEP_SLEEP))
}
