//! The bucket: made when it is missing, checked when it is there, and read and written key by key.

use std::collections::HashMap;
use std::error::Error as _;
use std::future::IntoFuture as _;
use std::sync::Arc;

use async_nats::connection::State as Connection;
use async_nats::datetime::DateTime;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::context::{
    CreateStreamErrorKind, GetStreamErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
    RequestErrorKind,
};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DeleteMessageErrorKind, DiscardPolicy, LastRawMessageErrorKind, RawMessageErrorKind,
    RetentionPolicy, State, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectErrorKind, HeaderMap};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::message::{self, HISTORY, LAYOUT, Named};
use super::{OpenError, Settings};
use crate::domain::{HistoryId, Timestamp};
use crate::limits;

/// A bucket that is ours.
#[derive(Clone)]
pub(super) struct Bucket {
    name: Arc<str>,
    /// What comes before a key in a subject.
    prefix: Arc<str>,
    client: Client,
    context: Context,
    stream: Stream<()>,
}

/// A write on its way.
pub(super) struct Sent(PublishAckFuture);

impl Sent {
    /// Waits for the confirmation; answers the number of the message.
    pub(super) async fn confirmed(self) -> Result<u64, Away> {
        match timeout(limits::NATS_CALL, self.0.into_future()).await {
            Err(_) => Err(Away::Silent("it did not confirm in time".to_owned())),
            Ok(Ok(ack)) => Ok(ack.sequence),
            Ok(Err(error)) => Err(away(&error)),
        }
    }
}

fn away(error: &PublishError) -> Away {
    match error.kind() {
        // The server has said no, as when the bucket is full.
        _ if error
            .source()
            .is_some_and(<dyn std::error::Error>::is::<jetstream::Error>) =>
        {
            Away::Refused(chain(error))
        }
        PublishErrorKind::MaxPayloadExceeded => Away::Refused(chain(error)),
        PublishErrorKind::MaxAckPending => Away::Refused("too many writes wait for it".to_owned()),
        PublishErrorKind::StreamNotFound
        | PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::TimedOut
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::Other => Away::Silent(chain(error)),
    }
}

/// NATS did not do it, or it is not known whether it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Away {
    /// It was refused, and nothing was written or read.
    #[error("{0}")]
    Refused(String),
    /// No answer came.
    #[error("{0}")]
    Silent(String),
    /// There is no such bucket any more.
    #[error("{0}")]
    Gone(String),
}

/// What is known of the bucket as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The number of its last message.
    pub(super) last: u64,
    pub(super) bytes: u64,
    /// The bytes that it may have.
    pub(super) most: Option<u64>,
}

