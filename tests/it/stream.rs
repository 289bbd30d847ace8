//! An open stream of events, read block by block.

use reqwest::Response;
use serde_json::Value;

use crate::call::Call;
use crate::daemon::Daemon;
use crate::until::soon;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    response: Response,
    read: Vec<u8>,
    end: &'static str,
}

/// One event as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Daemon {
    /// Opens the stream of events.
    pub(crate) async fn listen(&self, query: &str) -> Stream {
        Stream::open(self.get(&format!("/v1/events{query}"))).await
    }

    /// Opens the stream where a cursor left it.
    pub(crate) async fn resume(&self, cursor: &str) -> Stream {
        Stream::open(self.get("/v1/events").header("last-event-id", cursor)).await
    }
}

impl Stream {
    /// Opens the stream that `call` asks for.
    pub(crate) async fn open(call: Call) -> Self {
        let response = call.open().await;
        assert_eq!(response.status(), 200);
        let end = match response.headers()["content-type"].to_str().unwrap() {
            "text/event-stream" => "\n\n",
            "application/x-ndjson" => "\n",
            other => panic!("{other} is no stream"),
        };
        Self {
            response,
            read: Vec::new(),
            end,
        }
    }

    /// The headers it came with.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.response.headers().get(name)?.to_str().unwrap())
    }

    /// The next block (or line) exactly as it was sent, its end included; `None` when the stream
    /// has ended.
    pub(crate) async fn block(&mut self) -> Option<String> {
        soon("the next block of the stream", self.next_block()).await
    }

    /// The same for a stream that may be quiet for as long as it is.
    pub(crate) async fn next_block(&mut self) -> Option<String> {
        loop {
            let end = self.end.as_bytes();
            if let Some(at) = self.read.windows(end.len()).position(|part| part == end) {
                let rest = self.read.split_off(at + end.len());
                let block = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(block).expect("streams are UTF-8"));
            }
            // A connection that is cut ends the stream as well.
            let part = self.response.chunk().await.ok().flatten()?;
            self.read.extend_from_slice(&part);
        }
    }

    /// Waits until the daemon has ended the stream; passes over what it still said.
    ///
    /// # Panics
    /// The stream was cut instead.
    pub(crate) async fn ended(&mut self) {
        let reading = async { while self.response.chunk().await.unwrap().is_some() {} };
        soon("the end of the stream", reading).await;
    }

    /// Everything up to and including the block after `caught-up`, which moves the cursor.
    pub(crate) async fn beginning(&mut self) -> String {
        let mut text = String::new();
        loop {
            let block = self.block().await.expect("the stream goes on");
            text.push_str(&block);
            if block.starts_with("id:") {
                return text;
            }
        }
    }

    /// The next event; comments and blocks without data are passed over.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            if let Some(data) = field("data") {
                return Event {
                    name: field("event").unwrap_or("message").to_owned(),
                    id: field("id").unwrap_or_default().to_owned(),
                    data: serde_json::from_str(data).unwrap(),
                };
            }
        }
    }

    /// The events up to `caught-up`, without it.
    pub(crate) async fn until_caught_up(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            if event.name == "caught-up" {
                return events;
            }
            events.push(event);
        }
    }
}
