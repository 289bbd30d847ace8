//! What a run prints: read to its end, or to its bound, of which the beginning is kept.

use std::os::fd::AsFd;

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// The beginning of an output, at most [`limits::HOOK_OUTPUT_BYTES`] of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output(Vec<u8>);

impl Output {
    /// What was written; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The first line of it, without white space around it; empty when there is none.
    pub fn first_line(&self) -> String {
        let text = self.text();
        let line = text.lines().next().unwrap_or_default();
        line.trim().to_owned()
    }

    /// Its first lines, at most so many, without those that are blank.
    pub fn first_lines(&self, count: usize) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.take(count).map(str::to_owned).collect()
    }

    /// One with these bytes.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }
}

/// One of the outputs of a run, while it may write to it.
pub(super) struct Pipe<P> {
    source: Option<P>,
    buffer: Vec<u8>,
    kept: Vec<u8>,
    read: usize,
}

impl<P: AsyncRead + Unpin> Pipe<P> {
    pub(super) fn new(source: Option<P>) -> Self {
        Self {
            source,
            buffer: vec![0; READ_BYTES],
            kept: Vec::new(),
            read: 0,
        }
    }

    /// Reads some of it; false when that was too much. After the end it waits for ever. Cancel
    /// safe.
    pub(super) async fn read(&mut self) -> bool {
        let Some(source) = &mut self.source else {
            return std::future::pending().await;
        };
        // An error of a pipe is its end.
        let Ok(read @ 1..) = source.read(&mut self.buffer).await else {
            self.source = None;
            return true;
        };
        self.take(read)
    }

    /// Takes in so many bytes of the buffer; false when there were too many.
    fn take(&mut self, read: usize) -> bool {
        let room = limits::HOOK_OUTPUT_BYTES - self.kept.len();
        self.kept.extend(self.buffer.iter().take(read.min(room)));
        self.read += read;
        self.read <= limits::HOOK_PRINT_BYTES
    }

    /// What was kept of it.
    pub(super) fn output(self) -> Output {
        Output(self.kept)
    }
}

impl<P: AsyncRead + AsFd + Unpin> Pipe<P> {
    /// Reads what is there at this moment, and waits for nobody who may have it open still; false
    /// when that was too much.
    pub(super) fn rest(&mut self) -> bool {
        let Some(source) = self.source.take() else {
            return true;
        };
        loop {
            match rustix::io::read(&source, &mut self.buffer) {
                Ok(read @ 1..) => {
                    if !self.take(read) {
                        return false;
                    }
                }
                Err(Errno::INTR) => {}
                // Its end, or nothing more at present.
                Ok(0) | Err(_) => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::unix::pipe;

    use super::*;

    #[tokio::test]
    async fn what_was_written_last_is_read_and_nobody_is_waited_for() {
        let (mut writer, reader) = pipe::pipe().unwrap();
        let mut pipe = Pipe::new(Some(reader));
        writer.write_all(b"\n why \nnot\n").await.unwrap();
        assert!(pipe.rest(), "though somebody has it open still");
        let output = pipe.output();
        assert_eq!(output.first_line(), "");
        assert_eq!(output.first_lines(1), [" why "]);
        assert_eq!(output.text(), "\n why \nnot\n");
    }

    #[tokio::test]
    async fn the_rest_is_bounded_too() {
        let (mut writer, reader) = pipe::pipe().unwrap();
        let mut pipe = Pipe::new(Some(reader));
        pipe.read = limits::HOOK_PRINT_BYTES;
        writer.write_all(b"x").await.unwrap();
        assert!(!pipe.rest());
    }
}
