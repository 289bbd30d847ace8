//! What everybody in a run did and was told, with times: the evidence that the checker reads.
//!
//! Times are milliseconds since the epoch, by one clock for the whole run that never steps. The
//! daemon's own times come from the same machine, so they can be compared with these.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A point in time.
pub(crate) type At = i64;

/// A request as somebody was shown it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) id: String,
    /// In a run each ask has a title of its own, so it stands for the idempotency key.
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) event: u64,
    pub(crate) version: u64,
    pub(crate) expires_at: At,
    pub(crate) decided_at: Option<At>,
    /// Who decided what: approver and verdict.
    pub(crate) decisions: Vec<(String, String)>,
    /// All members but `history`, which only single reads have, and `approvers_connected`, which is
    /// about the moment of an ask and not about the request.
    pub(crate) members: String,
}

impl View {
    /// Reads the public view of a request.
    pub(crate) fn new(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str().map(millis);
        let mut members = value.clone();
        let object = members.as_object_mut().expect("a request is an object");
        for passing in ["history", "approvers_connected"] {
            drop(object.remove(passing));
        }
        let decisions = value["decisions"].as_array().expect("a list");
        Self {
            id: text(&value["id"]),
            title: text(&value["title"]),
            status: text(&value["status"]),
            event: value["event_id"].as_u64().expect("a number"),
            version: value["version"].as_u64().expect("a number"),
            expires_at: time(&value["expires_at"]).expect("a time"),
            decided_at: time(&value["decided_at"]),
            decisions: decisions
                .iter()
                .map(|decision| {
                    (
                        text(&decision["approver"]["principal"]),
                        text(&decision["verdict"]),
                    )
                })
                .collect(),
            members: members.to_string(),
        }
    }

    pub(crate) fn is_final(&self) -> bool {
        self.status != "pending"
    }
}

fn millis(time: &str) -> At {
    time.parse::<Timestamp>()
        .expect("RFC 3339")
        .as_millisecond()
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told<T> {
    /// With success.
    Yes(T),
    /// With the daemon's refusal, by its code.
    No(String),
    /// It is not known what became of it.
    Nothing,
}

/// One attempt to ask.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) title: String,
    pub(crate) told: Told<View>,
}

/// One attempt to decide.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) title: String,
    pub(crate) verdict: String,
    pub(crate) sent: At,
    pub(crate) told: Told<View>,
}

/// A request as a reply showed it.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) sent: At,
    pub(crate) at: At,
    /// Whether the call was held until the request was final.
    pub(crate) waited: bool,
    /// Which of the daemons has answered.
    pub(crate) node: usize,
    pub(crate) view: View,
}

/// What a reader of the stream met, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// It opened the stream where this cursor left it.
    Opened(Option<String>),
    Reset,
    /// A request, under this cursor.
    Told(String, View),
    /// It had been told everything up to this event.
    CaughtUp(u64),
    /// A cursor alone.
    Moved(String),
}

/// A `requester` that was run.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) title: String,
    pub(crate) ended: At,
    pub(crate) code: Option<i32>,
    /// The final request, where it has printed one.
    pub(crate) printed: Option<View>,
    #[allow(dead_code, reason = "it is printed with what the checker finds")]
    pub(crate) stderr: String,
    /// Whether it was signalled, so that it may have left before the answer.
    pub(crate) signalled: bool,
}

/// A time in which something was broken on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    pub(crate) from: At,
    pub(crate) to: At,
}

impl Fault {
    /// Whether the store could not write meanwhile, so that nothing could expire either.
    pub(crate) fn stops_writes(&self) -> bool {
        self.what.starts_with("disk") || self.what.starts_with("nats")
    }
}

/// The figures of a daemon that nobody is connected to any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) waiters: u64,
    pub(crate) subscribers: u64,
    pub(crate) pending: u64,
}

/// All that was noted in a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The principals that may decide.
    pub(crate) approvers: Vec<String>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) decisions: Vec<Decision>,
    /// What became of each attempt to cancel.
    pub(crate) cancels: Vec<Told<View>>,
    pub(crate) looks: Vec<Look>,
    pub(crate) streams: HashMap<String, Vec<Item>>,
    pub(crate) ran: Vec<Ran>,
    pub(crate) faults: Vec<Fault>,
    /// Who had not come to an end when the run was over.
    pub(crate) stuck: Vec<String>,
    /// Of each daemon.
    pub(crate) rest: Vec<Rest>,
    /// What the daemon finally has, after one more `kill -9`.
    pub(crate) store: Vec<View>,
    /// What each other daemon on the same store says that it has.
    pub(crate) elsewhere: Vec<Vec<View>>,
}

/// Where everybody in a run writes.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    history: Arc<Mutex<History>>,
    news: Arc<Notify>,
    begun: (At, Instant),
}

impl Notes {
    pub(crate) fn new() -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "the daemons of the run use the same clock"
        )]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_millis();
        Self {
            history: Arc::default(),
            news: Arc::default(),
            begun: (
                now.try_into().expect("it is before the year 292 million"),
                Instant::now(),
            ),
        }
    }

    pub(crate) fn now(&self) -> At {
        let (epoch, begun) = self.begun;
        let elapsed = begun.elapsed().as_millis();
        epoch + At::try_from(elapsed).expect("runs are short")
    }

    /// The history, to be written to; not to be held over an await.
    pub(crate) fn open(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a reply showed.
    pub(crate) fn look(&self, look: Look) {
        self.open().looks.push(look);
        self.news.notify_waiters();
    }

    /// Waits until the daemon tells somebody something.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Notes what came on a stream.
    pub(crate) fn stream(&self, reader: &str, item: Item) {
        let mut history = self.open();
        history
            .streams
            .entry(reader.to_owned())
            .or_default()
            .push(item);
        drop(history);
        self.news.notify_waiters();
    }
}
