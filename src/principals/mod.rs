//! Who the daemon knows: people and programs by their tokens.
//!
//! It says who stands behind a token and what they may do, for how long that holds, and nothing
//! about how a token travels.

mod edit;
mod file;
mod registry;
mod token;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use edit::{EditError, Edited, Entry, NewToken, create, list, revoke};
pub use file::FileError;
pub use registry::{Registry, Unknown};
pub use token::{BadHash, BadToken, Token, TokenHash};

use crate::domain::Rights;

/// What somebody may do, and until when.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What they may do.
    pub rights: Arc<Rights>,
    ended: Option<CancellationToken>,
}

impl Grant {
    /// Rights that last as long as the daemon.
    pub const fn lasting(rights: Arc<Rights>) -> Self {
        Self {
            rights,
            ended: None,
        }
    }

    /// Ends when these rights do: the token was revoked, has expired, or was given others. Safe to
    /// drop at any time.
    pub async fn ended(&self) {
        match &self.ended {
            Some(ended) => ended.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether they have ended.
    pub fn has_ended(&self) -> bool {
        self.ended
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
    }
}
