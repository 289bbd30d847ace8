//! Text from strangers, checked once at the door.
//!
//! What passes is stored and delivered exactly; each screen makes control and invisible characters
//! visible for itself. Only the line breaks of one-line texts are refused, because a second line
//! could pass for somebody else's words.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text was refused; the message names the value's fault and the bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// Longer than its bound in characters.
    #[error("has {actual} characters, at most {most} are taken")]
    TooManyChars {
        /// Characters that came.
        actual: usize,
        /// The bound.
        most: usize,
    },
    /// Longer than its bound in bytes.
    #[error("has {actual} bytes, at most {most} are taken")]
    TooManyBytes {
        /// Bytes that came.
        actual: usize,
        /// The bound.
        most: usize,
    },
    /// More lines than one.
    #[error("has a line break (U+{0:04X}) in it, and must be one line")]
    LineBreak(u32),
    /// A character that the text's alphabet does not have.
    #[error("has the character {0:?} in it; letters, digits and ._-/: are taken")]
    Alphabet(char),
}

/// Whether a character ends a line, here or in somebody's terminal: LF, CR, VT, FF, NEL, LS, PS
/// (Unicode Standard, section 5.8).
pub const fn is_line_break(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn at_most_chars(text: &str, most: usize) -> Result<(), TextError> {
    let actual = text.chars().count();
    if actual > most {
        Err(TextError::TooManyChars { actual, most })
    } else {
        Ok(())
    }
}

fn one_line(text: &str) -> Result<(), TextError> {
    match text.chars().find(|&c| is_line_break(c)) {
        Some(c) => Err(TextError::LineBreak(c.into())),
        None => Ok(()),
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text, exactly as it came.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text! {
    /// What is asked, in one line of 1 to 200 characters.
    Title
}

impl Title {
    /// Checks a title.
    ///
    /// # Errors
    /// Empty, more than [`limits::TITLE_CHARS`] characters, or a line break.
    pub fn new(text: String) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        one_line(&text)?;
        at_most_chars(&text, limits::TITLE_CHARS)?;
        Ok(Self(text))
    }
}

text! {
    /// What the approver should know, of any number of lines; possibly empty.
    Details
}

impl Details {
    /// Checks details.
    ///
    /// # Errors
    /// More than [`limits::DETAILS_BYTES`] bytes of UTF-8.
    pub fn new(text: String) -> Result<Self, TextError> {
        let (actual, most) = (text.len(), limits::DETAILS_BYTES);
        if actual > most {
            return Err(TextError::TooManyBytes { actual, most });
        }
        Ok(Self(text))
    }
}

text! {
    /// Why an approver decided as it did, in one line of 1 to 500 characters.
    Reason
}

impl Reason {
    /// The reason of a denial that came of wrong match codes.
    pub const MATCH_CODE: &'static str = "match code";

    /// That reason.
    pub fn match_code() -> Self {
        Self(Self::MATCH_CODE.to_owned())
    }

    /// Checks a reason; an empty one is none.
    ///
    /// # Errors
    /// More than [`limits::REASON_CHARS`] characters, or a line break.
    pub fn new(text: String) -> Result<Option<Self>, TextError> {
        one_line(&text)?;
        at_most_chars(&text, limits::REASON_CHARS)?;
        Ok((!text.is_empty()).then_some(Self(text)))
    }
}

text! {
    /// What a request is about, so that approvers can listen to a part: `deploy/prod`.
    Topic
}

impl Topic {
    /// The topic of a request that names none.
    pub const DEFAULT: &'static str = "default";

    /// Checks a topic: 1 to 64 of the ASCII letters and digits and `.`, `_`, `-`, `/`, `:`.
    ///
    /// # Errors
    /// Empty, more than [`limits::TOPIC_CHARS`] characters, or a character outside that alphabet.
    pub fn new(text: String) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        at_most_chars(&text, limits::TOPIC_CHARS)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
        match text.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(TextError::Alphabet(c)),
            None => Ok(Self(text)),
        }
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

/// A short pair of facts for the approver, such as `environment` and `production`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    name: String,
    value: String,
}

impl Field {
    /// Checks a field: a name of 1 to 64 characters in one line, a value of at most 1024.
    ///
    /// # Errors
    /// The part that is at fault, `name` or `value`, and what is wrong with it.
    pub fn new(name: String, value: String) -> Result<Self, (&'static str, TextError)> {
        if name.is_empty() {
            return Err(("name", TextError::Empty));
        }
        one_line(&name).map_err(|error| ("name", error))?;
        at_most_chars(&name, limits::FIELD_NAME_CHARS).map_err(|error| ("name", error))?;
        at_most_chars(&value, limits::FIELD_VALUE_CHARS).map_err(|error| ("value", error))?;
        Ok(Self { name, value })
    }

    /// What the fact is about.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fact.
    pub fn value(&self) -> &str {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_may_not_break_the_line_in_any_way() {
        for c in [
            '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
        ] {
            let title = Title::new(format!("Deploy?{c}Approved by alice"));
            assert_eq!(title, Err(TextError::LineBreak(c.into())));
        }
    }

    #[test]
    fn a_title_is_counted_in_characters() {
        assert!(Title::new("部".repeat(200)).is_ok());
        let error = Title::new("部".repeat(201)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "has 201 characters, at most 200 are taken"
        );
        assert_eq!(Title::new(String::new()), Err(TextError::Empty));
    }

    #[test]
    fn details_are_counted_in_bytes() {
        assert!(Details::new("a".repeat(64 * 1024)).is_ok());
        assert!(Details::new("é".repeat(32 * 1024 + 1)).is_err());
    }

    #[test]
    fn a_topic_is_made_of_plain_characters() {
        assert!(Topic::new("deploy/prod:eu-1.x_y".to_owned()).is_ok());
        assert_eq!(
            Topic::new("deploy*".to_owned()),
            Err(TextError::Alphabet('*'))
        );
        assert_eq!(Topic::new(String::new()), Err(TextError::Empty));
    }

    #[test]
    fn an_empty_reason_is_none() {
        assert_eq!(Reason::new(String::new()), Ok(None));
        assert!(Reason::new("a\nb".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn what_passes_is_kept_exactly(text: String) {
            if let Ok(title) = Title::new(text.clone()) {
                prop_assert_eq!(title.as_str(), &text);
            }
            let details = Details::new(text.clone()).unwrap();
            prop_assert_eq!(details.as_str(), &text);
        }
    }
}
