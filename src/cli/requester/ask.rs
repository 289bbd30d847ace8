//! Getting the ask acknowledged.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use super::flow::{Daemon, Outcome, Plan};
use super::outcome::{End, refused};
use crate::cli::exit;
use crate::client::{Answer, Backoff, CallError};
use crate::limits;
use crate::terminal::spinner::{Progress, shown};
use crate::wire::{AskBody, ProblemView, RequestView};

/// The ask on its way; every attempt carries the same key, so they are one ask.
pub(super) struct Asking<'a, D> {
    daemon: &'a D,
    plan: &'a Plan,
    progress: &'a Progress,
    /// When to give up.
    limit: Cell<Instant>,
    /// Whether the daemon may have accepted the ask without our knowing.
    doubtful: Cell<bool>,
    /// Whether an attempt is under way.
    in_flight: Cell<bool>,
    /// Whether nobody wants the ask any more unless it may have been accepted.
    unwanted: Cell<bool>,
    /// What is asked; less than planned if the daemon is an older one.
    body: RefCell<AskBody>,
}

/// Why the ask was not acknowledged.
#[derive(Debug)]
pub(super) enum Stop {
    /// It has failed.
    Failed {
        /// The exit code.
        code: u8,
        /// Why.
        error: anyhow::Error,
        /// Whether it is sure that no request came about.
        unasked: bool,
    },
    /// It was given up before the daemon could have accepted it.
    Unasked,
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed { code, error, .. } => Self::failed(code, error),
            Stop::Unasked => Self::internal(anyhow!("the ask was given up without a reason")),
        }
    }
}

impl<'a, D: Daemon> Asking<'a, D> {
    pub(super) fn new(daemon: &'a D, plan: &'a Plan, progress: &'a Progress) -> Self {
        Self {
            daemon,
            plan,
            progress,
            limit: Cell::new(Instant::now() + patience(plan).min(limits::DEADLINE_MAX)),
            doubtful: Cell::new(false),
            in_flight: Cell::new(false),
            unwanted: Cell::new(false),
            body: RefCell::new(plan.ask.clone()),
        }
    }

    /// Whether the daemon cannot have accepted the ask.
    pub(super) fn is_unasked(&self) -> bool {
        !self.doubtful.get() && !self.in_flight.get()
    }

    /// From now on the ask is only repeated to learn what became of it, and until `limit`.
    pub(super) fn unwant(&self, limit: Instant) {
        self.unwanted.set(true);
        self.limit.set(limit);
    }

