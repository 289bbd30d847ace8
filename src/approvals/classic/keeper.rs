//! The one task that withdraws the questions which nobody polls for any more.
//!
//! It sleeps until the earliest of them is due; nothing runs per channel or per poll.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Classic;
use crate::limits;

impl Classic {
    /// Runs until the daemon winds down. What is pending then the next process takes over.
    pub async fn keep(self: Arc<Self>) {
        let drain = self.approvals.drain.clone();
        loop {
            let pause = self.withdraw_overdue().await;
            tokio::select! {
                () = drain.cancelled() => return,
                () = sleep(pause) => {}
                () = self.idle.notified() => {}
            }
        }
    }

    /// Withdraws what is due; answers how long there is nothing to do.
    async fn withdraw_overdue(&self) -> Duration {
        let overdue = self.channels().overdue(self.approvals.now());
        for (name, request) in overdue {
            // Not once the daemon winds down, which ends all polls.
            if self.approvals.drain.is_cancelled() {
                break;
            }
            let withdrawn = self.withdraw(request).await;
            let now = self.approvals.now();
            match withdrawn {
                Ok(settled_at) => self.channels().withdrawn(&name, request, settled_at, now),
                Err(error) => {
                    tracing::debug!(%request, %error, "not withdrawn yet");
                    let again = now.after(limits::SWEEP_PAUSE);
                    self.channels().retry(&name, request, again);
                }
            }
        }
        let next = self.channels().next_due();
        let pause = next.map(|at| at.since(self.approvals.now()) + Duration::from_millis(1));
        pause
            .unwrap_or(limits::SWEEP_SLEEP)
            .min(limits::SWEEP_SLEEP)
    }
}
