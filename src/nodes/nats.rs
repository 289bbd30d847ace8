//! The line over NATS: core publish and subscribe on one subject, without `JetStream`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::connection::State;
use async_nats::{Client, Statistics};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::{Cut, Line};

/// A subject on a connection to NATS that others use as well.
pub struct NatsLine {
    client: Client,
    statistics: Arc<Statistics>,
    subject: String,
}

impl NatsLine {
    /// The subject `<prefix>.nodes` on this connection. Nodes that serve the same store have to be
    /// given the same prefix, and all others another one; who may publish there is the NATS
    /// server's to say.
    pub fn new(client: Client, prefix: &str) -> Self {
        let statistics = client.statistics();
        Self {
            client,
            statistics,
            subject: format!("{prefix}.nodes"),
        }
    }
}

#[async_trait]
impl Line for NatsLine {
    async fn say(&self, message: Bytes) -> Result<(), Cut> {
        // Else the client would keep it for the next connection, when it is of no use any more.
        if self.connection().is_none() {
            return Err(Cut("there is no connection to NATS".to_owned()));
        }
        let published = self.client.publish(self.subject.clone(), message).await;
        published.map_err(|error| Cut(error.to_string()))?;
        // The last one, that this node leaves, has to be on its way before the process ends.
        let flushed = self.client.flush().await;
        flushed.map_err(|error| Cut(error.to_string()))
    }

    async fn listen(&self) -> Result<BoxStream<'static, Bytes>, Cut> {
        let subscribed = self.client.subscribe(self.subject.clone()).await;
        let messages = subscribed.map_err(|error| Cut(error.to_string()))?;
        Ok(messages.map(|message| message.payload).boxed())
    }

    fn connection(&self) -> Option<u64> {
        let is_there = self.client.connection_state() == State::Connected;
        is_there.then(|| self.statistics.connects.load(Ordering::SeqCst))
    }
}
