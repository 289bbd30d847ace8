//! Which terms an ask gets: what the daemon's policy wants, tightened by what the requester wants.
//!
//! A rule applies to the asks that its [conditions](Conditions) hold for. Of all that apply the
//! strictest wins in each respect, so that it does not matter in which order they are written, and
//! that one more rule never makes anything easier than those that apply already.

mod agreed;
mod approvers;
mod condition;
mod rule;
mod unmet;
mod whom;

use std::collections::{BTreeMap, BTreeSet};

pub use self::agreed::Agreed;
pub use self::approvers::Approvers;
pub use self::condition::{BadGlob, Condition, Conditions, Glob};
pub use self::rule::{Demands, Rule};
pub use self::unmet::Unmet;
pub use self::whom::Whom;

use super::freeze::{Freeze, thaw};
use super::request::{Ask, Principal};
use super::time::Timestamp;
use crate::limits;

/// The rules about who has to agree to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who stands behind the name of a group.
    pub groups: BTreeMap<String, BTreeSet<Principal>>,
    /// The rules, in the order in which they were written.
    pub rules: Vec<Rule>,
}

/// Why a rule can never be met, whoever asks and whoever votes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Never {
    /// There are no votes that would do.
    #[error(transparent)]
    Votes(#[from] Unmet),
    /// Approvals are never taken.
    #[error("approvals would be frozen at every time of the week")]
    Frozen,
}

impl Policy {
    /// The terms for this ask of `requester`, made at `now`. What the requester wants only tightens
    /// them. `approvers` are those of the ask's topic.
    ///
    /// # Errors
    /// The ask cannot be taken.
    pub fn agree(
        &self,
        ask: &Ask,
        requester: &Principal,
        approvers: &Approvers,
        now: Timestamp,
    ) -> Result<Agreed, Unmet> {
        let rules = self.applying(ask, requester);
        for rule in &rules {
            obeys(ask, rule)?;
        }
        let mut agreed = Agreed::plain(ask);
        agreed.tighten_by(&rules);
        agreed.tighten(ask.need.unwrap_or(1), self.people(&ask.from)?);
        if agreed.terms.need_people(agreed.approvals_needed) {
            if !approvers.are_told_apart() {
                let rules = agreed.terms.rules;
                return Err(Unmet::PeopleUnknown { rules });
            }
            are_approvers(&ask.from, approvers)?;
            agreed.can_be_met(Some(requester), approvers)?;
        }
        agreed.thaws_in_time(now)?;
        Ok(agreed)
    }

    /// The rules that apply to this ask of `requester`.
    pub fn applying(&self, ask: &Ask, requester: &Principal) -> Vec<&Rule> {
        let applies = |rule: &&Rule| rule.when.hold(ask, requester);
        self.rules.iter().filter(applies).collect()
    }

    /// Whether this rule could be met, together with those that apply to every ask.
    ///
    /// # Errors
    /// It could not, as far as that can be seen without an ask.
    pub fn could_be_met(&self, rule: &Rule) -> Result<(), Never> {
        let everywhere = |other: &&Rule| other.when.are_none() && other.name != rule.name;
        let mut rules: Vec<_> = self.rules.iter().filter(everywhere).collect();
        rules.push(rule);
        let mut agreed = Agreed {
            approvals_needed: 1,
            expires_in: limits::EXPIRY_DEFAULT,
            terms: super::Terms::default(),
        };
        agreed.tighten_by(&rules);
        agreed.can_be_met(None, &Approvers::Unlisted)?;
        let weekly = agreed.terms.freezes.into_iter();
        let weekly: Vec<_> = weekly
            .filter(|one| matches!(one, Freeze::Weekly(_)))
            .collect();
        // Any moment does: what is frozen every week is so in each.
        let (now, week) = (Timestamp::from_millis(0), limits::WEEK);
        match thaw(&weekly, now) {
            Some(end) if end.since(now) > week => Err(Never::Frozen),
            Some(_) | None => Ok(()),
        }
    }

    /// The first rule that tells people apart, if there is one.
    pub fn naming_people(&self) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.demands.need_people())
    }

    fn people(&self, from: &[Whom]) -> Result<Option<BTreeSet<Principal>>, Unmet> {
        if from.is_empty() {
            return Ok(None);
        }
        let people = self.members(from).map_err(Unmet::NoSuchGroup)?;
        if people.len() > limits::GROUP_MEMBERS {
            return Err(Unmet::TooMany(people.len()));
        }
        Ok(Some(people))
    }

    /// All of these together.
    ///
    /// # Errors
    /// The name of the first group that there is not.
    pub fn members(&self, whom: &[Whom]) -> Result<BTreeSet<Principal>, String> {
        let mut people = BTreeSet::new();
        for whom in whom {
            match whom {
                Whom::One(who) => drop(people.insert(who.clone())),
                Whom::Group(group) => {
                    let members = self.groups.get(group).ok_or_else(|| group.clone())?;
                    people.extend(members.iter().cloned());
                }
            }
        }
        Ok(people)
    }
}

/// Refuses a name that nobody has who may approve: it is a mistake, even where others would do. Of a
/// group some may be gone, which [`Agreed::can_be_met`] looks at.
fn are_approvers(from: &[Whom], approvers: &Approvers) -> Result<(), Unmet> {
    for whom in from {
        if let Whom::One(who) = whom
            && !approvers.may_include(who)
        {
            return Err(Unmet::NoSuchApprover(who.as_str().to_owned()));
        }
    }
    Ok(())
}

/// What a rule wants of the ask itself.
fn obeys(ask: &Ask, rule: &Rule) -> Result<(), Unmet> {
    if rule.demands.match_code && ask.match_code.is_none() {
        let rule = rule.name.clone();
        return Err(Unmet::NoMatchCode { rule });
    }
    match (ask.expires_in, rule.demands.longest_expiry) {
        (Some(asked), Some(longest)) if asked > longest => Err(Unmet::ExpiresTooLate {
            rule: rule.name.clone(),
            asked,
            longest,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
