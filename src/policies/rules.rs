//! What the table of one rule says: when it applies, and what it demands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Range;
use std::time::Duration;

use serde_spanned::Spanned;

use super::file::{Wrong, at_most, checked_name, wrong};
use super::freezes::freeze;
use super::shape::{RuleTable, Texts};
use crate::domain::{
    Conditions, Demands, Glob, Panel, Policy, Principal, Rule, TopicPattern, Whom,
};
use crate::limits;

/// One more rule beside those that are `known`, of whose groups it may speak.
pub(super) fn rule(table: &RuleTable, known: &Policy) -> Result<Rule, Wrong> {
    let (place, name) = (table.name.span(), table.name.get_ref().clone());
    let about = |what: &dyn Display| format!("the rule {name:?}: {what}");
    checked_name(&name).map_err(|what| wrong(place.clone(), about(&what)))?;
    if known.rules.iter().any(|other| other.name == name) {
        return Err(wrong(place, about(&"there is another of this name")));
    }
    let of_rule = |Wrong { at, reason }: Wrong| wrong(at, about(&reason));
    let when = conditions(table, &place).map_err(of_rule)?;
    let demands = demands(table, &known.groups).map_err(of_rule)?;
    if let (Some(chosen), Some(loosens)) = (when.chosen_by_the_asker(), demands.loosens()) {
        let what = format!(
            "{loosens} makes it easier, and by {chosen} whoever asks would choose that; match on \
             topic and requester alone"
        );
        return Err(wrong(place, about(&what)));
    }
    Ok(Rule {
        name,
        when,
        demands,
    })
}

fn conditions(table: &RuleTable, place: &Range<usize>) -> Result<Conditions, Wrong> {
    let mut fields = Vec::new();
    for (name, values) in &table.fields {
        if name.trim().is_empty() {
            return Err(wrong(values.span(), "fields: a field has a name"));
        }
        fields.push((name.clone(), globs("fields", Some(values))?));
    }
    at_most(place.clone(), "fields", fields.len(), limits::RULE_FIELDS)?;
    Ok(Conditions {
        topics: patterns("topic", table.topic.as_ref(), TopicPattern::new)?,
        requesters: globs("requester", table.requester.as_ref())?,
        fields,
        commands: globs("command", table.command.as_ref())?,
    })
}

fn globs(key: &str, texts: Option<&Spanned<Texts>>) -> Result<Vec<Glob>, Wrong> {
    patterns(key, texts, Glob::new)
}

fn patterns<T, E: Display>(
    key: &str,
    texts: Option<&Spanned<Texts>>,
    pattern: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Wrong> {
    let Some(texts) = texts else {
        return Ok(Vec::new());
    };
    let (at, Texts(texts)) = (texts.span(), texts.get_ref());
    if texts.is_empty() {
        let what = format!("{key}: an empty list would never match; leave it out to match all");
        return Err(wrong(at, what));
    }
    at_most(
        at.clone(),
        &format!("patterns of {key}"),
        texts.len(),
        limits::PATTERNS,
    )?;
    let pattern = |text: &String| {
        let bad = |error| wrong(at.clone(), format!("{key}: {text:?} {error}"));
        pattern(text).map_err(bad)
    };
    texts.iter().map(pattern).collect()
}

type Groups = BTreeMap<String, BTreeSet<Principal>>;

fn demands(table: &RuleTable, groups: &Groups) -> Result<Demands, Wrong> {
    let mut freezes = Vec::new();
    for one in &table.freeze {
        let of_freeze = |what| wrong(one.span(), format!("freeze: {what}"));
        freezes.push(freeze(one.get_ref()).map_err(of_freeze)?);
    }
    Ok(Demands {
        approvals: votes("approvals", table.approvals.as_ref())?,
        approvers: approvers(table.approvers.as_ref(), groups)?,
        panels: panels(&table.from_each, groups)?,
        denials: votes("denials", table.denials.as_ref())?,
        match_code: table.match_code,
        longest_expiry: longest_expiry(table.longest_expiry.as_ref())?,
        reason: table.reason,
        self_approval: table.self_approval,
        freezes,
    })
}

fn votes(key: &str, number: Option<&Spanned<u32>>) -> Result<Option<u32>, Wrong> {
    let Some(number) = number else {
        return Ok(None);
    };
    let (actual, most) = (*number.get_ref(), limits::VOTES_NEEDED);
    if (1..=most).contains(&actual) {
        return Ok(Some(actual));
    }
    let what = format!("{key}: is {actual}, from 1 to {most} is taken");
    Err(wrong(number.span(), what))
}

fn no_such_group(group: &str, groups: &Groups) -> String {
    let names: Vec<_> = groups.keys().map(String::as_str).collect();
    let there_are = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    format!("there is no group {group:?}; there are: {there_are}")
}

fn approvers(
    texts: Option<&Spanned<Texts>>,
    groups: &Groups,
) -> Result<Option<BTreeSet<Principal>>, Wrong> {
    let Some(texts) = texts else {
        return Ok(None);
    };
    let (at, Texts(texts)) = (texts.span(), texts.get_ref());
    let bad = |what: &dyn Display| wrong(at.clone(), format!("approvers: {what}"));
    let mut people = BTreeSet::new();
    for text in texts {
        match text.parse() {
            Ok(Whom::One(who)) => drop(people.insert(who)),
            Ok(Whom::Group(group)) => {
                let members = groups.get(&group);
                let members = members.ok_or_else(|| bad(&no_such_group(&group, groups)))?;
                people.extend(members.iter().cloned());
            }
            Err(error) => return Err(bad(&format_args!("{text:?}: {error}"))),
        }
    }
    at_most(at.clone(), "approvers", people.len(), limits::GROUP_MEMBERS)?;
    Ok(Some(people))
}

fn panels(
    from_each: &BTreeMap<String, Spanned<u32>>,
    groups: &Groups,
) -> Result<Vec<Panel>, Wrong> {
    let mut panels = Vec::new();
    for (group, approvals) in from_each {
        let bad = |what: String| wrong(approvals.span(), format!("from_each: {what}"));
        let name = group.strip_prefix('@').unwrap_or(group);
        let members = groups
            .get(name)
            .ok_or_else(|| bad(no_such_group(name, groups)))?;
        let needed = votes("from_each", Some(approvals))?.unwrap_or(1);
        panels.push(Panel {
            group: name.to_owned(),
            approvals: needed,
            members: members.clone(),
        });
    }
    Ok(panels)
}

fn longest_expiry(text: Option<&Spanned<String>>) -> Result<Option<Duration>, Wrong> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bad = |what: String| wrong(text.span(), format!("longest_expiry: {what}"));
    let longest = humantime::parse_duration(text.get_ref());
    let longest = longest.map_err(|error| bad(format!("{error}; write it like 30m or 8h")))?;
    let (min, max) = (limits::EXPIRY_MIN, limits::EXPIRY_MAX);
    if !(min..=max).contains(&longest) || longest.subsec_nanos() != 0 {
        return Err(bad(format!(
            "is {:?}, whole seconds from {} to {} are taken",
            text.get_ref(),
            humantime::format_duration(min),
            humantime::format_duration(max)
        )));
    }
    Ok(Some(longest))
}
