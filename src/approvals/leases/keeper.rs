//! The one task that withdraws the requests whose lease has ended.
//!
//! It sleeps while no lease runs, and then until the first of them ends; nothing runs per request or
//! per poll. While a lease runs it looks often enough to notice that the daemon could not be reached.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::approvals::{Approvals, Error};
use crate::domain::{RequestId, Status, Timestamp, Transition};
use crate::limits;
use crate::store::{Health, ListQuery};

/// Runs until the daemon winds down, which ends no lease.
pub async fn keep(approvals: Arc<Approvals>) {
    let drain = approvals.drain.clone();
    tokio::select! {
        biased;
        () = drain.cancelled() => {}
        () = approvals.keep_leases() => {}
    }
}

/// A moment by both clocks: the one that stands still while the machine sleeps, and the wall's.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    wall: Timestamp,
    /// How long after it the next one is meant to be.
    nap: Duration,
}

impl Look {
    /// Whether time has passed until `next` that the daemon has not lived through, because its
    /// process or its machine was stopped, or because it had too much to do.
    fn has_gap_until(self, next: Self) -> bool {
        let ran = next.at.saturating_duration_since(self.at);
        let passed = next.wall.since(self.wall);
        ran > self.nap + limits::LEASE_STALL || passed > ran + limits::LEASE_STALL
    }
}

impl Approvals {
    async fn keep_leases(&self) {
        let mut health = self.store.health();
        // The last look, while a lease runs that may end by it.
        let mut last: Option<Look> = None;
        // What no other node keeps either, as of the last question.
        let mut given_up = Vec::new();
        loop {
            if self.await_store(&mut health).await {
                self.restart_leases("the store works again");
                last = None;
            }
            match self.fill_gaps().await {
                Ok(false) => {}
                Ok(true) => last = None,
                Err(error) => {
                    tracing::debug!(%error, "pending requests not looked through for leases");
                    sleep(limits::SWEEP_PAUSE).await;
                    continue;
                }
            }
            if self.leases().kept_out.take() {
                self.restart_leases("connections were turned away");
            }
            let mut look = self.look();
            if last.is_some_and(|last| last.has_gap_until(look)) {
                self.restart_leases("the daemon was held up");
            }
            self.end_leases(&given_up, look.at, &health).await;
            given_up.clear();
            if !self.leases().book().ended(look.at, 1).is_empty() {
                // All that may happen meanwhile is looked for, as after every other nap.
                look.nap = self.setting.nodes.question_time();
                last = Some(look);
                given_up = self.ask_others(look.at).await;
                continue;
            }
            let next = self.leases().book().next_end();
            let Some(next) = next else {
                last = None;
                self.stirred(&mut health).await;
                continue;
            };
            let left = next.saturating_duration_since(Instant::now());
            look.nap = left.min(limits::LEASE_LOOK);
            last = Some(look);
            tokio::select! {
                () = sleep(look.nap) => {}
                () = self.stirred(&mut health) => {}
            }
        }
    }

    /// Waits until something has happened other than the end of a lease.
    async fn stirred(&self, health: &mut watch::Receiver<Health>) {
        let changed = async {
            if health.changed().await.is_err() {
                // The store is gone, and the daemon about to be.
                std::future::pending::<()>().await;
            }
            // For the next look, which has to find it.
            health.mark_changed();
        };
        tokio::select! {
            () = self.leases().stirred.notified() => {}
            () = changed => {}
        }
    }

    fn look(&self) -> Look {
        Look {
            at: Instant::now(),
            wall: self.now(),
            nap: Duration::ZERO,
        }
    }

    /// Waits until the store can write; answers whether it could not, even for a moment, since the
    /// last time.
    async fn await_store(&self, health: &mut watch::Receiver<Health>) -> bool {
        let mut was_away = false;
        loop {
            let works = {
                let seen = health.borrow_and_update();
                was_away |= seen.has_changed() || is_failing(&seen);
                !is_failing(&seen)
            };
            if works {
                return was_away;
            }
            self.stirred(health).await;
        }
    }

    fn restart_leases(&self, why: &'static str) {
        let (_, running) = self.leases().counts();
        if running > 0 {
            tracing::info!(running, why, "leases begin anew");
        }
        self.leases()
            .change(|book| book.restart_all(Instant::now()));
    }

