//! Ask, read, wait, list and cancel.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mediatype::MediaType;
use mediatype::names::{APPLICATION, JSON, PLAIN, TEXT};
use warp::Reply;
use warp::http::{HeaderValue, StatusCode, header};

use super::call::request_id;
use super::etag::{KnownTags, etag};
use super::params::{self, Query, invalid};
use super::{Call, Handled, Kind, Problem, Renderings, Response, digest};
use crate::approvals::{Access, Asked, Error};
use crate::domain::{
    Ask, BadName, Command, Details, Event, Field, RequestId, Status, TextError, Timestamp, Title,
    Topic, Whom,
};
use crate::hub::Wants;
use crate::limits;
use crate::store::{ListQuery, Page, Place, StoreError};
use crate::wire::{self, AskBody, ListView, Rendering, RequestView, media};

/// What ask, read and wait can be answered with, our favourite first.
const OFFERS: &[MediaType<'static>] = &[
    MediaType::new(APPLICATION, JSON),
    MediaType::new(TEXT, PLAIN),
];

/// How a request is written into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The public view.
    Json,
    /// The status word alone.
    Word,
}

fn form(call: &Call) -> Result<Form, Problem> {
    Ok(if call.negotiate(OFFERS)? == 0 {
        Form::Json
    } else {
        Form::Word
    })
}

/// `POST /v1/requests`.
pub(super) async fn ask(mut call: Box<Call>) -> Handled {
    if call.api.approvals.drain().is_cancelled() {
        let detail = "this daemon is shutting down; ask again in a moment";
        return Err(Problem::new(Kind::Draining, detail));
    }
    let access = call.access()?;
    let form = form(&call)?;
    let query = call.query(&["wait"])?;
    let wait = params::wait(&query, &call.headers)?;
    let key = call.text_header(wire::header::IDEMPOTENCY_KEY)?;
    let key = key
        .map(params::idempotency_key)
        .transpose()?
        .map(str::to_owned);
    let ask = checked(call.json().await?)?;
    let renderings = Arc::clone(&call.api.renderings);
    // What the call brought is not kept while it waits.
    drop(call);
    let random = random_id()?;
    let asked = access.ask(ask, key.as_deref(), || random).await?;
    log(&asked);
    let (event, waited) = wait_after_ask(&access, asked.event, wait).await?;
    let view = |rendering: Rendering| {
        // Counted now, and not when it was asked: it is for whoever wonders whether to wait.
        rendering.asked(access.approvers_connected(&event.request))
    };
    let mut response = shown(&event, form, waited, || view(renderings.of(&event)));
    if asked.replayed {
        let name = wire::header::IDEMPOTENCY_REPLAYED;
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static("true"));
    } else {
        *response.status_mut() = StatusCode::CREATED;
    }
    let location = format!("/v1/requests/{}", event.request.id);
    let location = HeaderValue::try_from(location).expect("an id is plain ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn log(asked: &Asked) {
    let request = &asked.event.request;
    let (id, topic, by) = (
        request.id,
        request.topic.as_str(),
        request.requester.principal.as_str(),
    );
    tracing::info!(%id, topic, by, replayed = asked.replayed, "asked");
}

/// The ask counts already, so what hinders the wait does not make it fail: it waits no time. The
/// event is not kept meanwhile, because thousands may wait, and each with its own details.
async fn wait_after_ask(
    access: &Access,
    event: Event,
    wait: Option<Duration>,
) -> Result<(Event, Option<Duration>), Problem> {
    let Some(wait) = wait else {
        return Ok((event, None));
    };
    let id = event.request.id;
    drop(event);
    match access.wait(id, Wants::Final, wait).await {
        Ok(event) => Ok((event, Some(wait))),
        Err(error @ Error::RightsEnded) => Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, "ask does not wait");
            // Asking again with the same key is right then, and nothing else is known here.
            let unknown = |error: Error| StoreError::OutcomeUnknown(error.to_string());
            let read = access.read(id).await;
            let event = read.map_err(|error| Error::Store(unknown(error)))?;
            Ok((event, Some(Duration::ZERO)))
        }
    }
}

fn random_id() -> Result<RequestId, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes from the system");
        Problem::new(Kind::Internal, "the daemon has no source of random bytes")
    })?;
    Ok(RequestId::from_bytes(bytes))
}

