//! What the values of the flags may be; what is wrong with one is told next to its flag.

use std::time::Duration;

use super::asking::Lease;
use crate::cli::flags::duration;
use crate::domain::{Field, Title, Whom};
use crate::limits;
use crate::terminal::spinner::span;

pub(super) fn title(text: &str) -> Result<Title, String> {
    Title::new(text.to_owned())
        .map_err(|error| format!("the title {error}; what does not fit goes into --details"))
}

pub(super) fn field(text: &str) -> Result<Field, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("there is no = in it; write it like environment=production")?;
    Field::new(name.to_owned(), value.to_owned())
        .map_err(|(part, error)| format!("the {part} of the field {error}"))
}

pub(super) fn poll(text: &str) -> Result<Duration, String> {
    let poll = duration(text)?;
    if poll < Duration::from_secs(1) {
        return Err("a poll takes at least 1s".to_owned());
    }
    Ok(poll)
}

pub(super) fn at_most(text: &str) -> Result<Duration, String> {
    let wait = duration(text)?;
    if wait < Duration::from_secs(1) {
        return Err("must be at least 1s".to_owned());
    }
    Ok(wait)
}

pub(super) fn expiry(text: &str) -> Result<Duration, String> {
    secs(text, limits::EXPIRY_MIN, limits::EXPIRY_MAX)
}

pub(super) fn use_within(text: &str) -> Result<Duration, String> {
    secs(text, limits::USE_WITHIN.0, limits::USE_WITHIN.2)
}

pub(super) fn lease(text: &str) -> Result<Lease, String> {
    match text {
        "none" | "0" | "0s" => Ok(Lease::Unlimited),
        text => {
            let lease = secs(text, limits::LEASE.0, limits::LEASE.1);
            let lease = lease.map_err(|error| format!("{error}; or none for no lease"))?;
            Ok(Lease::For(lease))
        }
    }
}

pub(super) fn whom(text: &str) -> Result<Whom, String> {
    text.parse()
        .map_err(|error| format!("{error}; write a name such as alice, or a group such as @sre"))
}

/// What travels as whole seconds.
fn secs(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.subsec_nanos() > 0 {
        return Err("must be whole seconds".to_owned());
    }
    if !(least..=most).contains(&time) {
        return Err(format!("must be from {} to {}", span(least), span(most)));
    }
    Ok(time)
}

pub(super) fn key(text: &str) -> Result<String, String> {
    let most = limits::IDEMPOTENCY_KEY_CHARS;
    if text.is_empty() || text.len() > most {
        return Err(format!("must have 1 to {most} characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be letters, digits and signs of ASCII, without spaces".to_owned());
    }
    Ok(text.to_owned())
}
