//! Who the daemon knows: people and programs by their tokens.
//!
//! It says who stands behind a token and what they may do, for how long that holds, and nothing
//! about how a token travels.

mod edit;
mod file;
mod people;
mod registry;
mod token;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use edit::{EditError, Edited, Entry, NewToken, create, list, revoke, rights};
pub use file::FileError;
pub use people::{People, Users};
pub use registry::{Registry, Unknown};
pub use token::{BadHash, BadToken, Token, TokenHash};

use crate::domain::{Rights, Timestamp};

/// What somebody may do, and until when.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What they may do.
    pub rights: Arc<Rights>,
    /// The token that it was given for.
    by: Option<By>,
}

#[derive(Clone, Debug)]
struct By {
    registry: Arc<Registry>,
    hash: TokenHash,
    ended: CancellationToken,
}

impl Grant {
    /// Rights that last as long as the daemon.
    pub const fn lasting(rights: Arc<Rights>) -> Self {
        Self { rights, by: None }
    }

    /// Whether it was given for a token.
    pub const fn is_by_token(&self) -> bool {
        self.by.is_some()
    }

    /// Ends when these rights do: the token was revoked, has expired, or was given others. Safe to
    /// drop at any time.
    pub async fn ended(&self) {
        match &self.by {
            Some(by) => by.ended.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether they have ended.
    #[cfg(test)]
    pub fn has_ended(&self) -> bool {
        self.by.as_ref().is_some_and(|by| by.ended.is_cancelled())
    }

    /// What the same token is good for now.
    ///
    /// # Errors
    /// Nothing.
    pub fn renewed(&self, now: Timestamp) -> Result<Self, Unknown> {
        match &self.by {
            Some(by) => by.registry.find_hash(by.hash, now),
            None => Ok(self.clone()),
        }
    }
}
