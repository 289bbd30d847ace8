//! Waiting for an acknowledged request: poll after poll until it is final.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use super::args::WaitFlags;
use super::daemon_time::DaemonTime;
use super::flow::Daemon;
use super::freshness::Freshness;
use super::judge::{Meaning, judge};
use super::outcome::End;
use super::reach::Reach;
use super::votes;
use crate::cli::exit;
use crate::client::{Answer, Backoff, CallError};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::{Progress, span};
use crate::wire::RequestView;

/// How an answer is waited for.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    /// Where the daemon is, for messages.
    pub(super) daemon: String,
    /// How long one poll may take.
    pub(super) timeout: Duration,
    /// When to leave a request that is pending.
    pub(super) until: Option<Instant>,
    /// How to go on after that.
    pub(super) onward: String,
}

impl Waits {
    /// The wait for a request that was asked before; it begins now.
    pub(super) fn for_known(reach: &Reach, flags: &WaitFlags) -> Self {
        let begun = Instant::now();
        let wait = flags.wait_at_most;
        Self {
            daemon: reach.daemon.clone(),
            timeout: flags.timeout,
            until: wait.map(|wait| begun + wait.min(limits::DEADLINE_MAX)),
            onward: "the same command waits on".to_owned(),
        }
    }
}

/// What is known of the request and of the way to it.
pub(super) struct Waiting<'a> {
    id: RequestId,
    /// As it was last told, still pending.
    known: RequestView,
    time: DaemonTime,
    deadline: Instant,
    freshness: Freshness,
    backoff: Backoff,
    trouble: Option<String>,
    progress: &'a Progress,
}

/// What to do after an answer.
enum Next {
    End(End),
    Poll,
    Retry(Duration),
}

impl<'a> Waiting<'a> {
    /// Takes in the first answer about a request, which need not be pending any more.
    ///
    /// # Errors
    /// It is over: the request is final.
    pub(super) fn begin(
        answer: Answer<RequestView>,
        freshness: Freshness,
        progress: &'a Progress,
    ) -> Result<Self, End> {
        let request = answer.value.clone();
        let now = Instant::now();
        // The daemon's clock cannot be behind the moment at which it accepted the ask.
        let time = DaemonTime::new(request.created_at, now);
        let mut waiting = Self {
            id: request.id,
            deadline: time.instant(request.expires_at, now),
            backoff: Backoff::under(lease(&request)),
            known: request,
            time,
            freshness,
            trouble: None,
            progress,
        };
        match waiting.take(Ok(answer)) {
            Next::End(end) => Err(end),
            Next::Poll | Next::Retry(_) => Ok(waiting),
        }
    }

    /// Of which request.
    pub(super) const fn id(&self) -> RequestId {
        self.id
    }

    /// What is known of it.
    pub(super) const fn known(&self) -> &RequestView {
        &self.known
    }

    /// When it expires, as far as it is known.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Polls until the request is final, or until there is no sense in going on.
    pub(super) async fn until_final(mut self, daemon: &impl Daemon, how: &Waits) -> End {
        let longest = how.timeout.min(limits::WAIT_MAX);
        let mut number = 0;
        loop {
            let begun = Instant::now();
            let left = how
                .until
                .map(|until| until.saturating_duration_since(begun));
            if left.is_some_and(|left| left.is_zero()) {
                return self.leave(&how.onward);
            }
            number += 1;
            self.progress.poll(number);
            // After trouble the first poll is short, so that its end is soon seen to be over.
            let wait = match self.trouble {
                Some(_) => longest.min(limits::POLL_AFTER_TROUBLE),
                None => longest,
            };
            let wait = wait.min(left.unwrap_or(wait));
            let seen = self.known.seen_by.len();
            let poll = daemon.read(&self.known, wait, self.grace());
            let outcome = timeout_at(self.limit(how), poll).await;
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(_) if is_over(how.until) => return self.leave(&how.onward),
                Err(_) => Err(daemon.silent(begun.elapsed())),
            };
            let pause = match self.take(outcome) {
                Next::End(end) => return end,
                // Somebody has opened it, which happens a few times at most.
                Next::Poll if self.known.seen_by.len() > seen => continue,
                // A poll that was not held would make this a busy loop.
                Next::Poll if begun.elapsed() < limits::POLL_HASTE => self.backoff.next(None),
                Next::Poll => {
                    self.backoff.reset();
                    continue;
                }
                Next::Retry(pause) => pause,
            };
            let left = self.limit(how).saturating_duration_since(Instant::now());
            sleep(pause.min(left)).await;
            if Instant::now() >= self.end() {
                return self.unknown(&how.daemon);
            }
        }
    }

    /// How long a poll may stay silent beyond its end: the daemon has then let go of it, so it takes
    /// from the lease as a pause does.
    fn grace(&self) -> Duration {
        let half = lease(&self.known).map(|lease| lease / 2);
        limits::POLL_GRACE.min(half.unwrap_or(limits::POLL_GRACE))
    }

    /// When waiting ends whatever happens: the daemon had its time to say that it expired.
    fn end(&self) -> Instant {
        self.deadline + limits::DEADLINE_GRACE
    }

    /// The same, or before it when we are to leave.
    fn limit(&self, how: &Waits) -> Instant {
        let end = self.end();
        end.min(how.until.unwrap_or(end))
    }

    fn take(&mut self, outcome: Result<Answer<RequestView>, CallError>) -> Next {
        match judge(self.id, self.known.expires_at, outcome) {
            Meaning::Final(answer) => Next::End(self.freshness.end(*answer)),
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
        self.freshness.pending(now);
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
        if let Some(votes) = votes::words(request) {
            self.progress.votes(&votes);
        }
        self.known = request.clone();
    }

    /// Nobody waits here any more; the request stays, for as long as its lease if it has one.
    pub(super) fn leave(self, onward: &str) -> End {
        let id = self.id;
        let lease = lease(&self.known).map(|lease| {
            let lease = span(lease);
            format!(" (it is cancelled when nobody has waited for {lease}, its lease)")
        });
        let lease = lease.unwrap_or_default();
        let words = match self.trouble {
            None => format!("request {id} is still pending; {onward}{lease}"),
            Some(trouble) => format!(
                "request {id} was still pending when the daemon was last heard ({trouble}); \
                 {onward}{lease}"
            ),
        };
        let request = Box::new(self.known);
        End::Pending { request, words }
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

/// How long the request outlives those who wait for it.
fn lease(request: &RequestView) -> Option<Duration> {
    request.lease_secs.map(Duration::from_secs)
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}
