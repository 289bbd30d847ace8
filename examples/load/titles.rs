//! The numbers of events in the text of a stream, without a look at the rest of them.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

/// What stands before the numbers of an event: its publisher, a slash, and its turn.
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"title\":\"load "));

/// An event: which publisher's it is, and the how manyth of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) publisher: u32,
    pub(crate) turn: u32,
}

/// A reader of one stream.
#[derive(Debug, Default)]
pub(crate) struct Titles {
    /// The line that has not ended yet.
    rest: Vec<u8>,
}

impl Titles {
    /// Takes the next bytes, and gives the numbers of each event whose line is whole.
    pub(crate) fn push(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Numbers)) {
        if !self.rest.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else {
                self.rest.extend_from_slice(bytes);
                return;
            };
            let (line, after) = bytes.split_at(end);
            self.rest.extend_from_slice(line);
            scan(&self.rest, each);
            self.rest.clear();
            bytes = after;
        }
        let (lines, rest) = match memrchr(b'\n', bytes) {
            Some(end) => bytes.split_at(end + 1),
            None => (&[][..], bytes),
        };
        scan(lines, each);
        self.rest.extend_from_slice(rest);
    }
}

fn scan(lines: &[u8], each: &mut impl FnMut(Numbers)) {
    let mark = MARK.needle().len();
    for at in MARK.find_iter(lines) {
        if let Some(numbers) = lines.get(at + mark..).and_then(numbers) {
            each(numbers);
        }
    }
}

fn numbers(text: &[u8]) -> Option<Numbers> {
    let (publisher, text) = number(text)?;
    let (turn, _) = number(text.strip_prefix(b"/")?)?;
    Some(Numbers { publisher, turn })
}

/// The number at the start of a text, and what is behind it.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_found_once_however_its_bytes_are_cut() {
        let text = b": hi\n\nid: 1\ndata: {\"id\":\"a\",\"title\":\"load 3/17\",\"x\":1}\n\n\
            data: {\"title\":\"Deploy?\"}\n\ndata: {\"title\":\"load x/1\"}\n\n\
            data: {\"title\":\"load 0/4294967295\"}\n\ndata: {\"title\":\"load 1/2\"}";
        let expected = [(3, 17), (0, u32::MAX)];
        for piece in 1..=text.len() {
            let (mut titles, mut found) = (Titles::default(), Vec::new());
            for bytes in text.chunks(piece) {
                titles.push(bytes, &mut |it| found.push((it.publisher, it.turn)));
            }
            assert_eq!(found, expected, "pieces of {piece}");
        }
    }
}
