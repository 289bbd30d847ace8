//! What a policy is told of a request in variables.

use crate::wire::{RequestView, rfc3339};

/// The names. Whatever the environment has under them is not handed on.
pub(super) const NAMES: [&str; 9] = [
    "PUSHD_REQUEST_ID",
    "PUSHD_REQUEST_TITLE",
    "PUSHD_REQUEST_TOPIC",
    "PUSHD_REQUEST_REQUESTER",
    "PUSHD_REQUEST_ADDRESS",
    "PUSHD_REQUEST_VERSION",
    "PUSHD_REQUEST_CREATED_AT",
    "PUSHD_REQUEST_EXPIRES_AT",
    "PUSHD_REQUEST_APPROVALS_NEEDED",
];

/// The values, in the order of the names; each is one line.
///
/// # Errors
/// The name of the one whose value has a NUL in it. No variable can hold that, and a policy that
/// was told less than all could be led to approve what it would not.
pub(super) fn values(view: &RequestView) -> Result<[String; 9], &'static str> {
    let values = [
        view.id.to_string(),
        view.title.clone(),
        view.topic.clone(),
        view.requester.principal.clone(),
        view.requester.address.clone().unwrap_or_default(),
        view.version.to_string(),
        rfc3339(view.created_at),
        rfc3339(view.expires_at),
        view.approvals_needed.to_string(),
    ];
    let bad = NAMES
        .iter()
        .zip(&values)
        .find(|(_, value)| value.contains('\0'));
    match bad {
        Some((name, _)) => Err(name),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::approver::samples::request;

    #[test]
    fn a_variable_has_exactly_what_the_request_has() {
        let mut view = *request(1);
        view.title = "$(reboot); `id` \"'\\ \u{1b}[2J".to_owned();
        let values = values(&view).unwrap();
        assert_eq!(values[1], view.title);
        assert_eq!(values[0], view.id.to_string());
        assert_eq!(values[5], "1");
        assert_eq!(values[6], "2023-11-14T22:13:20.001Z");
    }

    #[test]
    fn what_no_variable_can_hold_is_named() {
        let mut view = *request(1);
        view.title = "harmless\0 not".to_owned();
        assert_eq!(values(&view), Err("PUSHD_REQUEST_TITLE"));
    }
}