impl Bucket {
    /// Connects, and opens the bucket; makes it first if there is none. Answers the connection too.
    pub(super) async fn open(settings: &Settings) -> Result<(Self, Client, HistoryId), OpenError> {
        let client = connect(settings).await?;
        let mut context = jetstream::context::ContextBuilder::new()
            .timeout(limits::NATS_CALL)
            .ack_timeout(limits::NATS_CALL)
            .max_ack_inflight(limits::WRITE_QUEUE)
            .backpressure_on_inflight(false)
            .build(client.clone());
        context.set_timeout(limits::NATS_CALL);
        let until = Instant::now() + limits::NATS_OPEN;
        let state = loop {
            match found_or_made(&context, settings).await {
                Ok(state) => break state,
                Err(Trouble::Final(error)) => return Err(error),
                // A cluster that has just started has no leader yet.
                Err(Trouble::Passing(error)) if Instant::now() >= until => return Err(error),
                Err(Trouble::Passing(error)) => {
                    tracing::info!(%error, "waiting for NATS");
                    sleep(limits::NATS_RETRY).await;
                }
            }
        };
        let stream = context.get_stream_no_info(stream_name(settings)).await;
        let stream = stream.map_err(|error| silent(settings, &error))?;
        let bucket = Self {
            name: settings.bucket.as_str().into(),
            prefix: format!("$KV.{}.", settings.bucket).into(),
            client: client.clone(),
            context,
            stream,
        };
        let history = loop {
            match bucket.history(&state).await {
                Ok(history) => break history,
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(error)) if Instant::now() >= until => return Err(error),
                Err(Trouble::Passing(error)) => {
                    tracing::info!(%error, "waiting for NATS");
                    sleep(limits::NATS_RETRY).await;
                }
            }
        };
        Ok((bucket, client, history))
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == Connection::Connected
    }

    /// The key of a subject; `None` for one of another bucket.
    pub(super) fn key<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject.strip_prefix(&*self.prefix)
    }

    /// The history number; a bucket without requests gets one.
    ///
    /// It is drawn anew where somebody has deleted it, which is how an operator says that the bucket
    /// was put back to an older state.
    async fn history(&self, state: &State) -> Result<HistoryId, Trouble> {
        let passing = |away: Away| {
            Trouble::Passing(OpenError::Silent {
                bucket: self.name.to_string(),
                reason: away.to_string(),
            })
        };
        let latest = self.latest(HISTORY).await.map_err(passing)?;
        match &latest {
            Some(message) if !message::is_deletion(&message.headers) => {
                return self.first_named(&message.payload).await;
            }
            None if state.messages > 0 => {
                return Err(Trouble::Final(OpenError::Foreign {
                    bucket: self.name.to_string(),
                    what: format!("it has messages, and none with the key {HISTORY}"),
                }));
            }
            Some(_) | None => {}
        }
        let mut bits = [0; 8];
        getrandom::fill(&mut bits).map_err(|error| {
            Trouble::Final(OpenError::Silent {
                bucket: self.name.to_string(),
                reason: format!("no random bytes: {error}"),
            })
        })?;
        let drawn = HistoryId::from_random(u64::from_ne_bytes(bits));
        let value = serde_json::to_vec(&Named::new(drawn)).expect("numbers can be written");
        let put = self.begin_put(HISTORY, HeaderMap::new(), value.into());
        let put = async { put.await?.confirmed().await };
        // Whether it was this node's number or another's is seen by reading it.
        put.await.map_err(passing)?;
        Err(passing(Away::Refused(
            "its history was just named".to_owned(),
        )))
    }

    /// The first number since the last deletion: several nodes may have drawn one at once, and with
    /// each more than one may have been stored.
    async fn first_named(&self, latest: &[u8]) -> Result<HistoryId, Trouble> {
        let subject = format!("{}{HISTORY}", self.prefix);
        let mut first = None;
        let mut from = 1;
        loop {
            let next = self.stream.raw_message_builder().sequence(from);
            let next = timeout(limits::NATS_CALL, next.next_by_subject(&*subject).send()).await;
            let message = match next {
                Ok(Ok(message)) => message,
                Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Ok(Err(error)) => return Err(Trouble::Passing(self.silent(&chain(&error)))),
                Err(_) => return Err(Trouble::Passing(self.silent("it did not answer in time"))),
            };
            from = message.sequence + 1;
            if message::is_deletion(&message.headers) {
                first = None;
            } else if first.is_none() {
                first = Some(message.payload);
            }
        }
        let first = first.as_deref().unwrap_or(latest);
        named(&self.name, first).map_err(Trouble::Final)
    }

    fn silent(&self, reason: &str) -> OpenError {
        OpenError::Silent {
            bucket: self.name.to_string(),
            reason: reason.to_owned(),
        }
    }

    /// The latest message of a key, read at the leader: what was confirmed before is seen.
    pub(super) async fn latest(&self, key: &str) -> Result<Option<StreamMessage>, Away> {
        let subject = format!("{}{key}", self.prefix);
        let read = self.stream.get_last_raw_message_by_subject(&subject);
        let read = timeout(limits::NATS_CALL, read).await;
        let Ok(read) = read else {
            return Err(Away::Silent("it did not answer in time".to_owned()));
        };
        match read {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(error) => match error.error_code() {
                    ErrorCode::NO_MESSAGE_FOUND => Ok(None),
                    ErrorCode::STREAM_NOT_FOUND => Err(Away::Gone(error.to_string())),
                    _ => Err(Away::Refused(error.to_string())),
                },
                LastRawMessageErrorKind::InvalidSubject | LastRawMessageErrorKind::Other => {
                    Err(Away::Silent(chain(&error)))
                }
            },
        }
    }

    /// When NATS has stored the message of this number, by its own clock; `None` when it is gone.
    pub(super) async fn time_of(&self, number: u64) -> Result<Option<Timestamp>, Away> {
        let read = self.stream.raw_message_builder().sequence(number).send();
        match timeout(limits::NATS_CALL, read).await {
            Ok(Ok(message)) => Ok(Some(stored_at(message.time))),
            Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Ok(Err(error)) => Err(Away::Silent(chain(&error))),
            Err(_) => Err(Away::Silent("it did not answer in time".to_owned())),
        }
    }

    /// Whether the message of this number is gone, and with it all others of its key.
    ///
    /// A server that was cut off may not have it yet, and one of version 2.9 may say that a key has
    /// none when its last one was just removed: so the message itself is asked for, and the server
    /// has to say that it knows of as many.
    ///
    /// # Errors
    /// No server answers, or what they answer does not fit together.
    pub(super) async fn is_gone(&self, key: &str, number: u64) -> Result<bool, Away> {
        #[derive(Deserialize)]
        struct Info {
            state: State,
        }
        #[derive(Deserialize)]
        struct State {
            last_seq: u64,
            subjects: Option<HashMap<String, u64>>,
        }
        if self.time_of(number).await?.is_some() {
            return Ok(false);
        }
        let filter = serde_json::json!({ "subjects_filter": format!("{}{key}", self.prefix) });
        let call = format!("STREAM.INFO.KV_{}", self.name);
        let info = self.context.request(call, &filter);
        let info: Response<Info> = match timeout(limits::NATS_CALL, info).await {
            Ok(info) => info.map_err(|error| Away::Silent(chain(&error)))?,
            Err(_) => return Err(Away::Silent("it did not answer in time".to_owned())),
        };
        let state = match info {
            Response::Ok(info) => info.state,
            Response::Err { error } => return Err(Away::Refused(error.to_string())),
        };
        if state.last_seq < number {
            return Err(Away::Silent(format!(
                "a server answers that has {} messages where others have {number}",
                state.last_seq
            )));
        }
        if state.subjects.is_some_and(|found| !found.is_empty()) {
            return Err(Away::Silent(format!(
                "message {number} of the key {key} was removed, and others of it are there: restart pushd"
            )));
        }
        Ok(true)
    }

    /// Begins to write a key, before all that is begun later.
    ///
    /// NATS could be told which message it has to follow, and is not. What it refuses after the
    /// replicas have agreed on it, as it does with a message that has to be the first of its key, a
    /// server of version 2.9 counts wrong when it comes back, and from then on has other messages
    /// under the same numbers than the others.
    pub(super) async fn begin_put(
        &self,
        key: &str,
        headers: HeaderMap,
        value: Bytes,
    ) -> Result<Sent, Away> {
        let message = PublishMessage::build()
            .headers(headers)
            .payload(value)
            .expected_stream(format!("KV_{}", self.name));
        self.send(key, message).await
    }

    /// Writes a key whatever it has.
    pub(super) async fn overwrite(
        &self,
        key: &str,
        headers: HeaderMap,
        value: Bytes,
    ) -> Result<u64, Away> {
        let message = PublishMessage::build().headers(headers).payload(value);
        self.send(key, message).await?.confirmed().await
    }

    /// Hands a write over to the connection, which keeps the order.
    async fn send(&self, key: &str, message: PublishMessage) -> Result<Sent, Away> {
        if !self.is_connected() {
            // It would be kept, and sent whenever there is a connection again.
            return Err(Away::Refused("there is no connection to NATS".to_owned()));
        }
        let subject = format!("{}{key}", self.prefix);
        let sent = self.context.send_publish(subject, message);
        match timeout(limits::NATS_CALL, sent).await {
            Ok(Ok(ack)) => Ok(Sent(ack)),
            Ok(Err(error)) => Err(away(&error)),
            Err(_) => Err(Away::Silent(
                "the connection took no more in time".to_owned(),
            )),
        }
    }

    /// Removes the messages of a key up to this number, with nothing in their place.
    pub(super) async fn purge(&self, key: &str, up_to: u64) -> Result<(), Away> {
        let subject = format!("{}{key}", self.prefix);
        let purge = self.stream.purge().sequence(up_to + 1).filter(subject);
        match timeout(limits::NATS_CALL, purge.into_future()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Away::Silent(chain(&error))),
            Err(_) => Err(Away::Silent("it did not answer in time".to_owned())),
        }
    }

    /// Removes the message of this number, with nothing in its place; so one that is gone already is
    /// removed as well.
    pub(super) async fn remove(&self, number: u64) -> Result<(), Away> {
        let removed = timeout(limits::NATS_CALL, self.stream.delete_message(number)).await;
        let Ok(removed) = removed else {
            return Err(Away::Silent("it did not answer in time".to_owned()));
        };
        match removed {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                DeleteMessageErrorKind::JetStream(error) => match error.error_code() {
                    ErrorCode::NO_MESSAGE_FOUND | ErrorCode::STREAM_MESSAGE_DELETE_FAILED => Ok(()),
                    _ => Err(Away::Refused(error.to_string())),
                },
                DeleteMessageErrorKind::Request | DeleteMessageErrorKind::TimedOut => {
                    Err(Away::Silent(chain(&error)))
                }
            },
        }
    }

    /// Where the bucket stands, by its leader.
    pub(super) async fn standing(&self) -> Result<Standing, Away> {
        let asked = timeout(limits::NATS_CALL, self.stream.get_info()).await;
        let Ok(asked) = asked else {
            return Err(Away::Silent("it did not answer in time".to_owned()));
        };
        match asked {
            Ok(info) => Ok(Standing {
                last: info.state.last_sequence,
                bytes: info.state.bytes,
                most: u64::try_from(info.config.max_bytes)
                    .ok()
                    .filter(|most| *most > 0),
            }),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => Away::Silent("no server answers".to_owned()),
                RequestErrorKind::TimedOut
                | RequestErrorKind::InvalidSubject
                | RequestErrorKind::Other => Away::Silent(chain(&error)),
            }),
        }
    }

    /// All messages from this number on, in order, and those that follow.
    pub(super) async fn follow(&self, from: u64) -> Result<Ordered, Away> {
        let config = OrderedConfig {
            deliver_subject: self.context.client().new_inbox(),
            description: Some("pushd".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: from.max(1),
            },
            ..OrderedConfig::default()
        };
        let following = async {
            let consumer = self.stream.create_consumer(config).await;
            let consumer = consumer.map_err(|error| chain(&error))?;
            consumer.messages().await.map_err(|error| chain(&error))
        };
        match timeout(limits::NATS_CALL, following).await {
            Ok(Ok(messages)) => Ok(messages),
            Ok(Err(why)) => Err(Away::Silent(why)),
            Err(_) => Err(Away::Silent("it did not answer in time".to_owned())),
        }
    }
}

