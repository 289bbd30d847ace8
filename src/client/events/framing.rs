//! Bytes into events, as the HTML Standard interprets an event stream (section 9.2.6).
//!
//! The fields of an event are read by eventsource-stream. Around it is what it leaves to its
//! user (version 0.2.3): it panics on a byte-order mark, forgets the last event id, takes
//! `retry:+5`, needs quadratic time for many lines in one chunk, keeps any amount of bytes and
//! gives up on invalid UTF-8. So it gets one event at a time, line by line, and only the lines of
//! the fields `event` and `data`; ids and `retry` are read here.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use eventsource_stream::EventStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

/// Bytes of an `id` or `retry` line that are kept when the event around it is being skipped.
const SHORT_LINE: usize = 1024;

/// One thing that the stream said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// An event.
    Event {
        /// Its type; `message` when it names none.
        name: String,
        /// Its data lines, joined by LF.
        data: String,
    },
    /// An event of so many bytes was skipped, because it is longer than the cap.
    Skipped(usize),
}

/// Reads the bytes of one response. Event ids and `retry` outlive it, so they are handed on.
#[derive(Debug)]
pub(super) struct Framer {
    cap: usize,
    /// What the standard calls the last event ID string: set when an event is complete.
    last_id: String,
    /// The last event ID buffer: what `id` lines have set.
    id_buffer: String,
    id_changed: bool,
    retry: Option<Duration>,
    start: Start,
    line: Vec<u8>,
    line_bytes: usize,
    after_cr: bool,
    block: Block,
    ready: VecDeque<Frame>,
}

/// Where a byte-order mark is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// So many bytes of the mark have come.
    Mark(usize),
    Over,
}

/// The lines of the event that is being received.
#[derive(Debug, Default)]
struct Block {
    lines: Vec<String>,
    bytes: usize,
    skipping: bool,
}

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Framer {
    /// A framer at the start of a response. `last_id` is what earlier responses have left; an
    /// event of more than `cap` bytes is skipped.
    pub(super) fn new(cap: usize, last_id: String) -> Self {
        Self {
            cap,
            id_buffer: last_id.clone(),
            id_changed: false,
            last_id,
            retry: None,
            start: Start::Mark(0),
            line: Vec::new(),
            line_bytes: 0,
            after_cr: false,
            block: Block::default(),
            ready: VecDeque::new(),
        }
    }

    /// The last event id; empty when there is none.
    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The reconnection time, if the stream has named one.
    pub(super) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Whether no byte has come yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.start == Start::Mark(0)
    }

    /// The next complete event.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    /// Takes bytes, split anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.start {
                Start::Mark(seen) => self.look_for_mark(seen, byte),
                Start::Over => self.byte(byte),
            }
        }
    }

    /// Drops a byte-order mark at the very start, once (`UTF-8 decode`, Encoding Standard).
    fn look_for_mark(&mut self, seen: usize, byte: u8) {
        if BOM.get(seen) == Some(&byte) {
            let next = seen + 1;
            self.start = if next == BOM.len() {
                Start::Over
            } else {
                Start::Mark(next)
            };
            return;
        }
        self.start = Start::Over;
        for &earlier in BOM.iter().take(seen) {
            self.byte(earlier);
        }
        self.byte(byte);
    }

    /// LF, CR and CR LF end a line, wherever the bytes were split.
    fn byte(&mut self, byte: u8) {
        let after_cr = std::mem::take(&mut self.after_cr);
        match byte {
            b'\n' if after_cr => {}
            b'\n' => self.end_line(),
            b'\r' => {
                self.after_cr = true;
                self.end_line();
            }
            byte => self.add_to_line(byte),
        }
    }

    fn add_to_line(&mut self, byte: u8) {
        self.line_bytes += 1;
        let is_comment = self.line.first() == Some(&b':');
        let room = if self.block.skipping || is_comment {
            SHORT_LINE
        } else {
            self.cap.saturating_sub(self.block.bytes)
        };
        if self.line.len() < room {
            self.line.push(byte);
        } else if !is_comment {
            self.skip();
        }
    }

    /// Gives up on the present event, but not on what follows it.
    fn skip(&mut self) {
        self.block.skipping = true;
        self.block.lines = Vec::new();
        if self.line.len() > SHORT_LINE {
            self.line = Vec::new();
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let whole = std::mem::take(&mut self.line_bytes) == line.len();
        let bytes = line.len();
        if bytes == 0 && whole {
            self.end_event();
            return;
        }
        let (name, value) = field(&line);
        match name {
            // A line of which a part was dropped says nothing.
            _ if !whole => {}
            b"id" if !value.contains(&0) => {
                self.id_buffer = String::from_utf8_lossy(value).into_owned();
                self.id_changed = true;
            }
            b"retry" => self.retry = digits(value).or(self.retry),
            b"event" | b"data" if !self.block.skipping => {
                self.block.bytes += bytes + 1;
                let mut line = String::from_utf8_lossy(&line).into_owned();
                line.push('\n');
                self.block.lines.push(line);
            }
            _ => {}
        }
    }

    /// A blank line: the id counts now, whether or not there is data to dispatch.
    fn end_event(&mut self) {
        // A blank line is one byte, and an id may be long: it is only copied when it is another.
        if std::mem::take(&mut self.id_changed) {
            self.last_id.clone_from(&self.id_buffer);
        }
        let block = std::mem::take(&mut self.block);
        if block.skipping {
            self.ready.push_back(Frame::Skipped(self.cap));
        } else if let Some(frame) = parse(block.lines) {
            self.ready.push_back(frame);
        }
    }
}

/// Name and value of a line; a comment has an empty name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        return (line, b"");
    };
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b":").unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

/// Milliseconds in ASCII digits only; a number beyond all bounds is the longest time there is.
fn digits(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(value).ok()?;
    Some(Duration::from_millis(number.parse().unwrap_or(u64::MAX)))
}

/// The event that these lines make, unless it has no data.
fn parse(lines: Vec<String>) -> Option<Frame> {
    if lines.is_empty() {
        return None;
    }
    let end = std::iter::once("\n".to_owned());
    let lines = lines.into_iter().chain(end).map(Ok::<_, Infallible>);
    // All lines are there, so the parser has no reason to wait.
    let event = EventStream::new(stream::iter(lines))
        .next()
        .now_or_never()??;
    let event = event.ok()?;
    Some(Frame::Event {
        name: event.event,
        data: event.data,
    })
}

#[cfg(test)]
mod tests;
