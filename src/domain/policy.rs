//! Which terms an ask gets: what the daemon's policy wants, tightened by what the requester wants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::request::{Ask, Principal};
use super::rights::BadName;
use super::terms::Terms;
use crate::limits;

/// The rules about who has to agree to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who stands behind the name of a group.
    pub groups: BTreeMap<String, BTreeSet<Principal>>,
}

/// Whose approval a requester wants: somebody's, or that of a group.
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

/// The terms of a request, and how many approvals it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How many different principals have to approve.
    pub approvals_needed: u32,
    /// All else.
    pub terms: Terms,
}

/// Why an ask cannot be taken on its terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// The terms tell people apart, and the daemon does not.
    #[error(
        "this ask needs approvers who are told apart, and this daemon knows nobody; start it with \
         --tokens, or have approvers come over a Unix socket"
    )]
    PeopleUnknown,
    /// There is no group of this name.
    #[error("from: there is no group {0:?} in this daemon's policy")]
    NoSuchGroup(String),
    /// Not enough people may approve it.
    #[error(
        "nobody could ever approve this: it needs {needed} approvals on its terms, and {eligible} \
         may give one"
    )]
    TooFew {
        /// Approvals that are needed.
        needed: u32,
        /// Who may give one.
        eligible: usize,
    },
    /// More people than are kept with a request.
    #[error("from: names {0} approvers, at most {most} are taken", most = limits::GROUP_MEMBERS)]
    TooMany(usize),
}

impl Policy {
    /// The terms for this ask of `requester`. What the requester wants only tightens them.
    ///
    /// # Errors
    /// The ask cannot be taken; `knows_people` says whether the daemon tells people apart.
    pub fn agree(
        &self,
        ask: &Ask,
        requester: &Principal,
        knows_people: bool,
    ) -> Result<Agreed, Unmet> {
        let mut agreed = Agreed {
            approvals_needed: 1,
            terms: Terms::default(),
        };
        agreed.tighten(ask.need.unwrap_or(1), self.people(&ask.from)?);
        agreed.can_be_met(requester, knows_people)?;
        Ok(agreed)
    }

    fn people(&self, from: &[Whom]) -> Result<Option<BTreeSet<Principal>>, Unmet> {
        if from.is_empty() {
            return Ok(None);
        }
        let mut people = BTreeSet::new();
        for whom in from {
            match whom {
                Whom::One(who) => drop(people.insert(who.clone())),
                Whom::Group(group) => {
                    let members = self.groups.get(group);
                    let unknown = || Unmet::NoSuchGroup(group.clone());
                    people.extend(members.ok_or_else(unknown)?.iter().cloned());
                }
            }
        }
        if people.len() > limits::GROUP_MEMBERS {
            return Err(Unmet::TooMany(people.len()));
        }
        Ok(Some(people))
    }
}

impl Agreed {
    /// Makes them at least as strict as these.
    fn tighten(&mut self, needed: u32, people: Option<BTreeSet<Principal>>) {
        self.approvals_needed = self.approvals_needed.max(needed);
        self.terms.approvers = match (self.terms.approvers.take(), people) {
            (Some(ours), Some(theirs)) => Some(&ours & &theirs),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// Refuses terms that no votes could ever meet, so that nobody waits in vain.
    fn can_be_met(&self, requester: &Principal, knows_people: bool) -> Result<(), Unmet> {
        let Self {
            approvals_needed,
            terms,
        } = self;
        if !terms.need_people(*approvals_needed) {
            return Ok(());
        }
        if !knows_people {
            return Err(Unmet::PeopleUnknown);
        }
        let Some(approvers) = &terms.approvers else {
            return Ok(());
        };
        let may = |who: &&Principal| terms.self_approval || *who != requester;
        let eligible: Vec<_> = approvers.iter().filter(may).collect();
        let enough = u32::try_from(eligible.len()).is_ok_and(|most| most >= *approvals_needed);
        if enough && terms.seat(&eligible) {
            return Ok(());
        }
        Err(Unmet::TooFew {
            needed: *approvals_needed,
            eligible: eligible.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Details, Digest, Title, Topic};

    fn ask(need: Option<u32>, from: &[&str]) -> Ask {
        Ask {
            title: Title::new("Deploy?".to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::default(),
            expires_in: Duration::from_mins(1),
            match_code: None,
            command: None,
            need,
            from: from.iter().map(|whom| whom.parse().unwrap()).collect(),
            lease: None,
            use_within: limits::USE_WITHIN.1,
            digest: Digest::of(b"ask"),
        }
    }

    fn agree(need: Option<u32>, from: &[&str]) -> Result<Agreed, Unmet> {
        let sre = ["alice", "bob", "unix:carol"].map(Principal::new);
        let policy = Policy {
            groups: BTreeMap::from([("sre".to_owned(), sre.into_iter().collect())]),
        };
        policy.agree(&ask(need, from), &Principal::new("ci"), true)
    }

    #[test]
    fn whom_one_wants_is_a_name_or_a_group() {
        for text in ["alice", "unix:carol", "@sre"] {
            assert_eq!(text.parse::<Whom>().unwrap().to_string(), text);
        }
        for bad in ["", "@", "a b", "local", "unix:", "unix:a b", "classic"] {
            assert!(bad.parse::<Whom>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plain_ask_has_plain_terms_whoever_is_known() {
        for knows_people in [true, false] {
            let agreed = Policy::default().agree(
                &ask(None, &[]),
                &Principal::new(Principal::LOCAL),
                knows_people,
            );
            let agreed = agreed.unwrap();
            assert_eq!(agreed.approvals_needed, 1);
            assert!(agreed.terms.is_plain());
        }
    }

    #[test]
    fn what_tells_people_apart_is_refused_where_nobody_is_known() {
        for ask in [ask(Some(2), &[]), ask(None, &["alice"])] {
            let refused = Policy::default().agree(&ask, &Principal::new("local"), false);
            assert_eq!(refused, Err(Unmet::PeopleUnknown));
        }
    }

    #[test]
    fn groups_and_names_come_together_and_doubles_count_once() {
        let agreed = agree(Some(2), &["@sre", "alice", "dave"]).unwrap();
        let names = agreed.terms.approvers.unwrap();
        let names: Vec<_> = names.iter().map(Principal::as_str).collect();
        assert_eq!(names, ["alice", "bob", "dave", "unix:carol"]);
        assert_eq!(agreed.approvals_needed, 2);
    }

    #[test]
    fn what_nobody_could_ever_approve_is_refused_at_once() {
        let too_few = |needed, eligible| Err(Unmet::TooFew { needed, eligible });
        assert_eq!(agree(Some(2), &["alice"]), too_few(2, 1));
        assert_eq!(agree(None, &["ci"]), too_few(1, 0), "not by oneself");
        assert_eq!(agree(Some(2), &["ci", "alice"]), too_few(2, 1));
        let unknown = Err(Unmet::NoSuchGroup("ops".to_owned()));
        assert_eq!(agree(None, &["@ops"]), unknown);
    }
}
