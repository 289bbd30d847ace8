//! The terms of a request in its public view.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Freeze, Panel, Principal};

/// A group of which some have to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelView {
    /// The name of the group.
    pub group: String,
    /// How many of it have to approve.
    pub approvals: u32,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<String>,
}

impl From<&Panel> for PanelView {
    fn from(panel: &Panel) -> Self {
        Self {
            group: panel.group.clone(),
            approvals: panel.approvals.max(1),
            members: names(&panel.members),
        }
    }
}

/// These people by their names.
pub(super) fn names(people: &BTreeSet<Principal>) -> Vec<String> {
    people.iter().map(|who| who.as_str().to_owned()).collect()
}

/// When a freeze is, for people.
pub(super) fn in_words(freeze: &Freeze) -> String {
    match *freeze {
        Freeze::Once { from, until } => {
            let (from, until) = (super::rfc3339(from), super::rfc3339(until));
            format!("from {from} until {until}")
        }
    }
}
