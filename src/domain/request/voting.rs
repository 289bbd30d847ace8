//! Votes on a request: which count, which are refused, and what they make of it.

use super::super::decision::{Decision, Verdict};
use super::super::freeze::thaw;
use super::super::ids::EventId;
use super::super::match_code::MatchCode;
use super::super::text::Reason;
use super::super::time::Timestamp;
use super::{Caller, Principal, Refusal, Request, Status, Step, Transition, What};
use crate::limits;

/// A decision on its way to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote<'a> {
    /// What was said, by whom.
    pub decision: Decision,
    /// Whether the name stands for one person or program, and not for everybody.
    pub is_known: bool,
    /// The version that was on the approver's screen.
    pub shown: Option<EventId>,
    /// The match code that was typed.
    pub code: Option<&'a MatchCode>,
}

impl Request {
    /// Takes a vote on this request, whose version is `version`. `stands` tells of everybody who
    /// has voted before whether they still may; who may not any more has no vote left.
    ///
    /// The same verdict by the same approver again changes nothing, and the first reason stays; a
    /// match code is not asked for again. Another verdict takes the place of the first, for as long
    /// as the request is pending. An approval of a request that has a match code has to come with
    /// it, and with none otherwise. A denial needs neither that nor a reason, and is taken at any
    /// time.
    ///
    /// # Errors
    /// Final otherwise, overdue, decided on another version than the one shown, by somebody whose
    /// approval does not count, in a freeze, without a reason or the match code that it needs;
    /// considered in this order, so that nobody learns by a code what they may not know without it,
    /// and no try is lost on a question that was another.
    ///
    /// A wrong code is not refused at once: the try has to be committed first.
    pub fn decided(
        &self,
        version: EventId,
        vote: Vote<'_>,
        stands: impl Fn(&Principal) -> bool,
    ) -> Result<Transition, Refusal> {
        let Vote {
            decision,
            is_known,
            shown,
            code,
        } = vote;
        if self.has_decision(&decision) {
            return Ok(Transition::Unchanged);
        }
        self.open_to_change(decision.at)?;
        if let Some(named) = shown.filter(|&named| named != version) {
            return Err(Refusal::OtherVersion {
                named,
                current: version,
            });
        }
        if decision.verdict == Verdict::Approve {
            self.may_be_approved(&decision, is_known)?;
        }
        match (decision.verdict, &self.match_code, code) {
            (Verdict::Deny, _, _) | (Verdict::Approve, None, None) => {}
            (Verdict::Approve, Some(_), None) => return Err(Refusal::NoCodeGiven),
            (Verdict::Approve, None, Some(_)) => return Err(Refusal::NoCodeAsked),
            (Verdict::Approve, Some(right), Some(typed)) if typed == right => {}
            (Verdict::Approve, Some(_), Some(_)) => {
                return Ok(self.wrongly_matched(version, decision));
            }
        }
        let (by, mut next) = (decision.approver.principal.clone(), self.clone());
        next.decisions
            .retain(|other| stands(&other.approver.principal));
        next.take(version, decision);
        if next.status.is_final() || self.has_room_for_vote(&by) {
            Ok(Transition::Commit(Box::new(next)))
        } else {
            Err(Refusal::TooManyVotes)
        }
    }

    /// What an approval needs besides a match code.
    fn may_be_approved(&self, decision: &Decision, is_known: bool) -> Result<(), Refusal> {
        let terms = &self.terms;
        let is_told_apart = is_known || !terms.need_people(self.approvals_needed);
        if !is_told_apart || !terms.admit(&decision.approver.principal) {
            return Err(Refusal::NotAnApprover);
        }
        if let Some(until) = thaw(&terms.freezes, decision.at) {
            let wait = until.since(decision.at);
            return Err(Refusal::Frozen { until, wait });
        }
        if terms.reason_required && decision.reason.is_none() {
            return Err(Refusal::NoReason);
        }
        Ok(())
    }

    /// Whether the history may take another vote that settles nothing: of this approver, and at all.
    fn has_room_for_vote(&self, by: &Principal) -> bool {
        let is_vote = |step: &&Step| matches!(step.what, What::Approved | What::Denied);
        let votes = self.history.iter().filter(is_vote);
        let is_theirs = |step: &&Step| step.by.as_ref().is_some_and(|who| who.principal == *by);
        let theirs = votes.clone().filter(is_theirs).count();
        theirs < limits::VOTES_PER_APPROVER && votes.count() < limits::VOTES
    }

    /// Takes back what `by` has said, while the request, whose version is `version`, is pending.
    /// What was said stays in the history.
    ///
    /// # Errors
    /// Final, or overdue.
    pub fn taken_back(
        &self,
        version: EventId,
        by: &Caller,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        self.open_to_change(now)?;
        let is_theirs = |vote: &Decision| vote.approver.principal == by.principal;
        if !self.decisions.iter().any(is_theirs) {
            return Ok(Transition::Unchanged);
        }
        let mut next = self.clone();
        next.decisions.retain(|vote| !is_theirs(vote));
        next.changed_at = Some(version);
        next.step(What::TookBack, now, Some(by), None);
        Ok(Transition::Commit(Box::new(next)))
    }

    /// Counts a wrong match code; the last one that is forgiven nobody is a denial.
    fn wrongly_matched(&self, version: EventId, decision: Decision) -> Transition {
        let mut next = self.clone();
        next.match_tries = next.match_tries.saturating_add(1);
        next.changed_at = Some(version);
        next.step(What::WrongCode, decision.at, Some(&decision.approver), None);
        let left = limits::MATCH_TRIES.saturating_sub(next.match_tries);
        if left == 0 {
            let denial = Decision {
                verdict: Verdict::Deny,
                reason: Some(Reason::match_code()),
                ..decision
            };
            let at = denial.at;
            next.take(version, denial);
            // It is no vote among others, but the end of the tries.
            if !next.status.is_final() {
                next.settle(Status::Denied, at);
            }
        }
        Transition::Refuse(Box::new(next), Refusal::WrongCode { left })
    }

    /// Takes in a decision that counts.
    fn take(&mut self, version: EventId, decision: Decision) {
        let (what, now) = match decision.verdict {
            Verdict::Approve => (What::Approved, decision.at),
            Verdict::Deny => (What::Denied, decision.at),
        };
        self.step(what, now, Some(&decision.approver), decision.reason.clone());
        self.decisions
            .retain(|other| other.approver.principal != decision.approver.principal);
        self.decisions.push(decision);
        match self.terms.outcome(self.approvals_needed, &self.decisions) {
            Some(status) => self.settle(status, now),
            None => self.changed_at = Some(version),
        }
    }

    /// Whether this approver has said the same before, and that still stands.
    fn has_decision(&self, decision: &Decision) -> bool {
        let stands = match (self.status, decision.verdict) {
            (Status::Pending, _)
            | (Status::Approved, Verdict::Approve)
            | (Status::Denied, Verdict::Deny) => true,
            (Status::Approved | Status::Denied | Status::Expired | Status::Cancelled, _) => false,
        };
        stands
            && self.decisions.iter().any(|other| {
                other.approver.principal == decision.approver.principal
                    && other.verdict == decision.verdict
            })
    }
}