    /// Asks until the daemon has acknowledged it or nothing is left to try.
    pub(super) async fn run(&self) -> Result<Answer<RequestView>, Stop> {
        let lease = self.plan.ask.lease_secs.map(Duration::from_secs);
        let mut backoff = Backoff::under(lease);
        loop {
            let error = match self.attempt().await {
                Ok(answer) => {
                    self.progress.well();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let (retry_after, at_limit) = match &error {
                CallError::Transient {
                    retry_after,
                    at_limit,
                    ..
                } => (*retry_after, *at_limit),
                // An earlier attempt may have reached a daemon, so this may be its proxy.
                error if error.is_foreign() && self.doubtful.get() => (None, false),
                CallError::Refused { problem, .. } if self.knows_no_lease(problem) => {
                    self.body.borrow_mut().lease_secs = None;
                    self.progress.say(NO_LEASE);
                    continue;
                }
                CallError::Refused {
                    status, problem, ..
                } => {
                    let (code, error) = refused(*status, problem);
                    return Err(self.failed(code, error));
                }
                CallError::NotPushd { what } => return Err(self.failed_elsewhere(what)),
                CallError::Untrusted { what } => return Err(self.failed_in_doubt(what)),
            };
            if self.unwanted.get() && self.is_unasked() {
                return Err(Stop::Unasked);
            }
            self.progress.trouble(&error.to_string());
            let pause = backoff.next(retry_after);
            let now = Instant::now();
            // The daemon has said that it will not take it before: then nobody need wait for that.
            let again = now.checked_add(retry_after.unwrap_or_default());
            if at_limit && again.is_none_or(|again| again >= self.limit.get()) {
                return Err(match retry_after {
                    // A second is what the daemon says when it knows no time.
                    Some(wait) if wait > limits::RETRY_AFTER => self.no_use(&error, wait),
                    Some(_) | None => self.gave_up(&error, at_limit),
                });
            }
            sleep(pause.min(self.limit.get().saturating_duration_since(now))).await;
            if Instant::now() >= self.limit.get() {
                return Err(self.gave_up(&error, at_limit));
            }
        }
    }

    async fn attempt(&self) -> Outcome {
        let begun = Instant::now();
        self.in_flight.set(true);
        let body = self.body.borrow().clone();
        let call = self.daemon.ask(&body, &self.plan.key);
        let outcome = timeout_at(self.limit.get(), call).await;
        self.in_flight.set(false);
        let outcome = outcome.unwrap_or_else(|_| Err(self.daemon.silent(begun.elapsed())));
        if let Err(
            CallError::Transient { unsent: false, .. } | CallError::Refused { in_doubt: true, .. },
        ) = &outcome
        {
            self.doubtful.set(true);
        }
        outcome
    }

    /// Whether the daemon is an older one that refuses the lease which nobody has asked for.
    fn knows_no_lease(&self, problem: &ProblemView) -> bool {
        let has_one = self.body.borrow().lease_secs.is_some();
        let is_unknown = problem.code == "invalid_member"
            && problem.detail.contains("unknown")
            && problem.detail.contains("lease_secs");
        has_one && is_unknown && !self.plan.lease_wanted
    }

    fn failed(&self, code: u8, error: anyhow::Error) -> Stop {
        let doubtful = self.doubtful.get();
        let error = if doubtful {
            anyhow!("{error:#}; {DOUBT}")
        } else {
            error
        };
        Stop::Failed {
            code,
            error,
            unasked: !doubtful,
        }
    }

    fn failed_elsewhere(&self, what: &str) -> Stop {
        let error = anyhow!("{what}; check --url").context(format!(
            "what answers at {} is not a pushd",
            self.plan.daemon
        ));
        self.failed(exit::UNAVAILABLE, error)
    }

    fn failed_in_doubt(&self, what: &str) -> Stop {
        let error = anyhow!("{what}").context(format!(
            "what answers at {} is not known to be the daemon, and was asked nothing",
            self.plan.daemon
        ));
        self.failed(exit::UNAVAILABLE, error)
    }

    /// The daemon takes the ask later than anybody waits for it here.
    fn no_use(&self, error: &CallError, wait: Duration) -> Stop {
        let daemon = &self.plan.daemon;
        let error = anyhow!("{error}").context(format!(
            "the daemon at {daemon} does not take this request for another {}, and \
             --connect-timeout is over before that; try again then",
            shown(wait)
        ));
        self.failed(exit::TRY_LATER, error)
    }

    fn gave_up(&self, error: &CallError, at_limit: bool) -> Stop {
        let (daemon, patience) = (&self.plan.daemon, shown(patience(self.plan)));
        if at_limit {
            let error = anyhow!("{error}").context(format!(
                "the daemon at {daemon} does not take this request now; try later"
            ));
            return self.failed(exit::TRY_LATER, error);
        }
        let remedy = "is it running? see --url and --connect-timeout";
        let error = anyhow!("{error} ({remedy})").context(format!(
            "the daemon at {daemon} did not accept the request within {patience}"
        ));
        self.failed(exit::UNAVAILABLE, error)
    }
}

/// What is said when an older daemon is asked for less.
const NO_LEASE: &str = "the daemon is an older one that knows no leases: if this process is killed, \
                        its request stays until it expires (--lease none says that this is fine)";

/// How long to try until the ask is acknowledged.
fn patience(plan: &Plan) -> Duration {
    let stay = plan.stay.limit().unwrap_or(plan.connect_timeout);
    plan.connect_timeout.min(stay)
}

/// What an error adds when an attempt was sent and its answer was lost.
const DOUBT: &str = "an attempt was left without an answer, so the request may exist all \
                     the same, but nobody waits for its decision";
