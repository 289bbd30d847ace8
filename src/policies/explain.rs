//! What a policy says of an ask, and why: a dry run for whoever writes the rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::{
    Agreed, Approvers, Ask, Policy, Principal, Rights, Role, Rule, Terms, Timestamp,
};
use crate::wire::{PanelView, freeze_in_words};

/// What would become of an ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it is about.
    pub topic: String,
    /// Who would ask.
    pub requester: String,
    /// Every rule, and whether it applies.
    pub rules: Vec<Look>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The terms that it would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsView>,
    /// Who could approve it: those whom the terms name, and those who have a token.
    pub people: Vec<Person>,
    /// Whether these could be enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_approved: Option<bool>,
}

/// One rule at an ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Its name.
    pub rule: String,
    /// Whether it applies.
    pub applies: bool,
    /// Its conditions, and whether they hold; none for a rule that always applies.
    pub conditions: Vec<Held>,
}

/// One condition at an ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The condition, in words.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The terms, as the public view of a request has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TermsView {
    /// How many people have to approve.
    pub approvals_needed: u32,
    /// How many people have to deny.
    pub denials_needed: u32,
    /// Whose approvals count; absent for those of every approver of the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<String>>,
    /// Groups that each need approvals of their own.
    pub panels: Vec<PanelView>,
    /// Whether an approver has to type a match code.
    pub match_code_required: bool,
    /// Whether an approval needs a reason.
    pub reason_required: bool,
    /// Whether the requester's own approval counts.
    pub self_approval: bool,
    /// How long it may stay pending.
    pub expires_in_secs: u64,
    /// When approvals are not taken.
    pub freezes: Vec<String>,
}

/// Whether somebody could approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chance {
    /// They could.
    Yes,
    /// They could not.
    No,
    /// The file of tokens does not say.
    Unknown,
}

/// Somebody at an ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// By which name.
    pub name: String,
    /// Whether they could approve.
    pub may_approve: Chance,
    /// Why, or why not.
    pub because: String,
}

/// Tells what the policy says of this ask of `requester` at `now`, on a daemon that tells people apart;
/// `known` are those who have a token, where that is to be looked at.
pub fn explain(
    policy: &Policy,
    ask: &Ask,
    requester: &Principal,
    known: Option<&[Rights]>,
    now: Timestamp,
) -> Explanation {
    let look = |rule: &Rule| Look {
        rule: rule.name.clone(),
        applies: rule.when.hold(ask, requester),
        conditions: rule
            .when
            .each()
            .map(|condition| Held {
                condition: condition.to_string(),
                holds: condition.holds(ask, requester),
            })
            .collect(),
    };
    let mut explanation = Explanation {
        topic: ask.topic.as_str().to_owned(),
        requester: requester.as_str().to_owned(),
        rules: policy.rules.iter().map(look).collect(),
        refused: None,
        terms: None,
        people: Vec::new(),
        can_be_approved: None,
    };
    match policy.agree(ask, requester, &Approvers::Unlisted, now) {
        Ok(agreed) => {
            let people = People {
                policy,
                ask,
                requester,
                terms: &agreed.terms,
                known,
            };
            explanation.people = people.all();
            explanation.can_be_approved = people.are_enough(&explanation.people, &agreed);
            explanation.terms = Some(view(ask, &agreed));
        }
        Err(unmet) => explanation.refused = Some(unmet.to_string()),
    }
    explanation
}

fn view(ask: &Ask, agreed: &Agreed) -> TermsView {
    let terms = &agreed.terms;
    let names = |people: &BTreeSet<Principal>| {
        let names = people.iter().map(|who| who.as_str().to_owned());
        names.collect()
    };
    TermsView {
        approvals_needed: agreed.approvals_needed,
        denials_needed: terms.denials_needed,
        approvers: terms.approvers.as_ref().map(names),
        panels: terms.panels.iter().map(PanelView::from).collect(),
        match_code_required: ask.match_code.is_some(),
        reason_required: terms.reason_required,
        self_approval: terms.self_approval,
        expires_in_secs: agreed.expires_in.as_secs(),
        freezes: terms.freezes.iter().map(freeze_in_words).collect(),
    }
}

