//! Reading bodies by the letter of the contract.
//!
//! What serde derives takes more than one spelling: a list of the members for an object, and an
//! object with one member for a word. A body that is not what the contract says was not meant for
//! this daemon, and above all a verdict has to be one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::EventId;

/// A `T` that is read from a JSON object and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

/// Reads a list of objects that may be absent.
///
/// # Errors
/// It is something else.
pub(super) fn objects<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Option::<Vec<Object<T>>>::deserialize(deserializer)?;
    Ok(objects.map(|objects| objects.into_iter().map(|Object(object)| object).collect()))
}

/// Reads an object that may be absent.
///
/// # Errors
/// It is something else.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let object = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(object.map(|Object(object)| object))
}

/// Reads one of several words.
///
/// # Errors
/// It is no text, or another word.
pub(super) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let word = Cow::<'de, str>::deserialize(deserializer)?;
    T::deserialize(word.as_ref().into_deserializer())
}

/// The largest whole number that every store and every client has room for.
const LARGEST: u64 = i64::MAX.cast_unsigned();

/// Reads a whole number from 0 to 2^63 - 1 that may be absent or null.
///
/// JSON has numbers and no integers, and `60.0` and `6e1` are whole as well (JSON Schema Core,
/// section 4.2.3): some senders have no other spelling.
///
/// # Errors
/// It is something else.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let whole = Option::<Whole>::deserialize(deserializer)?;
    Ok(whole.map(|Whole(number)| number))
}

/// Reads a whole number in the same way that has to be there.
///
/// # Errors
/// It is no such number.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Whole::deserialize(deserializer).map(|Whole(number)| number)
}

/// Reads an event id in the same way.
///
/// # Errors
/// It is no such number.
pub(super) fn event_id<'de, D>(deserializer: D) -> Result<Option<EventId>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(whole(deserializer)?.map(EventId))
}

struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumber)
    }
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {LARGEST}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        if number > LARGEST {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Whole(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        let whole = u64::try_from(number);
        let whole = whole.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))?;
        self.visit_u64(whole)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        let bad = || E::invalid_value(Unexpected::Float(number), &self);
        if number.fract() != 0.0 {
            return Err(bad());
        }
        // Its digits are those of the number: a whole one has no others. Zero may have a sign.
        let whole = format!("{:.0}", number + 0.0).parse().map_err(|_| bad())?;
        if whole > LARGEST {
            return Err(bad());
        }
        Ok(Whole(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Verdict;
    use crate::wire::{AskBody, DecisionBody};

    fn refusal<T: for<'de> Deserialize<'de> + fmt::Debug>(body: &str) -> String {
        serde_json::from_str::<Object<T>>(body)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_list_of_members_is_no_ask() {
        let body = r#"["Deploy?", null, null, null, null]"#;
        let error = refusal::<AskBody>(body);
        assert!(error.contains("expected an object"), "{error}");
        let body = r#"{"title": "Deploy?", "fields": [["environment", "production"]]}"#;
        let error = refusal::<AskBody>(body);
        assert!(error.contains("expected an object"), "{error}");
    }

    #[test]
    fn a_whole_number_has_many_spellings_and_a_bound() {
        let secs = |number: &str| {
            let body = format!(r#"{{"title": "Deploy?", "expires_in_secs": {number}}}"#);
            let ask = serde_json::from_str::<Object<AskBody>>(&body);
            ask.map(|Object(ask)| ask.expires_in_secs)
        };
        for spelling in ["60", "60.0", "6e1", "600e-1"] {
            assert_eq!(secs(spelling).unwrap(), Some(60), "{spelling}");
        }
        assert_eq!(secs("null").unwrap(), None);
        assert_eq!(secs("-0.0").unwrap(), Some(0));
        assert_eq!(secs("9223372036854775807").unwrap(), Some(LARGEST));
        for bad in [
            "1.5",
            "-1",
            "9223372036854775808",
            "1e19",
            "1e300",
            "\"60\"",
            "true",
            "[60]",
        ] {
            let error = secs(bad).unwrap_err().to_string();
            assert!(error.contains("a whole number from 0 to"), "{bad}: {error}");
        }
        let error = refusal::<DecisionBody>(r#"{"verdict": "deny", "version": 1e19}"#);
        assert!(error.contains("a whole number"), "{error}");
    }

    #[test]
    fn a_verdict_is_a_word() {
        let error = refusal::<DecisionBody>(r#"{"verdict": {"approve": null}}"#);
        assert!(error.contains("expected a string"), "{error}");
        let error = refusal::<DecisionBody>(r#"{"verdict": "maybe"}"#);
        assert!(error.contains("`approve` or `deny`"), "{error}");
        let body = r#"{"verdict": "\u0061pprove"}"#;
        let Object(decision) = serde_json::from_str::<Object<DecisionBody>>(body).unwrap();
        assert_eq!(decision.verdict, Verdict::Approve);
    }
}
