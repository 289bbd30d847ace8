//! How much room text takes, and how it is fitted into less.
//!
//! Terminals disagree about the width of characters, and a line that is wider than the terminal
//! goes on at the left edge of the next row, outside any frame. So [`columns`] is an upper bound:
//! what a terminal with wide ambiguous characters, or one that does not know a mark, would need.
//! At worst a line of a rare script is broken early.
//!
//! All functions expect text that [`printable`](super::printable) has made visible.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

/// Columns that the text takes at most.
pub fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    match c {
        // Two of these are one flag of two columns, or two letters of two columns each.
        '\u{1f1e6}'..='\u{1f1ff}' => 2,
        c if c.is_ascii() => 1,
        c => c.width_cjk().unwrap_or(1).max(1),
    }
}

/// The text in lines of at most `width` columns (at least 1), broken after a space where a line
/// has one, never within a grapheme cluster (UAX #29) that fits into a line by itself.
///
/// Nothing is dropped: the lines together are the text. There is always a first line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words(text) {
        let line = lines.last_mut().expect("there is always a first line");
        let needed = columns(word.trim_end_matches(' '));
        if !line.is_empty() && columns(line) + needed > width && needed <= width {
            lines.push(String::new());
        }
        for piece in pieces(word, width) {
            let line = lines.last_mut().expect("there is always a first line");
            if !line.is_empty() && columns(line) + columns(piece) > width {
                lines.push(piece.to_owned());
            } else {
                line.push_str(piece);
            }
        }
    }
    lines
}

/// Words, each with the spaces after it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// What is not broken: grapheme clusters, and where one is wider than a line, which is no sane
/// text, its characters.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    for cluster in word.graphemes(true) {
        if columns(cluster) > width {
            pieces.extend(cluster.split("").filter(|c| !c.is_empty()));
        } else {
            pieces.push(cluster);
        }
    }
    pieces
}

/// The text in at most `width` columns; `end` shows that something was cut off.
///
/// When not even `end` fits, as much of it as does.
pub fn cut(text: &str, width: usize, end: &str) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(columns(end));
    let mut out = prefix(text, room);
    out.push_str(&prefix(end, width - columns(&out)));
    out
}

/// As many clusters from the start as fit.
fn prefix(text: &str, width: usize) -> String {
    let mut room = width;
    text.graphemes(true)
        .take_while(|cluster| {
            let needed = columns(cluster);
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::terminal::locale::Charset;
    use crate::terminal::printable::visible_in;

    #[test]
    fn lines_break_after_spaces() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("one two three", 7), ["one two", " three"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn a_word_that_is_too_long_is_broken_anywhere() {
        assert_eq!(wrap("a abcdefghij", 4), ["a ab", "cdef", "ghij"]);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("部署"), 4);
        assert_eq!(wrap("部署到", 5), ["部署", "到"]);
    }

    #[test]
    fn a_cluster_is_not_split() {
        assert_eq!(wrap("abe\u{301}", 3), ["ab", "e\u{301}"]);
        assert_eq!(cut("abe\u{301}fgh", 4, "…"), "ab…");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abcdef", 6, "..."), "abcdef");
        assert_eq!(cut("abcdefg", 6, "..."), "abc...");
        assert_eq!(cut("abcdefg", 2, "..."), "..");
    }

    proptest! {
        #[test]
        fn a_line_is_never_wider_than_asked_and_nothing_is_lost(
            text in "[a-c 部é🚀\u{301}\u{1100}\u{1161}\u{11a8}🇩]{0,60}", width in 4_usize..40,
        ) {
            let text = visible_in(&text, Charset::Utf8);
            let lines = wrap(&text, width);
            prop_assert_eq!(lines.concat(), text.clone());
            for line in &lines {
                prop_assert!(columns(line) <= width, "{line:?}");
            }
            prop_assert!(columns(&cut(&text, width, "...")) <= width);
        }

        #[test]
        fn no_text_is_wider_than_a_terminal_that_trusts_unicode_would_make_it(text: String) {
            let text = visible_in(&text, Charset::Utf8);
            prop_assert!(columns(&text) >= unicode_width::UnicodeWidthStr::width(text.as_str()));
        }
    }
}
