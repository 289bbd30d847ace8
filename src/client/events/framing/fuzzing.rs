//! Any bytes, split anywhere, are read as the HTML Standard says, and little of them is kept.

use super::{Frame, Framer};
use crate::fuzzing::Dice;

/// A cap that small inputs exceed.
const SMALL: usize = 64;
/// A cap that none does.
const LARGE: usize = 1024 * 1024;

/// The first byte seeds where the rest is split.
pub fn streams(data: &[u8]) {
    let (&seed, bytes) = data.split_first().unwrap_or((&0, b""));
    for cap in [SMALL, LARGE] {
        let (whole, split) = (read(cap, bytes, None), read(cap, bytes, Some(seed)));
        assert_eq!(whole, split, "it depends on where it is split");
        if cap == LARGE {
            assert_eq!(
                whole,
                by_the_standard(bytes),
                "it is not what the standard says"
            );
        }
    }
}

/// What a stream comes to: its events, the last event id and the reconnection time.
type Read = (Vec<Frame>, String, Option<u128>);

fn read(cap: usize, bytes: &[u8], seed: Option<u8>) -> Read {
    let mut framer = Framer::new(cap, "seed".to_owned());
    let mut dice = Dice::new(seed.unwrap_or_default().into());
    let (mut all, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let most = if seed.is_some() {
            dice.below(8)
        } else {
            rest.len()
        };
        let (chunk, after) = rest.split_at(most.min(rest.len()));
        framer.push(chunk);
        assert!(
            framer.held() <= 8 * cap + 4 * super::SHORT_LINE,
            "it keeps too much"
        );
        all.extend(std::iter::from_fn(|| framer.pop()));
        rest = after;
    }
    for frame in &all {
        match frame {
            // Bytes that are not UTF-8 become a character of three.
            Frame::Event { name, data } => assert!(name.len() + data.len() <= 3 * cap + 7),
            Frame::Skipped(bytes) => assert_eq!(*bytes, cap),
        }
    }
    let retry = framer.retry().map(|retry| retry.as_millis());
    (all, framer.last_id().to_owned(), retry)
}

impl Framer {
    /// Bytes that are kept of what is not complete yet.
    fn held(&self) -> usize {
        let lines = self.block.lines.iter().map(String::len).sum::<usize>();
        self.line.capacity() + lines
    }
}

/// Section 9.2.6 again, without regard for memory and time.
fn by_the_standard(bytes: &[u8]) -> Read {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut name, mut data, mut id) = (String::new(), String::new(), "seed".to_owned());
    let (mut frames, mut last_id, mut retry) = (Vec::new(), id.clone(), None);
    // What stands behind the last line break is no line yet.
    let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let lines = if text.contains('\n') {
        lines.split('\n').collect()
    } else {
        Vec::new()
    };
    for line in lines {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => {
                last_id.clone_from(&id);
                let (name, data) = (std::mem::take(&mut name), std::mem::take(&mut data));
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() {
                        "message".to_owned()
                    } else {
                        name
                    };
                    let data = data.to_owned();
                    frames.push(Frame::Event { name, data });
                }
            }
            "event" => value.clone_into(&mut name),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                retry = Some(u128::from(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    (frames, last_id, retry)
}
