//! Six digits that a requester shows and an approver types, so that nobody approves another
//! request than the one in front of them.

use std::fmt;
use std::str::FromStr;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::limits;

/// A match code. It is a secret between requester and approver: nothing shows it, and two are
/// compared in a time that does not depend on where they differ.
#[derive(Clone)]
pub struct MatchCode([u8; limits::MATCH_CODE_DIGITS]);

/// The text is no match code. What it was instead is not told, because it may be nearly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a match code is six digits from 0 to 9, as a text")]
pub struct BadMatchCode;

impl MatchCode {
    /// A code made from random numbers of 32 bits, as many as `draw` has to give until one of them
    /// makes every code as likely as every other.
    ///
    /// # Errors
    /// Those of `draw`.
    pub fn random<E>(mut draw: impl FnMut() -> Result<u32, E>) -> Result<Self, E> {
        const CODES: u32 = 1_000_000;
        // From here on the numbers would make the lowest codes likelier.
        const END: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let drawn = draw()?;
            if drawn < END {
                let digits = format!(
                    "{:0width$}",
                    drawn % CODES,
                    width = limits::MATCH_CODE_DIGITS
                );
                return Ok(digits
                    .parse()
                    .expect("the rest of a division by it has no more digits"));
            }
        }
    }

    /// The digits in two groups, for the one screen that shows them.
    pub fn spelled(&self) -> String {
        let (first, second) = self.text().split_at(limits::MATCH_CODE_DIGITS / 2);
        format!("{first} {second}")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

impl FromStr for MatchCode {
    type Err = BadMatchCode;

    fn from_str(text: &str) -> Result<Self, BadMatchCode> {
        let digits = text.as_bytes().try_into().map_err(|_| BadMatchCode)?;
        let code = Self(digits);
        if code.0.iter().all(u8::is_ascii_digit) {
            Ok(code)
        } else {
            Err(BadMatchCode)
        }
    }
}

impl PartialEq for MatchCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for MatchCode {}

impl fmt::Debug for MatchCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchCode(..)")
    }
}

impl Serialize for MatchCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// Whatever is in the place of a code, so that an error does not quote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found<'a> {
    #[serde(borrow)]
    Text(std::borrow::Cow<'a, str>),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for MatchCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = match Found::deserialize(deserializer)? {
            Found::Text(text) => text.parse(),
            Found::Other(IgnoredAny) => Err(BadMatchCode),
        };
        code.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_six_digits_and_keeps_its_zeros() {
        let code: MatchCode = "004207".parse().unwrap();
        assert_eq!(code.spelled(), "004 207");
        assert_eq!(serde_json::to_string(&code).unwrap(), r#""004207""#);
        for bad in [
            "",
            "12345",
            "1234567",
            "12 456",
            "+12345",
            "12345a",
            "１２３４５６",
            "٠١٢",
        ] {
            assert_eq!(bad.parse::<MatchCode>(), Err(BadMatchCode), "{bad}");
        }
    }

    #[test]
    fn neither_a_code_nor_what_is_nearly_one_is_quoted() {
        let code: MatchCode = "314159".parse().unwrap();
        assert_eq!(format!("{code:?}"), "MatchCode(..)");
        for bad in [
            "314159",
            r#""3141592""#,
            r#"["314159"]"#,
            "314159.0",
            r#"{"a":"314159"}"#,
        ] {
            let error = serde_json::from_str::<MatchCode>(bad)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("six digits") && !error.contains("3141"),
                "{error}"
            );
        }
        let escaped: MatchCode = serde_json::from_str(r#""\u0033\u00314159""#).unwrap();
        assert!(escaped == code);
    }

    #[test]
    fn a_number_that_would_favour_some_codes_is_not_used() {
        let mut numbers = [u32::MAX, 4_294_000_000, 4_293_999_999].into_iter();
        let code = MatchCode::random(|| numbers.next().ok_or("no more are needed")).unwrap();
        assert_eq!(code.spelled(), "999 999");
        assert_eq!(MatchCode::random(|| Err("none")).unwrap_err(), "none");
        let least = MatchCode::random(|| Ok::<_, ()>(7)).unwrap();
        assert_eq!(least.spelled(), "000 007");
    }

    proptest! {
        #[test]
        fn codes_are_equal_as_their_digits_are(one in "[0-9]{6}", other in "[0-9]{6}") {
            let codes: [MatchCode; 2] = [one.parse().unwrap(), other.parse().unwrap()];
            prop_assert_eq!(codes[0] == codes[1], one == other);
        }
    }
}
