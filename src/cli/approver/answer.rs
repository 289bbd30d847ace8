//! What a typed line means. Only a line that is an answer decides.

use crate::domain::{MatchCode, Reason};

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `y` or `yes`.
    Approve,
    /// `n` or `no`, with the reason that follows on the line.
    Deny(Option<String>),
    /// `s`.
    Skip,
    /// `d`.
    Details,
    /// `q`.
    Quit,
    /// Anything else; why it decides nothing.
    Nothing(String),
}

/// The answer that a whole line is; spaces around it do not matter.
pub(super) fn parse_answer(line: &str) -> Answer {
    let line = line.trim_matches([' ', '\t']);
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    match (word, rest.trim_start_matches([' ', '\t'])) {
        ("y" | "yes", "") => Answer::Approve,
        ("n" | "no", reason) => match Reason::new(reason.to_owned()) {
            Ok(reason) => Answer::Deny(reason.map(|reason| reason.as_str().to_owned())),
            Err(error) => Answer::Nothing(format!("The reason {error}.")),
        },
        ("s", "") => Answer::Skip,
        ("d", "") => Answer::Details,
        ("q", "") => Answer::Quit,
        ("", _) => Answer::Nothing("Enter alone is no answer.".to_owned()),
        ("y" | "yes", _) => Answer::Nothing("A yes stands alone on its line.".to_owned()),
        _ => Answer::Nothing("That is no answer.".to_owned()),
    }
}

/// The match code that a whole line is, with or without spaces between its digits.
pub(super) fn parse_code(line: &str) -> Option<MatchCode> {
    line.replace([' ', '\t'], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_match_code_is_six_digits_with_or_without_spaces() {
        for line in ["004207", "004 207", " 00 42 07\t"] {
            let code = parse_code(line).map(|code| code.spelled());
            assert_eq!(code.as_deref(), Some("004 207"), "{line:?}");
        }
        for line in [
            "",
            " ",
            "y",
            "4207",
            "0042070",
            "004-207",
            "00420x",
            "٠٠٤٢٠٧",
        ] {
            assert_eq!(parse_code(line), None, "{line:?}");
        }
    }

    fn deny(reason: &str) -> Answer {
        Answer::Deny(Some(reason.to_owned()))
    }

    #[test]
    fn a_whole_line_is_an_answer() {
        for (line, answer) in [
            ("y", Answer::Approve),
            ("yes", Answer::Approve),
            (" y\t", Answer::Approve),
            ("n", Answer::Deny(None)),
            ("no ", Answer::Deny(None)),
            ("n frozen until Monday", deny("frozen until Monday")),
            ("no   way ", deny("way")),
            ("n y", deny("y")),
            ("s", Answer::Skip),
            ("d", Answer::Details),
            ("q", Answer::Quit),
        ] {
            assert_eq!(parse_answer(line), answer, "{line:?}");
        }
    }

    #[test]
    fn anything_else_decides_nothing() {
        for line in [
            "",
            " ",
            "yy",
            "ye",
            "Y",
            "YES",
            "yes please",
            "y n",
            "not yet",
            "nope",
            "ok",
            "skip",
            "sd",
            "1",
            "true",
            "\u{1b}[Ay",
            "y\u{1b}[D",
            "\u{feff}y",
            "y\r",
            "у",
            "ｙ",
            "y\u{301}",
            "n a\u{b}b",
        ] {
            assert!(matches!(parse_answer(line), Answer::Nothing(_)), "{line:?}");
        }
    }

    #[test]
    fn a_reason_that_is_too_long_is_told_and_decides_nothing() {
        let line = format!("n {}", "a".repeat(501));
        let told =
            Answer::Nothing("The reason has 501 characters, at most 500 are taken.".to_owned());
        assert_eq!(parse_answer(&line), told);
    }

    proptest! {
        #[test]
        fn only_y_and_yes_approve(line in "[ \ty]{0,3}[yesn ]{0,4}.{0,2}") {
            let approved = parse_answer(&line) == Answer::Approve;
            let word = line.trim_matches([' ', '\t']);
            prop_assert_eq!(approved, word == "y" || word == "yes");
        }
    }
}
