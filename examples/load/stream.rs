//! The stream of events, as far as a workload needs it: the `data:` lines, as they come.

use std::io;

use anyhow::{Context as _, ensure};

use crate::body::Body;
use crate::http::{Connection, Head};
use crate::peer::Server;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Connection,
    body: Body,
    text: Vec<u8>,
}

impl Stream {
    /// Opens the stream of this topic.
    ///
    /// # Errors
    /// The peer does not answer with a stream.
    pub(crate) async fn open(server: Server, topic: &str) -> anyhow::Result<Self> {
        let (connection, head) = open(server, topic).await?;
        Ok(Self {
            connection,
            body: Body::new(head.chunked),
            text: Vec::new(),
        })
    }

    /// Waits for bytes, and gives the data of each event that is whole.
    ///
    /// # Errors
    /// The stream has ended.
    pub(crate) async fn next(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let bytes = self.connection.take().await?;
        let mut bytes = bytes.as_slice();
        while let Some(run) = self.body.next(&mut bytes)? {
            self.text.extend_from_slice(run);
        }
        let Some(end) = memchr::memrchr(b'\n', &self.text) else {
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

/// Opens the stream of this topic; what follows its head was not read yet.
///
/// # Errors
/// The peer does not answer with a stream.
pub(crate) async fn open(server: Server, topic: &str) -> anyhow::Result<(Connection, Head)> {
    let mut connection = server.connect().await?;
    connection.send(&server.stream(topic)).await?;
    let head = connection
        .head()
        .await
        .context("no answer to a stream's call")?;
    ensure!(
        head.status == 200,
        "the answer to a stream's call is {}",
        head.status
    );
    Ok((connection, head))
}