/// A time that NATS gives, to the millisecond.
pub(super) fn stored_at(time: DateTime) -> Timestamp {
    let millis = time.unix_timestamp_nanos() / 1_000_000;
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Whether a fault may pass by itself.
enum Trouble {
    Final(OpenError),
    Passing(OpenError),
}

async fn connect(settings: &Settings) -> Result<Client, OpenError> {
    let servers = || settings.servers.to_string();
    let options = settings.options()?;
    let until = Instant::now() + limits::NATS_OPEN;
    let client = timeout_at(until, options.connect(settings.addresses())).await;
    let client = match client {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            let reason = chain(&error);
            return Err(match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    let servers = servers();
                    OpenError::NotLetIn { servers, reason }
                }
                ConnectErrorKind::ServerParse
                | ConnectErrorKind::Dns
                | ConnectErrorKind::TimedOut
                | ConnectErrorKind::Tls
                | ConnectErrorKind::Io
                | ConnectErrorKind::MaxReconnects => {
                    let servers = servers();
                    OpenError::Unreachable { servers, reason }
                }
            });
        }
        Err(_) => {
            return Err(OpenError::Unreachable {
                servers: servers(),
                reason: "no answer in time".to_owned(),
            });
        }
    };
    let found = client.server_info().max_payload;
    if found < limits::NATS_PAYLOAD_BYTES {
        return Err(OpenError::Payload {
            servers: servers(),
            found,
            least: limits::NATS_PAYLOAD_BYTES,
        });
    }
    Ok(client)
}

