//! `requester cancel ID`: a request is withdrawn from another process than the one that asked.

use super::flow::Daemon;
use super::interrupt::Interrupts;
use super::outcome::End;
use super::reach::Reach;
use crate::client::{Answer, CallError};
use crate::terminal::spinner::Progress;

/// Cancels it, or learns what became of it before.
pub(super) async fn run(
    daemon: &impl Daemon,
    reach: &Reach,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let id = reach.id;
    let call = async || match daemon.cancel(id).await {
        // It says no, and shows why: the request is final.
        Err(CallError::Refused {
            status: 409,
            problem,
            ..
        }) if problem.request.is_some() => {
            let request = problem.request.expect("it was looked at");
            Ok(Answer {
                value: *request,
                date: None,
                replayed: false,
            })
        }
        outcome => outcome,
    };
    tokio::select! {
        biased;
        first = signals.first() => End::Interrupted {
            signal: first.signal,
            words: format!(
                "interrupted; whether request {id} is cancelled is not known (requester status \
                 {id} says)"
            ),
            request: None,
        },
        answer = reach.answer(daemon, progress, call) => match answer {
            Ok(answer) => End::Withdrawn(Box::new(answer.value)),
            Err(end) => end,
        },
    }
}
