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

use super::locale::Charset;
use crate::characters::{Class, class};
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
        match (class(c), self) {
            (Class::Letter, _) => Self::Base(0),
            (Class::Symbol, _) => Self::Symbol,
            (Class::Plain, _) | (Class::Selector, Self::Symbol) => Self::Plain,
            (Class::Mark, Self::Base(marks)) if marks < limits::MARKS => Self::Base(marks + 1),
            (Class::Hidden | Class::Mark | Class::Selector, _) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
