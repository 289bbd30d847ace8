//! The classic routes: the wire format of the demonstration that this project comes from, for its
//! unchanged pages and servers.
//!
//! They are no part of the contract and say nothing but yes and no. What stands behind them is
//! [`approvals::classic`](crate::approvals::classic).

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use futures_util::{FutureExt, Stream};
use mediatype::Name;
use sync_wrapper::SyncStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::http::{HeaderValue, StatusCode, header};

use super::params::{Query, invalid};
use super::resource::Resource;
use super::{Api, Call, Handled, Kind, Problem, Response};
use crate::approvals::classic::{ChannelName, Classic, Poller, Questions, Receiver};
use crate::domain::{Status, Verdict};
use crate::limits;
use crate::wire::{self, media};

/// The routes, if they are served.
#[rustfmt::skip]
pub(super) fn routes(api: &Api) -> Vec<(&'static str, Resource)> {
    if api.classic.is_none() {
        return Vec::new();
    }
    vec![
        ("/longPolling", Resource::new().for_any_page()
            .get_alone(|call, _| long_polling(call).boxed())),
        ("/btServer", Resource::new()
            .post(|call, _| bt_server(call).boxed())),
        ("/ensure", Resource::new()
            .get_alone(|call, _| ensure(call).boxed())),
        ("/sure", Resource::new()
            .post(|call, _| sure(call).boxed())),
    ]
}

/// `GET /longPolling`, client A's call: 200 is a yes, 204 a no.
async fn long_polling(call: Box<Call>) -> Handled {
    Ok(match outcome(call).await? {
        Outcome::Yes => text("OK"),
        Outcome::No => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /btServer`, server B's call: the number is in the body.
async fn bt_server(mut call: Box<Call>) -> Handled {
    // What B sends says nothing, but it has to be out of the way of its next call.
    call.bytes(limits::CLASSIC_BODY_BYTES).await?;
    Ok(match outcome(call).await? {
        Outcome::Yes => text("200"),
        Outcome::No => text("204"),
    })
}

enum Outcome {
    Yes,
    No,
}

/// Polls for the answer on the call's channel. Everything but a yes and a no is an error.
async fn outcome(call: Box<Call>) -> Result<Outcome, Problem> {
    let channel = channel(&call.any_query())?;
    let classic = classic(&call)?;
    let origin = call.headers.get(header::ORIGIN);
    let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
    let poller = Poller {
        address: call.anybody().address,
        origin,
        receiver: match &call.way_back {
            Some(way_back) => Arc::clone(&way_back.0),
            None => Arc::new(Present),
        },
    };
    // What the call brought is not kept while it waits.
    drop(call);
    match classic.poll(&channel, poller).await? {
        Status::Approved => Ok(Outcome::Yes),
        Status::Denied => Ok(Outcome::No),
        Status::Expired => Err(Problem::new(
            Kind::Expired,
            "nobody said yes or no in time; poll again to ask again",
        )),
        Status::Cancelled | Status::Pending => Err(Problem::new(
            Kind::Cancelled,
            "the question was withdrawn; poll again to ask again",
        )),
    }
}

/// Somebody of whom the transport says nothing.
struct Present;

impl Receiver for Present {
    fn is_gone(&self) -> bool {
        false
    }

    fn has_missed(&self) -> bool {
        false
    }
}

/// `GET /ensure`, client D's stream: one event for each new question.
async fn ensure(call: Box<Call>) -> Handled {
    let channel = channel(&call.any_query())?;
    // Only a reconnecting browser sends it, and then it knows the questions before.
    let cursor = call.headers.get(wire::header::LAST_EVENT_ID);
    let cursor = cursor.map(|cursor| String::from_utf8_lossy(cursor.as_bytes()).into_owned());
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let classic = classic(&call)?;
    let questions = classic.questions(&channel, cursor.as_deref()).await?;
    let reader = Reader {
        questions,
        drain: call.api.approvals.drain().clone(),
        begun: false,
    };
    let mut response = warp::reply::stream(frames(reader)).into_response();
    let headers = response.headers_mut();
    let stream = HeaderValue::from_static(media::EVENT_STREAM);
    headers.insert(header::CONTENT_TYPE, stream);
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Reader {
    questions: Questions,
    drain: CancellationToken,
    begun: bool,
}

fn frames(reader: Reader) -> impl Stream<Item = Result<Bytes, Infallible>> + Sync {
    // As for the stream of the contract: only one task ever polls it.
    SyncStream::new(unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok(bytes), reader))
    }))
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            let retry = limits::STREAM_RETRY.as_millis();
            return Some(Bytes::from(format!("retry: {retry}\n\n")));
        }
        let next = timeout(limits::KEEP_ALIVE, self.questions.next());
        tokio::select! {
            biased;
            () = self.drain.cancelled() => None,
            question = next => Some(match question {
                Ok(cursor) => Bytes::from(format!("id: {cursor}\ndata: ensure\n\n")),
                Err(_) => Bytes::from_static(b": keep-alive\n\n"),
            }),
        }
    }
}

const FORM: Name<'static> = Name::new_unchecked("x-www-form-urlencoded");

/// `POST /sure`, client D's answer.
async fn sure(mut call: Box<Call>) -> Handled {
    let channel = channel(&call.any_query())?;
    // The one content type besides JSON that changes something. A page of another site can send
    // it without being asked, and is refused by its origin.
    call.expect_media(FORM)?;
    let form = Query::of_any(&call.bytes(limits::CLASSIC_BODY_BYTES).await?);
    let verdict = verdict(&form)?;
    let (classic, caller) = (classic(&call)?, call.anybody());
    let event = classic.answer(&channel, &caller, verdict).await?;
    let (id, by) = (event.request.id, caller.principal.as_str());
    let status = event.request.status.as_str();
    tracing::info!(%id, by, ?verdict, status, "decided by a classic page");
    Ok(text("OK"))
}

/// Only the two words of the demonstration count, and only one of them.
fn verdict(form: &Query) -> Result<Verdict, Problem> {
    let refused = |what: String| {
        let detail = format!("{what}; send data=yes or data=no. Nothing was decided");
        Err(Problem::new(Kind::InvalidForm, detail))
    };
    let mut values = form.all("data");
    match (values.next(), values.next()) {
        (Some("yes"), None) => Ok(Verdict::Approve),
        (Some("no"), None) => Ok(Verdict::Deny),
        (Some(other), None) => {
            let shown: String = other.chars().take(32).collect();
            refused(format!("{shown:?} is neither yes nor no"))
        }
        (Some(_), Some(_)) => refused("there is more than one answer in the form".to_owned()),
        (None, _) => refused("there is no answer in the form".to_owned()),
    }
}

fn channel(query: &Query) -> Result<ChannelName, Problem> {
    let name = query.one("channel")?.unwrap_or(ChannelName::DEFAULT);
    let parsed = name.parse::<ChannelName>();
    parsed.map_err(|error| {
        let shown: String = name.chars().take(limits::TOPIC_CHARS).collect();
        invalid(format!("?channel={shown} {error}"))
    })
}

fn classic(call: &Call) -> Result<Arc<Classic>, Problem> {
    let served = call.api.classic.clone();
    served.ok_or_else(|| Problem::new(Kind::NoSuchPath, "the classic routes are not served"))
}

fn text(body: &'static str) -> Response {
    let mut response = body.into_response();
    let text = HeaderValue::from_static(media::TEXT);
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
