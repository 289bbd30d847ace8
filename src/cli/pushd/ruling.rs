//! The policy of a daemon that serves: in force from the start, and followed.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::vital;
use crate::approvals::Setting;
use crate::domain::Policy;
use crate::metrics::Metrics;
use crate::policies::{FileError, PolicyFile};

/// Reads the policy file, if there is one.
pub(super) fn read(path: Option<&Path>) -> Result<Option<(PolicyFile, Policy)>, FileError> {
    path.map(PolicyFile::open).transpose()
}

/// Puts a policy in force; its file is followed from now on, as long as the process lives.
pub(super) fn rule(
    policy: Option<(PolicyFile, Policy)>,
    setting: &Setting,
    metrics: &Arc<Metrics>,
    drain: &CancellationToken,
) {
    let Some((file, policy)) = policy else { return };
    tracing::info!(rules = policy.rules.len(), "policy");
    let (in_force, are_known) = (setting.policy.clone(), setting.people.are_known());
    let take = move |policy: Policy| {
        if let Some(rule) = policy.naming_people().filter(|_| !are_known) {
            let rule = rule.name.as_str();
            tracing::warn!(
                rule,
                "the policy tells people apart and this daemon knows nobody"
            );
        }
        in_force.replace(policy);
    };
    take(policy);
    let following = file.keep(Arc::clone(metrics), take);
    tokio::spawn(vital(following, drain.clone()));
}
