//! The requests that a policy judges at the moment, and what it said of them told to the daemon.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::command::Policy;
use super::opinion::Opinion;
use super::who::who;
use crate::cli::approver::decide::{Cause, Deciding, Outcome, Progress};
use crate::cli::approver::inbox::Inbox;
use crate::client::Client;
use crate::domain::{Timestamp, Verdict};
use crate::limits;
use crate::wire::{DecisionBody, RequestView, Status};

/// A place where so many requests are judged at the same time.
pub(in crate::cli::approver) struct Desk {
    policy: Policy,
    jobs: usize,
    client: Client,
    running: FuturesUnordered<Job>,
    /// The call that asks who we are; nothing is judged before it is answered.
    who: Option<Who>,
}

type Job = Pin<Box<dyn Future<Output = Box<Report>>>>;
type Who = Pin<Box<dyn Future<Output = Option<String>>>>;

/// What comes from a desk.
pub(in crate::cli::approver) enum News {
    /// Who answers here, if the daemon knows them by name; once, and before all else.
    Who(Option<String>),
    /// What came of a request.
    Judged(Box<Report>),
}

/// What came of one request.
#[derive(Debug)]
pub(in crate::cli::approver) struct Report {
    /// The request as it was judged.
    view: RequestView,
    opinion: Opinion,
    /// What the policy has said on standard error.
    said: Vec<String>,
    /// What became of its verdict.
    outcome: Option<Outcome>,
}

impl Desk {
    /// A desk at which at most `jobs` requests are judged at the same time; `client` tells the
    /// daemon.
    pub(in crate::cli::approver) fn new(policy: Policy, jobs: usize, client: Client) -> Self {
        Self {
            policy,
            jobs,
            who: Some(Box::pin(who(client.clone()))),
            client,
            running: FuturesUnordered::new(),
        }
    }

    /// Whether another request can be judged. Until it is known who answers here none can: a policy
    /// that changes its mind would replace a vote that stands.
    pub(in crate::cli::approver) fn has_room(&self) -> bool {
        self.who.is_none() && self.running.len() < self.jobs
    }

    /// Whether no request is being judged.
    pub(in crate::cli::approver) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts to judge a request.
    pub(in crate::cli::approver) fn judge(&mut self, view: RequestView) {
        let (policy, client) = (self.policy.clone(), self.client.clone());
        self.running.push(Box::pin(async move {
            let judged = policy.judge(&view).await;
            let outcome = match &judged.opinion {
                Opinion::Verdict(verdict, reason) => {
                    Some(decide(client, &view, *verdict, reason.clone()).await)
                }
                Opinion::Open(_) | Opinion::Trouble(_) => None,
            };
            Box::new(Report {
                view,
                opinion: judged.opinion,
                said: judged.said,
                outcome,
            })
        }));
    }

    /// Who we are, then what came of the next one that is done with; waits for ever when none is
    /// judged. Cancel safe.
    pub(in crate::cli::approver) async fn next(&mut self) -> News {
        if let Some(who) = &mut self.who {
            let me = who.await;
            self.who = None;
            return News::Who(me);
        }
        match self.running.next().await {
            Some(report) => News::Judged(report),
            None => std::future::pending().await,
        }
    }
}

/// Tells the daemon; the decision names the version that was judged.
async fn decide(
    client: Client,
    view: &RequestView,
    verdict: Verdict,
    reason: Option<String>,
) -> Outcome {
    let body = DecisionBody {
        verdict,
        reason,
        version: Some(view.version),
        match_code: None,
    };
    let mut deciding = Deciding::new(client, view.id, body);
    loop {
        if let Progress::Done(outcome) = deciding.next().await {
            return outcome;
        }
    }
}

impl Report {
    /// The verdict, if it counts.
    pub(in crate::cli::approver) const fn counted(&self) -> Option<Verdict> {
        match (&self.opinion, &self.outcome) {
            (Opinion::Verdict(verdict, _), Some(Outcome::Counted(_))) => Some(*verdict),
            _ => None,
        }
    }

    /// What there is to tell, line by line; strangers' words are in it.
    pub(in crate::cli::approver) fn lines(&self) -> Vec<String> {
        let id = self.view.id;
        let mut lines: Vec<String> = self
            .said
            .iter()
            .map(|line| format!("policy, {id}: {line}"))
            .collect();
        let (ours, theirs) = self.words();
        let why = theirs.map_or_else(String::new, |theirs| format!(": {theirs}"));
        lines.push(format!("{id} {ours}{why}; asked: {}", self.view.title));
        lines
    }

