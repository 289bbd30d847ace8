//! Whose approval somebody wants.

use std::fmt;
use std::str::FromStr;

use super::super::request::Principal;
use super::super::rights::BadName;
use crate::limits;

/// Somebody, or everybody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This principal.
    One(Principal),
    /// Everybody in the group of this name.
    Group(String),
}

impl FromStr for Whom {
    type Err = BadName;

    /// A name as tokens and Unix sockets have it, or `@` and the name of a group.
    fn from_str(text: &str) -> Result<Self, BadName> {
        if let Some(group) = text.strip_prefix('@') {
            let actual = group.chars().count();
            if actual == 0 || actual > limits::GROUP_CHARS {
                return Err(BadName::Length { actual });
            }
            return Ok(Self::Group(group.to_owned()));
        }
        Principal::somebody(text).map(Self::One)
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(who) => f.write_str(who.as_str()),
            Self::Group(group) => write!(f, "@{group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_one_wants_is_a_name_or_a_group() {
        for text in ["alice", "unix:carol", "@sre"] {
            assert_eq!(text.parse::<Whom>().unwrap().to_string(), text);
        }
        for bad in ["", "@", "a b", "local", "unix:", "unix:a b", "classic"] {
            assert!(bad.parse::<Whom>().is_err(), "{bad}");
        }
    }
}
