//! What is in the bucket, message by message.
//!
//! The bucket is a stream laid out as a NATS key-value bucket: the last message of a subject is the
//! value of its key. The key of a request is its id. Beside the requests there are a few keys that
//! begin with `meta.`, which no request id does.

use std::str::FromStr;

use async_nats::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::domain::{EventId, HistoryId, Request, RequestId, Timestamp};
use crate::store::{StoreError, record};

/// The key of the number that tells this bucket's history from others.
pub(super) const HISTORY: &str = "meta.history";
/// The key of what retention has purged.
pub(super) const PURGED: &str = "meta.purged";
/// The key that is written to see whether writing works.
pub(super) const PROBE: &str = "meta.probe";

/// The layout that this version writes, and the only one that it reads.
pub(super) const LAYOUT: u64 = 1;

/// Tells a write from every other one: its writer knows by it what became of it.
const WRITE: &str = "Pushd-Write";
/// When a request became final, in Unix milliseconds: so that retention finds it even where its
/// record cannot be read.
const SETTLED: &str = "Pushd-Settled";
/// The number of the event that a request's record follows; zero for the first.
const FOLLOWS: &str = "Pushd-Follows";
/// Set by key-value tools where they have deleted a key.
const OPERATION: &str = "KV-Operation";

/// The value of [`HISTORY`].
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Named {
    pub(super) layout: u64,
    #[serde(default)]
    pub(super) history: Option<i64>,
}

impl Named {
    pub(super) fn new(history: HistoryId) -> Self {
        Self {
            layout: LAYOUT,
            history: Some(history.to_stored()),
        }
    }
}

/// The value of [`PURGED`]: retention has forgotten, or is about to forget, all requests that are
/// final and up to a place in the order of their becoming so.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// The newest event among all that were ever purged.
    pub(super) event: EventId,
    /// Up to where.
    #[serde(flatten)]
    pub(super) last: Purged,
    /// The same of earlier marks, for whoever has missed them: it was said by this message, and
    /// counts for the events before it.
    pub(super) earlier: Option<(u64, Purged)>,
}

/// A place in the order in which requests become final: this one, and all before it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Purged {
    /// When the last of them became final.
    pub(super) settled_at: Timestamp,
    /// Which that is.
    pub(super) id: RequestId,
}

impl Mark {
    /// The mark that says this after `known`, which is the message of that number.
    pub(super) fn after(known: Option<(u64, Self)>, event: EventId, last: Purged) -> Self {
        let Some((number, known)) = known else {
            return Self {
                event,
                last,
                earlier: None,
            };
        };
        let said = (number, known.last);
        let earlier = known
            .earlier
            .filter(|(_, earlier)| *earlier > known.last)
            .unwrap_or(said);
        Self {
            event: event.max(known.event),
            last,
            earlier: Some(earlier),
        }
    }
}

/// A message of the bucket, read.
#[derive(Debug)]
pub(super) enum Content {
    /// A request, or why its record cannot be read.
    Request {
        id: RequestId,
        settled_at: Option<Timestamp>,
        /// The event that it follows; `None` when another tool has written it.
        follows: Option<u64>,
        record: Result<Box<Request>, StoreError>,
    },
    /// A request that somebody has deleted with another tool.
    Deleted(RequestId),
    /// What retention has purged.
    Purged(Mark),
    /// Nothing that changes requests.
    Other,
}

/// Reads the message under this key.
pub(super) fn read(key: &str, headers: &HeaderMap, payload: &[u8]) -> Content {
    if key == PURGED {
        return serde_json::from_slice(payload).map_or(Content::Other, Content::Purged);
    }
    let Ok(id) = key.parse::<RequestId>() else {
        return Content::Other;
    };
    if is_deletion(headers) {
        return Content::Deleted(id);
    }
    let settled_at = number(headers, SETTLED).map(Timestamp::from_millis);
    Content::Request {
        id,
        settled_at,
        follows: number(headers, FOLLOWS),
        record: record::decode(id, payload).map(Box::new),
    }
}

