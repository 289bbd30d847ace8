//! What a round over several daemons comes to when none of them has answered: values only.

use std::time::Duration;

use super::error::CallError;
use super::url::DaemonUrl;
use crate::wire::ProblemView;

/// The failures of one round, in order.
#[derive(Debug, Default)]
pub(super) struct Failures {
    list: Vec<Failure>,
}

#[derive(Debug)]
struct Failure {
    node: usize,
    /// The address and what was wrong there.
    words: String,
    /// `None` when it was not asked.
    error: Option<CallError>,
}

impl Failures {
    /// One has failed.
    pub(super) fn add(&mut self, node: usize, url: &DaemonUrl, error: CallError) {
        self.list.push(Failure {
            node,
            words: format!("{url}: {error}"),
            error: Some(error),
        });
    }

    /// One was not asked, because of what it has said before.
    pub(super) fn left_out(&mut self, node: usize, url: &DaemonUrl, why: &str) {
        self.list.push(Failure {
            node,
            words: format!("{url}: {why}"),
            error: None,
        });
    }

    /// Whether this one is among them.
    pub(super) fn has(&self, node: usize) -> bool {
        self.list.iter().any(|failure| failure.node == node)
    }

    /// Whether one of them may have acted on the call, and its answer was lost.
    pub(super) fn leave_a_doubt(&self) -> bool {
        self.errors().any(CallError::leaves_a_doubt)
    }

    /// What they come to. `left_alone` is for how long those that were left out want to be left
    /// alone, and `known` whether there is what one or all do not have.
    ///
    /// Whatever may pass makes another round worth it; else it is what was found most.
    pub(super) fn sum(self, left_alone: Option<Duration>, known: bool) -> CallError {
        let what = self.words();
        let is = |kind: fn(&CallError) -> bool| self.errors().any(kind);
        let may_pass = is(|error| matches!(error, CallError::Transient { .. }));
        let unknown = self.errors().find(|error| error.is_not_found());
        let all_say_so = self
            .list
            .iter()
            .all(|failure| failure.error.as_ref().is_some_and(CallError::is_not_found));
        if let Some(CallError::Refused { problem, .. }) = unknown
            && (all_say_so || !known)
        {
            return self.refused(404, problem, what);
        }
        if may_pass || unknown.is_some() {
            return CallError::Transient {
                what,
                retry_after: self.retry_after(left_alone),
                at_limit: is(|error| matches!(error, CallError::Transient { at_limit: true, .. })),
                about_us: false,
                unsent: !self.leave_a_doubt(),
            };
        }
        if is(|error| matches!(error, CallError::NotPushd { .. })) {
            return CallError::NotPushd { what };
        }
        let refused = self.errors().find_map(|error| match error {
            CallError::Refused {
                status, problem, ..
            } => Some((*status, problem)),
            CallError::Transient { .. }
            | CallError::Untrusted { .. }
            | CallError::NotPushd { .. } => None,
        });
        match refused {
            Some((status, problem)) => self.refused(status, problem, what),
            None => CallError::Untrusted { what },
        }
    }

    /// All of them, with their addresses.
    pub(super) fn words(&self) -> String {
        let words: Vec<_> = self.list.iter().map(|failure| &*failure.words).collect();
        words.join("; ")
    }

    fn refused(&self, status: u16, problem: &ProblemView, detail: String) -> CallError {
        CallError::Refused {
            status,
            problem: Box::new(ProblemView {
                detail,
                ..problem.clone()
            }),
            in_doubt: self.leave_a_doubt(),
        }
    }

    /// After what time the first of them may be asked again; `None` when that is at once.
    fn retry_after(&self, left_alone: Option<Duration>) -> Option<Duration> {
        let waits = self
            .errors()
            .map(|error| error.retry_after().unwrap_or_default());
        let least = waits.chain(left_alone).min()?;
        (!least.is_zero()).then_some(least)
    }

    fn errors(&self) -> impl Iterator<Item = &CallError> {
        self.list
            .iter()
            .filter_map(|failure| failure.error.as_ref())
    }
}

#[cfg(test)]
mod tests;
