//! One row of our output: pieces of text that fit, each with its ink.

use super::measure::{columns, cut, wrap};
use super::style::{Ink, Look};

/// A row. The texts in it are visible already, and together no wider than the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(Vec<(Ink, String)>);

impl Row {
    /// An empty row.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The row with this text behind what it has.
    #[must_use]
    pub fn and(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.0.push((ink, text.into()));
        self
    }

    /// The row in its inks.
    pub fn paint(&self, look: Look) -> String {
        let spans = self.0.iter();
        spans.map(|(ink, text)| look.paint(*ink, text)).collect()
    }

    /// The row struck out.
    pub fn strike(&self, look: Look) -> String {
        let text = self.text();
        let bare = text.trim_start();
        if bare.is_empty() {
            return String::new();
        }
        let indent = " ".repeat(text.len() - bare.len());
        indent + &look.paint(Ink::Struck, bare)
    }

    /// The text alone.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The row, cut to a width where it is wider.
    #[must_use]
    pub fn cut(self, width: usize, end: &str) -> Self {
        let mut room = width;
        let cut_to_room = |(ink, text): (Ink, String)| {
            let text = cut(&text, room, end);
            room = room.saturating_sub(columns(&text));
            (ink, text)
        };
        Self(self.0.into_iter().map(cut_to_room).collect())
    }
}

/// Foreign lines in a frame: every row of them begins with a bar, which no row of ours does, so
/// that they cannot pass for our words.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    look: Look,
    width: usize,
}

impl Frame {
    /// A frame in rows of `width` columns.
    pub const fn new(look: Look, width: usize) -> Self {
        Self { look, width }
    }

    /// The rows of one line, broken where it is too wide, each in the frame.
    ///
    /// `name` stands before the first row, and room for it before the others.
    pub fn rows(self, name: &str, ink: Ink, line: &str) -> Vec<Row> {
        let bar = self.look.charset.pick("  │ ", "  | ");
        let indent = columns(name);
        let room = self.width.saturating_sub(columns(bar) + indent).max(1);
        let first = Row::new().and(Ink::Faint, bar).and(Ink::Label, name);
        let other = Row::new()
            .and(Ink::Faint, bar)
            .and(Ink::Plain, " ".repeat(indent));
        let starts = std::iter::once(first).chain(std::iter::repeat(other));
        let lines = wrap(line, room).into_iter();
        lines
            .zip(starts)
            .map(|(line, start)| start.and(ink, line))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::locale::Charset;

    fn look(charset: Charset, styled: bool) -> Look {
        Look {
            charset,
            styled,
            cursor: true,
        }
    }

    fn texts(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn every_foreign_row_begins_with_a_bar() {
        // The bar counts twice, in case the terminal shows it wide.
        let frame = Frame::new(look(Charset::Utf8, true), 17);
        let rows = frame.rows("env  ", Ink::Plain, "production europe");
        assert_eq!(
            texts(&rows),
            ["  │ env  product", "  │      ion ", "  │      europe"]
        );
        let frame = Frame::new(look(Charset::Ascii, true), 16);
        assert_eq!(texts(&frame.rows("", Ink::Strong, "")), ["  | "]);
    }

    #[test]
    fn a_row_is_painted_struck_and_cut() {
        let row = Row::new().and(Ink::Plain, "  a").and(Ink::Strong, "bc");
        assert_eq!(
            row.paint(look(Charset::Utf8, true)),
            "  a\u{1b}[1mbc\u{1b}[0m"
        );
        assert_eq!(
            row.strike(look(Charset::Utf8, true)),
            "  \u{1b}[2m\u{1b}[9mabc\u{1b}[0m"
        );
        assert_eq!(row.strike(look(Charset::Utf8, false)), "  abc");
        assert_eq!(row.cut(4, ".").text(), "  a.");
    }
}
