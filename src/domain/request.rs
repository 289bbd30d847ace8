//! A request's life: pending, then exactly one of approved, denied, expired or cancelled.
//!
//! Each transition is a method that takes the present request and `now` and returns the next one;
//! committing it is the caller's business. A final request has no transition out of it.

mod same;
mod using;
mod voting;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::command::Command;
use super::decision::Decision;
use super::ids::{Digest, EventId, RequestId};
use super::match_code::MatchCode;
use super::policy::{Agreed, Whom};
use super::terms::Terms;
use super::text::{Details, Field, Reason, Title, Topic};
use super::time::Timestamp;
use crate::limits;

pub use using::Use;
pub use voting::Vote;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided yet.
    Pending,
    /// Enough approvers said yes.
    Approved,
    /// An approver said no.
    Denied,
    /// Nobody decided before `expires_at`.
    Expired,
    /// The requester withdrew it.
    Cancelled,
}

impl Status {
    /// Whether no transition leads out of it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// The word for it, in the API and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The name that the daemon knows somebody by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(String);

impl Principal {
    /// Who calls when nobody has to say who they are: every local caller is the same, and trusted.
    pub const LOCAL: &'static str = "local";

    /// The principal with this name.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who called, and from where: what the daemon knows, apart from what anybody claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// By which name.
    pub principal: Principal,
    /// From which network address; `None` when the transport has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// By which way, as far as the caller says so; `None` for the daemon itself, and in records of
    /// before it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

impl Caller {
    /// A caller of whom nothing but the name is known.
    pub fn named(name: &str) -> Self {
        Self {
            principal: Principal::new(name),
            address: None,
            channel: None,
        }
    }
}

/// An approver had the question on its screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Who saw it.
    pub by: Caller,
    /// When it was reported.
    pub at: Timestamp,
}

/// What happened in one step of a request's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The requester asked.
    Asked,
    /// An approver had it on its screen.
    Seen,
    /// An approver said yes, but with another match code.
    WrongCode,
    /// An approver said yes.
    Approved,
    /// An approver said no, or gave the last wrong match code.
    Denied,
    /// An approver took back what they had said.
    TookBack,
    /// Its time was over.
    Expired,
    /// The requester withdrew it, or was gone for longer than its lease.
    Cancelled,
    /// The requester used the approval.
    Consumed,
}

/// One step of a request's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What happened.
    pub what: What,
    /// When the daemon accepted it.
    pub at: Timestamp,
    /// Who did it; `None` for the daemon itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What somebody wants to be allowed, checked member by member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The question in one line.
    pub title: Title,
    /// More about it.
    pub details: Details,
    /// Facts about it, at most [`limits::FIELDS`].
    pub fields: Vec<Field>,
    /// What it is about.
    pub topic: Topic,
    /// How long it may stay pending, from [`limits::EXPIRY_MIN`] to [`limits::EXPIRY_MAX`]; `None`
    /// for [`limits::EXPIRY_DEFAULT`], or as long as the policy lets it.
    pub expires_in: Option<Duration>,
    /// What an approver has to type to approve.
    pub match_code: Option<MatchCode>,
    /// The command that is run on approval.
    pub command: Option<Command>,
    /// How many approvals the requester wants, at least.
    pub need: Option<u32>,
    /// Whose approvals the requester wants; nobody's for everybody's.
    pub from: Vec<Whom>,
    /// After how long without a poll it is withdrawn, within [`limits::LEASE`].
    pub lease: Option<Duration>,
    /// How long after its decision an approval may be used, within [`limits::USE_WITHIN`].
    pub use_within: Duration,
    /// The members as they were sent, to tell a replay from another ask under the same key.
    pub digest: Digest,
}

/// What was asked, and what became of it. This is the record that stores keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// What it is about.
    pub topic: Topic,
    /// The question in one line.
    pub title: Title,
    /// More about it.
    pub details: Details,
    /// Facts about it, in the order they were given.
    pub fields: Vec<Field>,
    /// Who asked.
    pub requester: Caller,
    /// When the ask was accepted.
    pub created_at: Timestamp,
    /// When it expires if it is still pending.
    pub expires_at: Timestamp,
    /// How many different principals have to approve.
    pub approvals_needed: u32,
    /// What else has to be so.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
    /// What was decided so far, the latest of each approver.
    pub decisions: Vec<Decision>,
    /// Where it stands.
    pub status: Status,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Who has had it on a screen, at most [`limits::SEEN_BY`].
    pub seen_by: Vec<Seen>,
    /// What happened, at most [`limits::HISTORY_STEPS`] steps.
    pub history: Vec<Step>,
    /// The event id at which status or question last changed; `None` stands for the commit that
    /// carries this record. Read it through [`Event::version`](super::Event::version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<EventId>,
    /// What an approver has to type to approve; forgotten once the request is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_code: Option<MatchCode>,
    /// How many wrong codes were typed, at most [`limits::MATCH_TRIES`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub match_tries: u32,
    /// The command that is run on approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Seconds without a poll after which it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_secs: Option<u64>,
    /// Whether it was withdrawn for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lease_ended: bool,
    /// Seconds after its decision in which an approval may be used.
    #[serde(default = "use_within", skip_serializing_if = "is_use_within")]
    pub use_within_secs: u64,
    /// The use of the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<Use>,
    /// The members of the ask as they were sent.
    pub ask_digest: Digest,
}

