//! Strangers' text, made safe to print.
//!
//! A terminal obeys what it is sent, and people believe what they see. So a character is shown as
//! itself only when it can neither drive the terminal, nor hide, nor move or cover its
//! neighbours; any other is shown as an escape in ASCII, such as `\u{1b}`. What comes out has one
//! line and no control characters, whatever went in.
//!
//! Not done here: fitting text into a width ([`measure`](super::measure)), and telling look-alike
//! letters apart.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::locale::Charset;
use crate::limits;

/// The text with every character that could drive a terminal or hide shown as an escape such as
/// `\u{1b}`, for a terminal of this process's locale.
pub fn visible(text: &str) -> String {
    visible_in(text, Charset::of_process())
}

/// The same for a terminal of a given character set.
///
/// Doing it again changes nothing: escapes are plain ASCII.
pub fn visible_in(text: &str, charset: Charset) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = Before::Nothing;
    for c in text.chars() {
        let next = before.with(c);
        if charset == Charset::Ascii && !c.is_ascii() || next == Before::Nothing {
            push_escape(&mut out, c);
            before = Before::Nothing;
        } else {
            out.push(c);
            before = next;
        }
    }
    out
}

/// Lines of a text of many lines, each made visible.
///
/// LF and CR LF end a line, as in files; any other break is shown as an escape. A tab, which is
/// everywhere in diffs and plans, is shown as `\t` and spaces up to the next multiple of 8.
pub fn visible_lines(text: &str, charset: Charset) -> Vec<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .map(|line| visible_line(line, charset))
        .collect()
}

fn visible_line(line: &str, charset: Charset) -> String {
    const TAB_STOP: usize = 8;
    let mut out = String::with_capacity(line.len());
    for (i, part) in line.split('\t').enumerate() {
        if i > 0 {
            out.push_str("\\t");
            let column = super::measure::columns(&out) % TAB_STOP;
            out.extend(std::iter::repeat_n(' ', (TAB_STOP - column) % TAB_STOP));
        }
        // A mark after a tab has no base, so the parts can be treated one by one.
        out.push_str(&visible_in(part, charset));
    }
    out
}

fn push_escape(out: &mut String, c: char) {
    write!(out, "{}", c.escape_unicode()).expect("a String takes all that is written to it");
}

/// What stands before a character, as far as it matters to whether the character may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The start, an escape, or something that carries no marks.
    Nothing,
    /// A printable character that carries no marks.
    Plain,
    /// A symbol, which one variation selector may follow (an emoji's).
    Symbol,
    /// A letter or digit with so many marks on it.
    Base(usize),
}

impl Before {
    /// What stands before the character after `c`; [`Before::Nothing`] when `c` may not be shown
    /// as itself after what stands before it.
    fn with(self, c: char) -> Self {
        use GeneralCategory as G;
        if is_presentation_selector(c) {
            return if self == Self::Symbol {
                Self::Plain
            } else {
                Self::Nothing
            };
        }
        if is_blank(c) || is_overlay(c) {
            return Self::Nothing;
        }
        match c.general_category() {
            G::Control
            | G::Format
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::Surrogate
            | G::PrivateUse
            | G::Unassigned
            | G::EnclosingMark => Self::Nothing,
            G::NonspacingMark | G::SpacingMark => match self {
                Self::Base(marks) if marks < limits::MARKS => Self::Base(marks + 1),
                Self::Base(_) | Self::Nothing | Self::Plain | Self::Symbol => Self::Nothing,
            },
            G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
            | G::DecimalNumber
            | G::LetterNumber
            | G::OtherNumber => Self::Base(0),
            G::OtherSymbol | G::MathSymbol => Self::Symbol,
            G::ConnectorPunctuation
            | G::DashPunctuation
            | G::OpenPunctuation
            | G::ClosePunctuation
            | G::InitialPunctuation
            | G::FinalPunctuation
            | G::OtherPunctuation
            | G::CurrencySymbol
            | G::ModifierSymbol
            | G::SpaceSeparator => Self::Plain,
        }
    }
}

/// The selectors of text and emoji presentation (UTS #51 section 1.4.3).
const fn is_presentation_selector(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

/// Characters that show nothing although their general category says letter, mark or symbol:
/// those that are `Default_Ignorable_Code_Point` (Unicode Standard, section 5.21) and not of a
/// category that is refused anyway, and the empty Braille pattern.
const fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2065}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Marks that strike through what they stand on: a stranger's text must not look struck out.
const fn is_overlay(c: char) -> bool {
    matches!(
        c,
        '\u{334}'..='\u{338}'
            | '\u{20d2}'..='\u{20d3}'
            | '\u{20d8}'..='\u{20da}'
            | '\u{20e5}'..='\u{20e6}'
            | '\u{20ea}'..='\u{20eb}'
    )
}

#[cfg(test)]
mod tests;
