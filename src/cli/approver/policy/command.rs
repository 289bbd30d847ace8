//! Has the policy judge one request.

use std::time::Duration;

use super::opinion::{Opinion, opinion};
use crate::hook::Hook;
use crate::limits;
use crate::wire::{RequestView, variables};

/// The command that judges. Clones are cheap.
#[derive(Clone, Debug)]
pub(in crate::cli::approver) struct Policy(Hook);

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// What it thinks.
    pub(super) opinion: Opinion,
    /// The first lines of its standard error.
    pub(super) said: Vec<String>,
}

impl Judged {
    fn trouble(why: String) -> Self {
        Self {
            opinion: Opinion::Trouble(why),
            said: Vec::new(),
        }
    }
}

impl Policy {
    /// A command of the shell, and how long it may take for one request.
    pub(in crate::cli::approver) fn new(command: String, time: Duration) -> Self {
        Self(Hook::new(command, time))
    }

    /// Has it judge a request. Dropping the future kills it.
    pub(super) async fn judge(&self, view: &RequestView) -> Judged {
        let variables = variables(view);
        // A policy that was told less than all could be led to approve what it would not.
        if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
            let why = format!("it was not run, because a NUL cannot be in {name}");
            return Judged::trouble(why);
        }
        let mut json = serde_json::to_vec(view).expect("views have text keys");
        json.push(b'\n');
        match self.0.run(&json, &variables).await {
            Ok(ran) => Judged {
                opinion: opinion(ran.end, &ran.stdout),
                said: ran.stderr.first_lines(limits::POLICY_LINES),
            },
            Err(error) => Judged::trouble(format!("it cannot be run: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::approver::samples::request;

    #[tokio::test]
    async fn a_policy_is_not_told_less_than_all() {
        let mut view = *request(1);
        view.title = "harmless\0 not".to_owned();
        let judged = Policy::new("exit 0".to_owned(), limits::POLICY_TIME_DEFAULT)
            .judge(&view)
            .await;
        let why = "it was not run, because a NUL cannot be in PUSHD_REQUEST_TITLE";
        assert_eq!(judged, Judged::trouble(why.to_owned()));
    }
}
