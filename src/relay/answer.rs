//! A daemon's answer: read whole where it is short, passed on bit by bit where it is a stream.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use sync_wrapper::SyncStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::Place;
use super::headers::to_caller;
use super::outgoing::Outgoing;
use crate::burden::Carrier;
use crate::http::Response;
use crate::limits;
use crate::wire::{self, media};

/// An answer, as far as it was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// All of the body, or its beginning.
    bytes: Bytes,
    rest: Option<Rest>,
}

/// What is still to come of a body.
#[derive(Debug)]
struct Rest {
    response: reqwest::Response,
    is_endless: bool,
}

/// The parts of an answer that a relay looks at.
#[derive(Deserialize)]
struct Glance {
    code: Option<String>,
    status: Option<serde_json::Value>,
}

impl Fetched {
    /// An answer that is there already: an error with this code, or one that is none of ours.
    #[cfg(test)]
    pub(super) fn error(status: StatusCode, code: Option<&str>) -> Self {
        let mut headers = HeaderMap::new();
        let media = code.map_or(media::TEXT, |_| media::PROBLEM);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        let bytes = code.map(|code| format!("{{\"code\":\"{code}\",\"status\":503}}"));
        Self {
            status,
            headers,
            bytes: bytes.unwrap_or_default().into(),
            rest: None,
        }
    }

    /// The status of the request that it shows.
    #[cfg(test)]
    pub(super) fn word(&self) -> String {
        let status = self.glance().and_then(|glance| glance.status);
        status.map_or(String::new(), |it| {
            it.as_str().unwrap_or_default().to_owned()
        })
    }

    /// Reads an answer, all of it unless it is a stream or long; what is there of it counts as a
    /// load of `carrier`.
    ///
    /// # Errors
    /// It breaks off.
    pub(super) async fn read(
        mut response: reqwest::Response,
        method: &Method,
        carrier: &Carrier,
    ) -> Result<Self, reqwest::Error> {
        let mut load = carrier.hold(0);
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
        let is_endless = [media::EVENT_STREAM, media::NDJSON]
            .iter()
            .any(|media| kind.starts_with(media.as_bytes()));
        let is_head = method == Method::HEAD;
        let mut bytes = BytesMut::new();
        let mut whole = is_head;
        while !is_endless && !whole && bytes.len() < limits::RELAY_WHOLE_BYTES {
            match response.chunk().await? {
                Some(part) => {
                    load.grow(part.len());
                    bytes.extend_from_slice(&part);
                }
                None => whole = true,
            }
        }
        Ok(Self {
            status,
            headers: to_caller(response.headers(), status, is_head, whole),
            bytes: bytes.freeze(),
            rest: (!whole).then_some(Rest {
                response,
                is_endless,
            }),
        })
    }

    /// The code of an error, if it is one of ours.
    pub(super) fn code(&self) -> Option<String> {
        let kind = self.headers.get(header::CONTENT_TYPE)?.as_bytes();
        if !kind.starts_with(media::PROBLEM.as_bytes()) {
            return None;
        }
        self.glance()?.code
    }

    /// Whether it says that nothing has become of the request yet.
    pub(super) fn is_pending(&self) -> bool {
        match self.status {
            StatusCode::NOT_MODIFIED => true,
            StatusCode::OK | StatusCode::CREATED => {
                self.bytes.trim_ascii() == b"pending"
                    || self
                        .glance()
                        .is_some_and(|glance| glance.status.is_some_and(|it| it == "pending"))
            }
            _ => false,
        }
    }

    /// How long the daemon wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        Some(Duration::from_secs(value.trim().parse().ok()?))
    }

    /// What its caller would have been answered directly: an ask under a key of ours is the first of
    /// its kind, however often it was sent, and the wait is the one that was asked for.
    pub(super) fn made_direct(mut self, call: &Outgoing, again: bool) -> Self {
        let replayed = self
            .headers
            .contains_key(wire::header::IDEMPOTENCY_REPLAYED);
        if call.has_our_key && replayed {
            self.headers.remove(wire::header::IDEMPOTENCY_REPLAYED);
            if self.status == StatusCode::OK {
                self.status = StatusCode::CREATED;
            }
        }
        let applied = wire::header::PREFERENCE_APPLIED;
        if let Some(wait) = call.wait
            && again
            && self.headers.contains_key(applied)
            && let Ok(wait) = HeaderValue::try_from(format!("wait={}", wait.as_secs()))
        {
            self.headers.insert(applied, wait);
        }
        self
    }

    /// The answer on its way to the caller; `place` is given back when the last of it has gone. A
    /// stream ends when `drain` is cancelled.
    ///
    /// What breaks off here breaks off there, so that nobody takes a part for the whole; those who
    /// read streams come back with the last event id that they have.
    pub(super) fn into_response(self, place: Place, drain: CancellationToken) -> Response {
        let mut response = match self.rest {
            None => Response::new(self.bytes.into()),
            Some(rest) => {
                let first = Some(self.bytes).filter(|bytes| !bytes.is_empty());
                let passing = Passing {
                    first,
                    rest,
                    drain,
                    broken: false,
                    _place: place,
                };
                // Only one task ever polls it.
                let parts = SyncStream::new(unfold(passing, |mut passing| async move {
                    let part = passing.next().await?;
                    Some((part, passing))
                }));
                warp::reply::stream(parts).into_response()
            }
        };
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn glance(&self) -> Option<Glance> {
        serde_json::from_slice(&self.bytes).ok()
    }
}

/// A body that is passed on as it comes, and no faster than it is taken.
struct Passing {
    first: Option<Bytes>,
    rest: Rest,
    drain: CancellationToken,
    broken: bool,
    _place: Place,
}

/// Why a body has broken off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// The connection to the daemon has.
    #[error("the daemon's answer broke off")]
    Daemon(#[from] reqwest::Error),
    /// Not even a keep-alive came for as long as that.
    #[error("the daemon has said nothing for {:?}", limits::STREAM_SILENCE)]
    Silence,
}

impl Passing {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if self.broken {
            return None;
        }
        let next = timeout(limits::STREAM_SILENCE, self.rest.response.chunk());
        let part = tokio::select! {
            biased;
            () = self.drain.cancelled(), if self.rest.is_endless => return None,
            part = next => part,
        };
        let part = match part {
            Ok(Ok(part)) => Ok(part?),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Broken::Silence),
        };
        if let Err(error) = &part {
            tracing::debug!(%error, "an answer breaks off");
            self.broken = true;
        }
        Some(part)
    }
}
