//! `requester wait ID`: another process waits for what was asked before.

use super::flow::Daemon;
use super::freshness::Freshness;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::reach::Reach;
use super::wait::{Waiting, Waits};
use crate::terminal::spinner::Progress;

/// Waits until the request is final.
///
/// A signal ends the wait alone: whoever waits from afar need not be the only one.
pub(super) async fn run(
    daemon: &impl Daemon,
    reach: &Reach,
    how: &Waits,
    freshness: Freshness,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let id = reach.id;
    let course = async {
        let answer = reach.answer(daemon, progress, async || daemon.look(id).await);
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(end) => return end,
        };
        let title = answer.value.title.clone();
        match Waiting::begin(answer, freshness, progress) {
            Ok(waiting) => {
                progress.joined(&title, &id.to_string(), waiting.deadline());
                waiting.until_final(daemon, how).await
            }
            Err(end) => end,
        }
    };
    tokio::select! {
        biased;
        first = signals.first() => End::Interrupted {
            signal: first.signal,
            words: format!(
                "interrupted; request {id} stays as it is (requester cancel {id} withdraws it)"
            ),
            request: None,
        },
        end = course => end,
    }
}
