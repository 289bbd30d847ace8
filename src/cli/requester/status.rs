//! `requester status ID`: where a request stands now.

use anyhow::anyhow;

use super::flow::Daemon;
use super::freshness::Freshness;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::reach::Reach;
use super::votes;
use crate::cli::exit;
use crate::client::Answer;
use crate::terminal::spinner::{Progress, span};
use crate::wire::{RequestView, Status};

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
        answer = reach.answer(daemon, progress, async || daemon.look(id).await) => answer,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(end) => return end,
    };
    match answer.value.status {
        Status::Pending => End::Pending {
            words: standing(&answer),
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

/// Where a pending request stands: how long it has left, the votes so far, and who has opened it.
fn standing(answer: &Answer<RequestView>) -> String {
    let request = &answer.value;
    let left = answer.date.map(|now| {
        let left = span(request.expires_at.since(now));
        format!("{left} left")
    });
    let seen: Vec<_> = request
        .seen_by
        .iter()
        .map(|seen| &*seen.by.principal)
        .collect();
    let seen = (!seen.is_empty()).then(|| format!("opened by {}", seen.join(", ")));
    let (id, title) = (request.id, &request.title);
    let parts = [left, votes::words(request), seen].into_iter().flatten();
    let pending = format!("request {id}, \"{title}\", is still pending");
    std::iter::once(pending)
        .chain(parts)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::requester::script::{ASKED, ID, request};
    use crate::wire::{Party, SeenView};

    #[test]
    fn a_pending_request_is_told_with_all_that_has_happened() {
        let mut value = request(Status::Pending);
        value.approvals_needed = 2;
        value.decisions = request(Status::Approved).decisions;
        let by = Party {
            principal: "bob".to_owned(),
            address: None,
            channel: None,
        };
        value.seen_by.push(SeenView { by, at: ASKED });
        let date = Some(ASKED.after(Duration::from_mins(1)));
        assert_eq!(
            standing(&Answer {
                value,
                date,
                replayed: false,
            }),
            format!(
                "request {ID}, \"Deploy?\", is still pending; 59m left; 1 of 2, ana; opened by bob"
            )
        );
        let (value, date) = (request(Status::Pending), None);
        assert_eq!(
            standing(&Answer {
                value,
                date,
                replayed: false,
            }),
            format!("request {ID}, \"Deploy?\", is still pending")
        );
    }
}
