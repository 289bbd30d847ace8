//! `requester status ID`: where a request stands now.

use anyhow::anyhow;

use super::flow::Daemon;
use super::freshness::Freshness;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::reach::Reach;
use crate::cli::exit;
use crate::terminal::spinner::Progress;
use crate::wire::Status;

/// Reads the request once.
pub(super) async fn run(
    daemon: &impl Daemon,
    reach: &Reach,
    freshness: Freshness,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let id = reach.id;
    let answer = tokio::select! {
        biased;
        first = signals.first() => return End::Interrupted {
            signal: first.signal,
            words: format!("interrupted before the daemon has said where request {id} stands"),
            request: None,
        },
        answer = reach.answer(progress, async || daemon.look(id).await) => answer,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(end) => return end,
    };
    match answer.value.status {
        Status::Pending => End::Pending {
            words: format!("request {id} is still pending"),
            request: Box::new(answer.value),
        },
        Status::Approved | Status::Denied | Status::Expired | Status::Cancelled => {
            freshness.end(answer)
        }
        Status::Unknown => End::failed(
            exit::INTERNAL,
            anyhow!(
                "request {id} has a status that this requester does not know, which is not an \
                 approval; a newer requester may know it"
            ),
        ),
    }
}