const fn use_within() -> u64 {
    limits::USE_WITHIN.1.as_secs()
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference to the member"
)]
const fn is_use_within(secs: &u64) -> bool {
    *secs == use_within()
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference to the member"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a command makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The next state, to be committed.
    Commit(Box<Request>),
    /// The next state, to be committed before the command is refused.
    Refuse(Box<Request>, Refusal),
    /// All is as the command wants it; there is nothing to commit.
    Unchanged,
}

/// The domain says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is final, and not as the command wants it.
    #[error("the request is already {}", .0.as_str())]
    Final(Status),
    /// The request is past `expires_at`; the expiry has to be committed first.
    #[error("the request is past its expiry")]
    Overdue,
    /// The decision was made on another version than the current one.
    #[error("the request has changed: its version is {current}, the decision names {named}")]
    OtherVersion {
        /// The version that the decision names.
        named: EventId,
        /// The version of the request.
        current: EventId,
    },
    /// A match code has to be typed, and none was.
    #[error("the requester shows a match code, which has to be typed to approve")]
    NoCodeGiven,
    /// A match code was typed for a request that has none, so it was meant for another one.
    #[error("this request has no match code, so the one that was typed is of another request")]
    NoCodeAsked,
    /// Another match code was typed; the try is on record.
    #[error("that is not the match code that the requester shows")]
    WrongCode {
        /// Tries that are left; with none the request is denied.
        left: u32,
    },
    /// Somebody else's request.
    #[error("only its requester may cancel or use a request")]
    NotTheRequester,
    /// The terms of the request do not count this approver's approval.
    #[error("on the terms of this request your approval does not count")]
    NotAnApprover,
    /// Nothing is approved at this time.
    #[error("approvals are frozen now")]
    Frozen {
        /// Until then.
        until: Timestamp,
        /// How long that is.
        wait: Duration,
    },
    /// An approval has to say why.
    #[error("an approval of this request needs a reason")]
    NoReason,
    /// The approver, or all together, have changed their minds too often.
    #[error("there were too many votes on this request already")]
    TooManyVotes,
    /// Only an approval is used.
    #[error("the request is {}, and only an approved one can be used", .0.as_str())]
    NotApproved(Status),
    /// The approval was used, by another nonce.
    #[error("the approval was used already")]
    Consumed {
        /// Then.
        at: Timestamp,
    },
    /// The approval is too old to be used.
    #[error("the approval is too old: it was for {within_secs} s from its decision")]
    TooLate {
        /// Seconds after the decision in which it could be used.
        within_secs: u64,
    },
}

impl Request {
    /// A new request on plain terms, pending until `now` plus the ask's life.
    pub fn asked(id: RequestId, ask: Ask, by: Caller, now: Timestamp) -> Self {
        let plain = Agreed::plain(&ask);
        Self::agreed(id, ask, plain, by, now)
    }

    /// A new request on these terms.
    pub fn agreed(id: RequestId, ask: Ask, agreed: Agreed, by: Caller, now: Timestamp) -> Self {
        let step = Step {
            what: What::Asked,
            at: now,
            by: Some(by.clone()),
            reason: None,
        };
        Self {
            id,
            topic: ask.topic,
            title: ask.title,
            details: ask.details,
            fields: ask.fields,
            requester: by,
            created_at: now,
            expires_at: now.after(agreed.expires_in),
            approvals_needed: agreed.approvals_needed,
            terms: agreed.terms,
            decisions: Vec::new(),
            status: Status::Pending,
            settled_at: None,
            seen_by: Vec::new(),
            history: vec![step],
            changed_at: None,
            match_code: ask.match_code,
            match_tries: 0,
            command: ask.command,
            lease_secs: ask.lease.map(|lease| lease.as_secs()),
            lease_ended: false,
            use_within_secs: ask.use_within.as_secs(),
            consumed: None,
            ask_digest: ask.digest,
        }
    }

