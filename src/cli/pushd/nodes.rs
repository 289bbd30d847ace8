//! This daemon among others on the same store.

use std::sync::Arc;

use anyhow::Context;

use crate::approvals::Approvals;
use crate::metrics::Metrics;
use crate::nodes::{Line, Together};

/// A node on this line, under a name that no other one has.
pub(super) fn joined(line: impl Line, metrics: Arc<Metrics>) -> anyhow::Result<Arc<Together>> {
    let name = getrandom::u64().context("no random bytes from the system")?;
    Ok(Together::new(line, name, metrics))
}

/// Does `tasks` to their end, and talks with the other nodes meanwhile, if there may be some.
pub(super) async fn among(
    nodes: Option<Arc<Together>>,
    approvals: Arc<Approvals>,
    tasks: impl Future<Output = ()>,
) {
    let talking = async {
        if let Some(nodes) = nodes {
            nodes.keep(approvals).await;
        }
    };
    tokio::join!(tasks, talking);
}

/// Channels are of one process, which withdraws what nobody polls for at itself.
pub(super) fn warn_of_channels(nodes: Option<&Arc<Together>>) {
    if nodes.is_some() {
        tracing::warn!(
            "no other node on this bucket may have --classic: it would withdraw what is asked here"
        );
    }
}
