//! The `Date` of answers (RFC 9110 section 6.6.1), written once for each second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use headers::{Date, Header};
use warp::http::HeaderValue;

use crate::domain::Timestamp;

/// The last date that was written.
#[derive(Debug, Default)]
pub(super) struct Dates(
    // A std mutex: it is held for a comparison, or for writing one date, and never over an await.
    Mutex<Option<(u64, HeaderValue)>>,
);

impl Dates {
    /// `now` as a header has it.
    pub(super) fn at(&self, now: Timestamp) -> HeaderValue {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let second = millis / 1000;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, date)) = &*last
            && *known == second
        {
            return date.clone();
        }
        let date = written(second);
        *last = Some((second, date.clone()));
        date
    }
}

fn written(second: u64) -> HeaderValue {
    let date = Date::from(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    let mut values = Vec::with_capacity(1);
    date.encode(&mut values);
    values.pop().expect("a date is one value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_of_its_second() {
        let dates = Dates::default();
        let at = |millis| dates.at(Timestamp::from_millis(millis));
        assert_eq!(at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
