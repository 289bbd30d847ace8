//! The stream of changes: Server-Sent Events (HTML Standard, section 9.2), or JSON lines.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use futures_util::{FutureExt as _, Stream};
use mediatype::names::{APPLICATION, EVENT_STREAM, TEXT};
use mediatype::{MediaType, Name};
use serde::Serialize;
use sync_wrapper::SyncStream;
use tokio::time::{Instant, Sleep, sleep};
use warp::Reply;
use warp::http::{HeaderValue, header};

use super::requests::topic;
use super::{Call, Handled, Kind, Problem, Renderings};
use crate::approvals::subscription::Mark;
use crate::approvals::{Item, Subscription};
use crate::domain::{Cursor, EventId, HistoryId};
use crate::hub::Entry;
use crate::limits;
use crate::wire::{self, MarkView, Rendering, RequestView, event, media};

const OFFERS: &[MediaType<'static>] = &[
    MediaType::new(TEXT, EVENT_STREAM),
    MediaType::new(APPLICATION, Name::new_unchecked("x-ndjson")),
];

/// `GET /v1/events`.
pub(super) async fn listen(call: Box<Call>) -> Handled {
    let access = call.access()?;
    let form = if call.negotiate(OFFERS)? == 0 {
        Form::EventStream
    } else {
        Form::Lines
    };
    let query = call.query(&["topic", "last_event_id"])?;
    let topics = query
        .all("topic")
        .map(topic)
        .collect::<Result<Vec<_>, _>>()?;
    if topics.len() > limits::STREAM_TOPICS {
        let most = limits::STREAM_TOPICS;
        return Err(super::params::invalid(format!(
            "more than {most} topics on one stream"
        )));
    }
    let approvals = Arc::clone(&call.api.approvals);
    let renderings = Arc::clone(&call.api.renderings);
    if approvals.drain().is_cancelled() {
        return Err(Problem::new(
            Kind::Draining,
            "this daemon is shutting down; try again",
        ));
    }
    let subscription = access
        .listen(cursor(&call, &query)?.as_deref(), topics)
        .await?;
    drop((call, query));
    let told = subscription.cursor();
    let drain = approvals.drain().clone();
    let ending = async move {
        tokio::select! {
            biased;
            () = drain.cancelled() => {}
            () = access.ended() => {}
        }
    };
    let reader = Reader {
        subscription,
        form,
        renderings,
        told,
        ending: ending.boxed(),
        last: Instant::now(),
        look: Box::pin(sleep(limits::KEEP_ALIVE)),
        begun: false,
    };
    let mut response = warp::reply::stream(frames(reader)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media()));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The reader's cursor: a reconnecting browser sends the header and repeats an older query, so the
/// header goes first. An empty one is none; one that is not text is garbage, and so resets.
fn cursor(call: &Call, query: &super::params::Query) -> Result<Option<String>, Problem> {
    let header = call.headers.get(wire::header::LAST_EVENT_ID);
    let text = match header {
        Some(value) => Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        None => query.one("last_event_id")?.map(str::to_owned),
    };
    Ok(text.filter(|text| !text.is_empty()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    EventStream,
    Lines,
}

impl Form {
    const fn media(self) -> &'static str {
        match self {
            Self::EventStream => media::EVENT_STREAM,
            Self::Lines => media::NDJSON,
        }
    }

    /// What a stream begins with.
    fn beginning(self) -> Option<Bytes> {
        match self {
            Self::EventStream => {
                let retry = limits::STREAM_RETRY.as_millis();
                Some(Bytes::from(format!("retry: {retry}\n\n")))
            }
            Self::Lines => None,
        }
    }

    /// What shows that an idle stream lives.
    const fn keep_alive(self) -> Bytes {
        match self {
            Self::EventStream => Bytes::from_static(b": keep-alive\n\n"),
            Self::Lines => Bytes::from_static(b"\n"),
        }
    }

    /// Moves the reader's cursor.
    fn moved(self, cursor: Cursor) -> Bytes {
        match self {
            Self::EventStream => Bytes::from(format!("id: {cursor}\n\n")),
            Self::Lines => line(None, Some(cursor), None::<()>),
        }
    }

    fn change(self, entry: &Entry, history: HistoryId, renderings: &Renderings) -> Bytes {
        match self {
            Self::EventStream => entry
                .frame(|event| frame(event.id, &renderings.of(event), history))
                .clone(),
            Self::Lines => {
                let cursor = Cursor {
                    history,
                    event: entry.event.id,
                };
                line(
                    Some(event::REQUEST),
                    Some(cursor),
                    Some(RequestView::<&str>::of(&entry.event)),
                )
            }
        }
    }

    fn mark(self, name: &'static str, mark: Mark) -> Bytes {
        let view = MarkView {
            event_id: mark.event,
            now: mark.now,
        };
        match self {
            Self::EventStream => {
                Bytes::from(format!("event: {name}\ndata: {}\n\n", one_line(&view)))
            }
            Self::Lines => line(Some(name), None, Some(view)),
        }
    }
}

/// A change as an event. Its name is a constant, its id two numbers and a dash, its data one line:
/// nothing in it can end a field early.
fn frame(event: EventId, view: &Rendering, history: HistoryId) -> Bytes {
    let cursor = Cursor { history, event };
    let head = format!("event: {}\nid: {cursor}\ndata: ", event::REQUEST);
    view.brief(head.as_bytes(), b"\n\n")
}

fn one_line<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).expect("views have text keys and write without errors")
}

