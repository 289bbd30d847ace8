//! Who may approve requests about a topic, as far as a daemon knows.

use std::collections::BTreeSet;

use super::super::request::Principal;

/// Who could approve something, before its terms are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approvers {
    /// Nobody is told apart.
    Alike,
    /// People are told apart, and it is not known whom there are.
    Unlisted,
    /// These, who are known by their tokens.
    Listed {
        /// They.
        names: BTreeSet<Principal>,
        /// Whether users of this machine may come as well, whom nobody lists.
        and_users: bool,
    },
}

impl Approvers {
    /// Whether people are told apart.
    pub const fn are_told_apart(&self) -> bool {
        !matches!(self, Self::Alike)
    }

    /// Whether this one may be one of them. A user of this machine may, where any does.
    pub fn may_include(&self, who: &Principal) -> bool {
        match self {
            Self::Alike | Self::Unlisted => true,
            Self::Listed { names, and_users } => {
                let is_user = who.as_str().starts_with(Principal::UNIX);
                if is_user {
                    *and_users
                } else {
                    names.contains(who)
                }
            }
        }
    }

    /// All of them, where there can be no others.
    pub const fn all(&self) -> Option<&BTreeSet<Principal>> {
        match self {
            Self::Listed {
                names,
                and_users: false,
            } => Some(names),
            Self::Listed { .. } | Self::Alike | Self::Unlisted => None,
        }
    }
}
