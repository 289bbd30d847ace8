//! Whether people are told apart, and whether somebody who has voted still may.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::Registry;
use crate::domain::{Approvers, Principal, Rights, Timestamp, Topic};

/// The users of this machine, as far as they matter here.
#[async_trait]
pub trait Users: Send + Sync {
    /// What the user by this name, without `unix:`, may do now.
    ///
    /// # Errors
    /// The user database does not answer.
    async fn rights(&self, account: &str) -> io::Result<Rights>;

    /// Whether there is anybody among them who may approve.
    fn have_approvers(&self) -> bool;
}

/// Whom a daemon tells apart.
#[derive(Clone, Default)]
pub struct People {
    tokens: Option<Arc<Registry>>,
    users: Option<Arc<dyn Users>>,
}

impl People {
    /// Those who have a token, and the users who come over a Unix socket, if there is one.
    pub fn new(tokens: Option<Arc<Registry>>, users: Option<Arc<dyn Users>>) -> Self {
        Self { tokens, users }
    }

    /// Whether anybody is told apart.
    pub const fn are_known(&self) -> bool {
        self.tokens.is_some() || self.users.is_some()
    }

    /// Who may approve requests about this topic now.
    pub fn approvers_of(&self, topic: &Topic, now: Timestamp) -> Approvers {
        if !self.are_known() {
            return Approvers::Alike;
        }
        let tokens = self.tokens.as_ref();
        Approvers::Listed {
            names: tokens.map_or_else(BTreeSet::new, |tokens| tokens.approvers_of(topic, now)),
            and_users: self
                .users
                .as_ref()
                .is_some_and(|users| users.have_approvers()),
        }
    }

    /// What somebody with a token may do now; `None` when nobody has one by this name.
    pub fn rights_by_token(&self, who: &Principal, now: Timestamp) -> Option<Rights> {
        self.tokens.as_ref()?.rights_of(who, now)
    }

    /// What somebody may do now, who was known before: `None` when they are not any more.
    ///
    /// # Errors
    /// This machine's user database does not answer.
    pub async fn rights(&self, who: &Principal, now: Timestamp) -> io::Result<Option<Rights>> {
        let account = who.as_str().strip_prefix(Principal::UNIX);
        match (account, &self.users, &self.tokens) {
            (Some(account), Some(users), _) => users.rights(account).await.map(Some),
            (None, _, Some(tokens)) => Ok(tokens.rights_of(who, now)),
            (Some(_), None, _) | (None, _, None) => Ok(None),
        }
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People")
            .field("tokens", &self.tokens.is_some())
            .field("users", &self.users.is_some())
            .finish()
    }
}