    /// What was asked.
    pub(in crate::cli::approver) fn title(&self) -> &str {
        &self.view.title
    }

    /// What came of it, in words of ours, and why, in words of others.
    pub(in crate::cli::approver) fn words(&self) -> (String, Option<&str>) {
        let (verdict, reason) = match &self.opinion {
            Opinion::Verdict(Verdict::Approve, reason) => ("approve", reason.as_deref()),
            Opinion::Verdict(Verdict::Deny, reason) => ("deny", reason.as_deref()),
            Opinion::Open(reason) => {
                return ("left open by the policy".to_owned(), reason.as_deref());
            }
            Opinion::Trouble(why) => {
                let ours = format!("left open: the policy has no opinion, {why}");
                return (ours, None);
            }
        };
        let (ours, reason) = match &self.outcome {
            Some(Outcome::Counted(view)) if view.status == Status::Pending => {
                let ours = format!("voted for by the policy ({verdict}), pending still");
                (ours, reason)
            }
            Some(Outcome::Counted(view)) => {
                (format!("{} by the policy", view.status.as_str()), reason)
            }
            Some(Outcome::TooLate(Some(view))) => {
                let status = view.status.as_str();
                let ours = format!("was {status} before the policy could {verdict} it");
                (ours, None)
            }
            Some(Outcome::TooLate(None) | Outcome::Gone) => (
                format!("was gone before the policy could {verdict} it"),
                None,
            ),
            Some(Outcome::Changed(_)) => {
                let ours = format!("NOT decided: it changed before the policy could {verdict} it");
                (ours, None)
            }
            Some(Outcome::WrongCode { .. }) | None => {
                let ours = format!("NOT decided, though the policy would {verdict} it");
                (ours, None)
            }
            Some(Outcome::Failed { why, unsure, .. }) => {
                let known = if *unsure { ", as far as known" } else { "" };
                let ours = format!("NOT decided{known}, though the policy would {verdict} it");
                (ours, Some(why.as_str()))
            }
        };
        (ours, reason)
    }

    /// Tells the inbox. `daemon_now` is the daemon's time, if it is known.
    pub(in crate::cli::approver) fn take_in(
        &self,
        inbox: &mut Inbox,
        now: Instant,
        daemon_now: Option<Timestamp>,
    ) {
        let (id, version) = (self.view.id, self.view.version);
        match &self.outcome {
            // With more decisions needed, it waits for those of others.
            Some(Outcome::Counted(view)) if view.status == Status::Pending => {
                inbox.voted(view.clone());
            }
            Some(Outcome::Counted(view) | Outcome::TooLate(Some(view))) => {
                inbox.done(id, Some(view.event_id));
            }
            Some(Outcome::TooLate(None) | Outcome::Gone) => inbox.done(id, None),
            Some(Outcome::Changed(Some(view))) => {
                inbox.leave_open(id, version);
                drop(inbox.apply(view.clone()));
            }
            Some(Outcome::Failed {
                cause: Cause::Frozen { until },
                ..
            }) => inbox.judge_later(id, now + frozen_for(*until, daemon_now)),
            Some(Outcome::Failed {
                cause: Cause::Trouble | Cause::Busy,
                ..
            }) => inbox.judge_again(id, now + limits::POLICY_AGAIN),
            Some(Outcome::Changed(None) | Outcome::WrongCode { .. } | Outcome::Failed { .. })
            | None => inbox.leave_open(id, version),
        }
    }
}

/// How long a policy need not judge again what a freeze keeps from being approved: until that ends,
/// within [`limits::POLICY_FROZEN`].
fn frozen_for(until: Option<Timestamp>, daemon_now: Option<Timestamp>) -> Duration {
    let (least, most) = limits::POLICY_FROZEN;
    let left = until.zip(daemon_now).map(|(until, now)| until.since(now));
    left.map_or(limits::POLICY_AGAIN, |left| left.clamp(least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_waited_for_within_bounds() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let ends_in = |secs| Some(now.after(Duration::from_secs(secs)));
        let (least, most) = limits::POLICY_FROZEN;
        for (until, daemon_now, wait) in [
            (ends_in(600), Some(now), Duration::from_mins(10)),
            (ends_in(0), Some(now), least),
            (ends_in(1_000_000), Some(now), most),
            // Of a daemon that does not say, and before its clock is known.
            (None, Some(now), limits::POLICY_AGAIN),
            (ends_in(600), None, limits::POLICY_AGAIN),
        ] {
            assert_eq!(frozen_for(until, daemon_now), wait);
        }
    }
}