    /// Bytes of the texts in it, for bounds on memory: what was asked and on which terms, and what
    /// was said of it. The rest of a request is small.
    pub fn text_bytes(&self) -> usize {
        let fields = self
            .fields
            .iter()
            .map(|field| field.name().len() + field.value().len());
        let command = self.command.as_ref().map_or(0, Command::text_bytes);
        let decisions = self.decisions.iter().map(|vote| &vote.reason);
        let steps = self.history.iter().map(|step| &step.reason);
        let reasons = decisions.chain(steps).flatten();
        let reasons = reasons.map(|reason| reason.as_str().len());
        let question = self.title.as_str().len() + self.details.as_str().len() + command;
        question + self.terms.text_bytes() + fields.chain(reasons).sum::<usize>()
    }

    /// Whether it is pending past its time, so that `expired` has to be committed.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == Status::Pending && now >= self.expires_at
    }

    /// Expires it, when it is overdue.
    pub fn expired(&self, now: Timestamp) -> Option<Self> {
        self.is_overdue(now).then(|| {
            let mut next = self.clone();
            next.settle(Status::Expired, now);
            next.step(What::Expired, now, None, None);
            next
        })
    }

    /// Withdraws it because nobody has waited for it for as long as its lease. Without a lease, of
    /// which it may have been freed meanwhile, it stays.
    ///
    /// # Errors
    /// Final, or overdue.
    pub fn abandoned(&self, now: Timestamp) -> Result<Transition, Refusal> {
        self.open_to_change(now)?;
        if self.lease_secs.is_none() {
            return Ok(Transition::Unchanged);
        }
        let mut next = self.clone();
        next.lease_ended = true;
        next.settle(Status::Cancelled, now);
        next.step(What::Cancelled, now, None, None);
        Ok(Transition::Commit(Box::new(next)))
    }

    /// Frees it of its lease: its requester has joined it without one. `version` is the request's
    /// version, which stays.
    pub fn released(&self, version: EventId) -> Transition {
        if self.status.is_final() || self.lease_secs.is_none() {
            return Transition::Unchanged;
        }
        let mut next = self.clone();
        next.lease_secs = None;
        next.changed_at = Some(version);
        Transition::Commit(Box::new(next))
    }

    /// Withdraws it, as its requester.
    ///
    /// # Errors
    /// Somebody else's request, final otherwise, or overdue; considered in this order.
    pub fn cancelled(&self, by: &Caller, now: Timestamp) -> Result<Transition, Refusal> {
        if by.principal != self.requester.principal {
            return Err(Refusal::NotTheRequester);
        }
        self.withdrawn(by, now)
    }

    /// Withdraws it, as somebody who may, whoever has asked.
    ///
    /// # Errors
    /// Final otherwise, or overdue; considered in this order.
    pub fn withdrawn(&self, by: &Caller, now: Timestamp) -> Result<Transition, Refusal> {
        if self.status == Status::Cancelled {
            return Ok(Transition::Unchanged);
        }
        self.open_to_change(now)?;
        let mut next = self.clone();
        next.settle(Status::Cancelled, now);
        next.step(What::Cancelled, now, Some(by), None);
        Ok(Transition::Commit(Box::new(next)))
    }

    /// Notes that `by` has it on a screen; once for each principal, at most [`limits::SEEN_BY`]
    /// times, and only while it is pending. `version` is the request's version, which stays.
    pub fn seen(&self, version: EventId, by: &Caller, now: Timestamp) -> Transition {
        let known = self
            .seen_by
            .iter()
            .any(|seen| seen.by.principal == by.principal);
        if known || self.seen_by.len() >= limits::SEEN_BY || self.open_to_change(now).is_err() {
            return Transition::Unchanged;
        }
        let mut next = self.clone();
        next.changed_at = Some(version);
        next.seen_by.push(Seen {
            by: by.clone(),
            at: now,
        });
        next.step(What::Seen, now, Some(by), None);
        Transition::Commit(Box::new(next))
    }

    fn open_to_change(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.status.is_final() {
            Err(Refusal::Final(self.status))
        } else if self.is_overdue(now) {
            Err(Refusal::Overdue)
        } else {
            Ok(())
        }
    }

    fn settle(&mut self, status: Status, now: Timestamp) {
        self.status = status;
        self.settled_at = Some(now);
        self.changed_at = None;
        // Nobody has to type it any more, so a stolen database need not tell it.
        self.match_code = None;
    }

    fn step(&mut self, what: What, at: Timestamp, by: Option<&Caller>, reason: Option<Reason>) {
        debug_assert!(
            self.history.len() < limits::HISTORY_STEPS,
            "every step has a bound"
        );
        self.history.push(Step {
            what,
            at,
            by: by.cloned(),
            reason,
        });
    }
}

#[cfg(test)]
mod tests;
