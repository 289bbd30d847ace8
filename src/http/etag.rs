//! Entity tags: which state of a request somebody knows (RFC 9110 sections 8.8.3 and 13.1.2).
//!
//! The list is read here because the crate `headers` (version 0.4.2) asserts in debug builds that
//! nobody sends a tag with a space in it.

use warp::http::{HeaderMap, HeaderValue, header};

use crate::domain::Event;

/// The tag of a request's state: the number of its event, in quotes.
pub(super) fn etag(event: &Event) -> HeaderValue {
    // Two quotes and at most twenty digits, from the right.
    let mut tag = [b'"'; 22];
    let mut number = event.id.0;
    let mut begin = tag.len() - 1;
    loop {
        begin -= 1;
        tag[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&tag[begin - 1..]).expect("a quoted number is plain ASCII")
}

/// What `If-None-Match` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownTags(Vec<HeaderValue>);

impl KnownTags {
    /// From all such headers together; `None` when there is none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::IF_NONE_MATCH).iter();
        let values: Vec<_> = values.cloned().collect();
        (!values.is_empty()).then_some(Self(values))
    }

    /// Whether the state of `event` is among them, by weak comparison. What is no tag names no
    /// state.
    pub(super) fn have(&self, event: &Event) -> bool {
        let tag = event.id.to_string();
        let has = |value: &HeaderValue| {
            let value = value.as_bytes().trim_ascii();
            value == b"*" || opaque_tags(value).any(|known| known == tag.as_bytes())
        };
        self.0.iter().any(has)
    }
}

/// What stands in quotes in each element of a list of tags, weak or not. In them a comma separates
/// nothing, and there are no escapes.
fn opaque_tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                return None;
            }
            let (tag, after) = one(rest);
            rest = after;
            if tag.is_some() {
                return tag;
            }
        }
    })
}

/// The first element of a list that is not empty, and what stands behind it.
fn one(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let strong = list.strip_prefix(b"W/").unwrap_or(list);
    let quoted = strong.strip_prefix(b"\"").and_then(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        Some((rest.get(..end)?, rest.get(end + 1..)?))
    });
    // Whatever stands between this element and the next comma makes it no tag.
    let (tag, behind) = quoted.map_or((None, list), |(tag, behind)| (Some(tag), behind));
    let end = behind.iter().position(|&byte| byte == b',');
    let (surplus, after) = behind.split_at(end.unwrap_or(behind.len()));
    (tag.filter(|_| surplus.trim_ascii().is_empty()), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &str) -> Vec<String> {
        let tags = opaque_tags(list.as_bytes());
        tags.map(|tag| String::from_utf8_lossy(tag).into_owned())
            .collect()
    }

    #[test]
    fn the_tag_of_a_state_is_its_number_in_quotes() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            let event = crate::hub::tests::event(number, 1, crate::domain::Status::Pending);
            assert_eq!(etag(&event), format!("\"{number}\""));
        }
    }

    #[test]
    fn tags_are_what_stands_in_quotes() {
        assert_eq!(tags("\"1\""), ["1"]);
        assert_eq!(
            tags(" W/\"1\" ,\"2\",, \"a,b\\\" , \"\""),
            ["1", "2", "a,b\\", ""]
        );
    }

    #[test]
    fn what_is_no_tag_hides_no_other() {
        assert_eq!(tags("1, W/2, \"3\"x, w/\"4\", \"5\" \"6\", \"7\""), ["7"]);
        assert_eq!(tags("\"1\", \"2"), ["1"]);
        // A tag with a space is none either, but nothing that anybody has to be told.
        assert_eq!(tags("\"1 2\", \"3\""), ["1 2", "3"]);
        assert!(tags("").is_empty() && tags(" , ,").is_empty());
    }
}
