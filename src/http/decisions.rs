//! Decide, and report that the question is on a screen.

use warp::Reply;
use warp::http::StatusCode;

use super::call::request_id;
use super::requests::{done, member};
use super::{Call, Handled};
use crate::approvals::Error;
use crate::domain::{Caller, Reason, Refusal, RequestId};
use crate::wire::DecisionBody;

/// `POST /v1/requests/{id}/decision`.
pub(super) async fn decide(mut call: Call, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    let access = call.access()?;
    let body: DecisionBody = call.json().await?;
    let reason = Reason::new(body.reason.unwrap_or_default());
    let reason = reason.map_err(|error| member("reason", &error))?;
    let code = body.match_code.as_ref();
    let decided = access
        .decide(id, body.verdict, reason, body.version, code)
        .await;
    let event = decided.inspect_err(|error| log_wrong_code(error, id, access.caller()))?;
    let by = access.caller().principal.as_str();
    let status = event.request.status.as_str();
    tracing::info!(%id, by, verdict = ?body.verdict, status, "decided");
    Ok(done(&event))
}

fn log_wrong_code(error: &Error, id: RequestId, caller: &Caller) {
    if let Error::Refused(Refusal::WrongCode { left }, _) = error {
        let by = caller.principal.as_str();
        tracing::warn!(%id, by, left, "wrong match code");
    }
}

/// `POST /v1/requests/{id}/seen`.
pub(super) async fn seen(call: Call, id: String) -> Handled {
    let id = request_id(&id)?;
    call.query(&[])?;
    call.access()?.seen(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
