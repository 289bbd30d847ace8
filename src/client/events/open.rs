//! One attempt to open a stream, redirects included.

use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::reconnect::{is_event_stream, may_have_credentials, redirect_target};
use crate::client::Client;
use crate::client::answer;
use crate::client::error::CallError;
use crate::client::nodes::Node;
use crate::domain::Timestamp;
use crate::limits;
use crate::wire::{header, media};

/// A response that is a stream.
pub(super) struct Opened {
    pub(super) response: Response,
    pub(super) resumed: bool,
    pub(super) now: Option<Timestamp>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotOpen {
    /// 204: do not come again.
    Ended,
    /// 401 or 403.
    Refused(String),
    /// Anything else, which may pass.
    Failed(CallError),
}

impl NotOpen {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(CallError::broken(why.into()))
    }

    fn foreign(what: String) -> Self {
        Self::Failed(CallError::NotPushd { what })
    }
}

/// Opens the stream below the address with this `number`, going on after `last_id` unless that is
/// empty. Each answer may take as long as `patience`.
pub(super) async fn open(
    client: Client,
    number: usize,
    path: String,
    last_id: String,
    patience: Duration,
) -> Result<Opened, NotOpen> {
    let node = client.nodes().get(number);
    let url = node.url.join(&path);
    let cursor = cursor(&last_id);
    let resumed = cursor.is_some();
    let mut target = url.clone();
    for _ in 0..=limits::REDIRECTS {
        let sent = send(&client, node, &target, cursor.clone());
        let response = timeout(patience, sent)
            .await
            .map_err(|_| failure(CallError::silent(patience)))??;
        if is_redirect(response.status()) {
            target = follow(&target, &response)?;
            continue;
        }
        let now = answer::date(response.headers());
        let response = check(response).await?;
        return Ok(Opened {
            response,
            resumed,
            now,
        });
    }
    Err(NotOpen::failed(format!(
        "more than {} redirects",
        limits::REDIRECTS
    )))
}

/// The header that resumes; an id that no header can carry is as good as none, because then all
/// that is pending is sent.
fn cursor(last_id: &str) -> Option<HeaderValue> {
    let fits = !last_id.is_empty() && last_id.len() <= limits::LAST_EVENT_ID_BYTES;
    fits.then(|| HeaderValue::from_bytes(last_id.as_bytes()).ok())?
}

async fn send(
    client: &Client,
    node: &Node,
    target: &Url,
    cursor: Option<HeaderValue>,
) -> Result<Response, NotOpen> {
    // The daemon's own client knows what identifies us, so it is for the named origin alone.
    let http = if may_have_credentials(node.url.as_url(), target) {
        node.http.clone()
    } else {
        client
            .nodes()
            .http_elsewhere(target)
            .map_err(|error| NotOpen::failed(error.to_string()))?
    };
    let mut call = http
        .get(target.clone())
        .header(ACCEPT, media::EVENT_STREAM)
        .header(CACHE_CONTROL, "no-store");
    if let Some(cursor) = cursor {
        call = call.header(header::LAST_EVENT_ID, cursor);
    }
    call.send()
        .await
        .map_err(|error| failure(node.unreached(&error)))
}

const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn follow(from: &Url, response: &Response) -> Result<Url, NotOpen> {
    let location = response.headers().get(LOCATION);
    location
        .and_then(|location| redirect_target(from, location.to_str().ok()?))
        .ok_or_else(|| NotOpen::failed("a redirect that leads nowhere"))
}

/// Whether the response is a stream (HTML Standard, section 9.2.3).
async fn check(response: Response) -> Result<Response, NotOpen> {
    let status = response.status();
    if status == StatusCode::NO_CONTENT {
        return Err(NotOpen::Ended);
    }
    if status != StatusCode::OK {
        return Err(
            match timeout(limits::CALL_TIME, answer::empty(response)).await {
                Ok(Err(error)) => failure(error),
                Ok(Ok(_)) | Err(_) => NotOpen::failed(format!("it answered {status}")),
            },
        );
    }
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match kind {
        Some(kind) if is_event_stream(kind) => Ok(response),
        kind => Err(NotOpen::foreign(format!(
            "it answered with {}, which is no event stream",
            kind.unwrap_or("no content type")
        ))),
    }
}

fn failure(error: CallError) -> NotOpen {
    let refused = matches!(
        error,
        CallError::Refused {
            status: 401 | 403,
            ..
        }
    );
    if refused {
        NotOpen::Refused(error.to_string())
    } else {
        NotOpen::Failed(error)
    }
}
