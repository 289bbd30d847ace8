//! How a call is held: it is sent, and sent again where that is safe, until a daemon has answered
//! or its caller's time is over.
//!
//! What is answered is always a daemon's own answer, or that none is known. A state that was seen
//! earlier is never told again: it may be another by now.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use warp::http::StatusCode;

use super::Relay;
use super::answer::Fetched;
use super::errand::Errand;
use super::outgoing::Outgoing;
use super::patience::Patience;
use super::upstreams::Upstream;
use crate::client::Backoff;
use crate::http::{Kind, Problem};
use crate::limits;

/// What one attempt came to.
enum Attempt {
    /// The answer.
    Answered(Fetched),
    /// An answer that says to come again, or that nothing is decided although time is left.
    NotYet(Fetched),
    /// Nothing. `unsent` says that the daemon has certainly not acted on the call.
    Failed { unsent: bool },
}

/// Brings a call to a daemon. Dropping the future ends the call at the daemon, too.
///
/// # Errors
/// No daemon has answered in time, or it is not known whether one has acted on the call, or the
/// relay winds down.
pub(super) async fn carry(relay: &Relay, call: &Outgoing) -> Result<Fetched, Problem> {
    let mut time = Patience::of(call, Instant::now());
    let mut backoff = Backoff::under(Some(limits::RELAY_PAUSE * 2));
    let mut held = Held {
        relay,
        call,
        attempts: 0,
        doubtful: false,
        told: None,
        draining: false,
    };
    loop {
        let begun = Instant::now();
        if let Some(fetched) = held.round(&time).await? {
            if held.attempts > 1 {
                relay.figures.saved.inc();
            }
            return Ok(fetched.made_direct(call, held.attempts > 1));
        }
        let now = Instant::now();
        if call.errand == Errand::Channel && now - begun > limits::RELAY_PAUSE {
            // It was held, so the outage begins now.
            time.deadline = now + limits::RELAY_OUTAGE;
            backoff.reset();
        }
        if held.draining || now >= time.deadline {
            return held.give_up();
        }
        let wish = held.told.as_ref().and_then(Fetched::retry_after);
        // Once more at the very end, so that what came just before is not missed.
        let pause = backoff.next(wish).min(time.deadline - now);
        tokio::select! {
            () = sleep(pause) => {}
            () = relay.drain.cancelled(), if held.waits() => held.draining = true,
        }
    }
}

/// One call, and what has become of it so far.
struct Held<'a> {
    relay: &'a Relay,
    call: &'a Outgoing,
    attempts: u32,
    /// A daemon may have acted on it.
    doubtful: bool,
    /// What a daemon has said that is to pass.
    told: Option<Fetched>,
    /// The relay winds down: one look, and no more.
    draining: bool,
}

