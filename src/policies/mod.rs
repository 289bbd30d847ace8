//! The policy file: the rules about who has to agree to what, as people write them.
//!
//! It reads the file, follows it, and explains what it says of an ask. What the rules mean is the
//! domain's business; here is how they are spelled.

mod check;
mod explain;
mod file;
mod freezes;
mod rules;
mod shape;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::check::warnings;
pub use self::explain::{Chance, Explanation, Look, Person, TermsView, explain};
pub use self::file::FileError;

use self::file::{parse, read};
use crate::domain::Policy;
use crate::metrics::Metrics;
use crate::watched::Watched;

/// A policy file that is followed.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    watched: Watched,
}

/// Reads a policy file once.
///
/// # Errors
/// It cannot be read, others can write it, or what is in it is wrong.
pub fn load(path: &Path) -> Result<Policy, FileError> {
    parse(path, &read(path)?)
}

impl PolicyFile {
    /// Reads the file; answers with what follows it from here on.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn open(path: &Path) -> Result<(Self, Policy), FileError> {
        let watched = Watched::new(vec![path.to_owned()]);
        let policy = load(path)?;
        let path = path.to_owned();
        Ok((Self { path, watched }, policy))
    }

    /// Follows the file, for as long as it is polled, and hands on what it says each time that it
    /// has changed. A file that is wrong changes nothing, which is logged.
    pub async fn keep(mut self, metrics: Arc<Metrics>, take: impl Fn(Policy)) {
        loop {
            self.watched.changed().await;
            let path = self.path.clone();
            // A file system may hang, and would take a thread of the runtime with it.
            let reading = tokio::task::spawn_blocking(move || load(&path)).await;
            match reading {
                Ok(Ok(policy)) => {
                    metrics.policy_file_good.set(1);
                    let rules = policy.rules.len();
                    tracing::info!(rules, "the policy file was read again");
                    take(policy);
                }
                Ok(Err(error)) => {
                    metrics.policy_file_good.set(0);
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::error!(error, "the policy stays as it was");
                }
                Err(error) => tracing::error!(%error, "the policy stays as it was"),
            }
        }
    }
}
