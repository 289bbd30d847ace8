//! The stream of events, kept open: the `EventSource` of the HTML Standard (section 9.2), for a
//! program.
//!
//! It resumes after the last event id, reconnects with growing pauses, and tells its user about
//! both. It does not know what an approver does with events.

mod framing;
mod open;
mod reconnect;

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use url::Url;

#[cfg(any(test, fuzzing))]
pub(crate) use self::framing::fuzzing;
#[cfg(any(test, fuzzing))]
pub(super) use self::reconnect::redirect_target;

use self::framing::{Frame, Framer};
use self::open::{NotOpen, Opened};
use super::{Client, answer, backoff};
use crate::domain::Timestamp;
use crate::limits;
use crate::wire::{MarkView, RequestView, event};

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
    /// There is no stream at present.
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
    url: Url,
    last_id: String,
    retry: Option<Duration>,
    failures: u32,
    state: State,
}

enum State {
    Waiting(Instant),
    Opening(Pin<Box<dyn Future<Output = Result<Opened, NotOpen>> + Send>>),
    Open(Box<Open>),
    Over,
}

struct Open {
    response: reqwest::Response,
    framer: Framer,
    heard: Instant,
}

impl EventStream {
    /// The stream of the daemon's events, of these topics alone unless there are none. Nothing is
    /// sent before [`EventStream::next`] is called.
    pub fn new(client: Client, topics: &[String]) -> Self {
        let mut url = client.url("/v1/events");
        if !topics.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(topics.iter().map(|topic| ("topic", topic)));
        }
        Self {
            client,
            url,
            last_id: String::new(),
            retry: None,
            failures: 0,
            state: State::Waiting(Instant::now()),
        }
    }

    /// The next thing that happens; after [`StreamEvent::Ended`] and [`StreamEvent::Refused`] it
    /// never comes.
    ///
    /// Cancel safe: dropping the future loses nothing, and an attempt that is under way goes on
    /// with the next call. A stream that nobody asks for a while is slowed down, not cut.
    pub async fn next(&mut self) -> StreamEvent {
        loop {
            let event = match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    let (client, url) = (self.client.clone(), self.url.clone());
                    self.state =
                        State::Opening(Box::pin(open::open(client, url, self.last_id.clone())));
                    None
                }
                State::Opening(opening) => {
                    let outcome = opening.await;
                    Some(self.opened(outcome))
                }
                State::Open(open) => match open.next().await {
                    Ok(frame) => read(frame),
                    Err(why) => Some(self.cut(why)),
                },
                State::Over => pending().await,
            };
            if let Some(event) = event {
                return event;
            }
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

    fn opened(&mut self, outcome: Result<Opened, NotOpen>) -> StreamEvent {
        match outcome {
            Ok(Opened {
                response,
                resumed,
                now,
            }) => {
                self.state = State::Open(Box::new(Open {
                    response,
                    framer: Framer::new(limits::EVENT_BYTES, self.last_id.clone()),
                    heard: Instant::now(),
                }));
                StreamEvent::Connected { resumed, now }
            }
            Err(NotOpen::Ended) => {
                self.state = State::Over;
                StreamEvent::Ended
            }
            Err(NotOpen::Refused(why)) => {
                self.state = State::Over;
                StreamEvent::Refused { why }
            }
            Err(NotOpen::Failed {
                why,
                retry_after,
                foreign,
                at_limit,
            }) => {
                self.state = State::Waiting(Instant::now() + self.pause(retry_after));
                self.failures = self.failures.saturating_add(1);
                StreamEvent::Cut {
                    why,
                    foreign,
                    at_limit,
                }
            }
        }
    }

    /// The open stream has ended. What it has left behind is kept: a stream that said anything
    /// has worked, so the next pause is a short one.
    fn cut(&mut self, why: String) -> StreamEvent {
        if let State::Open(open) = &self.state {
            open.framer.last_id().clone_into(&mut self.last_id);
            self.retry = open.framer.retry().or(self.retry);
            self.failures = if open.framer.is_untouched() {
                self.failures + 1
            } else {
                0
            };
        }
        self.state = State::Waiting(Instant::now() + self.pause(None));
        StreamEvent::Cut {
            why,
            foreign: false,
            at_limit: false,
        }
    }

    fn pause(&self, retry_after: Option<Duration>) -> Duration {
        reconnect::pause(self.retry, self.failures, retry_after, backoff::roll())
    }
}

impl Open {
    /// The next frame, or why there will be none. Cancel safe, because a chunk is either taken
    /// whole or stays with the response.
    async fn next(&mut self) -> Result<Frame, String> {
        loop {
            if let Some(frame) = self.framer.pop() {
                return Ok(frame);
            }
            let silence = limits::STREAM_SILENCE;
            match timeout_at(self.heard + silence, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.heard = Instant::now();
                    self.framer.push(&bytes);
                }
                Ok(Ok(None)) => return Err("the daemon ended the stream".to_owned()),
                Ok(Err(error)) => {
                    return Err(format!("the stream broke off: {}", answer::root(&error)));
                }
                Err(_) => return Err(format!("the stream was silent for {} s", silence.as_secs())),
            }
        }
    }
}

/// What a frame says to us; names that we do not know say nothing.
fn read(frame: Frame) -> Option<StreamEvent> {
    let (name, data) = match frame {
        Frame::Event { name, data } => (name, data),
        Frame::Skipped(cap) => {
            let why = format!("an event of more than {cap} bytes");
            return Some(StreamEvent::Skipped { why });
        }
    };
    let read = match name.as_str() {
        event::REQUEST => serde_json::from_str(&data).map(StreamEvent::Request),
        event::CAUGHT_UP => serde_json::from_str(&data).map(StreamEvent::CaughtUp),
        event::RESET => serde_json::from_str(&data).map(StreamEvent::Reset),
        _ => return None,
    };
    Some(read.unwrap_or_else(|error| StreamEvent::Skipped {
        why: format!("an event {name:?} that cannot be read: {error}"),
    }))
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "Waiting",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
            Self::Over => "Over",
        })
    }
}

#[cfg(test)]
mod tests;
