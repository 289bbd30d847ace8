//! What is allowed in a policy, and probably not meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Demands, Policy, Principal, Rights, Role, Rule};

/// What is probably not meant, one sentence each; `known` are those who have a token, where that
/// is to be looked at.
pub fn warnings(policy: &Policy, known: Option<&[Rights]>) -> Vec<String> {
    let mut warnings = Vec::new();
    for rule in &policy.rules {
        warnings.extend(of_rule(policy, rule));
    }
    if let Some(known) = known {
        warnings.extend(of_people(policy, known));
    }
    warnings
}

fn of_rule(policy: &Policy, rule: &Rule) -> Vec<String> {
    let name = &rule.name;
    let mut warnings = Vec::new();
    if rule.demands == Demands::default() {
        warnings.push(format!("the rule {name:?} demands nothing"));
    }
    let everywhere = |other: &&Rule| other.when.are_none() && other.name != rule.name;
    for other in policy.rules.iter().filter(everywhere) {
        let everywhere = &other.name;
        if rule.demands.self_approval && !other.demands.self_approval {
            warnings.push(format!(
                "the rule {name:?} has self_approval without effect: {everywhere:?} applies to \
                 every ask and does not"
            ));
        }
        let denials = |rule: &Rule| rule.demands.denials.unwrap_or(1);
        if denials(rule) > denials(other) {
            warnings.push(format!(
                "the rule {name:?} has denials = {} without effect: {everywhere:?} applies to every \
                 ask, and has {}",
                denials(rule),
                denials(other)
            ));
        }
    }
    warnings
}

/// Names that nobody has, and names of those who approve nothing.
fn of_people(policy: &Policy, known: &[Rights]) -> Vec<String> {
    let rights: BTreeMap<_, _> = known
        .iter()
        .map(|rights| (&rights.principal, rights))
        .collect();
    let mut named: Vec<(String, &BTreeSet<Principal>)> = Vec::new();
    for (group, members) in &policy.groups {
        named.push((format!("the group {group:?}"), members));
    }
    for rule in &policy.rules {
        if let Some(approvers) = &rule.demands.approvers {
            named.push((format!("the rule {:?}", rule.name), approvers));
        }
    }
    let mut told = BTreeSet::new();
    let mut warnings = Vec::new();
    for (place, people) in named {
        for who in people {
            // Whether there is such a user is known where the socket is.
            if who.as_str().starts_with(Principal::UNIX) || !told.insert(who) {
                continue;
            }
            let name = who.as_str();
            match rights.get(who) {
                None => warnings.push(format!("{place}: {name} has no token")),
                Some(rights) if !rights.has(Role::Approver) => warnings.push(format!(
                    "{place}: the token of {name} has not the role approver"
                )),
                Some(_) => {}
            }
        }
    }
    warnings
}
