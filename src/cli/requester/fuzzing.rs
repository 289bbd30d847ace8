//! Command lines of `requester`, one argument a line.

use super::args::{Requester, read};
use crate::limits;

/// What is taken is within the bounds that a daemon has, so that it cannot fail there.
pub fn flags(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = read(std::iter::once("requester").chain(text.lines()));
    let Ok(Requester {
        ask,
        waiting,
        common,
        ..
    }) = line
    else {
        return;
    };
    if let Some(title) = &ask.message {
        assert!((1..=limits::TITLE_CHARS).contains(&title.as_str().chars().count()));
    }
    for field in &ask.fields {
        assert!((1..=limits::FIELD_NAME_CHARS).contains(&field.name().chars().count()));
        assert!(field.value().chars().count() <= limits::FIELD_VALUE_CHARS);
    }
    if let Some(expires) = ask.expires {
        assert!((limits::EXPIRY_MIN..=limits::EXPIRY_MAX).contains(&expires));
        assert_eq!(expires.subsec_nanos(), 0);
    }
    assert!(waiting.timeout.as_secs() >= 1 && !common.connect_timeout.is_zero());
    if let Some(key) = &ask.key {
        assert!((1..=limits::IDEMPOTENCY_KEY_CHARS).contains(&key.len()));
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
