//! How a call is held: it is sent, and sent again where that is safe, until a daemon has answered
//! or its caller's time is over.
//!
//! What is answered is always a daemon's own answer, or that none is known. A state that was seen
//! earlier is never told again, as it may be another by now; but whoever has asked is told that they
//! have, and by which id, in the daemon's own words of that moment.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use warp::http::StatusCode;

use super::Relay;
use super::answer::Fetched;
use super::errand::Errand;
use super::outgoing::Outgoing;
use super::patience::Patience;
use super::upstreams::Upstream;
use super::verdict::{is_no_answer, is_not_found, leaves_a_doubt, passes};
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
    /// There was no time left to make it.
    TooLate,
}

/// Brings a call to a daemon. Dropping the future ends the call at the daemon, too.
///
/// # Errors
/// No daemon has answered in time, or it is not known whether one has acted on the call, or the
/// relay winds down.
pub(super) async fn carry(relay: &Relay, call: &Outgoing) -> Result<Fetched, Problem> {
    let mut time = Patience::of(call, Instant::now());
    let mut backoff = Backoff::under(Some(limits::RELAY_PAUSE * 2));
    let mut held = Held::of(relay, call);
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
            let told = held.give_up();
            return told.map(|told| told.made_direct(call, held.attempts > 1));
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
    /// A daemon's word that it was asked, and that nothing was decided then.
    asked: Option<Fetched>,
    /// What a daemon has said that is to pass.
    told: Option<Fetched>,
    /// The relay winds down: one look, and no more.
    draining: bool,
}

impl<'a> Held<'a> {
    const fn of(relay: &'a Relay, call: &'a Outgoing) -> Self {
        Self {
            relay,
            call,
            attempts: 0,
            doubtful: false,
            asked: None,
            told: None,
            draining: false,
        }
    }

    /// Whether the call is one that is ended by winding down.
    const fn waits(&self) -> bool {
        let waits = matches!(self.call.errand, Errand::Stream | Errand::Channel);
        (waits || self.call.wait.is_some()) && !self.draining
    }

    /// Tries all daemons, one after the other.
    async fn round(&mut self, time: &Patience) -> Result<Option<Fetched>, Problem> {
        let upstreams = &self.relay.upstreams;
        let round = upstreams.in_order();
        let mut without_it = 0;
        for (turn, &(place, upstream)) in round.iter().enumerate() {
            let is_last = turn + 1 == round.len();
            match self.attempt(upstream, time, is_last).await? {
                Attempt::Answered(fetched)
                    if is_not_found(&fetched) && without_it + 1 < upstreams.count() =>
                {
                    // It may be new, and this daemon behind the others.
                    without_it += 1;
                }
                Attempt::Answered(fetched) => {
                    upstreams.prefer(place);
                    return self.after_all(fetched).map(Some);
                }
                Attempt::NotYet(fetched) => self.not_yet(fetched),
                Attempt::Failed { unsent } => {
                    self.doubtful |= !unsent;
                    self.relay.figures.failed.inc();
                    if self.doubtful && !self.call.errand.may_repeat() {
                        return self.give_up().map(Some);
                    }
                }
                Attempt::TooLate => {}
            }
        }
        if round.is_empty() && upstreams.trusting().is_some() {
            return Err(upstreams.nobody());
        }
        Ok(None)
    }

    /// Notes an answer that is not the last word.
    fn not_yet(&mut self, fetched: Fetched) {
        if !fetched.is_pending() {
            self.doubtful |= leaves_a_doubt(&fetched);
            self.told = Some(fetched);
            return;
        }
        self.told = None;
        if self.call.errand == Errand::Ask {
            self.asked = Some(fetched);
        }
    }

    /// An answer, in the light of the attempts before it.
    fn after_all(&mut self, fetched: Fetched) -> Result<Fetched, Problem> {
        if !is_no_answer(&fetched) {
            return Ok(fetched);
        }
        self.told = Some(fetched);
        self.give_up()
    }

    async fn attempt(
        &mut self,
        upstream: &Upstream,
        time: &Patience,
        is_last: bool,
    ) -> Result<Attempt, Problem> {
        loop {
            let now = Instant::now();
            let left = if self.draining {
                Some(Duration::ZERO)
            } else {
                time.left(now)
            };
            let left = left.filter(|_| time.wait_until.is_some());
            let mut most = time.of_attempt(self.call.errand, now, is_last);
            if self.draining {
                most = most.min(limits::RELAY_GRACE);
            }
            if most.is_zero() {
                return Ok(Attempt::TooLate);
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
        if let Some(asked) = self.asked.take() {
            return Ok(asked);
        }
        let changes = !self.call.method.is_safe() && self.call.errand != Errand::Channel;
        if self.doubtful && changes {
            let detail = "the daemon behind this relay was given the call and did not answer, so it \
                          may or may not count; read the request before you send it again";
            return Err(Problem::new(Kind::OutcomeUnknown, detail));
        }
        if let Some(told) = self.told.take() {
            return Ok(told);
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
mod tests;
