//! A command of the operator's that is told what is asked and what became of it.
//!
//! It is one more reader of the feed: what it is told has been committed, and nobody who asks or
//! decides waits for it. One task reads, queues and runs; between events and reminders it sleeps.
//!
//! Each process tells at most once of what happens while it runs. What was asked before it began is
//! reminded of, and its outcome told; a notice that was on its way when the process died is lost.

mod agenda;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

pub use agenda::Reminders;

use self::agenda::{Agenda, Due};
use self::queue::{Notice, Pushed, Queue};
use crate::approvals::{Approvals, Item, Subscription};
use crate::domain::{Event, RequestId, Status};
use crate::hook::{End, Hook, Output, Ran};
use crate::limits;
use crate::metrics::{Metrics, Outcome};
use crate::store::StoreError;
use crate::wire::notice::{NoticeView, Occasion};
use crate::wire::{RequestView, variables};

/// What is told, and to whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The command.
    pub hook: Hook,
    /// How often it runs at the same time.
    pub jobs: usize,
    /// Whether requests that stay pending are told again.
    pub reminders: Option<Reminders>,
    /// Where people reach this daemon, for the page of each request.
    pub public_url: Option<String>,
}

/// The task that tells.
#[derive(Debug)]
pub struct Notices {
    approvals: Arc<Approvals>,
    metrics: Arc<Metrics>,
    terms: Arc<Terms>,
    subscription: Subscription,
    agenda: Agenda,
    queue: Queue,
}

/// A run that goes on; it answers when it is over.
type Running = FuturesUnordered<BoxFuture<'static, ()>>;

