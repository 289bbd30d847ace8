//! Getting a first answer about a request that was asked before.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use super::flow::{Daemon, Outcome};
use super::outcome::{End, refused};
use crate::cli::exit;
use crate::client::{Answer, Backoff, CallError};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::{Progress, shown};
use crate::wire::RequestView;

/// Whom to ask about what, and with how much patience.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// Where the daemon is, for messages.
    pub(super) daemon: String,
    /// The request.
    pub(super) id: RequestId,
    /// How long to try until there is an answer.
    pub(super) patience: Duration,
}

impl Reach {
    /// Attempts a call until the daemon answers it.
    ///
    /// # Errors
    /// The end of the program: the daemon says no, or no answer has come in time.
    pub(super) async fn answer(
        &self,
        daemon: &impl Daemon,
        progress: &Progress,
        call: impl AsyncFn() -> Outcome,
    ) -> Result<Answer<RequestView>, End> {
        let limit = Instant::now() + self.patience.min(limits::DEADLINE_MAX);
        let mut backoff = Backoff::new();
        loop {
            let begun = Instant::now();
            let outcome = timeout_at(limit, call()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(daemon.silent(begun.elapsed())));
            let error = match outcome {
                Ok(answer) if answer.value.id == self.id => {
                    progress.well();
                    return Ok(answer);
                }
                Ok(answer) => CallError::NotPushd {
                    what: format!("it answered about another request, {}", answer.value.id),
                },
                Err(error) => error,
            };
            let CallError::Transient {
                retry_after,
                at_limit,
                ..
            } = error
            else {
                return Err(self.ended(&error));
            };
            progress.trouble(&error.to_string());
            let now = Instant::now();
            let pause = backoff.next(retry_after);
            let again = now.checked_add(retry_after.unwrap_or_default());
            let in_vain = at_limit && again.is_none_or(|again| again >= limit);
            if !in_vain {
                sleep(pause.min(limit.saturating_duration_since(now))).await;
            }
            if in_vain || Instant::now() >= limit {
                return Err(self.gave_up(&error, at_limit));
            }
        }
    }

    /// An error that another attempt would not mend.
    fn ended(&self, error: &CallError) -> End {
        let (daemon, id) = (&self.daemon, self.id);
        match error {
            error if error.is_not_found() => {
                let error = anyhow!(
                    "the daemon at {daemon} has no request {id} that we may see; is it of another \
                     daemon, of somebody else, or so old that it was purged? ({error})"
                );
                End::failed(exit::USAGE, error)
            }
            CallError::Refused {
                status, problem, ..
            } => {
                let (code, error) = refused(*status, problem);
                End::failed(code, error)
            }
            CallError::NotPushd { what } => {
                let error = anyhow!("{what}; check --url")
                    .context(format!("what answers at {daemon} is not a pushd"));
                End::failed(exit::UNAVAILABLE, error)
            }
            CallError::Untrusted { what } | CallError::Transient { what, .. } => {
                let error = anyhow!("{what}").context(format!(
                    "what answers at {daemon} is not known to be the daemon, and was asked nothing"
                ));
                End::failed(exit::UNAVAILABLE, error)
            }
        }
    }

    fn gave_up(&self, error: &CallError, at_limit: bool) -> End {
        let (daemon, patience) = (&self.daemon, shown(self.patience));
        if at_limit {
            let error = anyhow!("{error}").context(format!(
                "the daemon at {daemon} has no time for this now; try later"
            ));
            return End::failed(exit::TRY_LATER, error);
        }
        let remedy = "is it running? see --url and --connect-timeout";
        let error = anyhow!("{error} ({remedy})").context(format!(
            "the daemon at {daemon} did not answer within {patience}"
        ));
        End::failed(exit::UNAVAILABLE, error)
    }
}
