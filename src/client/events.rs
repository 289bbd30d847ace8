//! The stream of events, kept open: the `EventSource` of the HTML Standard (section 9.2), for a
//! program.
//!
//! It resumes after the last event id, reconnects with growing pauses, and tells its user about
//! both. Where the daemon has several addresses it goes on with the next one, almost at once, and
//! pauses when none of them has a stream. It does not know what an approver does with events.

mod framing;
mod live;
mod open;
mod reconnect;

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[cfg(any(test, fuzzing))]
pub(crate) use self::framing::fuzzing;
#[cfg(any(test, fuzzing))]
pub(super) use self::reconnect::redirect_target;

use self::live::{Open, read};
use self::open::{NotOpen, Opened};
use super::failures::Failures;
use super::turns::Attempt;
use super::{CallError, Client, backoff};
use crate::domain::Timestamp;
use crate::limits;
use crate::wire::{MarkView, RequestView};

/// One thing that happened to the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The daemon answers with a stream.
    Connected {
        /// Whether it goes on after the last event id. If not, all that is pending follows, and
        /// what does not come again by [`StreamEvent::CaughtUp`] is pending no more.
        resumed: bool,
        /// The daemon's time, to the second, if it tells.
        now: Option<Timestamp>,
    },
    /// A request as one commit left it.
    Request(Box<RequestView>),
    /// All that was there before has been sent.
    CaughtUp(MarkView),
    /// Drop everything: all that is pending follows, up to [`StreamEvent::CaughtUp`].
    Reset(MarkView),
    /// Another address of the daemon is in use, for calls as well; in words, some of which may be a
    /// stranger's.
    Moved(String),
    /// There is no stream at present, from none of the daemon's addresses.
    Cut {
        /// What happened, in a few words; some may be a stranger's.
        why: String,
        /// Whether what answers seems to be no pushd at all, or cannot be told to be one.
        foreign: bool,
        /// Whether a limit was reached: nothing is broken, there are just too many streams.
        at_limit: bool,
    },
    /// An event was left out, because it is too long or cannot be read. The stream goes on.
    Skipped {
        /// What was wrong with it.
        why: String,
    },
    /// The daemon wants no reconnection (204). Nothing follows.
    Ended,
    /// We may not have the stream (401, 403). Nothing follows.
    Refused {
        /// What the daemon says.
        why: String,
    },
}

/// A stream of events that is opened again whenever it ends.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    path: String,
    last_id: String,
    retry: Option<Duration>,
    /// Rounds over the addresses in vain, one after the other.
    failures: u32,
    round: Failures,
    state: State,
}

enum State {
    Waiting(Instant),
    Opening(Attempt, Opening),
    Open(Attempt, Box<Open>),
    Over,
}

type Opening = Pin<Box<dyn Future<Output = Result<Opened, NotOpen>> + Send>>;

