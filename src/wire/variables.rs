//! What a command of the operator's is told of a request in variables, beside the JSON on standard
//! input: the same for `pushd --notify` and `approver --policy`.

use super::{RequestView, rfc3339};

/// The variables that a command gets about a request, all of them each time, so that none is left
/// over from an environment of ours. Their values are a stranger's text: a shell has to put them in
/// quotes, like any other.
pub fn variables(request: &RequestView) -> Vec<(&'static str, String)> {
    let requester = &request.requester;
    vec![
        ("PUSHD_REQUEST_ID", request.id.to_string()),
        ("PUSHD_REQUEST_TITLE", request.title.clone()),
        ("PUSHD_REQUEST_TOPIC", request.topic.clone()),
        ("PUSHD_REQUEST_STATUS", request.status.as_str().to_owned()),
        ("PUSHD_REQUEST_REQUESTER", requester.principal.clone()),
        (
            "PUSHD_REQUEST_ADDRESS",
            requester.address.clone().unwrap_or_default(),
        ),
        ("PUSHD_REQUEST_VERSION", request.version.to_string()),
        ("PUSHD_REQUEST_CREATED_AT", rfc3339(request.created_at)),
        ("PUSHD_REQUEST_EXPIRES_AT", rfc3339(request.expires_at)),
        (
            "PUSHD_REQUEST_APPROVALS_NEEDED",
            request.approvals_needed.to_string(),
        ),
    ]
}