fn stream_name(settings: &Settings) -> String {
    format!("KV_{}", settings.bucket)
}

/// The stream as it is made. Reads are answered by its leader alone (`allow_direct` is off), and
/// nothing is ever dropped to make room.
pub(super) fn config(settings: &Settings) -> Config {
    Config {
        name: stream_name(settings),
        subjects: vec![format!("$KV.{}.>", settings.bucket)],
        description: Some("requests for approval, kept by pushd".to_owned()),
        max_messages_per_subject: i64::from(limits::NATS_HISTORY),
        max_bytes: i64::try_from(settings.max_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        allow_direct: false,
        ..Config::default()
    }
}

async fn found_or_made(context: &Context, settings: &Settings) -> Result<State, Trouble> {
    let asked = timeout(limits::NATS_CALL, context.get_stream(stream_name(settings))).await;
    let Ok(asked) = asked else {
        return Err(Trouble::Passing(silent(
            settings,
            &"it did not answer in time",
        )));
    };
    match asked {
        Ok(stream) => {
            let info = stream.cached_info();
            check(&info.config, settings).map_err(Trouble::Final)?;
            Ok(info.state.clone())
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) => match error.error_code() {
                ErrorCode::STREAM_NOT_FOUND => made(context, settings).await,
                ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                    Err(Trouble::Final(no_jetstream(settings, error.to_string())))
                }
                _ => Err(Trouble::Passing(silent(settings, &error))),
            },
            // Without JetStream nobody answers, and so it is while a cluster begins.
            GetStreamErrorKind::Request => {
                Err(Trouble::Passing(no_jetstream(settings, chain(&error))))
            }
            GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                Err(Trouble::Final(silent(settings, &error)))
            }
        },
    }
}

