//! Headers and parameters that we read ourselves: the query, `Prefer`, `Idempotency-Key`.
//!
//! All of it comes from strangers, so nothing here slices by bytes or fails other than by a
//! problem that names the value.

use std::str::FromStr;
use std::time::Duration;

use warp::http::HeaderMap;

use super::{Kind, Problem};
use crate::limits;
use crate::wire::header;

/// The parameters of a call, checked against those that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses `application/x-www-form-urlencoded` text (URL Standard section 5).
    ///
    /// # Errors
    /// [`Kind::InvalidQuery`] when a parameter is not among `known`.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let query = Self::of_any(text.as_bytes());
        for (name, _) in &query.0 {
            if !known.contains(&name.as_str()) {
                let takes = match known {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                };
                return Err(invalid(format!(
                    "?{name}= is not a parameter here; known: {takes}"
                )));
            }
        }
        Ok(query)
    }

    /// The same, whatever the parameters are called.
    pub(super) fn of_any(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a parameter that may be given once.
    ///
    /// # Errors
    /// [`Kind::InvalidQuery`] when it is given twice.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(invalid(format!("?{name}= is there twice; give it once")));
        }
        Ok(value)
    }

    /// All values of a parameter that may be given several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A parameter that does not fit.
pub(super) fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidQuery, detail)
}

/// The wait of a long poll: `?wait=` if it is there, else `Prefer: wait=`, cut to
/// [`limits::WAIT_MAX`]. `None` when neither asks for one.
///
/// # Errors
/// [`Kind::InvalidQuery`] when `?wait=` is no number of seconds. A malformed `Prefer` is ignored,
/// as RFC 7240 section 2 has it.
pub(super) fn wait(query: &Query, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let asked = match query.one("wait")? {
        Some(text) => Some(
            seconds(text.strip_suffix('s').unwrap_or(text)).ok_or_else(|| {
                invalid(format!(
                    "?wait={text} is no number of seconds; write 30 or 30s"
                ))
            })?,
        ),
        None => preferred_wait(headers),
    };
    Ok(asked.map(|asked| asked.min(limits::WAIT_MAX)))
}

/// The wait that a call asks for, from its query as it was sent; `None` also when it asks in a way
/// that is refused.
pub(crate) fn wait_of(query: &str, headers: &HeaderMap) -> Option<Duration> {
    wait(&Query::of_any(query.as_bytes()), headers)
        .ok()
        .flatten()
}

/// The first `wait=N` of all `Prefer` headers (RFC 7240 sections 2 and 4.3).
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::PREFER).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values
        .flat_map(preferences)
        .find(|(name, _)| name.eq_ignore_ascii_case("wait"))
        .and_then(|(_, value)| {
            let value = value.trim();
            let inner = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            seconds(inner.unwrap_or(value))
        })
}

/// The preferences of one header, name and value each, without their parameters.
///
/// A comma or semicolon inside a quoted string separates nothing.
fn preferences(header: &str) -> impl Iterator<Item = (&str, &str)> {
    split_outside_quotes(header, ',').filter_map(|preference| {
        let bare = split_outside_quotes(preference, ';')
            .next()
            .unwrap_or_default();
        let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
        let name = name.trim();
        (!name.is_empty()).then_some((name, value))
    })
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let separates = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

/// A number in the one spelling that the daemon itself has for it: digits alone, no leading zero.
pub(super) fn number<T: FromStr + ToString>(text: &str) -> Option<T> {
    let number = text.parse::<T>().ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && number.to_string() == text).then_some(number)
}

/// Whole seconds: digits alone. More than there are is as long as it gets.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// Checks an idempotency key: 1 to 255 printable ASCII characters, compared exactly as they came.
///
/// # Errors
/// [`Kind::InvalidHeader`].
pub(super) fn idempotency_key(text: &str) -> Result<&str, Problem> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.is_empty() || text.len() > limits::IDEMPOTENCY_KEY_CHARS || !printable {
        let most = limits::IDEMPOTENCY_KEY_CHARS;
        let detail = format!("Idempotency-Key: 1 to {most} printable ASCII characters are taken");
        return Err(Problem::new(Kind::InvalidHeader, detail));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use warp::http::HeaderValue;

    use super::*;

    fn prefer(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::PREFER, HeaderValue::from_str(value).unwrap());
        }
        preferred_wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_first_wait_of_all_prefer_headers_counts() {
        assert_eq!(prefer(&["wait=10"]), Some(10));
        assert_eq!(
            prefer(&["return=minimal; x=\"a,wait=3\", WAIT = \"20\" ;y=1, wait=5"]),
            Some(20)
        );
        assert_eq!(prefer(&["respond-async", "wait=7"]), Some(7));
    }

    #[test]
    fn a_malformed_preference_is_ignored() {
        for bad in [
            "", "wait", "wait=", "wait=-1", "wait=1.5", "wait=+3", "wait=\"", ",;=", "=5",
        ] {
            assert_eq!(prefer(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn a_wait_is_cut_to_the_longest() {
        let query = Query::parse("wait=999999999999999999999999", &["wait"]).unwrap();
        assert_eq!(
            wait(&query, &HeaderMap::new()).unwrap(),
            Some(limits::WAIT_MAX)
        );
    }

    #[test]
    fn a_malformed_wait_in_the_query_is_refused() {
        for bad in [
            "wait=",
            "wait=x",
            "wait=1m",
            "wait=-1",
            "wait=1&wait=2",
            "waits=1",
        ] {
            let parsed = Query::parse(bad, &["wait"]);
            let problem = parsed.and_then(|query| wait(&query, &HeaderMap::new()).map(|_| ()));
            assert_eq!(problem.unwrap_err().kind, Kind::InvalidQuery, "{bad}");
        }
        let query = Query::parse("wait=5s", &["wait"]).unwrap();
        assert_eq!(
            wait(&query, &HeaderMap::new()).unwrap(),
            Some(Duration::from_secs(5))
        );
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(bytes: Vec<u8>) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.append(header::PREFER, value);
            }
            let digits = bytes.iter().any(u8::is_ascii_digit);
            prop_assert!(preferred_wait(&headers).is_none() || digits);
        }

        #[test]
        fn every_whole_number_of_seconds_is_understood(n: u64, quoted: bool) {
            let text = if quoted { format!("wait=\"{n}\"") } else { format!("wait={n}") };
            prop_assert_eq!(prefer(&[&text]), Some(n));
        }
    }
}
