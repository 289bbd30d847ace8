//! Waiting for an acknowledged request: poll after poll until it is final.

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use super::daemon_time::DaemonTime;
use super::flow::{Daemon, Plan};
use super::judge::{Meaning, judge};
use super::outcome::End;
use super::page;
use crate::cli::exit;
use crate::client::{Answer, Backoff, CallError};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::RequestView;

/// Polls until the request is final, or until there is no sense in going on.
pub(super) async fn until_final(
    daemon: &impl Daemon,
    plan: &Plan,
    acknowledged: Answer<RequestView>,
    progress: &Progress,
) -> End {
    let mut waiting = Waiting::new(acknowledged.value.clone(), progress);
    if let Next::End(end) = waiting.take(Ok(acknowledged)) {
        return end;
    }
    waiting.introduce();
    if let Some(url) = &plan.page_of {
        let public = daemon.public_url().await;
        page::show(public.as_deref(), url, waiting.id, progress);
    }
    let wait = plan.timeout.min(limits::WAIT_MAX);
    let mut number = 0;
    loop {
        number += 1;
        progress.poll(number);
        // After trouble the first poll is short, so that its end is soon seen to be over.
        let wait = match waiting.trouble {
            Some(_) => wait.min(limits::POLL_AFTER_TROUBLE),
            None => wait,
        };
        let begun = Instant::now();
        let silence = begun + wait + limits::POLL_GRACE;
        let limit = silence.min(waiting.limit());
        let seen = waiting.known.seen_by.len();
        let outcome = timeout_at(limit, daemon.read(&waiting.known, wait)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(CallError::silent(begun.elapsed())));
        let pause = match waiting.take(outcome) {
            Next::End(end) => return end,
            // Somebody has opened it, which happens a few times at most.
            Next::Poll if waiting.known.seen_by.len() > seen => continue,
            // A poll that was not held would make this a busy loop.
            Next::Poll if begun.elapsed() < limits::POLL_HASTE => waiting.backoff.next(None),
            Next::Poll => {
                waiting.backoff.reset();
                continue;
            }
            Next::Retry(pause) => pause,
        };
        sleep_until_latest(waiting.limit(), pause).await;
        if Instant::now() >= waiting.limit() {
            return waiting.unknown(&plan.daemon);
        }
    }
}

async fn sleep_until_latest(latest: Instant, pause: std::time::Duration) {
    sleep(pause.min(latest.saturating_duration_since(Instant::now()))).await;
}

/// What is known of the request and of the way to it.
struct Waiting<'a> {
    id: RequestId,
    /// As it was last told, still pending.
    known: RequestView,
    time: DaemonTime,
    deadline: Instant,
    backoff: Backoff,
    trouble: Option<String>,
    progress: &'a Progress,
}

/// What to do after an answer.
enum Next {
    End(End),
    Poll,
    Retry(std::time::Duration),
}

impl<'a> Waiting<'a> {
    fn new(request: RequestView, progress: &'a Progress) -> Self {
        let now = Instant::now();
        // The daemon's clock cannot be behind the moment at which it accepted the ask.
        let time = DaemonTime::new(request.created_at, now);
        Self {
            id: request.id,
            deadline: time.instant(request.expires_at, now),
            known: request,
            time,
            backoff: Backoff::new(),
            trouble: None,
            progress,
        }
    }

    fn introduce(&self) {
        self.progress.named(&self.id.to_string(), self.deadline);
    }

    /// When waiting ends whatever happens: the daemon had its time to say that it expired.
    fn limit(&self) -> Instant {
        self.deadline + limits::DEADLINE_GRACE
    }

    fn take(&mut self, outcome: Result<Answer<RequestView>, CallError>) -> Next {
        match judge(self.id, self.known.expires_at, outcome) {
            Meaning::Over(end) => Next::End(end),
            Meaning::Pending(answer) => {
                self.pending(&answer);
                Next::Poll
            }
            Meaning::Trouble { what, retry_after } => {
                self.progress.trouble(&what);
                self.trouble = Some(what);
                Next::Retry(self.backoff.next(retry_after))
            }
        }
    }

    fn pending(&mut self, answer: &Answer<RequestView>) {
        let now = Instant::now();
        if let Some(date) = answer.date {
            self.time.observe(date, now);
        }
        let request = &answer.value;
        let deadline = self.time.instant(request.expires_at, now);
        // A deadline that is over stays over: a daemon that goes on saying "pending" must not
        // push it along.
        self.deadline = if deadline > now {
            deadline
        } else {
            self.deadline.min(now)
        };
        self.trouble = None;
        self.progress.until(self.deadline);
        self.progress.well();
        let seen = request.seen_by.iter().map(|seen| &*seen.by.principal);
        let seen: Vec<_> = seen.collect();
        self.progress.seen(&seen);
        self.known = request.clone();
    }

    /// The deadline is over and the daemon has not said what became of the request.
    fn unknown(&self, daemon: &str) -> End {
        let last = match &self.trouble {
            Some(trouble) => trouble.clone(),
            None => "it still calls it pending".to_owned(),
        };
        let error = anyhow!("{last}").context(format!(
            "outcome unknown: request {} is past its deadline, and the daemon at {daemon} does not \
             say what became of it",
            self.id
        ));
        End::failed(exit::UNAVAILABLE, error)
    }
}