async fn made(context: &Context, settings: &Settings) -> Result<State, Trouble> {
    let made = timeout(limits::NATS_CALL, context.create_stream(config(settings))).await;
    let Ok(made) = made else {
        return Err(Trouble::Passing(silent(
            settings,
            &"it was not made in time",
        )));
    };
    let error = match made {
        Ok(stream) => {
            tracing::info!(bucket = %settings.bucket, replicas = settings.replicas, "bucket made");
            return Ok(stream.cached_info().state.clone());
        }
        Err(error) => error,
    };
    let not_made = |reason: String, hint: &'static str| OpenError::NotMade {
        bucket: settings.bucket.clone(),
        replicas: settings.replicas,
        reason,
        hint,
    };
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => match error.error_code() {
            // Another node was first; what it made is checked.
            ErrorCode::STREAM_NAME_EXIST => Err(Trouble::Passing(not_made(error.to_string(), ""))),
            ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => Err(Trouble::Final(not_made(
                error.to_string(),
                "; this server is alone: join it to others, or use --nats-replicas 1",
            ))),
            ErrorCode::STORAGE_RESOURCES_EXCEEDED => Err(Trouble::Final(not_made(
                error.to_string(),
                "; free some space there, or let the bucket have less with --nats-max-bytes",
            ))),
            // Among them that the cluster has too few servers, which may still be starting.
            _ => Err(Trouble::Passing(not_made(
                error.to_string(),
                "; does the cluster have as many servers, with room for --nats-max-bytes each?",
            ))),
        },
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet
        | CreateStreamErrorKind::JetStreamUnavailable
        | CreateStreamErrorKind::TimedOut
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => {
            Err(Trouble::Passing(not_made(chain(&error), "")))
        }
    }
}

