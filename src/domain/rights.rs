//! Who may do what: a principal's roles, and the topics that they hold for.
//!
//! Everything here is decided by what never changes about a request, its topic, its requester and
//! its terms, so it does not matter whether it is asked before or after a command reads the request's state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatchPattern;

use super::decision::Verdict;
use super::request::{Principal, Request};
use super::text::{TextError, Topic};
use crate::limits;

/// What somebody may do, on the topics of their [`Rights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asks, and sees what it has asked.
    Requester,
    /// Sees what is asked and decides it, except its own.
    Approver,
    /// Sees what is asked.
    Observer,
    /// Sees what is asked and may withdraw it. It does not decide: who runs the daemon need not be
    /// who is responsible.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Requester, Self::Approver, Self::Observer, Self::Admin];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Observer => "observer",
            Self::Admin => "admin",
        }
    }
}

/// The text is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; there are requester, approver, observer and admin")]
pub struct BadRole(String);

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| BadRole(text.to_owned()))
    }
}

/// A pattern of topics: a topic in which each `*` stands for any characters, none included.
#[derive(Clone)]
pub struct TopicPattern {
    text: String,
    pattern: WildMatchPattern<'*', '?'>,
}

impl TopicPattern {
    /// The pattern of all topics.
    pub const ALL: &'static str = "*";

    /// Checks a pattern.
    ///
    /// # Errors
    /// Empty, more than [`limits::TOPIC_CHARS`] characters, or a character that is neither `*` nor
    /// of a topic's alphabet.
    pub fn new(text: &str) -> Result<Self, TextError> {
        // Whatever the stars stand for, the rest has to be part of a topic.
        Topic::new(text.replace('*', "x"))?;
        Ok(Self {
            text: text.to_owned(),
            pattern: WildMatchPattern::new(text),
        })
    }

    /// Whether this topic is one of them.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.pattern.matches(topic.as_str())
    }

    /// The pattern, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a single topic, without a star.
    pub fn is_plain(&self) -> bool {
        !self.text.contains('*')
    }

    /// What every topic of it begins with: all that stands before the first star.
    pub fn beginning(&self) -> &str {
        self.text.split('*').next().unwrap_or_default()
    }

    /// Whether it covers every topic.
    pub fn is_all(&self) -> bool {
        self.text.chars().all(|c| c == '*')
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl FromStr for TopicPattern {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

/// What one principal may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Who.
    pub principal: Principal,
    /// Whether it is one known person or program, and not a name for everybody.
    pub is_known: bool,
    /// What; without doubles.
    pub roles: Vec<Role>,
    /// On which topics.
    pub topics: Vec<TopicPattern>,
}

/// Why somebody may not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No role of the principal's allows it.
    #[error("{by} is no {needed}; its roles are: {have}")]
    Role {
        /// Who wanted it.
        by: String,
        /// The role that allows it.
        needed: &'static str,
        /// The roles there are.
        have: String,
    },
    /// The topic is none of the principal's.
    #[error("{by} may not ask about {topic}; its topics are: {have}")]
    Topic {
        /// Who wanted it.
        by: String,
        /// The topic.
        topic: String,
        /// The patterns there are.
        have: String,
    },
    /// What the daemon counts is about everybody's requests.
    #[error("figures are for those who may see every topic, which {by} may not")]
    Figures {
        /// Who wanted it.
        by: String,
    },
    /// It is the principal's own request.
    #[error("{by} has asked this, and nobody approves their own request; another approver has to")]
    Own {
        /// Who wanted it.
        by: String,
    },
}

impl Rights {
    /// Everything, for everybody on this machine: the rights of a daemon that knows nobody.
    pub fn local() -> Self {
        Self {
            principal: Principal::new(Principal::LOCAL),
            is_known: false,
            roles: Role::ALL.to_vec(),
            topics: vec![TopicPattern::new(TopicPattern::ALL).expect("it is a pattern")],
        }
    }