    /// Looks through what is pending if there may be something that the book does not know; then
    /// all leases begin anew. Answers whether there might have been.
    async fn fill_gaps(&self) -> Result<bool, Error> {
        let leases = self.leases();
        // Before the first page, so that what is missed from now on is looked for again.
        if !leases.has_gaps.swap(false, Ordering::SeqCst) {
            return Ok(false);
        }
        let filled = self.look_through().await;
        if filled.is_err() {
            leases.has_gaps.store(true, Ordering::SeqCst);
        }
        // Those that were found first have waited for the rest.
        leases.change(|book| book.restart_all(Instant::now()));
        filled.map(|()| true)
    }

    async fn look_through(&self) -> Result<(), Error> {
        let mut query = ListQuery {
            status: Some(Status::Pending),
            topic: None,
            seen_by: None,
            after: None,
            limit: limits::LIST_MAX,
        };
        loop {
            let page = self.list(query.clone(), |page| page).await?;
            for event in &page.events {
                self.leases().note(event);
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Asks the other nodes about leases that had ended here at `look`; answers those that nobody
    /// keeps. When that is not sure, they are put off; the rest is for the next look.
    async fn ask_others(&self, look: Instant) -> Vec<RequestId> {
        let (nodes, leases) = (&self.setting.nodes, self.leases());
        // What is answered to another node meanwhile need not be asked again.
        nodes.hold_back().await;
        let mut ended = leases.book().ended(look, limits::LEASES_ASKED);
        if ended.is_empty() {
            return ended;
        }
        let answer = nodes.ask(&ended).await;
        {
            // As of the look before: what was kept for a moment is asked for once more.
            let book = leases.book();
            ended.retain(|id| book.has_ended(*id, look));
        }
        let Err(unsure) = answer else { return ended };
        tracing::debug!(%unsure, count = ended.len(), "leases are put off");
        leases.change(|book| {
            let now = Instant::now();
            for id in ended {
                book.put_off(id, now);
            }
        });
        Vec::new()
    }

    /// Whether every asker who has come to this node was heard, so that the book can speak for it.
    pub fn hears_askers(&self) -> bool {
        let leases = self.leases();
        if leases.kept_out.take() {
            self.restart_leases("connections were turned away");
            return false;
        }
        let has_gaps = leases.has_gaps.load(Ordering::SeqCst);
        let is_failing = is_failing(&self.store.health().borrow());
        !has_gaps && !is_failing && !self.drain.is_cancelled()
    }

    /// Withdraws those of these requests whose lease had ended at `look`, so many together that a
    /// store with group commit makes them durable at once.
    async fn end_leases(
        &self,
        given_up: &[RequestId],
        look: Instant,
        health: &watch::Receiver<Health>,
    ) {
        for some in given_up.chunks(limits::SWEEP_BATCH) {
            join_all(some.iter().map(|id| self.abandon(*id, look, health))).await;
        }
    }

    async fn abandon(&self, id: RequestId, look: Instant, health: &watch::Receiver<Health>) {
        let leases = self.leases();
        let outcome = self
            .command(id, |event, now| {
                // Right before the commit: somebody may have come since, or the daemon have lost
                // the means to hear of it.
                let is_late = look.elapsed() > limits::LEASE_STALL;
                let is_cut_off = self.drain.is_cancelled() || is_failing(&health.borrow());
                let is_cut_off = is_cut_off || leases.kept_out.is_noted();
                if is_late || is_cut_off || !leases.book().has_ended(id, look) {
                    return Ok(Transition::Unchanged);
                }
                event.request.abandoned(now)
            })
            .await;
        match outcome {
            Ok(event) if event.request.status.is_final() => {
                let request = &event.request;
                let (topic, by) = (request.topic.as_str(), request.requester.principal.as_str());
                tracing::info!(%id, topic, by, "withdrawn: its asker is gone");
                leases.change(|book| book.forget(id));
            }
            // Whoever had read it before it was freed may have put it into the book again.
            Ok(event) if event.request.lease_secs.is_none() => {
                leases.change(|book| book.forget(id));
            }
            // Nothing was done, for the reasons above.
            Ok(_) => {}
            Err(Error::Refused(..) | Error::NotFound(_)) => leases.change(|book| book.forget(id)),
            Err(error) => {
                tracing::debug!(%id, %error, "not withdrawn yet");
                // Where this cannot be written, its asker may be kept out as well.
                leases.change(|book| book.restart(id, Instant::now()));
            }
        }
    }
}

const fn is_failing(health: &Health) -> bool {
    matches!(health, Health::Failing(_))
}
