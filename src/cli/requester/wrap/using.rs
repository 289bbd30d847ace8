//! Using an approval up, so that its command is run once.
//!
//! The daemon gives an approval to the first nonce that asks for it, and to that nonce as often as
//! it asks. So a lost answer loses nothing, and nobody else can run the command a second time.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use super::Wrapped;
use crate::cli::exit;
use crate::cli::requester::flow::{Daemon, Outcome};
use crate::cli::requester::interrupt::{Interruption, Interrupts};
use crate::cli::requester::outcome::{End, refused};
use crate::client::{Backoff, CallError};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::{RequestView, Status, rfc3339};

/// What is said of an approval that is ours.
pub(super) const USED: &str = "is used up";

/// Uses the approval of `request` up for the command, if all is as it was shown.
///
/// A signal that comes before the daemon's answer, or with it, wins: nothing is run. Whether the
/// approval is used up then is told, as far as it is known.
///
/// # Errors
/// The end of the program: the command must not be run.
pub(super) async fn use_approval(
    daemon: &impl Daemon,
    command: &Arc<Wrapped>,
    request: &RequestView,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> Result<(), End> {
    let using = Using {
        daemon,
        command,
        request,
        progress,
        stage: Cell::new(Stage::Unused),
    };
    tokio::select! {
        biased;
        first = signals.first() => return Err(using.interrupted(first)),
        used = using.run() => used?,
    }
    // A signal may have come with the answer.
    match signals.caught().await {
        Some(first) => Err(using.interrupted(first)),
        None => Ok(()),
    }
}

/// The end after a signal that came before the command was run.
pub(super) fn interrupted(first: Interruption, request: &RequestView, used: &str) -> End {
    let id = request.id;
    End::Interrupted {
        signal: first.signal,
        words: format!(
            "interrupted; the command was not run, and the approval of request {id} {used}"
        ),
        request: Some(Box::new(request.clone())),
    }
}

/// An approval on its way to be used.
struct Using<'a, D> {
    daemon: &'a D,
    command: &'a Arc<Wrapped>,
    request: &'a RequestView,
    progress: &'a Progress,
    stage: Cell<Stage>,
}

/// What is known of an approval's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The daemon was not asked for it.
    Unused,
    /// It was asked, and may have given it to us.
    Doubtful,
    /// It is ours.
    Used,
}

impl<D: Daemon> Using<'_, D> {
    /// Asks for the approval until the daemon has given it to us or to nobody.
    async fn run(&self) -> Result<(), End> {
        let limit = self.limit();
        let mut backoff = Backoff::new();
        loop {
            // Before each attempt, so that an approval is not spent on what would not be run.
            self.check().await?;
            let trouble = match judge(self.request.id, self.attempt(limit).await) {
                Meaning::Ours => break,
                Meaning::Over(end) => return Err(end),
                Meaning::Trouble(error) => error,
            };
            self.progress.trouble(&trouble.what);
            let pause = backoff.next(trouble.retry_after);
            sleep(pause.min(limit.saturating_duration_since(Instant::now()))).await;
            if Instant::now() >= limit {
                return Err(self.gave_up(&trouble.what));
            }
        }
        self.stage.set(Stage::Used);
        self.progress.well();
        self.check().await
    }

    /// When the approval is certainly too old, whatever became of the daemon.
    fn limit(&self) -> Instant {
        let within = std::time::Duration::from_secs(self.request.use_within_secs);
        let within = within.saturating_add(limits::DEADLINE_GRACE);
        Instant::now() + within.min(limits::DEADLINE_MAX)
    }

    async fn attempt(&self, limit: Instant) -> Outcome {
        let before = self.stage.replace(Stage::Doubtful);
        let begun = Instant::now();
        let call = self.daemon.consume(self.request.id, &self.command.nonce);
        let outcome = timeout_at(limit, call).await;
        let outcome = outcome.unwrap_or_else(|_| Err(self.daemon.silent(begun.elapsed())));
        if let Err(CallError::Transient { unsent: true, .. } | CallError::Untrusted { .. }) =
            &outcome
        {
            self.stage.set(before);
        }
        outcome
    }

    async fn check(&self) -> Result<(), End> {
        let command = Arc::clone(self.command);
        let checked = spawn_blocking(move || command.check()).await;
        let checked = checked.unwrap_or_else(|error| Err(error.into()));
        checked.map_err(|error| {
            let (id, used) = (self.request.id, self.used());
            let context =
                format!("the command was not run, and the approval of request {id} {used}");
            End::failed(exit::BAD_DATA, anyhow!("{error:#}; {context}; ask anew"))
        })
    }

    const fn used(&self) -> &'static str {
        match self.stage.get() {
            Stage::Unused => "was not used",
            Stage::Doubtful => "may be used up",
            Stage::Used => USED,
        }
    }

    fn interrupted(&self, first: Interruption) -> End {
        interrupted(first, self.request, self.used())
    }

    fn gave_up(&self, trouble: &str) -> End {
        let (id, used) = (self.request.id, self.used());
        let error = anyhow!("{trouble}").context(format!(
            "request {id} is approved, but the daemon could not be asked to count its use while \
             that was allowed; the command was not run, and the approval {used}"
        ));
        End::failed(exit::UNAVAILABLE, error)
    }
}

