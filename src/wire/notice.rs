//! What the command of `pushd --notify` is told on standard input.

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
    pub request: &'a RequestView<&'a str>,
}
