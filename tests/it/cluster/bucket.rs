//! The bucket as NATS has it, read and written past every daemon.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use serde_json::Value;

use crate::nats_server::NatsServers;

/// The name that a daemon gives it unless it is told otherwise.
const BUCKET: &str = "pushd";

/// A connection of our own to the bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    context: Context,
    stream: Stream,
}

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) record: Value,
}

impl Bucket {
    pub(crate) async fn of(servers: &NatsServers) -> Self {
        let client = async_nats::connect(servers.url_of(0)).await.unwrap();
        let context = jetstream::new(client);
        let stream = context.get_stream(format!("KV_{BUCKET}")).await.unwrap();
        Self { context, stream }
    }

    /// What is kept of this request now.
    pub(crate) async fn kept(&self, id: &str) -> Kept {
        let subject = format!("$KV.{BUCKET}.{id}");
        let message = self.stream.get_last_raw_message_by_subject(&subject).await;
        let message = message.expect("there is such a request");
        Kept {
            number: message.sequence,
            headers: message.headers,
            record: serde_json::from_slice(&message.payload).expect("records are JSON"),
        }
    }

    /// Writes what follows `before`, as a daemon does that has read it.
    pub(crate) async fn follow(&self, id: &str, before: &Kept, record: &Value) {
        let mut headers = HeaderMap::new();
        for (name, values) in before.headers.iter() {
            // What NATS was told of the message before is not about this one.
            if !name.to_string().starts_with("Nats-") {
                headers.insert(name.clone(), values[0].clone());
            }
        }
        headers.insert("Pushd-Follows", before.number.to_string().as_str());
        headers.insert(
            "Pushd-Write",
            format!("{:032x}", fastrand::u128(..)).as_str(),
        );
        let subject = format!("$KV.{BUCKET}.{id}");
        let record = record.to_string().into();
        let sent = self.context.publish_with_headers(subject, headers, record);
        sent.await.unwrap().await.unwrap();
    }

    /// Removes the message of this number.
    pub(crate) async fn remove(&self, number: u64) {
        let removed = self.stream.delete_message(number).await;
        assert!(removed.unwrap(), "there is such a message");
    }

    /// Whether anything is kept of this request.
    pub(crate) async fn has(&self, id: &str) -> bool {
        let subject = format!("$KV.{BUCKET}.{id}");
        let read = self.stream.get_last_raw_message_by_subject(&subject).await;
        match read {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), LastRawMessageErrorKind::NoMessageFound);
                false
            }
        }
    }
}
