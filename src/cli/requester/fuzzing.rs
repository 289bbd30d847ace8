//! Command lines of `requester`, one argument a line.

use std::time::Duration;

use super::args::{Requester, read};
use crate::domain::Whom;
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
    let secs = |least: Duration, most: Duration| least.as_secs()..=most.as_secs();
    if let Some(within) = waiting.using.use_within {
        assert!(secs(limits::USE_WITHIN.0, limits::USE_WITHIN.2).contains(&within.as_secs()));
    }
    if let Some(lease) = ask.lease_secs() {
        assert!(secs(limits::LEASE.0, limits::LEASE.1).contains(&lease));
    }
    assert!(waiting.wait_at_most.is_none_or(|wait| wait.as_secs() >= 1));
    assert!(
        ask.need
            .is_none_or(|need| (1..=u64::from(limits::VOTES_NEEDED)).contains(&need))
    );
    for whom in &ask.from {
        let again = whom.to_string().parse::<Whom>();
        assert!(again.is_ok_and(|again| again == *whom), "{whom}");
    }
}