impl Held<'_> {
    /// Whether the call is one that is ended by winding down.
    const fn waits(&self) -> bool {
        let waits = matches!(self.call.errand, Errand::Stream | Errand::Channel);
        (waits || self.call.wait.is_some()) && !self.draining
    }

    /// Tries all daemons, one after the other.
    async fn round(&mut self, time: &Patience) -> Result<Option<Fetched>, Problem> {
        let upstreams = &self.relay.upstreams;
        for (place, upstream) in upstreams.in_order() {
            match self.attempt(upstream, time).await? {
                Attempt::Answered(fetched) => {
                    upstreams.prefer(place);
                    return Ok(Some(fetched));
                }
                Attempt::NotYet(fetched) => {
                    if fetched.is_pending() {
                        self.told = None;
                    } else {
                        self.told = Some(fetched);
                    }
                }
                Attempt::Failed { unsent } => {
                    self.doubtful |= !unsent;
                    self.relay.figures.failed.inc();
                    if self.doubtful && !self.call.errand.may_repeat() {
                        return self.give_up().map(Some);
                    }
                }
            }
        }
        if upstreams.in_order().next().is_none() && upstreams.trusting().is_some() {
            return Err(upstreams.nobody());
        }
        Ok(None)
    }

    async fn attempt(&mut self, upstream: &Upstream, time: &Patience) -> Result<Attempt, Problem> {
        loop {
            let now = Instant::now();
            let left = if self.draining {
                Some(Duration::ZERO)
            } else {
                time.left(now)
            };
            let left = left.filter(|_| time.wait_until.is_some());
            let mut most = time.of_attempt(self.call.errand, now);
            if self.draining {
                most = most.min(limits::RELAY_GRACE);
            }
            let again = self.attempts > 0;
            self.attempts += 1;
            let waits = self.waits();
            let sending = timeout(most, send(upstream, self.call, left.filter(|_| again)));
            let sent = tokio::select! {
                biased;
                () = self.relay.drain.cancelled(), if waits => {
                    self.draining = true;
                    if self.call.wait.is_some() {
                        // What is true now is better than nothing.
                        self.doubtful = true;
                        continue;
                    }
                    return Err(draining());
                }
                sent = sending => sent,
            };
            let fetched = match sent {
                Ok(Ok(fetched)) => fetched,
                Ok(Err(Unsent::NoSuchPath(problem))) => return Err(problem),
                Ok(Err(Unsent::Error(error))) => {
                    tracing::debug!(url = %upstream.url, %error, "an attempt");
                    let unsent = error.is_connect();
                    return Ok(Attempt::Failed { unsent });
                }
                Err(_) => return Ok(Attempt::Failed { unsent: false }),
            };
            let early = now.elapsed() + limits::POLL_HASTE < left.unwrap_or_default();
            return Ok(self.judged(fetched, early));
        }
    }

    /// Whether an answer is the answer. `early` says that the wait was cut short.
    fn judged(&self, fetched: Fetched, early: bool) -> Attempt {
        let call = self.call;
        // A daemon that winds down answers polls early, with what is true.
        let knows = call.headers.contains_key("if-none-match");
        let unchanged = fetched.status == StatusCode::NOT_MODIFIED || !knows;
        if early && unchanged && fetched.is_pending() {
            return Attempt::NotYet(fetched);
        }
        if passes(&fetched) && call.errand.may_repeat() {
            return Attempt::NotYet(fetched);
        }
        Attempt::Answered(fetched)
    }

    /// What the caller is told at the end.
    fn give_up(&mut self) -> Result<Fetched, Problem> {
        if let Some(told) = self.told.take() {
            return Ok(told);
        }
        let changes = !self.call.method.is_safe() && self.call.errand != Errand::Channel;
        if self.doubtful && changes {
            let detail = "the daemon behind this relay was given the call and did not answer, so it \
                          may or may not count; read the request before you send it again";
            return Err(Problem::new(Kind::OutcomeUnknown, detail));
        }
        if self.draining {
            return Err(draining());
        }
        Err(self.relay.upstreams.nobody())
    }
}

fn draining() -> Problem {
    Problem::new(Kind::Draining, "this relay is shutting down; try again")
}

/// Whether it is an error that passes by itself, as a restart does. An outcome of the classic routes
/// is none, and what is at a limit is told at once.
fn passes(fetched: &Fetched) -> bool {
    match fetched.status {
        StatusCode::BAD_GATEWAY => true,
        StatusCode::SERVICE_UNAVAILABLE => fetched.code().is_none_or(|code| {
            let passing = [
                "accounts_unavailable",
                "clock_behind",
                "contended",
                "draining",
                "outcome_unknown",
                "store_busy",
                "store_unavailable",
                "too_many_connections",
            ];
            passing.contains(&code.as_str())
        }),
        StatusCode::GATEWAY_TIMEOUT => fetched
            .code()
            .is_none_or(|code| code == Kind::UpstreamUnavailable.row().1),
        _ => false,
    }
}

enum Unsent {
    NoSuchPath(Problem),
    Error(reqwest::Error),
}

async fn send(
    upstream: &Upstream,
    call: &Outgoing,
    left: Option<Duration>,
) -> Result<Fetched, Unsent> {
    let target = call.target(left);
    let Some(request) = upstream.call(&call.method, &target, &call.headers) else {
        let detail = "there is nothing at this path of the relay";
        return Err(Unsent::NoSuchPath(Problem::new(Kind::NoSuchPath, detail)));
    };
    let request = if call.body.is_empty() && call.method.is_safe() {
        request
    } else {
        request.body(call.body.clone())
    };
    let response = request.send().await.map_err(Unsent::Error)?;
    Fetched::read(response, &call.method, &call.carrier)
        .await
        .map_err(Unsent::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To poll again after these would ask again, or keep a caller from hearing what became of it.
    #[test]
    fn what_a_daemon_has_decided_is_not_asked_for_again() {
        for (status, code) in [
            (503, Some("cancelled")),
            (504, Some("expired")),
            (503, Some("too_many_pending")),
            (503, Some("too_many_waiters")),
            (500, Some("internal")),
            (404, None),
            (200, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!passes(&Fetched::error(status, code)), "{status} {code:?}");
        }
    }

    #[test]
    fn what_a_restart_brings_about_passes() {
        for (status, code) in [
            (502, None),
            (503, None),
            (504, None),
            (503, Some("draining")),
            (503, Some("outcome_unknown")),
            (504, Some("upstream_unavailable")),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(passes(&Fetched::error(status, code)), "{status} {code:?}");
        }
    }
}