    /// Whether this principal has the role, for whatever topic.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the roles hold for this topic.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|pattern| pattern.covers(topic))
    }

    /// Whether the roles hold for every topic there may be.
    pub fn covers_all(&self) -> bool {
        self.topics.iter().any(TopicPattern::is_all)
    }

    /// Whether what others ask may be seen, as far as its topic is covered.
    pub fn sees_others(&self) -> bool {
        [Role::Approver, Role::Observer, Role::Admin]
            .into_iter()
            .any(|role| self.has(role))
    }

    /// Whether every request may be seen.
    pub fn sees_all(&self) -> bool {
        self.sees_others() && self.covers_all()
    }

    /// Whether a request may be seen. To whom it may not, it does not exist.
    pub fn may_see(&self, request: &Request) -> bool {
        self.sees(&request.requester.principal, &request.topic)
    }

    /// Whether requests of this requester about this topic may be seen.
    pub fn sees(&self, requester: &Principal, topic: &Topic) -> bool {
        *requester == self.principal || self.sees_others() && self.covers(topic)
    }

    /// Whether something may be asked about this topic.
    ///
    /// # Errors
    /// The role or the topic is missing.
    pub fn may_ask(&self, topic: &Topic) -> Result<(), Denial> {
        self.needs(Role::Requester)?;
        if self.covers(topic) {
            return Ok(());
        }
        Err(Denial::Topic {
            by: self.name(),
            topic: topic.as_str().to_owned(),
            have: self.topics_in_words(),
        })
    }

    /// Whether a request that may be seen may be decided like this.
    ///
    /// # Errors
    /// The role is missing, or it would be an approval of the principal's own request. A denial of
    /// one's own only withdraws it.
    pub fn may_decide(&self, request: &Request, verdict: Verdict) -> Result<(), Denial> {
        self.needs(Role::Approver)?;
        if !self.covers(&request.topic) {
            // Only its own request is seen without that, and that it may not approve either.
            return Err(Denial::Own { by: self.name() });
        }
        let own = self.is_known && self.is_own(request) && !request.terms.self_approval;
        if own && verdict == Verdict::Approve {
            return Err(Denial::Own { by: self.name() });
        }
        Ok(())
    }

    /// Whether a request that may be seen may be withdrawn although it is somebody else's.
    pub fn may_withdraw_others(&self, request: &Request) -> bool {
        self.is_known && self.has(Role::Admin) && self.covers(&request.topic)
    }

    /// Whether the request was asked by this principal.
    pub fn is_own(&self, request: &Request) -> bool {
        request.requester.principal == self.principal
    }

    /// Whether one of the roles is there.
    ///
    /// # Errors
    /// It is not.
    pub fn needs(&self, role: Role) -> Result<(), Denial> {
        if self.has(role) {
            return Ok(());
        }
        let have: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        Err(Denial::Role {
            by: self.name(),
            needed: role.as_str(),
            have: have.join(", "),
        })
    }

    fn name(&self) -> String {
        self.principal.as_str().to_owned()
    }

    fn topics_in_words(&self) -> String {
        let topics: Vec<_> = self.topics.iter().map(TopicPattern::as_str).collect();
        topics.join(", ")
    }
}

/// Why a text names no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Too short or too long.
    #[error("a name has 1 to {most} characters, {actual} were given", most = limits::PRINCIPAL_CHARS)]
    Length {
        /// Characters that were given.
        actual: usize,
    },
    /// A character outside the alphabet.
    #[error("the name has {0:?} in it; letters, digits and ._@- are taken")]
    Alphabet(char),
    /// A name that the daemon uses itself.
    #[error("{0:?} is a name that pushd uses itself; take another")]
    Reserved(String),
}

impl Principal {
    /// Who asks and answers on the classic routes, which know nobody.
    pub const CLASSIC: &'static str = "classic";

    /// What the names of users of this machine begin with.
    pub const UNIX: &'static str = "unix:";