/// Checks an ask member by member.
///
/// # Errors
/// The first member that is wrong.
pub fn checked(body: AskBody) -> Result<Ask, Problem> {
    let digest = digest::of(&body);
    let fields = body.fields.unwrap_or_default();
    if fields.len() > limits::FIELDS {
        let (actual, most) = (fields.len(), limits::FIELDS);
        let detail = format!("fields: has {actual} fields, at most {most} are taken");
        return Err(Problem::new(Kind::InvalidMember, detail));
    }
    let fields = fields.into_iter().enumerate().map(|(n, field)| {
        Field::new(field.name, field.value)
            .map_err(|(part, error)| member(&format!("fields[{n}].{part}"), &error))
    });
    Ok(Ask {
        title: Title::new(body.title).map_err(|error| member("title", &error))?,
        details: Details::new(body.details.unwrap_or_default())
            .map_err(|error| member("details", &error))?,
        fields: fields.collect::<Result<_, _>>()?,
        topic: match body.topic {
            Some(topic) => Topic::new(topic).map_err(|error| member("topic", &error))?,
            None => Topic::default(),
        },
        expires_in: body.expires_in_secs.map(expires_in).transpose()?,
        match_code: body.match_code,
        command: body.command.map(command).transpose()?,
        need: body.need.map(need).transpose()?,
        from: from(&body.from.unwrap_or_default())?,
        lease: body.lease_secs.map(lease).transpose()?,
        use_within: use_within(body.use_within_secs)?,
        digest,
    })
}

fn command(command: wire::Command) -> Result<Command, Problem> {
    let checked = Command::from(command).checked();
    checked.map_err(|error| invalid_member(format!("command: {error}")))
}

fn need(need: u64) -> Result<u32, Problem> {
    let most = limits::VOTES_NEEDED;
    let taken = u32::try_from(need)
        .ok()
        .filter(|need| (1..=most).contains(need));
    taken.ok_or_else(|| invalid_member(format!("need: is {need}, from 1 to {most} is taken")))
}

fn from(names: &[String]) -> Result<Vec<Whom>, Problem> {
    let (actual, most) = (names.len(), limits::FROM);
    if actual > most {
        return Err(invalid_member(format!(
            "from: has {actual} names, at most {most} are taken"
        )));
    }
    let names = names.iter().enumerate().map(|(n, name)| {
        let whom = name.parse();
        whom.map_err(|error: BadName| invalid_member(format!("from[{n}]: {error}")))
    });
    names.collect()
}

fn lease(secs: u64) -> Result<Duration, Problem> {
    within("lease_secs", secs, limits::LEASE)
}

fn use_within(secs: Option<u64>) -> Result<Duration, Problem> {
    let (min, default, max) = limits::USE_WITHIN;
    match secs {
        None => Ok(default),
        Some(secs) => within("use_within_secs", secs, (min, max)),
    }
}

fn within(name: &str, secs: u64, (min, max): (Duration, Duration)) -> Result<Duration, Problem> {
    let asked = Duration::from_secs(secs);
    if (min..=max).contains(&asked) {
        return Ok(asked);
    }
    let (min, max) = (min.as_secs(), max.as_secs());
    Err(invalid_member(format!(
        "{name}: is {secs}, from {min} to {max} is taken"
    )))
}

fn invalid_member(detail: String) -> Problem {
    Problem::new(Kind::InvalidMember, detail)
}

fn expires_in(secs: u64) -> Result<Duration, Problem> {
    let bounds = (limits::EXPIRY_MIN, limits::EXPIRY_MAX);
    within("expires_in_secs", secs, bounds)
}

/// A member of the body that the domain does not take.
pub(super) fn member(name: &str, error: &TextError) -> Problem {
    Problem::new(Kind::InvalidMember, format!("{name}: {error}"))
}

/// `GET /v1/requests/{id}`, at once or as a long poll.
pub(super) async fn read(call: Box<Call>, id: String) -> Handled {
    let access = call.access()?;
    let form = form(&call)?;
    let id = request_id(&id)?;
    let query = call.query(&["wait"])?;
    let wait = params::wait(&query, &call.headers)?;
    let known = KnownTags::of(&call.headers);
    let renderings = Arc::clone(&call.api.renderings);
    drop((call, query));
    let event = match (wait, &known) {
        (None, _) => access.read(id).await?,
        (Some(wait), None) => access.wait(id, Wants::Final, wait).await?,
        (Some(wait), Some(known)) => {
            let present = access.read(id).await?;
            if known.have(&present) {
                access.wait(id, Wants::After(present.id), wait).await?
            } else {
                present
            }
        }
    };
    let unchanged = known.is_some_and(|known| known.have(&event));
    if unchanged {
        return Ok(not_modified(&event, wait));
    }
    Ok(answer(&event, form, wait, &renderings))
}

