//! Names of things: requests, events, histories, cursors, digests.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// RFC 4648 section 6 in lower case and without padding.
static BASE32_LOWER: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding()
        .expect("the alphabet has 32 distinct symbols")
});

/// Names one request: 128 bits, written as 26 lower-case base32 characters.
///
/// An id is a name and no secret: who knows it still needs the right to read the request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The id with these bytes; for a new request they come from the system's random source.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, as a store keeps them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id that `principal`'s idempotency key stands for.
    ///
    /// The parts are length-prefixed before they are hashed, so that two different pairs never
    /// read as the same bytes. Create-if-absent under this id is the whole idempotency check.
    pub fn derive(principal: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"pushd request id 1");
        for part in [principal, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(bytes)
    }
}

/// Characters of 128 bits in base32.
const ID_CHARS: usize = 26;

impl RequestId {
    /// The text, written into `room`.
    fn text<'a>(&self, room: &'a mut [u8; ID_CHARS]) -> &'a str {
        BASE32_LOWER.encode_mut_str(&self.0, room)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; ID_CHARS]))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 26 lower-case base32 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 26 lower-case letters and digits from 2 to 7")]
pub struct BadRequestId;

impl FromStr for RequestId {
    type Err = BadRequestId;

    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        let bytes = BASE32_LOWER
            .decode(text.as_bytes())
            .map_err(|_| BadRequestId)?;
        bytes.try_into().map(Self).map_err(|_| BadRequestId)
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; ID_CHARS]))
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The number of one commit in a store's history: 1 for the first, then rising.
///
/// Zero stands before every commit. Numbers may be skipped, never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// The place before every commit.
    pub const ZERO: Self = Self(0);

    /// The id after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells one store's history of commits from another's.
///
/// It is drawn at random, from 63 bits so that every store can keep it as a signed integer, when
/// a store is created and again when it is restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryId(u64);

impl HistoryId {
    /// The history number made from random bits; the topmost is dropped.
    pub const fn from_random(bits: u64) -> Self {
        Self(bits >> 1)
    }

    /// The number as a store keeps it.
    pub fn to_stored(self) -> i64 {
        self.0.cast_signed()
    }

    /// The number read back from a store; `None` when no store of ours has written it.
    pub fn from_stored(stored: i64) -> Option<Self> {
        u64::try_from(stored).ok().map(Self)
    }
}

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a history, written `<history>-<event id>`: a reader with this cursor has seen every
/// change up to and including that event.
///
/// Readers outside the daemon treat the text as opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The history that the event id counts in.
    pub history: HistoryId,
    /// The last event that was seen.
    pub event: EventId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.history, self.event)
    }
}

/// The text is not two decimal numbers with a dash between them, as the daemon writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is the id of an event of this daemon's stream")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (history, event) = text.split_once('-').ok_or(BadCursor)?;
        let cursor = Self {
            history: HistoryId(canonical(history)?),
            event: EventId(canonical(event)?),
        };
        Ok(cursor)
    }
}

/// A decimal number as `Display` writes it: no sign, no leading zero, no space.
fn canonical(text: &str) -> Result<u64, BadCursor> {
    let number: u64 = text.parse().map_err(|_| BadCursor)?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err(BadCursor)
    }
}

/// SHA-256 (FIPS 180-4) of something that is compared and not shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE32_NOPAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = BASE32_NOPAD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| serde::de::Error::custom("not a digest"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_id_is_26_lower_case_base32_characters() {
        let text = RequestId::from_bytes([0xff; 16]).to_string();
        assert_eq!(text.len(), 26);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
        );
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = RequestId::from_bytes([0; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "a",
            "aaaaaaaaaaaaaaaaaaaaaaaaab",
            "AAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(bad.parse::<RequestId>(), Err(BadRequestId), "{bad}");
        }
    }

    #[test]
    fn a_derived_id_depends_on_where_principal_ends_and_key_begins() {
        assert_ne!(RequestId::derive("ab", "c"), RequestId::derive("a", "bc"));
        assert_eq!(RequestId::derive("ab", "c"), RequestId::derive("ab", "c"));
    }

    #[test]
    fn a_cursor_with_another_spelling_is_garbage() {
        for bad in [
            "", "-", "1", "1-", "-1", "01-2", "1-+2", "1- 2", "1-2-3", "1-2x", "1_2",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_and_cursors_survive_their_text(bytes: [u8; 16], history: u64, event: u64) {
            let id = RequestId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let cursor =
                Cursor { history: HistoryId::from_random(history), event: EventId(event) };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            prop_assert_eq!(
                HistoryId::from_stored(cursor.history.to_stored()), Some(cursor.history)
            );
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text: String) {
            let parsed = text.parse::<Cursor>();
            prop_assert!(parsed.is_err() || parsed.is_ok_and(|c| c.to_string() == text));
            let parsed = text.parse::<RequestId>();
            prop_assert!(parsed.is_err() || parsed.is_ok_and(|id| id.to_string() == text));
        }
    }
}