impl Notices {
    /// Begins to follow what happens. What is committed from here on is told, so this comes before
    /// anybody can ask.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(
        approvals: Arc<Approvals>,
        metrics: Arc<Metrics>,
        terms: Terms,
    ) -> Result<Self, StoreError> {
        let agenda = Agenda::new(approvals.hub().tail.head(), terms.reminders);
        let subscription = approvals.follow().await?;
        // Shown from the start.
        metrics.notices();
        Ok(Self {
            approvals,
            metrics,
            terms: Arc::new(terms),
            subscription,
            agenda,
            queue: Queue::default(),
        })
    }

    /// Tells until `ended` says when to be done; then what has happened so far is told, as far as
    /// that is possible by then, and what still runs is killed.
    pub async fn run(mut self, ended: oneshot::Receiver<Instant>) {
        let mut running = Running::new();
        let mut ended = ended.fuse();
        let until = loop {
            self.start(&mut running);
            let reminder = self.next_reminder();
            tokio::select! {
                until = &mut ended => break until,
                item = self.subscription.next() => self.take(&item),
                Some(()) = running.next(), if !running.is_empty() => {}
                () = at(reminder) => self.remind(),
            }
        };
        // Without a time there is none: the daemon has broken off.
        let until = until.unwrap_or_else(|_| Instant::now());
        if timeout_at(until, self.finish(&mut running)).await.is_err() {
            let (killed, untold) = (running.len(), self.queue.len());
            tracing::warn!(
                killed,
                untold,
                "winding down: notices are not told to their end"
            );
        }
    }

    /// Tells what has been committed, and no more reminders.
    async fn finish(&mut self, running: &mut Running) {
        loop {
            while let Some(item) = self.subscription.next().now_or_never() {
                self.take(&item);
            }
            self.start(running);
            if running.next().await.is_none() {
                return;
            }
        }
    }

    /// Runs the command for those that have waited longest, as often as it may.
    fn start(&mut self, running: &mut Running) {
        while running.len() < self.terms.jobs {
            let Some(notice) = self.queue.pop() else {
                return;
            };
            let (approvals, metrics) = (Arc::clone(&self.approvals), Arc::clone(&self.metrics));
            let terms = Arc::clone(&self.terms);
            running.push(async move { tell(&terms, &approvals, &metrics, notice).await }.boxed());
        }
    }

    fn take(&mut self, item: &Item) {
        match item {
            Item::Reset(_) => self.agenda.begins_anew(),
            Item::CaughtUp(_) => {
                let lost = self.agenda.caught_up();
                if lost > 0 {
                    tracing::warn!(lost, "outcomes that were purged before they could be told");
                }
            }
            Item::Events(entries) => {
                for entry in entries {
                    self.hear(&entry.event);
                }
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        match self.agenda.hear(event, self.approvals.now()) {
            Some(Due::Asked) => self.push(Notice::Asked(event.clone())),
            Some(Due::Settled) => self.push(Notice::Settled(event.clone())),
            None => {}
        }
    }

    fn remind(&mut self) {
        for (id, number) in self.agenda.due(self.approvals.now()) {
            self.push(Notice::Reminder(id, number));
        }
    }

    fn push(&mut self, notice: Notice) {
        match self.queue.push(notice) {
            Pushed::Waits => return,
            Pushed::WaitsAgain(dropped) => {
                tracing::warn!(dropped, "notices have room again");
                return;
            }
            Pushed::DroppedFirst => tracing::warn!(
                waiting = self.queue.len(),
                "notices are dropped: --notify is slower than what happens; see --notify-jobs"
            ),
            Pushed::Dropped => {}
        }
        self.metrics.notices().dropped.inc();
    }

    /// When to look for reminders next.
    fn next_reminder(&self) -> Option<Instant> {
        let due = self.agenda.next_due()?;
        Some(Instant::now() + due.since(self.approvals.now()))
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// One run of the command, and what is logged and counted of it.
async fn tell(terms: &Terms, approvals: &Approvals, metrics: &Metrics, notice: Notice) {
    let (id, occasion) = (notice.id(), notice.occasion());
    let number = match notice {
        Notice::Reminder(_, number) => Some(number),
        Notice::Asked(_) | Notice::Settled(_) => None,
    };
    let event = match notice {
        Notice::Asked(event) | Notice::Settled(event) => event,
        Notice::Reminder(id, _) => match approvals.read(id).await {
            Ok(event) if event.request.status == Status::Pending => event,
            Ok(_) | Err(_) => return,
        },
    };
    let view = RequestView::of(&event);
    let page = terms.public_url.as_ref();
    let page = page.map(|url| format!("{}/r/{id}", url.trim_end_matches('/')));
    let notice = NoticeView {
        event: occasion,
        reminder: number,
        page: page.as_deref(),
        request: &view,
    };
    let mut line = serde_json::to_vec(&notice).expect("views have text keys");
    line.push(b'\n');
    let mut named = variables(&view);
    named.push(("PUSHD_EVENT", occasion.as_str().to_owned()));
    named.push(("PUSHD_REQUEST_PAGE", page.unwrap_or_default()));
    let ran = terms.hook.run(&line, &named).await;
    metrics.notices().ran(log(id, occasion, ran));
}

fn log(id: RequestId, occasion: Occasion, ran: std::io::Result<Ran>) -> Outcome {
    let event = occasion.as_str();
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => {
            tracing::warn!(%id, event, %error, "--notify: the command cannot be run");
            return Outcome::Failed;
        }
    };
    let (stdout, stderr) = (beginning(&ran.stdout), beginning(&ran.stderr));
    let why = ran.end.to_string();
    // What it says may have a stranger's text in it, so it is written with escapes.
    match ran.end {
        End::Exited(0) => {
            tracing::debug!(%id, event, ?stdout, ?stderr, "--notify: told");
            Outcome::Done
        }
        End::Exited(_) | End::Signalled(_) | End::TooMuch => {
            tracing::warn!(%id, event, why, ?stdout, ?stderr, "--notify: the command failed");
            Outcome::Failed
        }
        End::OutOfTime(_) => {
            tracing::warn!(%id, event, why, ?stdout, ?stderr, "--notify: the command hung");
            Outcome::TimedOut
        }
    }
}

fn beginning(output: &Output) -> String {
    output.text().chars().take(limits::HOOK_LOG_CHARS).collect()
}
