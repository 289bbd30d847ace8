//! What the tables of a policy file say, or the line at which they are wrong.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::rules::rule;
use super::shape::Tables;
use crate::domain::{Policy, Principal};
use crate::limits;
use crate::trusted::{self, ReadError};

/// Why a policy file is refused as a whole; the message names the file, the line and the reason.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read, or is not to be trusted.
    #[error(transparent)]
    Unread(#[from] ReadError),
    /// What is in it is wrong.
    #[error("the policy file {}, line {line}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

/// Reads the text of a file that nobody else may write.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    Ok(trusted::read("policy file", path, limits::POLICY_BYTES)?)
}

/// What the text says.
pub(super) fn parse(path: &Path, text: &str) -> Result<Policy, FileError> {
    let read = toml_edit::de::from_str(text).map_err(|error| {
        // Without a place something is missing altogether, which is known at the end.
        let at = error.span().unwrap_or(text.len()..text.len());
        wrong(at, error.message().trim().replace('\n', "; "))
    });
    read.and_then(policy).map_err(|wrong| {
        let before = text.get(..wrong.at.start.min(text.len())).unwrap_or(text);
        FileError::Content {
            path: path.to_owned(),
            line: 1 + before.matches('\n').count(),
            reason: wrong.reason,
        }
    })
}

/// What is wrong, and where in the text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: Range<usize>,
    pub(super) reason: String,
}

pub(super) fn wrong(at: Range<usize>, reason: impl Display) -> Wrong {
    let reason = reason.to_string();
    Wrong { at, reason }
}

/// Refuses more of something than its bound.
pub(super) fn at_most(
    at: Range<usize>,
    what: &str,
    actual: usize,
    most: usize,
) -> Result<(), Wrong> {
    if actual <= most {
        return Ok(());
    }
    Err(wrong(
        at,
        format!("has {actual} {what}, at most {most} are taken"),
    ))
}

fn policy(tables: Tables) -> Result<Policy, Wrong> {
    let mut policy = Policy::default();
    for (name, members) in tables.groups {
        let at = members.span();
        at_most(
            at.clone(),
            "groups",
            policy.groups.len() + 1,
            limits::GROUPS,
        )?;
        let about = |what: &dyn Display| format!("the group {name:?}: {what}");
        checked_name(&name).map_err(|what| wrong(at.clone(), about(&what)))?;
        let mut people = BTreeSet::new();
        for member in members.into_inner() {
            let whom = member.get_ref();
            // A token may have such a name, but everywhere here it would be read as a group.
            if whom.starts_with('@') {
                let what = about(&format_args!(
                    "{whom:?}: a group is made of people, not of groups"
                ));
                return Err(wrong(member.span(), what));
            }
            let bad = |what| wrong(member.span(), about(&format_args!("{whom:?}: {what}")));
            people.insert(Principal::somebody(whom).map_err(bad)?);
        }
        let most = limits::GROUP_MEMBERS;
        at_most(
            at,
            &format!("people in the group {name:?}"),
            people.len(),
            most,
        )?;
        policy.groups.insert(name, people);
    }
    let mut places = Vec::new();
    for table in tables.rule {
        let (at, table) = (table.span(), table.into_inner());
        at_most(at, "rules", policy.rules.len() + 1, limits::RULES)?;
        let place = table.name.span();
        policy.rules.push(rule(&table, &policy)?);
        let freezes = policy.rules.iter().map(|rule| rule.demands.freezes.len());
        at_most(place.clone(), "freezes", freezes.sum(), limits::FREEZES)?;
        places.push(place);
    }
    for (rule, at) in policy.rules.iter().zip(places) {
        let never = |why| format!("the rule {:?} can never be met: {why}", rule.name);
        let could = policy.could_be_met(rule);
        could.map_err(|why| wrong(at, never(why)))?;
    }
    Ok(policy)
}

/// A name that goes to screens and logs: letters, digits, spaces and `._-/`.
pub(super) fn checked_name(name: &str) -> Result<(), String> {
    let (actual, most) = (name.chars().count(), limits::GROUP_CHARS);
    if actual == 0 || actual > most {
        return Err(format!(
            "a name has 1 to {most} characters, {actual} were given"
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-/".contains(c);
    match name.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(format!(
            "has {c:?} in its name; letters, digits, spaces and ._-/ are taken"
        )),
        None if name.trim() != name => Err("has a space at an end of its name".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