/// Those who could have a say in an ask.
struct People<'a> {
    policy: &'a Policy,
    ask: &'a Ask,
    requester: &'a Principal,
    terms: &'a Terms,
    known: Option<&'a [Rights]>,
}

impl People<'_> {
    fn all(&self) -> Vec<Person> {
        let rights = self.known.unwrap_or_default().iter();
        let rights: BTreeMap<_, _> = rights.map(|rights| (&rights.principal, rights)).collect();
        let terms = self.terms;
        let members = terms.panels.iter().flat_map(|panel| &panel.members);
        let named = terms.approvers.iter().flatten().chain(members);
        let everybody: BTreeSet<_> = named.chain(rights.keys().copied()).collect();
        let person = |who: &Principal| {
            let (may_approve, because) = self.chance(who, rights.get(who).copied());
            let name = who.as_str().to_owned();
            Person {
                name,
                may_approve,
                because,
            }
        };
        everybody.into_iter().map(person).collect()
    }

    fn chance(&self, who: &Principal, rights: Option<&Rights>) -> (Chance, String) {
        let topic = self.ask.topic.as_str();
        if !self.terms.admit(who) {
            let rules = self.demanding().join(", ");
            return (
                Chance::No,
                format!("is not among the approvers of: {rules}"),
            );
        }
        if who == self.requester && !self.terms.self_approval {
            return (
                Chance::No,
                "asks this, and nobody approves their own request".to_owned(),
            );
        }
        let groups = self.groups(who);
        let unix = who.as_str().starts_with(Principal::UNIX);
        match (rights, self.known) {
            (Some(rights), _) if !rights.has(Role::Approver) => {
                (Chance::No, "has not the role approver".to_owned())
            }
            (Some(rights), _) if !rights.covers(&self.ask.topic) => (
                Chance::No,
                format!("has a token that is not for the topic {topic}"),
            ),
            (Some(_), _) => (Chance::Yes, format!("is an approver of {topic}{groups}")),
            (None, _) if unix => {
                let if_allowed = "may, if --unix-approvers lets them";
                (Chance::Unknown, format!("{if_allowed}{groups}"))
            }
            (None, Some(_)) => (Chance::No, "has no token".to_owned()),
            (None, None) => (
                Chance::Unknown,
                format!("may, with a token for {topic}{groups}"),
            ),
        }
    }

    /// Who says whose approvals count.
    fn demanding(&self) -> Vec<String> {
        let rules = self.policy.applying(self.ask, self.requester).into_iter();
        let rules = rules.filter(|rule| rule.demands.approvers.is_some());
        let rules = rules.map(|rule| format!("the rule {:?}", rule.name));
        let own = (!self.ask.from.is_empty()).then(|| "the ask itself".to_owned());
        rules.chain(own).collect()
    }

    fn groups(&self, who: &Principal) -> String {
        let groups = self.policy.groups.iter();
        let groups = groups.filter(|(_, members)| members.contains(who));
        let groups: Vec<_> = groups.map(|(name, _)| format!(", in @{name}")).collect();
        groups.concat()
    }

    /// Whether those who could approve are enough; `None` where nobody says who there is.
    fn are_enough(&self, people: &[Person], agreed: &Agreed) -> Option<bool> {
        self.known?;
        let may = people.iter().filter(|one| one.may_approve != Chance::No);
        let may: Vec<_> = may.map(|one| Principal::new(&one.name)).collect();
        let are_enough = u32::try_from(may.len()).is_ok_and(|most| most >= agreed.approvals_needed);
        Some(are_enough && self.terms.seat(&may.iter().collect::<Vec<_>>()))
    }
}
