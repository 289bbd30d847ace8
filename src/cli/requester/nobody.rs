//! Who is there to decide, as the daemon tells at the ask.

use anyhow::anyhow;
use tokio::time::Instant;

use super::flow::{Daemon, Plan};
use super::outcome::End;
use super::withdraw::{Withdrawal, cancel};
use crate::cli::exit;
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::{RequestView, Status, rfc3339};

/// Shows how many are there, and ends it when that is nobody and this is not to be borne.
///
/// A daemon that does not say cannot be relied on for that, so it ends with the configuration. What
/// another run has asked, which may wait for it, `is_found` and left as it is.
pub(super) async fn look(
    daemon: &impl Daemon,
    plan: &Plan,
    request: &RequestView,
    is_found: bool,
    progress: &Progress,
) -> Option<End> {
    if let Some(count) = request.approvers_connected {
        progress.connected(count);
    }
    if !plan.fail_if_nobody {
        return None;
    }
    let (code, why) = match request.approvers_connected {
        Some(0) => (
            exit::TRY_LATER,
            "nobody is connected who may approve this; try later".to_owned(),
        ),
        Some(_) => return None,
        None => (
            exit::CONFIGURATION,
            format!(
                "the daemon at {} does not say how many approvers are connected; leave out \
                 --fail-if-nobody, or ask a newer daemon",
                plan.daemon
            ),
        ),
    };
    let id = request.id;
    if is_found {
        let fate =
            format!("request {id} is left as it is: it was asked before, with the same --key");
        return Some(End::failed(code, anyhow!("{why} ({fate})")));
    }
    let limit = Instant::now() + limits::CANCEL_TIME;
    let fate = match cancel(daemon, request, limit).await {
        Withdrawal::Final(last) if last.status == Status::Cancelled => {
            format!("request {id} is cancelled")
        }
        // Somebody has come in this very moment.
        Withdrawal::Final(last) => return Some(End::Settled(last)),
        Withdrawal::Unknown => format!("the daemon does not know request {id} any more"),
        Withdrawal::Failed(trouble) => format!(
            "request {id} could not be cancelled ({trouble}), so it may stay pending until {}",
            rfc3339(request.expires_at)
        ),
    };
    Some(End::failed(code, anyhow!("{why} ({fate})")))
}
