//! The parsers of headers and parameters, each alone.

use std::sync::Arc;

use warp::http::{HeaderMap, HeaderValue, header};

use crate::domain::{Cursor, Event, EventId, RequestId, Status, Topic};
use crate::http::etag::{KnownTags, etag};
use crate::http::params::{Query, idempotency_key, wait};
use crate::http::requests::list_query;
use crate::limits;
use crate::wire::header::PREFER;

/// All of them get the same text.
pub fn headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    names(&text);
    parameters(&text);
    if let Ok(value) = HeaderValue::from_bytes(data) {
        prefer(&value);
        if_none_match(&value);
    }
}

/// Keys, ids and cursors are taken in one spelling only, and so can be compared as text.
fn names(text: &str) {
    if let Ok(key) = idempotency_key(text) {
        assert_eq!(key, text);
        assert!((1..=limits::IDEMPOTENCY_KEY_CHARS).contains(&key.len()));
        assert!(key.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(id) = text.parse::<RequestId>() {
        assert_eq!(id.to_string(), text);
    }
}

fn parameters(text: &str) {
    const KNOWN: [&str; 5] = ["wait", "status", "topic", "limit", "after"];
    let Ok(query) = Query::parse(text, &KNOWN) else {
        return;
    };
    if let Ok(Some(wait)) = wait(&query, &HeaderMap::new()) {
        assert!(wait <= limits::WAIT_MAX && wait.subsec_nanos() == 0);
        let asked = query.one("wait").ok().flatten().expect("it was asked for");
        let digits = asked.strip_suffix('s').unwrap_or(asked);
        assert!(
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
            "{asked}"
        );
    }
    if let Ok(list) = list_query(&query) {
        assert!((1..=limits::LIST_MAX).contains(&list.limit));
        let given = |name| query.one(name).ok().flatten();
        let limit = given("limit").unwrap_or("1");
        assert!(limit.bytes().all(|byte| byte.is_ascii_digit()), "{limit}");
        assert_eq!(list.status.map(Status::as_str), given("status"));
        assert_eq!(list.topic.as_ref().map(Topic::as_str), given("topic"));
        let place = list.after.map(crate::http::requests::place_text);
        assert_eq!(place.as_deref(), given("after"));
    }
}

/// Only digits after `wait=` make somebody wait, and never for longer than the limit.
fn prefer(value: &HeaderValue) {
    let query = Query::parse("", &[]).unwrap_or_else(|_| unreachable!("there is nothing in it"));
    let wait_of = |values: &[&HeaderValue]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, (*value).clone());
        }
        wait(&query, &headers).unwrap_or_else(|_| unreachable!("a bad Prefer is ignored"))
    };
    let waits = wait_of(&[value]);
    if let Some(wait) = waits {
        assert!(wait <= limits::WAIT_MAX && wait.subsec_nanos() == 0);
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        assert!(text.contains("wait"), "{text}");
        assert!(text.contains(|c: char| c.is_ascii_digit()));
        // The first one counts, whatever follows in a header of its own.
        assert_eq!(
            wait_of(&[value, &HeaderValue::from_static("wait=59")]),
            waits
        );
    }
}

/// An answer is "not modified" only to those who name its very tag, or any.
fn if_none_match(value: &HeaderValue) {
    let mut headers = HeaderMap::new();
    headers.insert(header::IF_NONE_MATCH, value.clone());
    let known = KnownTags::of(&headers).expect("there is one");
    let text = String::from_utf8_lossy(value.as_bytes());
    let request = Arc::new(super::world::request(RequestId::from_bytes([7; 16])));
    for id in [1, 12, u64::MAX] {
        let event = Event {
            id: EventId(id),
            request: Arc::clone(&request),
        };
        let tag = etag(&event);
        let tag = tag.to_str().expect("a tag is ASCII");
        if known.have(&event) {
            assert!(
                text.contains(tag) || text.trim() == "*",
                "{text} is not {tag}"
            );
        }
        if text == tag || text == format!("W/{tag}") || text == "*" {
            assert!(known.have(&event), "{text} is {tag}");
        }
    }
    // One more element in a list of whole ones is found.
    let is_whole = |tag: &str| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.starts_with('"') && tag.ends_with('"') && tag.matches('"').count() == 2
    };
    if text.split(',').all(is_whole) {
        let more = [value.as_bytes(), b", \"0\""].concat();
        let zero = Event {
            id: EventId(0),
            request,
        };
        if let Ok(more) = HeaderValue::from_bytes(&more) {
            headers.insert(header::IF_NONE_MATCH, more);
            assert!(
                KnownTags::of(&headers).is_some_and(|known| known.have(&zero)),
                "{text}"
            );
        }
    }
}
