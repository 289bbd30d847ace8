//! `requester status ID`: where a request stands now.

use anyhow::anyhow;

use super::flow::Daemon;
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
    let request = match answer {
        Ok(answer) => Box::new(answer.value),
        Err(end) => return end,
    };
    match request.status {
        Status::Pending => End::Pending {
            words: format!("request {id} is still pending"),
            request,
        },
        Status::Approved | Status::Denied | Status::Expired | Status::Cancelled => {
            End::Settled(request)
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
