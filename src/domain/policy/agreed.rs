//! The terms of one request: the strictest of what applies.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::freeze::thaw;
use super::super::request::{Ask, Principal};
use super::super::terms::{Panel, Terms};
use super::super::time::Timestamp;
use super::approvers::Approvers;
use super::rule::Rule;
use super::unmet::Unmet;
use crate::limits;

/// The terms of a request, how many approvals it needs, and how long it may stay pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How many different principals have to approve.
    pub approvals_needed: u32,
    /// How long it may stay pending.
    pub expires_in: Duration,
    /// All else.
    pub terms: Terms,
}

impl Agreed {
    /// Those of an ask to which no rule applies.
    pub fn plain(ask: &Ask) -> Self {
        Self {
            approvals_needed: 1,
            expires_in: ask.expires_in.unwrap_or(limits::EXPIRY_DEFAULT),
            terms: Terms::default(),
        }
    }

    /// Makes them as strict as the strictest of these rules, all of which apply.
    ///
    /// One rule is enough to tighten: the most approvals, the approvers that all agree on, every
    /// group's, a reason, every freeze. It takes all of them to loosen: more denials than one count
    /// only as far as each rule lets them, and one's own approval only if each rule does.
    pub(super) fn tighten_by(&mut self, rules: &[&Rule]) {
        let Some((first, others)) = rules.split_first() else {
            return;
        };
        let loosest = |rule: &Rule| {
            (
                rule.demands.denials.unwrap_or(1),
                rule.demands.self_approval,
            )
        };
        let (mut denials, mut self_approval) = loosest(first);
        for rule in others {
            let (least, own) = loosest(rule);
            denials = denials.min(least);
            self_approval &= own;
        }
        self.terms.denials_needed = denials;
        self.terms.self_approval = self_approval;
        for rule in rules {
            let demands = &rule.demands;
            self.terms.rules.push(rule.name.clone());
            self.terms.reason_required |= demands.reason;
            self.expires_in = match demands.longest_expiry {
                Some(longest) => self.expires_in.min(longest),
                None => self.expires_in,
            };
            for panel in &demands.panels {
                self.add_panel(panel);
            }
            for freeze in &demands.freezes {
                if !self.terms.freezes.contains(freeze) {
                    self.terms.freezes.push(freeze.clone());
                }
            }
            self.tighten(demands.approvals.unwrap_or(1), demands.approvers.clone());
        }
        // What is told of it should be what it takes.
        self.approvals_needed = self.approvals_needed.max(self.seats());
    }

    /// Makes them at least as strict as these.
    pub(super) fn tighten(&mut self, needed: u32, people: Option<BTreeSet<Principal>>) {
        self.approvals_needed = self.approvals_needed.max(needed);
        self.terms.approvers = match (self.terms.approvers.take(), people) {
            (Some(ours), Some(theirs)) => Some(&ours & &theirs),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// One panel for each group, with the most that anybody demands of it.
    fn add_panel(&mut self, panel: &Panel) {
        let panels = &mut self.terms.panels;
        match panels.iter_mut().find(|known| known.group == panel.group) {
            Some(known) => known.approvals = known.approvals.max(panel.approvals),
            None => panels.push(panel.clone()),
        }
    }

    /// How many approvals all panels take, each of another person.
    fn seats(&self) -> u32 {
        let seats = self.terms.panels.iter().map(|panel| panel.approvals.max(1));
        seats.fold(0, u32::saturating_add)
    }

    /// Refuses what would be frozen for as long as it may be pending.
    pub(super) fn thaws_in_time(&self, now: Timestamp) -> Result<(), Unmet> {
        match thaw(&self.terms.freezes, now) {
            Some(until) if until >= now.after(self.expires_in) => Err(Unmet::Frozen {
                until,
                expires_in: self.expires_in,
                rules: self.terms.rules.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses terms that no votes could ever meet, so that nobody waits in vain; `requester` is
    /// `None` for whoever may ask.
    pub(super) fn can_be_met(
        &self,
        requester: Option<&Principal>,
        approvers: &Approvers,
    ) -> Result<(), Unmet> {
        let Self {
            approvals_needed: needed,
            terms,
            ..
        } = self;
        let (needed, panels) = (*needed, terms.panels.len());
        if needed > limits::VOTES_NEEDED || panels > limits::PANELS {
            let rules = terms.rules.clone();
            return Err(Unmet::TooMuch {
                needed,
                panels,
                rules,
            });
        }
        let members = || terms.panels.iter().flat_map(|panel| &panel.members);
        let is_not_own = |who: &&Principal| terms.self_approval || Some(*who) != requester;
        let may = |who: &&Principal| is_not_own(who) && approvers.may_include(who);
        let (listed, all) = (terms.approvers.as_ref(), approvers.all());
        let eligible: BTreeSet<_> = match (listed, all) {
            (Some(listed), _) => listed.iter().filter(may).collect(),
            (None, Some(all)) => all.iter().filter(may).collect(),
            (None, None) => members().filter(may).collect(),
        };
        let eligible: Vec<_> = eligible.into_iter().collect();
        // Without any list, others may come as well.
        let may_others = listed.is_none() && all.is_none();
        let are_enough =
            may_others || u32::try_from(eligible.len()).is_ok_and(|most| most >= needed);
        if are_enough && terms.seat(&eligible) {
            return Ok(());
        }
        let named: BTreeSet<_> = listed.into_iter().flatten().chain(members()).collect();
        let unknown = named.into_iter().filter(|who| !approvers.may_include(who));
        Err(Unmet::TooFew {
            needed,
            eligible: eligible.len(),
            unknown: unknown.map(|who| who.as_str().to_owned()).collect(),
            rules: terms.rules.clone(),
        })
    }
}
