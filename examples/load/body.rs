//! What a stream carries when the frame of HTTP is taken away.

use std::io;

/// The body of an answer that goes on and on.
#[derive(Debug)]
pub(crate) enum Body {
    /// As it comes, until the connection ends.
    Plain,
    /// In chunks (RFC 9112 section 7.1).
    Chunked(Chunks),
}

/// Where the reader of a body in chunks stands.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// Bytes that are left of the present chunk, its line end included.
    left: usize,
    /// The line with the size of the next one, as far as it has come.
    size: Vec<u8>,
}

/// The line end behind a chunk.
const LINE_END: usize = 2;

impl Body {
    pub(crate) fn new(chunked: bool) -> Self {
        if chunked {
            Self::Chunked(Chunks::default())
        } else {
            Self::Plain
        }
    }

    /// Takes from the front of these bytes; gives what they carry up to the next frame, or nothing
    /// when they are all taken.
    ///
    /// # Errors
    /// They are no chunks, or the body ends.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> io::Result<Option<&'a [u8]>> {
        match self {
            Self::Plain if bytes.is_empty() => Ok(None),
            Self::Plain => Ok(Some(std::mem::take(bytes))),
            Self::Chunked(chunks) => chunks.next(bytes),
        }
    }
}

impl Chunks {
    fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> io::Result<Option<&'a [u8]>> {
        loop {
            if self.left > LINE_END {
                let (run, rest) = bytes.split_at((self.left - LINE_END).min(bytes.len()));
                *bytes = rest;
                self.left -= run.len();
                return Ok(Some(run).filter(|run| !run.is_empty()));
            }
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            *bytes = &bytes[skipped..];
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.size.extend_from_slice(std::mem::take(bytes));
                return Ok(None);
            };
            self.size.extend_from_slice(&bytes[..end]);
            *bytes = &bytes[end + 1..];
            self.left = self.length()?.saturating_add(LINE_END);
            self.size.clear();
        }
    }

    /// The length of the chunk whose size is told.
    fn length(&self) -> io::Result<usize> {
        let size = std::str::from_utf8(&self.size).ok().map(str::trim);
        match size.and_then(|size| usize::from_str_radix(size, 16).ok()) {
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "no chunk")),
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(size) => Ok(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(body: &mut Body, mut bytes: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
        while let Some(run) = body.next(&mut bytes)? {
            text.extend_from_slice(run);
        }
        assert!(bytes.is_empty());
        Ok(())
    }

    #[test]
    fn chunks_are_put_together_however_they_are_cut() {
        let bytes = b"5\r\ndata:\r\nb\r\n one\n\ndata:\r\n1\r\n2\r\n";
        for piece in 1..=bytes.len() {
            let (mut body, mut text) = (Body::new(true), Vec::new());
            for bytes in bytes.chunks(piece) {
                carried(&mut body, bytes, &mut text).unwrap();
            }
            assert_eq!(text, b"data: one\n\ndata:2", "pieces of {piece}");
        }
    }

    #[test]
    fn a_plain_body_is_what_comes() {
        let (mut body, mut text) = (Body::new(false), Vec::new());
        carried(&mut body, b"data: ", &mut text).unwrap();
        carried(&mut body, b"1\n\n", &mut text).unwrap();
        assert_eq!(text, b"data: 1\n\n");
    }

    #[test]
    fn the_end_of_a_body_and_a_wrong_size_are_errors() {
        for wrong in ["0\r\n\r\n", "g\r\n", "\r\n"] {
            let (mut body, mut text) = (Body::new(true), Vec::new());
            assert!(
                carried(&mut body, wrong.as_bytes(), &mut text).is_err(),
                "{wrong:?}"
            );
        }
    }
}
