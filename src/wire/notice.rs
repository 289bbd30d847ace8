//! What a command of the operator's is told about a request: all of it as JSON on standard input,
//! and the most wanted parts in variables.

use serde::Serialize;

use super::RequestView;

/// Why a command is told of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It was asked.
    Asked,
    /// It became final.
    Settled,
    /// It is still pending.
    Reminder,
}

impl Occasion {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Settled => "settled",
            Self::Reminder => "reminder",
        }
    }
}

/// One line on the standard input of `pushd --notify COMMAND`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeView<'a> {
    /// Why it is told.
    pub event: Occasion,
    /// Which reminder it is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<u32>,
    /// Where people see and decide the request, if the daemon was told how others reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'a str>,
    /// The request as it stands.
    pub request: &'a RequestView,
}

/// The variables that a command gets about a request. Their values are a stranger's text: a shell
/// has to put them in quotes, like any other.
pub fn variables(request: &RequestView) -> Vec<(&'static str, String)> {
    vec![
        ("PUSHD_REQUEST_ID", request.id.to_string()),
        ("PUSHD_REQUEST_TITLE", request.title.clone()),
        ("PUSHD_REQUEST_TOPIC", request.topic.clone()),
        ("PUSHD_REQUEST_STATUS", request.status.as_str().to_owned()),
        (
            "PUSHD_REQUEST_REQUESTER",
            request.requester.principal.clone(),
        ),
    ]
}
