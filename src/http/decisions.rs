//! Decide, take that back, use the approval, and report that the question is on a screen.

use warp::Reply;
use warp::http::StatusCode;

use super::call::request_id;
use super::requests::{done, member};
use super::{Call, Handled, Kind, Problem};
use crate::approvals::{Ballot, Error};
use crate::domain::{Caller, Digest, Reason, Refusal, RequestId};
use crate::limits;
use crate::wire::{ConsumeBody, DecisionBody};

/// `POST /v1/requests/{id}/decision`.
pub(super) async fn decide(mut call: Box<Call>, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    let access = call.access()?;
    let body: DecisionBody = call.json().await?;
    let reason = Reason::new(body.reason.unwrap_or_default());
    let reason = reason.map_err(|error| member("reason", &error))?;
    let ballot = Ballot {
        verdict: body.verdict,
        reason,
        shown: body.version,
        code: body.match_code,
    };
    let decided = access.decide(id, ballot).await;
    let event = decided.inspect_err(|error| log_wrong_code(error, id, access.caller()))?;
    let by = access.caller().principal.as_str();
    let status = event.request.status.as_str();
    tracing::info!(%id, by, verdict = ?body.verdict, status, "decided");
    Ok(done(&event, &call.api.renderings))
}

fn log_wrong_code(error: &Error, id: RequestId, caller: &Caller) {
    if let Error::Refused(Refusal::WrongCode { left }, _) = error {
        let by = caller.principal.as_str();
        tracing::warn!(%id, by, left, "wrong match code");
    }
}

/// `DELETE /v1/requests/{id}/decision`.
pub(super) async fn take_back(call: Box<Call>, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    let access = call.access()?;
    let event = access.take_back(id).await?;
    tracing::info!(%id, by = access.caller().principal.as_str(), "vote taken back");
    Ok(done(&event, &call.api.renderings))
}

/// `POST /v1/requests/{id}/consume`.
pub(super) async fn consume(mut call: Box<Call>, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    let access = call.access()?;
    let body: ConsumeBody = call.json().await?;
    let nonce = nonce(&body.nonce)?;
    let event = access.consume(id, nonce).await?;
    tracing::info!(%id, by = access.caller().principal.as_str(), "consumed");
    Ok(done(&event, &call.api.renderings))
}

/// What is kept of a nonce: who reads the store cannot send it.
fn nonce(text: &str) -> Result<Digest, Problem> {
    let (min, max) = limits::NONCE_CHARS;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if (min..=max).contains(&text.chars().count()) && text.chars().all(allowed) {
        return Ok(Digest::of(text.as_bytes()));
    }
    let detail = format!("nonce: must be {min} to {max} letters, digits and -_, drawn at random");
    Err(Problem::new(Kind::InvalidMember, detail))
}

/// `POST /v1/requests/{id}/seen`.
pub(super) async fn seen(call: Box<Call>, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    call.access()?.seen(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
