//! What a person has typed, as whole lines.
//!
//! A terminal in canonical mode hands over one line at a time, with its newline. Text that comes
//! without one was pushed out by Ctrl-D, and is no line: nobody has pressed Enter on it.

use std::collections::VecDeque;

/// One thing that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its newline.
    Line(String),
    /// A line that is not UTF-8, or longer than any answer.
    Unreadable,
    /// Ctrl-D, or the end of input. What was typed before it on the same line is dropped.
    End,
}

/// Splits what is read from the terminal.
///
/// It holds complete lines only, never a part of one, so a dropped line cannot lend its beginning
/// to the next.
#[derive(Debug, Default)]
pub struct Lines {
    ready: VecDeque<Typed>,
}

impl Lines {
    /// Takes the bytes of one read; an empty read is the end of input.
    pub fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            self.ready.push_back(match line.strip_suffix(b"\n") {
                Some(line) => read_line(line),
                None => Typed::End,
            });
        }
        if bytes.is_empty() {
            self.ready.push_back(Typed::End);
        }
    }

    /// The next thing that was typed.
    pub fn pop(&mut self) -> Option<Typed> {
        self.ready.pop_front()
    }

    /// Throws away what has not been popped.
    pub fn clear(&mut self) {
        self.ready.clear();
    }
}

fn read_line(line: &[u8]) -> Typed {
    if line.len() > crate::limits::TYPED_BYTES {
        return Typed::Unreadable;
    }
    match std::str::from_utf8(line) {
        Ok(line) => Typed::Line(line.to_owned()),
        Err(_) => Typed::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(reads: &[&[u8]]) -> Vec<Typed> {
        let mut lines = Lines::default();
        for read in reads {
            lines.push(read);
        }
        std::iter::from_fn(|| lines.pop()).collect()
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.to_owned())
    }

    #[test]
    fn lines_come_whole_and_in_order() {
        assert_eq!(typed(&[b"y\n"]), [line("y")]);
        assert_eq!(
            typed(&[b"\nn no\ny\n"]),
            [line(""), line("n no"), line("y")]
        );
    }

    #[test]
    fn text_before_ctrl_d_is_no_line_and_lends_nothing_to_the_next() {
        assert_eq!(typed(&[b"y"]), [Typed::End]);
        assert_eq!(typed(&[b"y", b"\n"]), [Typed::End, line("")]);
        assert_eq!(typed(&[b""]), [Typed::End]);
    }

    #[test]
    fn what_is_not_utf_8_or_too_long_cannot_be_read() {
        assert_eq!(typed(&[b"y\xff\n"]), [Typed::Unreadable]);
        let long = [b"n ".as_slice(), &[b'a'; crate::limits::TYPED_BYTES], b"\n"].concat();
        assert_eq!(typed(&[&long]), [Typed::Unreadable]);
    }

    #[test]
    fn what_is_thrown_away_does_not_come_back() {
        let mut lines = Lines::default();
        lines.push(b"y\ny\n");
        lines.clear();
        assert_eq!(lines.pop(), None);
    }
}