/// What came of one attempt to use an approval.
#[derive(Debug)]
enum Meaning {
    /// We may run the command.
    Ours,
    /// We may not, and never will.
    Over(End),
    /// Nothing can be told from it, which may pass.
    Trouble(Trouble),
}

#[derive(Debug)]
struct Trouble {
    what: String,
    retry_after: Option<std::time::Duration>,
}

/// Reads an answer about the use of the approval of request `id`.
fn judge(id: RequestId, outcome: Outcome) -> Meaning {
    let trouble = |what| {
        Meaning::Trouble(Trouble {
            what,
            retry_after: None,
        })
    };
    match outcome {
        Ok(answer) => {
            let request = answer.value;
            if request.id != id {
                return trouble(format!("it answered about another request, {}", request.id));
            }
            if request.status != Status::Approved || request.consumed_at.is_none() {
                let status = request.status.as_str();
                return trouble(format!("it does not say that the use counts, but {status}"));
            }
            Meaning::Ours
        }
        Err(CallError::Transient {
            what, retry_after, ..
        }) => Meaning::Trouble(Trouble { what, retry_after }),
        // The daemon was trusted before, and may be again.
        Err(CallError::Untrusted { what }) => trouble(what),
        Err(error) if error.is_foreign() => trouble(format!("{error} (not from a pushd)")),
        Err(CallError::NotPushd { what }) => trouble(what),
        Err(CallError::Refused {
            status, problem, ..
        }) => {
            let when = problem
                .request
                .as_ref()
                .and_then(|request| request.consumed_at);
            let (code, error) = match &*problem.code {
                "already_consumed" => (
                    exit::NOT_PERMITTED,
                    anyhow!(
                        "the approval of request {id} was used already{}: it counts once; the \
                         command was not run now; ask anew, with another --key if you gave one",
                        when.map(|at| format!(", at {}", rfc3339(at)))
                            .unwrap_or_default()
                    ),
                ),
                "too_late" => (
                    exit::EXPIRED,
                    anyhow!(
                        "request {id} was approved, but too long ago (see --use-within); the \
                         command was not run; ask anew, with another --key if you gave one"
                    ),
                ),
                _ => {
                    let (code, error) = refused(status, &problem);
                    let code = match code {
                        exit::NOT_PERMITTED => code,
                        _ => exit::INTERNAL,
                    };
                    let context = format!(
                        "request {id} is approved, but the approval cannot be used; the command \
                         was not run"
                    );
                    (code, error.context(context))
                }
            };
            Meaning::Over(End::failed(code, error))
        }
    }
}

#[cfg(test)]
mod tests;