/// Whether a bucket that was there does what a store has to.
fn check(found: &Config, settings: &Settings) -> Result<(), OpenError> {
    let wanted = config(settings);
    let foreign = |what: &str| OpenError::Foreign {
        bucket: settings.bucket.clone(),
        what: what.to_owned(),
    };
    if found.subjects != wanted.subjects {
        return Err(foreign("its subjects are others"));
    }
    if found.mirror.is_some() || found.sources.as_ref().is_some_and(|some| !some.is_empty()) {
        return Err(foreign("it is a copy of another"));
    }
    let setting = |setting, found: String, wanted: String, edit: &str| OpenError::Setting {
        bucket: settings.bucket.clone(),
        setting,
        found,
        wanted,
        remedy: format!(
            "`nats stream edit {} {edit}` changes it",
            stream_name(settings)
        ),
    };
    let per_key = found.max_messages_per_subject;
    if per_key > 0 && per_key < i64::from(limits::NATS_HISTORY) {
        let least = limits::NATS_HISTORY.to_string();
        let edit = format!("--max-msgs-per-subject {least}");
        let found = per_key.to_string();
        return Err(setting("a history per key of", found, least, &edit));
    }
    if found.num_replicas != settings.replicas {
        let (is, asked) = (found.num_replicas, settings.replicas);
        return Err(OpenError::Setting {
            bucket: settings.bucket.clone(),
            setting: "replicas:",
            found: is.to_string(),
            wanted: format!("the {asked} of --nats-replicas"),
            remedy: format!(
                "start pushd with --nats-replicas {is}, or change them with `nats stream edit {} \
                 --replicas {asked}`",
                stream_name(settings)
            ),
        });
    }
    if !found.max_age.is_zero() {
        let found = format!("{:?}", found.max_age);
        return Err(setting(
            "an age limit of",
            found,
            "none".to_owned(),
            "--max-age 0",
        ));
    }
    // With a limit at which old messages go, requests would be lost without a word.
    let is_bounded = found.max_bytes > 0 || found.max_messages > 0;
    if found.discard != DiscardPolicy::New && is_bounded {
        let (found, wanted) = ("old".to_owned(), "new".to_owned());
        return Err(setting(
            "a discard policy of",
            found,
            wanted,
            "--discard new",
        ));
    }
    if found.retention != RetentionPolicy::Limits || found.discard_new_per_subject {
        return Err(OpenError::Setting {
            bucket: settings.bucket.clone(),
            setting: "retention",
            found: "by what others have read, or with a limit for each key".to_owned(),
            wanted: "by limits of the whole alone".to_owned(),
            remedy: "it cannot be changed, so let pushd make a bucket of its own".to_owned(),
        });
    }
    let largest = usize::try_from(found.max_message_size).unwrap_or_default();
    if largest > 0 && largest < limits::NATS_PAYLOAD_BYTES {
        let wanted = limits::NATS_PAYLOAD_BYTES.to_string();
        let edit = format!("--max-msg-size {wanted}");
        let found = largest.to_string();
        return Err(setting("a largest message of", found, wanted, &edit));
    }
    if found.storage != StorageType::File {
        return Err(OpenError::Setting {
            bucket: settings.bucket.clone(),
            setting: "storage in",
            found: "memory".to_owned(),
            wanted: "files".to_owned(),
            remedy: "it cannot be changed, so make the bucket anew".to_owned(),
        });
    }
    if found.deny_delete || found.sealed || found.no_ack {
        return Err(OpenError::Setting {
            bucket: settings.bucket.clone(),
            setting: "deletions, writes or confirmations",
            found: "denied".to_owned(),
            wanted: "allowed".to_owned(),
            remedy: "it cannot be changed, so let pushd make a bucket of its own".to_owned(),
        });
    }
    Ok(())
}

fn named(bucket: &str, value: &[u8]) -> Result<HistoryId, OpenError> {
    let foreign = |what: String| OpenError::Foreign {
        bucket: bucket.to_owned(),
        what,
    };
    let named: Named = serde_json::from_slice(value)
        .map_err(|error| foreign(format!("its key {HISTORY} cannot be read: {error}")))?;
    if named.layout != LAYOUT {
        return Err(OpenError::Newer {
            bucket: bucket.to_owned(),
            found: named.layout,
            known: LAYOUT,
        });
    }
    named
        .history
        .and_then(HistoryId::from_stored)
        .ok_or_else(|| foreign(format!("its key {HISTORY} has no number")))
}

fn silent(settings: &Settings, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::Silent {
        bucket: settings.bucket.clone(),
        reason: reason.to_string(),
    }
}

fn no_jetstream(settings: &Settings, reason: String) -> OpenError {
    OpenError::NoJetStream {
        servers: settings.servers.to_string(),
        reason,
    }
}

/// An error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        // Many of them say their cause themselves.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
