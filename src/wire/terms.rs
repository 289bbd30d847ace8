//! The terms of a request in its public view.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Day, Freeze, Panel, Principal, Weekly};

/// A group of which some have to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelView<S = String> {
    /// The name of the group.
    pub group: S,
    /// How many of it have to approve.
    pub approvals: u32,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<S>,
}

impl<'a, S: From<&'a str>> From<&'a Panel> for PanelView<S> {
    fn from(panel: &'a Panel) -> Self {
        Self {
            group: panel.group.as_str().into(),
            approvals: panel.approvals.max(1),
            members: names(&panel.members),
        }
    }
}

/// These people by their names.
pub(super) fn names<'a, S: From<&'a str>>(people: &'a BTreeSet<Principal>) -> Vec<S> {
    people.iter().map(|who| who.as_str().into()).collect()
}

/// When a freeze is, for people.
pub fn freeze_in_words(freeze: &Freeze) -> String {
    match freeze {
        Freeze::Once { from, until } => {
            let (from, until) = (super::rfc3339(*from), super::rfc3339(*until));
            format!("from {from} until {until}")
        }
        Freeze::Weekly(weekly) => every_week(weekly),
    }
}

fn every_week(weekly: &Weekly) -> String {
    let Weekly {
        days,
        from,
        until,
        zone,
    } = weekly;
    let days = if Day::ALL.iter().all(|day| days.contains(day)) {
        "every day".to_owned()
    } else {
        let days: Vec<_> = days.iter().map(|day| day.as_str()).collect();
        days.join(", ")
    };
    let next = if until <= from { " the next day" } else { "" };
    let zone = zone.as_str();
    format!("{days}, from {from} until {until}{next} ({zone})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_told_in_words() {
        let weekly = |days: &[Day], from: &str, until: &str| Weekly {
            days: days.iter().copied().collect(),
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
        };
        for (weekly, words) in [
            (
                weekly(&[Day::Sun, Day::Fri], "18:00", "08:00"),
                "fri, sun, from 18:00 until 08:00 the next day (Europe/Berlin)",
            ),
            (
                weekly(&Day::ALL, "00:00", "24:00"),
                "every day, from 00:00 until 24:00 (Europe/Berlin)",
            ),
        ] {
            assert_eq!(freeze_in_words(&Freeze::Weekly(weekly)), words);
        }
    }
}