impl EventStream {
    /// The stream of the daemon's events, of these topics alone unless there are none. Nothing is
    /// sent before [`EventStream::next`] is called.
    pub fn new(client: Client, topics: &[String]) -> Self {
        let mut path = "/v1/events".to_owned();
        if !topics.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(topics.iter().map(|topic| ("topic", topic)));
            path = format!("{path}?{}", query.finish());
        }
        Self {
            client,
            path,
            last_id: String::new(),
            retry: None,
            failures: 0,
            round: Failures::default(),
            state: State::Waiting(Instant::now()),
        }
    }

    /// The next thing that happens; after [`StreamEvent::Ended`] and [`StreamEvent::Refused`] it
    /// never comes.
    ///
    /// Cancel safe: dropping the future loses nothing, and an attempt that is under way goes on
    /// with the next call. A stream that nobody asks for a while is slowed down, not cut.
    pub async fn next(&mut self) -> StreamEvent {
        let client = self.client.clone();
        loop {
            let event = tokio::select! {
                biased;
                words = client.changed() => Some(StreamEvent::Moved(words)),
                event = self.step() => event,
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn step(&mut self) -> Option<StreamEvent> {
        match &mut self.state {
            State::Waiting(until) => {
                // The runtime's clock takes a millisecond for a pause of no time at all.
                if *until > Instant::now() {
                    sleep_until(*until).await;
                }
                self.open();
                None
            }
            State::Opening(attempt, opening) => {
                let (attempt, outcome) = (*attempt, opening.await);
                self.opened(attempt, outcome)
            }
            State::Open(_, open) => match open.next().await {
                Ok(frame) => {
                    let event = read(frame);
                    if let Some(StreamEvent::Request(view)) = &event {
                        self.client.nodes().acquaint(view.id);
                    }
                    event
                }
                Err(why) => self.cut(why),
            },
            State::Over => pending().await,
        }
    }

    /// Forgets the last event id and opens the stream again, after the usual pause, so that all
    /// that is pending is sent once more.
    pub fn start_over(&mut self) {
        if !matches!(self.state, State::Over) {
            self.last_id.clear();
            self.state = State::Waiting(Instant::now() + self.pause(None));
        }
    }

    fn open(&mut self) {
        let nodes = self.client.nodes();
        let number = self.next_node().unwrap_or_else(|| {
            self.round = Failures::default();
            nodes.round()[0]
        });
        let others = nodes.round().into_iter();
        let mut left = others.filter(|&other| other != number && !self.round.has(other));
        let patience = match left.next() {
            Some(_) => limits::TURN_TIME,
            None => limits::CALL_TIME,
        };
        let (client, path) = (self.client.clone(), self.path.clone());
        let opening = open::open(client, number, path, self.last_id.clone(), patience);
        self.state = State::Opening(nodes.attempt(number), Box::pin(opening));
    }

    /// The next address that was not asked in this round.
    fn next_node(&self) -> Option<usize> {
        let mut round = self.client.nodes().round().into_iter();
        round.find(|&number| !self.round.has(number))
    }

    fn opened(
        &mut self,
        attempt: Attempt,
        outcome: Result<Opened, NotOpen>,
    ) -> Option<StreamEvent> {
        match outcome {
            Ok(Opened {
                response,
                resumed,
                now,
            }) => {
                self.client.nodes().answered(attempt);
                let open = Open::new(response, self.last_id.clone());
                self.state = State::Open(attempt, Box::new(open));
                Some(StreamEvent::Connected { resumed, now })
            }
            Err(NotOpen::Ended) => {
                self.state = State::Over;
                Some(StreamEvent::Ended)
            }
            Err(NotOpen::Refused(why)) => {
                self.state = State::Over;
                Some(StreamEvent::Refused { why })
            }
            Err(NotOpen::Failed(error)) => {
                let event = self.failed(attempt, error)?;
                self.failures = self.failures.saturating_add(1);
                Some(event)
            }
        }
    }

    /// The open stream has ended. What it has left behind is kept: a stream that said anything
    /// has worked, so the next pause is a short one.
    fn cut(&mut self, why: String) -> Option<StreamEvent> {
        let State::Open(attempt, open) = &self.state else {
            return None;
        };
        let attempt = *attempt;
        open.framer().last_id().clone_into(&mut self.last_id);
        self.retry = open.framer().retry().or(self.retry);
        self.failures = if open.framer().is_untouched() {
            self.failures + 1
        } else {
            0
        };
        if open.since().elapsed() >= limits::TURN_HELD {
            self.round = Failures::default();
        }
        self.failed(attempt, CallError::broken(why))
    }

    /// There is no stream from this address. With another one left nothing is told: that there is
    /// none from any would be.
    fn failed(&mut self, attempt: Attempt, error: CallError) -> Option<StreamEvent> {
        let nodes = self.client.nodes();
        let sum = if nodes.are_several() && error.leads_on() {
            nodes.failed(attempt, &error);
            let url = nodes.get(attempt.node).url.clone();
            self.round.add(attempt.node, &url, error);
            if self.next_node().is_some() {
                let spread = limits::TURN_SPREAD.mul_f64(backoff::roll());
                self.state = State::Waiting(Instant::now() + spread);
                return None;
            }
            let mut round = std::mem::take(&mut self.round);
            let left_alone = nodes.left_out(&mut round);
            round.sum(left_alone, false)
        } else {
            error
        };
        self.state = State::Waiting(Instant::now() + self.pause(sum.retry_after()));
        let at_limit = matches!(sum, CallError::Transient { at_limit: true, .. });
        Some(StreamEvent::Cut {
            foreign: !matches!(sum, CallError::Transient { .. }),
            at_limit,
            why: sum.to_string(),
        })
    }

    fn pause(&self, retry_after: Option<Duration>) -> Duration {
        reconnect::pause(self.retry, self.failures, retry_after, backoff::roll())
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "Waiting",
            Self::Opening(..) => "Opening",
            Self::Open(..) => "Open",
            Self::Over => "Over",
        })
    }
}

#[cfg(test)]
mod tests;