    /// Checks a name that one person or program has: of a token, or of a user of this machine.
    ///
    /// # Errors
    /// It is neither.
    pub fn somebody(name: &str) -> Result<Self, BadName> {
        let Some(account) = name.strip_prefix(Self::UNIX) else {
            return Self::checked(name);
        };
        let actual = account.chars().count();
        if actual == 0 || actual > limits::ACCOUNT_CHARS {
            return Err(BadName::Length { actual });
        }
        // As the daemon names its users: with a comma in it one name could pass for two.
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
        match account.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(BadName::Alphabet(c)),
            None => Ok(Self::new(name)),
        }
    }

    /// Checks the name of somebody who has a token: 1 to [`limits::PRINCIPAL_CHARS`] ASCII letters,
    /// digits and `.`, `_`, `@`, `-`.
    ///
    /// A colon is none of them, so that no token has the name of a user of this machine
    /// (`unix:alice`).
    ///
    /// # Errors
    /// Another length or character, or a name of the daemon's own.
    pub fn checked(name: &str) -> Result<Self, BadName> {
        let actual = name.chars().count();
        if actual == 0 || actual > limits::PRINCIPAL_CHARS {
            return Err(BadName::Length { actual });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if let Some(c) = name.chars().find(|&c| !allowed(c)) {
            return Err(BadName::Alphabet(c));
        }
        if [Self::LOCAL, Self::CLASSIC].contains(&name) {
            return Err(BadName::Reserved(name.to_owned()));
        }
        Ok(Self::new(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Ask, Caller, Details, Digest, RequestId, Timestamp, Title};

    fn rights(name: &str, roles: &[Role], topics: &[&str]) -> Rights {
        Rights {
            principal: Principal::new(name),
            is_known: true,
            roles: roles.to_vec(),
            topics: topics
                .iter()
                .map(|text| TopicPattern::new(text).unwrap())
                .collect(),
        }
    }

    fn asked(by: &str, topic: &str) -> Request {
        let ask = Ask {
            title: Title::new("Deploy?".to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::new(topic.to_owned()).unwrap(),
            expires_in: Some(limits::EXPIRY_MIN),
            match_code: None,
            command: None,
            need: None,
            from: Vec::new(),
            lease: None,
            use_within: limits::USE_WITHIN.1,
            digest: Digest::of(b""),
        };
        let at = Timestamp::from_millis(0);
        Request::asked(RequestId::from_bytes([1; 16]), ask, Caller::named(by), at)
    }

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        let covers = |pattern: &str, topic: &str| {
            let topic = Topic::new(topic.to_owned()).unwrap();
            TopicPattern::new(pattern).unwrap().covers(&topic)
        };
        for (pattern, topic) in [
            ("*", "a/b:c"),
            ("deploy*", "deploy"),
            ("deploy*", "deploy/prod"),
            ("*/prod", "deploy/prod"),
            ("d*y", "deploy"),
        ] {
            assert!(covers(pattern, topic), "{pattern} {topic}");
        }
        for (pattern, topic) in [
            ("deploy*", "Deploy"),
            ("deploy", "deploy/prod"),
            ("deploy/*", "deploy"),
            ("a.c", "abc"),
        ] {
            assert!(!covers(pattern, topic), "{pattern} {topic}");
        }
        for bad in ["", "a?", "[a]", "a b", "ä"] {
            assert!(TopicPattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_requester_sees_its_own_requests_alone() {
        let ci = rights("ci", &[Role::Requester], &["deploy*"]);
        assert!(ci.may_see(&asked("ci", "deploy")));
        assert!(!ci.may_see(&asked("other", "deploy")));
        assert!(matches!(
            ci.may_decide(&asked("ci", "deploy"), Verdict::Approve),
            Err(Denial::Role { .. })
        ));
        assert!(
            ci.may_ask(&Topic::new("deploy/x".to_owned()).unwrap())
                .is_ok()
        );
        assert!(ci.may_ask(&Topic::default()).is_err());
    }

    #[test]
    fn nobody_approves_their_own_request_but_may_deny_it() {
        let both = rights("eve", &[Role::Requester, Role::Approver], &["*"]);
        let own = asked("eve", "deploy");
        assert!(matches!(
            both.may_decide(&own, Verdict::Approve),
            Err(Denial::Own { .. })
        ));
        assert!(both.may_decide(&own, Verdict::Deny).is_ok());
        assert!(
            Rights::local()
                .may_decide(&asked("local", "x"), Verdict::Approve)
                .is_ok()
        );
    }

    #[test]
    fn names_of_tokens_are_never_those_of_the_daemon_or_of_users() {
        for bad in [
            "",
            "local",
            "classic",
            "unix:root",
            "a b",
            "ä",
            &"x".repeat(65),
        ] {
            assert!(Principal::checked(bad).is_err(), "{bad}");
        }
        for good in ["alice", "alice@example.org", "ci-1", "a_b.C"] {
            assert_eq!(Principal::checked(good), Ok(Principal::new(good)));
        }
    }

    fn some_rights() -> impl Strategy<Value = Rights> {
        let roles = prop::sample::subsequence(Role::ALL.to_vec(), 0..=4);
        let topics = prop::sample::subsequence(vec!["*", "deploy*", "a", "b/*"], 0..=3);
        let name = prop::sample::select(vec!["alice", "ci"]);
        (name, roles, topics).prop_map(|(name, roles, topics)| rights(name, &roles, &topics))
    }

    proptest! {
        #[test]
        fn an_approval_needs_the_role_the_topic_and_another_requester(
            rights in some_rights(),
            by in prop::sample::select(vec!["alice", "ci"]),
            topic in prop::sample::select(vec!["deploy/prod", "a", "b", "b/c"]),
        ) {
            let request = asked(by, topic);
            let covered = rights.covers(&request.topic);
            let may = rights.may_see(&request)
                && rights.may_decide(&request, Verdict::Approve).is_ok();
            let expected = rights.has(Role::Approver) && covered && rights.principal.as_str() != by;
            prop_assert_eq!(may, expected);
            let sees = rights.principal.as_str() == by
                || covered && rights.roles.iter().any(|role| *role != Role::Requester);
            prop_assert_eq!(rights.may_see(&request), sees);
        }
    }
}
