//! Reading bodies by the letter of the contract.
//!
//! What serde derives takes more than one spelling: a list of the members for an object, and an
//! object with one member for a word. A body that is not what the contract says was not meant for
//! this daemon, and above all a verdict has to be one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
