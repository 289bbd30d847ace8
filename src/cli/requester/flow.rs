//! The course of one request: ask, wait, and withdraw it when a signal comes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::ask::Asking;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::{wait, withdraw};
use crate::client::{Answer, CallError, Client, DaemonUrl};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::{AskBody, RequestView};

/// What is asked, and with how much patience.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where the daemon is, for messages.
    pub(super) daemon: String,
    /// The question.
    pub(super) ask: AskBody,
    /// The daemon's address, if the request's page is to be shown.
    pub(super) page_of: Option<DaemonUrl>,
    /// The idempotency key, made before the first attempt.
    pub(super) key: String,
    /// How long one poll may take.
    pub(super) timeout: Duration,
    /// How long to try until the ask is acknowledged.
    pub(super) connect_timeout: Duration,
}

/// The calls that a requester needs, one attempt each.
pub(super) trait Daemon {
    /// See [`Client::ask`].
    async fn ask(&self, body: &AskBody, key: &str) -> Outcome;
    /// See [`Client::read_news`]; the request as it is known when there are none by the end of
    /// `wait`.
    async fn read(&self, known: &RequestView, wait: Duration) -> Outcome;
    /// See [`Client::read`], without a wait.
    async fn look(&self, id: RequestId) -> Outcome;
    /// See [`Client::cancel`].
    async fn cancel(&self, id: RequestId) -> Outcome;
    /// Where people reach the daemon from other machines, as far as it can be learnt.
    async fn public_url(&self) -> Option<String>;
}

/// What one attempt leads to.
pub(super) type Outcome = Result<Answer<RequestView>, CallError>;

impl Daemon for Client {
    async fn ask(&self, body: &AskBody, key: &str) -> Outcome {
        Self::ask(self, body, key).await
    }

    async fn read(&self, known: &RequestView, wait: Duration) -> Outcome {
        let begun = Instant::now();
        let answer = Self::read_news(self, known.id, wait, known.event_id).await?;
        // A pending request that is as it was is held for the whole wait. One that comes back
        // sooner may be final under the number that is known: a store that was restored from a
        // backup gives its numbers out again.
        if answer.value.is_none() && begun.elapsed() < wait {
            return Self::read(self, known.id, None).await;
        }
        Ok(Answer {
            value: answer.value.unwrap_or_else(|| known.clone()),
            date: answer.date,
        })
    }

    async fn look(&self, id: RequestId) -> Outcome {
        Self::read(self, id, None).await
    }

    async fn cancel(&self, id: RequestId) -> Outcome {
        Self::cancel(self, id).await
    }

    async fn public_url(&self) -> Option<String> {
        let me = timeout(limits::COURTESY_TIME, self.me()).await.ok()?;
        me.ok()?.value.public_url
    }
}

/// Asks and waits until there is an end.
///
/// A signal that comes together with an answer wins: whoever interrupts does not want to go on.
pub(super) async fn run(
    daemon: &impl Daemon,
    plan: &Plan,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let asking = Asking::new(daemon, plan, progress);
    let mut acknowledged = pin!(asking.run());
    let answer = tokio::select! {
        biased;
        first = signals.first() => {
            return withdraw::unacknowledged(daemon, &asking, acknowledged, first, signals, progress)
                .await;
        }
        answer = &mut acknowledged => answer,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(stop) => return stop.into(),
    };
    let request = answer.value.clone();
    tokio::select! {
        biased;
        first = signals.first() => {
            withdraw::acknowledged(daemon, &request, first, signals, progress).await
        }
        end = wait::until_final(daemon, plan, answer, progress) => end,
    }
}

#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod over_tcp;
#[cfg(test)]
mod tests;
