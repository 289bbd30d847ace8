//! The stream of events, as far as a workload needs it: the `data:` lines, as they come.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use crate::http::{Connection, get};

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Connection,
    chunks: Chunks,
    text: Vec<u8>,
}

impl Stream {
    /// Opens the stream of this topic.
    ///
    /// # Errors
    /// The daemon does not answer with a stream.
    pub(crate) async fn open(address: SocketAddr, topic: &str) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address)
            .await
            .context("no connection for a stream")?;
        connection
            .send(&get(address, &format!("/v1/events?topic={topic}")))
            .await?;
        let head = connection
            .head()
            .await
            .context("no answer to a stream's call")?;
        ensure!(
            head.status == 200,
            "the daemon answered {} to a stream's call",
            head.status
        );
        Ok(Self {
            connection,
            chunks: Chunks::default(),
            text: Vec::new(),
        })
    }

    /// Waits for bytes, and gives the data of each event that is whole.
    ///
    /// # Errors
    /// The stream has ended.
    pub(crate) async fn next(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let bytes = self.connection.take().await?;
        self.chunks.push(&bytes, &mut self.text)?;
        let Some(end) = self.text.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(());
        };
        for line in self.text[..end].split(|byte| *byte == b'\n') {
            if let Some(data) = line.strip_prefix(b"data:") {
                each(data);
            }
        }
        self.text.drain(..=end);
        Ok(())
    }
}

/// What is left of a body in chunks (RFC 9112 section 7.1) when their frame is taken away.
#[derive(Debug, Default)]
struct Chunks {
    /// Bytes that are left of the present chunk, its line end included.
    left: usize,
    /// The line with the size of the next one, as far as it has come.
    size: Vec<u8>,
}

impl Chunks {
    /// Takes the next bytes and adds what they carry to `to`.
    fn push(&mut self, mut bytes: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                // The last two bytes are the line end behind a chunk.
                let carried = self.left.saturating_sub(2).min(taken);
                to.extend_from_slice(&bytes[..carried]);
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            bytes = rest;
            if first != b'\n' {
                self.size.push(first);
                continue;
            }
            let size = std::str::from_utf8(&self.size).ok().map(str::trim);
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
            match size {
                None => return Err(io::Error::new(io::ErrorKind::InvalidData, "no chunk")),
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(size) => self.left = size.saturating_add(2),
            }
            self.size.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_however_they_are_cut() {
        let body = b"5\r\ndata:\r\nb\r\n one\n\ndata:\r\n1\r\n2\r\n";
        for piece in 1..body.len() {
            let (mut chunks, mut text) = (Chunks::default(), Vec::new());
            for bytes in body.chunks(piece) {
                chunks.push(bytes, &mut text).unwrap();
            }
            assert_eq!(text, b"data: one\n\ndata:2", "pieces of {piece}");
        }
    }

    #[test]
    fn the_end_of_a_body_and_a_wrong_size_are_errors() {
        for wrong in ["0\r\n\r\n", "g\r\n", "\r\n"] {
            let mut chunks = Chunks::default();
            assert!(
                chunks.push(wrong.as_bytes(), &mut Vec::new()).is_err(),
                "{wrong:?}"
            );
        }
    }
}