/// The request as an answer with its entity tag and, after a long poll, the wait that was used.
fn answer(
    event: &Event,
    form: Form,
    waited: Option<Duration>,
    renderings: &Renderings,
) -> Response {
    shown(event, form, waited, || renderings.of(event).single())
}

fn shown(
    event: &Event,
    form: Form,
    waited: Option<Duration>,
    view: impl FnOnce() -> Bytes,
) -> Response {
    let mut response = match form {
        Form::Json => written(view()),
        Form::Word => {
            let mut response = format!("{}\n", event.request.status.as_str()).into_response();
            let text = HeaderValue::from_static(media::TEXT);
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        }
    };
    mark(&mut response, event, waited);
    response
}

fn not_modified(event: &Event, waited: Option<Duration>) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    mark(&mut response, event, waited);
    response
}

fn mark(response: &mut Response, event: &Event, waited: Option<Duration>) {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(event));
    // The answer depends on these, so a cache may not mix them up.
    headers.insert(header::VARY, HeaderValue::from_static("accept, prefer"));
    if let Some(waited) = waited {
        let used = format!("wait={}", waited.as_secs());
        let used = HeaderValue::try_from(used).expect("a number is plain ASCII");
        headers.insert(wire::header::PREFERENCE_APPLIED, used);
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
}

/// A body of our own as JSON.
pub(super) fn json<T: serde::Serialize>(body: &T) -> Response {
    let mut bytes =
        serde_json::to_vec(body).expect("views have text keys and write without errors");
    bytes.push(b'\n');
    written(bytes.into())
}

/// A body that is JSON already.
fn written(body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let media = HeaderValue::from_static(media::JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

/// The request as the answer to a command.
pub(super) fn done(event: &Event, renderings: &Renderings) -> Response {
    answer(event, Form::Json, None, renderings)
}

/// `DELETE /v1/requests/{id}`.
pub(super) async fn cancel(call: Box<Call>, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    let access = call.access()?;
    let event = access.cancel(id).await?;
    tracing::info!(%id, by = access.caller().principal.as_str(), "cancelled");
    Ok(done(&event, &call.api.renderings))
}

/// `GET /v1/requests`.
pub(super) async fn list(call: Box<Call>) -> Handled {
    let access = call.access()?;
    call.negotiate(&OFFERS[..1])?;
    let query = list_query(&call.query(&["status", "topic", "limit", "after"])?)?;
    let approvals = &call.api.approvals;
    let answer = |page: Page| {
        json(&ListView {
            requests: page.events.iter().map(RequestView::<&str>::of).collect(),
            next: page.next.map(place_text),
            event_id: page.head,
            cursor: approvals.cursor(page.head).to_string(),
        })
    };
    Ok(access.list(query, answer).await?)
}

pub(super) fn list_query(query: &Query) -> Result<ListQuery, Problem> {
    let limit = match query.one("limit")? {
        None => limits::LIST_DEFAULT,
        Some(text) => match params::number(text) {
            Some(limit) if (1..=limits::LIST_MAX).contains(&limit) => limit,
            _ => {
                let most = limits::LIST_MAX;
                return Err(invalid(format!(
                    "?limit={text} is no number from 1 to {most}"
                )));
            }
        },
    };
    Ok(ListQuery {
        status: query.one("status")?.map(status).transpose()?,
        topic: query.one("topic")?.map(topic).transpose()?,
        seen_by: None,
        after: query.one("after")?.map(place).transpose()?,
        limit,
    })
}

fn status(text: &str) -> Result<Status, Problem> {
    const ALL: [Status; 5] = [
        Status::Pending,
        Status::Approved,
        Status::Denied,
        Status::Expired,
        Status::Cancelled,
    ];
    ALL.into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| {
            let all = ALL.map(Status::as_str).join(", ");
            invalid(format!(
                "?status={text} is no status; one of {all} is taken"
            ))
        })
}

/// A topic in the query.
pub(super) fn topic(text: &str) -> Result<Topic, Problem> {
    Topic::new(text.to_owned()).map_err(|error| invalid(format!("?topic={text} {error}")))
}

pub(super) fn place_text(place: Place) -> String {
    format!("{}-{}", place.created_at.as_millis(), place.id)
}

fn place(text: &str) -> Result<Place, Problem> {
    let parsed = text.rsplit_once('-').and_then(|(at, id)| {
        Some(Place {
            created_at: Timestamp::from_millis(params::number(at)?),
            id: id.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| {
        invalid(format!(
            "?after={text} is no place in the list; take it from \"next\""
        ))
    })
}
