//! Times as members: RFC 3339 with milliseconds out, any RFC 3339 in.
//!
//! A view has many times, so they are written digit by digit and without a text of their own.

use serde::{Deserialize, Deserializer, Serializer};

use crate::domain::Timestamp;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A time as RFC 3339 with milliseconds, in UTC.
pub fn text(at: Timestamp) -> String {
    in_this_era(at).map_or_else(|| of_any(at), |text| as_str(&text).to_owned())
}

/// Writes a time.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    match in_this_era(*at) {
        Some(text) => serializer.serialize_str(as_str(&text)),
        None => serializer.serialize_str(&of_any(*at)),
    }
}

/// Reads a time.
///
/// # Errors
/// The text is not a time as RFC 3339 writes it.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    let at: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

/// The same for a member that may be absent.
pub mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Timestamp;

    /// Writes a time, or null.
    ///
    /// # Errors
    /// Only those of the serializer.
    #[allow(
        clippy::ref_option,
        reason = "serde calls it with a reference to the member"
    )]
    pub fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time, or null.
    ///
    /// # Errors
    /// The text is not a time as RFC 3339 writes it.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        #[derive(Deserialize)]
        struct Member(#[serde(with = "super")] Timestamp);
        Ok(Option::<Member>::deserialize(deserializer)?.map(|Member(at)| at))
    }
}

/// The text of any time; of one that is too late for a text the last that has one.
fn of_any(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => format!("{:.3}", jiff::Timestamp::MAX),
    }
}

/// The text of a time from 1970 to the last that has one.
fn in_this_era(at: Timestamp) -> Option<[u8; 24]> {
    let millis = at.as_millis();
    if !(0..=jiff::Timestamp::MAX.as_millisecond()).contains(&millis) {
        return None;
    }
    let day = u32::try_from(millis / DAY_MILLIS).ok()?;
    let millis = u32::try_from(millis % DAY_MILLIS).ok()?;
    let (year, month, day) = date(day);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], millis / 3_600_000);
    put(&mut text[14..16], millis / 60_000 % 60);
    put(&mut text[17..19], millis / 1000 % 60);
    put(&mut text[20..23], millis % 1000);
    Some(text)
}

fn as_str(text: &[u8; 24]) -> &str {
    std::str::from_utf8(text).expect("digits and signs are ASCII")
}

/// Writes a number that has at most as many digits as there is room for.
fn put(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of so many days after 1970-01-01, in the Gregorian calendar. A year is taken
/// to begin in March, so that the day that some have more is its last.
fn date(days: u32) -> (u32, u32, u32) {
    // From 0000-03-01, in cycles of 400 years.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months in turn have 153 days, beginning with March.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 400 * cycle + year;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: i64) -> String {
        text(Timestamp::from_millis(millis))
    }

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(of(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(of(7), "1970-01-01T00:00:00.007Z");
        assert_eq!(of(i64::MAX).len(), 24);
    }

    #[test]
    fn each_day_has_the_text_that_the_library_writes() {
        let last = jiff::Timestamp::MAX.as_millisecond();
        for millis in (0..=last).step_by(86_400_000).chain([last]) {
            let at = Timestamp::from_millis(millis);
            let text = in_this_era(at).expect("it has a text");
            assert_eq!(as_str(&text), of_any(at), "{millis}");
        }
    }

    #[test]
    fn what_is_before_or_after_is_left_to_the_library() {
        let last = jiff::Timestamp::MAX.as_millisecond();
        for millis in [-1, i64::MIN, last + 1, i64::MAX] {
            assert_eq!(in_this_era(Timestamp::from_millis(millis)), None);
        }
        assert_eq!(of(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(of(last + 1), of(last));
    }

    proptest! {
        #[test]
        fn each_time_has_the_text_that_the_library_writes(millis in -62_135_596_800_000_i64..260_000_000_000_000) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(text(at), of_any(at));
            let value = serde_json::to_value(Member(at)).unwrap();
            prop_assert_eq!(&value, &serde_json::Value::String(text(at)));
        }
    }

    #[derive(serde::Serialize)]
    struct Member(#[serde(with = "super")] Timestamp);
}
