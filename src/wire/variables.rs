//! What a command of the operator's is told of a request in variables, beside the JSON on standard
//! input: the same for `pushd --notify` and `approver --policy`.

use super::{RequestView, rfc3339};

/// The variables that a command gets about a request, all of them each time, so that none is left
/// over from an environment of ours. Their values are a stranger's text: a shell has to put them in
/// quotes, like any other.
pub fn variables<S: AsRef<str>>(request: &RequestView<S>) -> Vec<(&'static str, String)> {
    let requester = &request.requester;
    vec![
        ("PUSHD_REQUEST_ID", request.id.to_string()),
        ("PUSHD_REQUEST_TITLE", text(&request.title)),
        ("PUSHD_REQUEST_TOPIC", text(&request.topic)),
        ("PUSHD_REQUEST_STATUS", request.status.as_str().to_owned()),
        ("PUSHD_REQUEST_REQUESTER", text(&requester.principal)),
        (
            "PUSHD_REQUEST_ADDRESS",
            requester.address.as_ref().map(text).unwrap_or_default(),
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

fn text<S: AsRef<str>>(text: &S) -> String {
    text.as_ref().to_owned()
}
