//! The course of one request: ask, wait, and withdraw it when a signal comes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::ask::Asking;
use super::freshness::Freshness;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::wait::{Waiting, Waits};
use super::{nobody, page, withdraw};
use crate::client::{Answer, CallError, Client, DaemonUrl};
use crate::domain::RequestId;
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::{AskBody, RequestView, Status};

/// What is asked, and with how much patience.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and none goes with another"
)]
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where the daemon is, for messages.
    pub(super) daemon: String,
    /// The question.
    pub(super) ask: AskBody,
    /// Whether the request's page is to be shown.
    pub(super) page: bool,
    /// The idempotency key, made before the first attempt.
    pub(super) key: String,
    /// Whether an earlier run may have asked with the same key.
    pub(super) named: bool,
    /// How long to stay.
    pub(super) stay: Stay,
    /// How long one poll may take.
    pub(super) timeout: Duration,
    /// How long to try until the ask is acknowledged.
    pub(super) connect_timeout: Duration,
    /// How long an approval counts, if it was said.
    pub(super) use_within: Option<Duration>,
    /// Whether a daemon that knows no leases will not do.
    pub(super) lease_wanted: bool,
    /// Whether to give up at once when nobody is there.
    pub(super) fail_if_nobody: bool,
}

/// How long an asker stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until there is an answer.
    ForTheAnswer,
    /// The same, but not longer than this in all.
    AtMost(Duration),
    /// Until the ask is acknowledged.
    ForTheId,
}

impl Stay {
    /// The time after which it ends in any case.
    pub(super) const fn limit(self) -> Option<Duration> {
        match self {
            Self::AtMost(wait) => Some(wait),
            Self::ForTheAnswer | Self::ForTheId => None,
        }
    }
}

/// The calls that a requester needs, one attempt each, or one round where the daemon has several
/// addresses. Each ends by itself.
pub(super) trait Daemon {
    /// See [`Client::ask`].
    async fn ask(&self, body: &AskBody, key: &str) -> Outcome;
    /// See [`Client::read_news`]; the request as it is known when there are none by the end of
    /// `wait`.
    async fn read(&self, known: &RequestView, wait: Duration, grace: Duration) -> Outcome;
    /// See [`Client::read`], without a wait.
    async fn look(&self, id: RequestId) -> Outcome;
    /// See [`Client::consume`].
    async fn consume(&self, id: RequestId, nonce: &str) -> Outcome;
    /// See [`Client::cancel`].
    async fn cancel(&self, id: RequestId) -> Outcome;
    /// See [`Client::silent`].
    fn silent(&self, time: Duration) -> CallError;
    /// The address in use.
    fn base(&self) -> DaemonUrl;
    /// Where people reach the daemon from other machines, as far as it can be learnt.
    async fn public_url(&self) -> Option<String>;
}

/// What one attempt leads to.
pub(super) type Outcome = Result<Answer<RequestView>, CallError>;

impl Daemon for Client {
    async fn ask(&self, body: &AskBody, key: &str) -> Outcome {
        Self::ask(self, body, key).await
    }

    async fn read(&self, known: &RequestView, wait: Duration, grace: Duration) -> Outcome {
        let begun = Instant::now();
        let answer = Self::read_news(self, known.id, wait, grace, known.event_id).await?;
        // A pending request that is as it was is held for the whole wait. One that comes back
        // sooner may be final under the number that is known: a store that was restored from a
        // backup gives its numbers out again.
        if answer.value.is_none() && begun.elapsed() < wait {
            return Self::read(self, known.id, None).await;
        }
        Ok(Answer {
            value: answer.value.unwrap_or_else(|| known.clone()),
            date: answer.date,
            replayed: answer.replayed,
        })
    }

    async fn look(&self, id: RequestId) -> Outcome {
        Self::read(self, id, None).await
    }

    async fn consume(&self, id: RequestId, nonce: &str) -> Outcome {
        Self::consume(self, id, nonce).await
    }

    async fn cancel(&self, id: RequestId) -> Outcome {
        Self::cancel(self, id).await
    }

    fn silent(&self, time: Duration) -> CallError {
        Self::silent(self, time)
    }

    fn base(&self) -> DaemonUrl {
        Self::base(self).clone()
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
    let begun = Instant::now();
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
        end = wait(daemon, plan, begun, answer, progress) => end,
    }
}

/// What comes after the acknowledgement of an ask that has `begun` then.
async fn wait(
    daemon: &impl Daemon,
    plan: &Plan,
    begun: Instant,
    answer: Answer<RequestView>,
    progress: &Progress,
) -> End {
    let freshness = if plan.named {
        Freshness::of_found(plan.use_within)
    } else {
        Freshness::of_new(plan.use_within, begun)
    };
    // Under a random key it is our own ask that has come twice.
    let is_found = plan.named && answer.replayed;
    let waiting = match Waiting::begin(answer, freshness, progress) {
        Ok(waiting) => waiting,
        Err(end) => return found(plan, end),
    };
    let id = waiting.id();
    progress.named(&id.to_string(), waiting.deadline());
    if plan.page {
        let public = daemon.public_url().await;
        page::show(public.as_deref(), &daemon.base(), id, progress);
    }
    if let Some(end) = nobody::look(daemon, plan, waiting.known(), is_found, progress).await {
        return end;
    }
    if plan.stay == Stay::ForTheId {
        return waiting.leave(&format!("requester wait {id} gets the answer"));
    }
    let how = Waits {
        daemon: plan.daemon.clone(),
        timeout: plan.timeout,
        until: plan
            .stay
            .limit()
            .map(|wait| begun + wait.min(limits::DEADLINE_MAX)),
        onward: if plan.named {
            "the same command with the same --key waits on".to_owned()
        } else {
            format!("requester wait {id} waits on (the same command would, if it had a --key)")
        },
    };
    waiting.until_final(daemon, &how).await
}

/// The end of a request that was final when the ask was acknowledged.
fn found(plan: &Plan, end: End) -> End {
    if let End::Settled(request) = end {
        let is_over = matches!(request.status, Status::Cancelled | Status::Expired);
        return if plan.named && is_over {
            End::Found(request)
        } else {
            End::Settled(request)
        };
    }
    end
}

#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod leased;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod over_tcp;
#[cfg(test)]
mod tests;
