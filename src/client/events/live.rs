//! An open stream, frame by frame, and what its frames say.

use tokio::time::{Instant, timeout_at};

use super::StreamEvent;
use super::framing::{Frame, Framer};
use crate::client::error;
use crate::limits;
use crate::wire::event;

/// A stream that is open.
pub(super) struct Open {
    response: reqwest::Response,
    framer: Framer,
    since: Instant,
    heard: Instant,
}

impl Open {
    /// A stream that begins after `last_id`.
    pub(super) fn new(response: reqwest::Response, last_id: String) -> Self {
        let since = Instant::now();
        Self {
            response,
            framer: Framer::new(limits::EVENT_BYTES, last_id),
            since,
            heard: since,
        }
    }

    /// What it has come to.
    pub(super) const fn framer(&self) -> &Framer {
        &self.framer
    }

    /// Since when it is open.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// The next frame, or why there will be none. Cancel safe, because a chunk is either taken
    /// whole or stays with the response.
    pub(super) async fn next(&mut self) -> Result<Frame, String> {
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
                    return Err(format!("the stream broke off: {}", error::root(&error)));
                }
                Err(_) => return Err(format!("the stream was silent for {} s", silence.as_secs())),
            }
        }
    }
}

/// What a frame says to us; names that we do not know say nothing.
pub(super) fn read(frame: Frame) -> Option<StreamEvent> {
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