fn number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.as_str().parse().ok()
}

/// Whether the message says that the key is gone.
pub(super) fn is_deletion(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some()
}

/// The headers of a request's record that follows this event, or none.
pub(super) fn headers(request: &Request, follows: Option<EventId>, write: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(WRITE, write);
    let follows = follows.unwrap_or(EventId::ZERO);
    headers.insert(FOLLOWS, follows.to_string());
    if let Some(at) = request.settled_at {
        headers.insert(SETTLED, at.as_millis().to_string());
    }
    headers
}

/// The headers of a message that its writer knows again.
pub(super) fn marked(write: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(WRITE, write);
    headers
}

/// The name of the write that made a message.
pub(super) fn write(headers: &HeaderMap) -> Option<&str> {
    headers.get(WRITE).map(HeaderValue::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use crate::store::contract::{asked, at, id, settled};

    #[test]
    fn a_request_comes_back_with_the_time_at_which_it_became_final() {
        let request = settled(asked(1), Status::Denied, at(5));
        let headers = headers(&request, Some(EventId(7)), "w");
        let key = request.id.to_string();
        let Content::Request {
            id: of,
            settled_at,
            follows,
            record,
        } = read(&key, &headers, &record::encode(&request))
        else {
            panic!("no request");
        };
        assert_eq!((of, settled_at), (id(1), Some(at(5))));
        assert_eq!((follows, write(&headers)), (Some(7), Some("w")));
        assert_eq!(record, Ok(Box::new(request)));
    }

    #[test]
    fn a_record_that_cannot_be_read_keeps_its_headers() {
        let request = settled(asked(1), Status::Denied, at(5));
        let headers = headers(&request, Some(EventId(7)), "w");
        let content = read(&request.id.to_string(), &headers, b"{\"format\":99}");
        let Content::Request {
            settled_at,
            record: Err(StoreError::BadRecord { reason, .. }),
            ..
        } = content
        else {
            panic!("{content:?}");
        };
        assert_eq!(settled_at, Some(at(5)));
        assert!(reason.contains("format 99"), "{reason}");
    }

    #[test]
    fn what_is_no_request_changes_none() {
        let none = HeaderMap::new();
        for key in [
            HISTORY,
            PROBE,
            PURGED,
            "meta.later",
            "A4DQOBYHA4DQOBYHA4DQOBYHA4",
            "",
        ] {
            let content = read(key, &none, b"{}");
            assert!(matches!(content, Content::Other), "{key}: {content:?}");
        }
        let mut deleted = HeaderMap::new();
        deleted.insert("KV-Operation", "DEL");
        let key = id(1).to_string();
        assert!(matches!(read(&key, &deleted, b""), Content::Deleted(of) if of == id(1)));
    }

    #[test]
    fn a_mark_tells_of_those_before_it_too() {
        let last = |millis, n| Purged {
            settled_at: at(millis),
            id: id(n),
        };
        let first = Mark::after(None, EventId(9), last(5, 1));
        assert_eq!(first.earlier, None);
        let second = Mark::after(Some((20, first)), EventId(3), last(2, 2));
        assert_eq!(second.event, EventId(9), "the newest of all");
        assert_eq!(
            (second.last, second.earlier),
            (last(2, 2), Some((20, last(5, 1))))
        );
        let third = Mark::after(Some((30, second)), EventId(40), last(8, 3));
        assert_eq!(third.earlier, Some((20, last(5, 1))));
        let fourth = Mark::after(Some((50, third)), EventId(41), last(9, 3));
        assert_eq!(fourth.earlier, Some((50, last(8, 3))));
        let written = serde_json::to_vec(&fourth).unwrap();
        let read = read(PURGED, &HeaderMap::new(), &written);
        assert!(matches!(read, Content::Purged(mark) if mark == fourth));
    }
}
