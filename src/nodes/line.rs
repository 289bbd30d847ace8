//! How messages between nodes travel: to all, in no time that is promised, and perhaps not at all.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

/// A way to all nodes on the same store, this one included.
#[async_trait]
pub trait Line: Send + Sync + 'static {
    /// Sends a message, which may be lost. Dropping the future leaves it sent or not.
    ///
    /// # Errors
    /// There is no connection, or the message is larger than it takes.
    async fn say(&self, message: Bytes) -> Result<(), Cut>;

    /// All messages from here on, one's own as well; it ends when no more can come.
    ///
    /// # Errors
    /// There is no connection.
    async fn listen(&self) -> Result<BoxStream<'static, Bytes>, Cut>;

    /// Which connection there is: another number after each loss, `None` while there is none.
    fn connection(&self) -> Option<u64>;
}

/// The line does not take or bring messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no message passes: {0}")]
pub struct Cut(pub String);
