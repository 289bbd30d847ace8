//! After a signal: the question must not stay on anybody's screen.

use std::pin::Pin;

use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{Asking, Stop};
use super::flow::Daemon;
use super::interrupt::{Interruption, Interrupts, Signal};
use super::outcome::{End, refused, words};
use crate::client::{Answer, Backoff, CallError};
use crate::limits;
use crate::terminal::spinner::Progress;
use crate::wire::{RequestView, Status, rfc3339};

/// Cancels a request of which it is not known whether the daemon has it.
///
/// The ask under way is followed to its end, and repeated if that leaves a doubt: only the answer
/// to an ask has the id that can be cancelled, and an ask with the same key is the same ask.
pub(super) async fn unacknowledged<D: Daemon>(
    daemon: &D,
    asking: &Asking<'_, D>,
    mut acknowledgement: Pin<&mut impl Future<Output = Result<Answer<RequestView>, Stop>>>,
    first: Interruption,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let end = |words: &str| End::Interrupted {
        signal: first.signal,
        words: words.to_owned(),
        request: None,
    };
    if asking.is_unasked() {
        return end("interrupted before anything was asked");
    }
    progress.say("interrupted; asking the daemon whether it has the request");
    let limit = first.at + limits::CANCEL_TIME;
    asking.unwant(limit);
    let answer = tokio::select! {
        biased;
        () = signals.again(first) => None,
        answer = timeout_at(limit, acknowledgement.as_mut()) => answer.ok(),
    };
    match answer {
        Some(Ok(answer)) => acknowledged(daemon, &answer.value, first, signals, progress).await,
        Some(Err(Stop::Unasked | Stop::Failed { unasked: true, .. })) => {
            end("interrupted; the daemon has no request of ours")
        }
        Some(Err(Stop::Failed { unasked: false, .. })) | None => end(
            "interrupted; the daemon may have got the request, which then stays pending until it \
             expires: it could not be asked",
        ),
    }
}

/// Cancels a request that the daemon has acknowledged, within [`limits::CANCEL_TIME`] of the
/// `first` signal and until somebody interrupts again.
pub(super) async fn acknowledged(
    daemon: &impl Daemon,
    request: &RequestView,
    first: Interruption,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let signal = first.signal;
    let limit = first.at + limits::CANCEL_TIME;
    if request.status != Status::Pending {
        return told(
            signal,
            &Withdrawal::Final(Box::new(request.clone())),
            request,
        );
    }
    progress.say("interrupted; cancelling the request");
    let withdrawal = tokio::select! {
        biased;
        () = signals.again(first) => Withdrawal::Failed("interrupted again".to_owned()),
        withdrawal = cancel(daemon, request, limit) => withdrawal,
    };
    told(signal, &withdrawal, request)
}

/// What became of a cancellation.
pub(super) enum Withdrawal {
    /// The request is final, cancelled or otherwise.
    Final(Box<RequestView>),
    /// The daemon does not know it.
    Unknown,
    /// It could not be cancelled, as far as we know.
    Failed(String),
}

fn told(signal: Signal, withdrawal: &Withdrawal, request: &RequestView) -> End {
    let id = request.id;
    let (words, request) = match withdrawal {
        Withdrawal::Final(last) if last.status == Status::Cancelled => (
            format!("interrupted; request {id} is cancelled"),
            Some(last),
        ),
        Withdrawal::Final(last) => (
            format!("interrupted; request {id} was already {}", words(last)),
            Some(last),
        ),
        Withdrawal::Unknown => (
            format!("interrupted; the daemon does not know request {id} any more"),
            None,
        ),
        Withdrawal::Failed(why) => (
            format!(
                "interrupted; request {id} could not be cancelled ({why}), so it may stay pending \
                 until {}",
                rfc3339(request.expires_at)
            ),
            None,
        ),
    };
    End::Interrupted {
        signal,
        words,
        request: request.cloned(),
    }
}

/// Cancels a request, until `limit` at the latest.
pub(super) async fn cancel(
    daemon: &impl Daemon,
    request: &RequestView,
    limit: Instant,
) -> Withdrawal {
    let mut backoff = Backoff::new();
    let mut why = "no answer".to_owned();
    loop {
        let Ok(outcome) = timeout_at(limit, daemon.cancel(request.id)).await else {
            return Withdrawal::Failed(why);
        };
        let retry_after = match outcome {
            Err(error) if error.is_not_found() => return Withdrawal::Unknown,
            Ok(answer) if is_end_of(&answer.value, request) => {
                return Withdrawal::Final(Box::new(answer.value));
            }
            Ok(answer) => {
                let (id, status) = (answer.value.id, answer.value.status.as_str());
                why = format!("the daemon says that {id} is {status}");
                None
            }
            Err(CallError::Transient {
                what, retry_after, ..
            }) => {
                why = what;
                retry_after
            }
            Err(CallError::Refused {
                status, problem, ..
            }) if !problem.code.is_empty() => {
                let (_, error) = refused(status, &problem);
                return match problem.request {
                    Some(last) if is_end_of(&last, request) => Withdrawal::Final(last),
                    _ => Withdrawal::Failed(format!("{error:#}")),
                };
            }
            // The daemon was trusted before, and may be again.
            Err(CallError::Untrusted { what }) => {
                why = what;
                None
            }
            // Something before the daemon, which may pass.
            Err(error @ (CallError::Refused { .. } | CallError::NotPushd { .. })) => {
                why = format!("{error} (not from a pushd)");
                None
            }
        };
        let pause = backoff.next(retry_after);
        if Instant::now() + pause >= limit {
            return Withdrawal::Failed(why);
        }
        sleep(pause).await;
    }
}

/// Whether `last` is a final state of `request` that we can name.
fn is_end_of(last: &RequestView, request: &RequestView) -> bool {
    let is_final = match last.status {
        Status::Approved | Status::Denied | Status::Expired | Status::Cancelled => true,
        Status::Pending | Status::Unknown => false,
    };
    is_final && last.id == request.id
}