#[derive(Serialize)]
struct Line<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

fn line<T: Serialize>(event: Option<&'static str>, id: Option<Cursor>, data: Option<T>) -> Bytes {
    let id = id.map(|id| id.to_string());
    Bytes::from(one_line(&Line { event, id, data }) + "\n")
}

struct Reader {
    subscription: Subscription,
    form: Form,
    renderings: Arc<Renderings>,
    // The last cursor that the reader was given.
    told: Cursor,
    // The daemon winds down, or the reader's rights end.
    ending: BoxFuture<'static, ()>,
    // When the reader was last told anything, and the next look whether that was long ago. Each
    // event only moves the first: to set a timer anew costs more than to look at a clock.
    last: Instant,
    look: Pin<Box<Sleep>>,
    begun: bool,
}

fn frames(reader: Reader) -> impl Stream<Item = Result<Bytes, Infallible>> + Sync {
    // The futures of a store are boxed without Sync, which warp asks of a body although only one
    // task ever polls it.
    SyncStream::new(unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok(bytes), reader))
    }))
}

impl Reader {
    /// The next bytes for the reader; `None` when the daemon winds down or the reader's rights end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            if let Some(beginning) = self.form.beginning() {
                return Some(beginning);
            }
        }
        let item = {
            // One future for all looks, so that none of them ends a read that is under way.
            let mut next = pin!(self.subscription.next());
            loop {
                tokio::select! {
                    biased;
                    () = &mut self.ending => return None,
                    item = &mut next => break Some(item),
                    () = &mut self.look => {
                        let due = self.last + limits::KEEP_ALIVE;
                        if due <= Instant::now() {
                            break None;
                        }
                        self.look.as_mut().reset(due);
                    }
                }
            }
        };
        let bytes = match item {
            Some(item) => self.write(&item),
            None => self.idle(),
        };
        self.last = Instant::now();
        if self.look.is_elapsed() {
            self.look.as_mut().reset(self.last + limits::KEEP_ALIVE);
        }
        Some(bytes)
    }

    /// Nothing to tell for a while. What was left out by the filter has moved the cursor all the
    /// same, and a reader that knows resumes from there.
    fn idle(&mut self) -> Bytes {
        self.subscription.pass_others();
        let cursor = self.subscription.cursor();
        if self.subscription.is_live() && cursor != self.told {
            self.told = cursor;
            return self.form.moved(cursor);
        }
        self.form.keep_alive()
    }

    fn write(&mut self, item: &Item) -> Bytes {
        let cursor = self.subscription.cursor();
        match item {
            Item::Reset(mark) => self.form.mark(event::RESET, *mark),
            Item::CaughtUp(mark) => {
                self.told = cursor;
                let moved = self.form.moved(cursor);
                [self.form.mark(event::CAUGHT_UP, *mark), moved]
                    .concat()
                    .into()
            }
            Item::Events(entries) => {
                if let Some(last) = entries.last() {
                    self.told = Cursor {
                        event: last.event.id,
                        ..cursor
                    };
                }
                match &entries[..] {
                    [one] => self.form.change(one, cursor.history, &self.renderings),
                    many => {
                        let mut bytes = BytesMut::new();
                        for entry in many {
                            let change = self.form.change(entry, cursor.history, &self.renderings);
                            bytes.extend_from_slice(&change);
                        }
                        bytes.freeze()
                    }
                }
            }
        }
    }
}
