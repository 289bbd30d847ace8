//! What came back, sorted by what a caller can do about it.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONTENT_TYPE, DATE, ETAG, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::error::{CallError, root};
use crate::domain::Timestamp;
use crate::limits;
use crate::wire::{ProblemView, header, media};

/// A good answer of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What it says.
    pub value: T,
    /// The daemon's time when it answered, to the second; `None` when it does not tell.
    pub date: Option<Timestamp>,
    /// Whether it says that the same was asked before, by the same key.
    pub replayed: bool,
}

/// Reads an answer whose value is JSON: 200 or 201 with `application/json`, as the contract has it.
/// A part of an answer (206), one that was changed on its way (203) or a problem document is none,
/// whatever it seems to say.
pub(super) async fn json<T: DeserializeOwned>(response: Response) -> Result<Answer<T>, CallError> {
    let (head, body) = read(response).await?;
    let kind = head.content_type();
    if !matches!(head.status, StatusCode::OK | StatusCode::CREATED) || kind != media::JSON {
        let what = format!("it answered {} with {}", head.status, shown(&kind));
        return Err(CallError::NotPushd { what });
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok(head.answer(value)),
        Err(error) if error.is_data() => Err(CallError::NotPushd {
            what: format!("it answered with JSON of another kind: {error}"),
        }),
        Err(error) => Err(CallError::broken(format!("the answer is no JSON: {error}"))),
    }
}

/// Reads the answer to a conditional wait: JSON as above, or `None` for a 304 that repeats the
/// entity tag `known`. A 304 without it may be of a cache that knows something else.
pub(super) async fn news<T: DeserializeOwned>(
    response: Response,
    known: &str,
) -> Result<Answer<Option<T>>, CallError> {
    let tag = response.headers().get(ETAG);
    let unchanged = tag.is_some_and(|tag| tag == known);
    if response.status() == StatusCode::NOT_MODIFIED && unchanged {
        let head = Head {
            status: response.status(),
            headers: response.headers().clone(),
        };
        return Ok(head.answer(None));
    }
    let answer = json(response).await?;
    Ok(Answer {
        value: Some(answer.value),
        date: answer.date,
        replayed: answer.replayed,
    })
}

/// Reads an answer that only matters by its status.
pub(super) async fn empty(response: Response) -> Result<Answer<()>, CallError> {
    let (head, body) = read(response).await?;
    let kind = head.content_type();
    if !body.is_empty() && !is_json(&kind) {
        let what = format!("it answered {} with {}", head.status, shown(&kind));
        return Err(CallError::NotPushd { what });
    }
    Ok(head.answer(()))
}

/// Reads an answer that is this word alone, as text.
pub(super) async fn word(response: Response, word: &str) -> Result<(), CallError> {
    let (head, body) = read(response).await?;
    if body.trim_ascii() == word.as_bytes() {
        return Ok(());
    }
    let kind = head.content_type();
    let what = format!("it answered {} with {}", head.status, shown(&kind));
    Err(CallError::NotPushd { what })
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    fn content_type(&self) -> String {
        let kind = self.text(CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn answer<T>(&self, value: T) -> Answer<T> {
        Answer {
            value,
            date: date(&self.headers),
            replayed: self.text(header::IDEMPOTENCY_REPLAYED) == Some("true"),
        }
    }

    /// `Retry-After`, as seconds or as a date (RFC 9110 section 10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        let text = self.text(RETRY_AFTER.as_str())?.trim();
        if let Ok(secs) = text.parse() {
            return Some(Duration::from_secs(secs));
        }
        let now = date(&self.headers)?;
        Some(http_date(text)?.since(now))
    }
}

/// The daemon's time when it answered, to the second.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(0).after(since))
}

/// Head and body of a 2xx; everything else is an error.
async fn read(response: Response) -> Result<(Head, Vec<u8>), CallError> {
    let head = Head {
        status: response.status(),
        headers: response.headers().clone(),
    };
    let body = body(response).await;
    if head.status.is_success() {
        return Ok((head, body?));
    }
    // An error is told by its status already, so a body that cannot be read takes nothing away.
    Err(failure(&head, &body.unwrap_or_default()))
}

async fn body(mut response: Response) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| CallError::broken(format!("the answer broke off: {}", root(&error))))?
    {
        if bytes.len() + chunk.len() > limits::ANSWER_BYTES {
            let what = format!("the answer has more than {} bytes", limits::ANSWER_BYTES);
            return Err(CallError::broken(what));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn failure(head: &Head, body: &[u8]) -> CallError {
    let status = head.status;
    let kind = head.content_type();
    let problem = (kind == media::PROBLEM)
        .then(|| serde_json::from_slice::<ProblemView>(body).ok())
        .flatten();
    let mangled = problem.as_ref().is_some_and(is_mangled);
    if status.is_server_error() || is_passing(status) || mangled {
        let problem = problem.unwrap_or_default();
        let at_limit =
            status == StatusCode::TOO_MANY_REQUESTS || problem.code.starts_with("too_many_");
        return CallError::Transient {
            what: if problem.detail.is_empty() {
                format!("it answered {status}")
            } else {
                format!("{status}: {}", problem.detail)
            },
            retry_after: head.retry_after(),
            at_limit,
            about_us: status == StatusCode::TOO_MANY_REQUESTS,
            unsent: at_limit || problem.code == "draining",
        };
    }
    // A gate in front of the daemon refuses with pages of its own; elsewhere a page says that
    // there is no daemon behind.
    let gate = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    );
    if !status.is_client_error() || (kind == "text/html" && !gate) {
        let what = format!("it answered {status} with {}", shown(&kind));
        return CallError::NotPushd { what };
    }
    let problem = problem.unwrap_or_else(|| ProblemView {
        detail: format!("it answered {status}"),
        status: status.as_u16(),
        ..ProblemView::default()
    });
    CallError::Refused {
        status: status.as_u16(),
        problem: Box::new(problem),
        in_doubt: false,
    }
}

/// 4xx statuses that say "later" and not "no".
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    )
}

/// Whether the daemon says that not all of the call has arrived, or not as it was sent. Our calls
/// are whole, so the connection is at fault, and the next one may do better.
fn is_mangled(problem: &ProblemView) -> bool {
    matches!(problem.code.as_str(), "invalid_body" | "invalid_http")
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind.ends_with("+json")
}

fn shown(kind: &str) -> &str {
    if kind.is_empty() {
        "no content type"
    } else {
        kind
    }
}
