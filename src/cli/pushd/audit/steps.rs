//! The steps of many requests in the order in which they happened.
//!
//! Requests come in the order in which they were asked, and no step of one is older than that. So
//! a step can be told once every request that is older than it has come. What is kept are the
//! steps of requests that were open at the same time, without their details.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::domain::{Request, Timestamp};
use crate::wire::{AuditedView, StepView};

/// Steps that have not been told.
#[derive(Debug, Default)]
pub(super) struct Steps {
    waiting: BinaryHeap<Reverse<Line>>,
    added: u64,
}

/// One step, with what it was a step of.
#[derive(Debug)]
pub(super) struct Line {
    /// When, and of those at the same time the one that came first.
    order: (Timestamp, u64),
    pub(super) of: Arc<AuditedView>,
    pub(super) step: StepView,
}

impl Steps {
    /// Takes the steps of a request that are `wanted`.
    pub(super) fn add(&mut self, request: &Request, wanted: impl Fn(&StepView) -> bool) {
        let of = Arc::new(AuditedView::from(request));
        let mut latest = request.created_at;
        for step in request.history.iter().map(StepView::from) {
            // A clock that was set back between two steps does not turn them round.
            latest = latest.max(step.at);
            if wanted(&step) {
                self.added += 1;
                self.waiting.push(Reverse(Line {
                    order: (latest, self.added),
                    of: Arc::clone(&of),
                    step,
                }));
            }
        }
    }

    /// The next step that is older than `before`; with `None` the next at all.
    pub(super) fn next(&mut self, before: Option<Timestamp>) -> Option<Line> {
        let Reverse(first) = self.waiting.peek()?;
        if before.is_some_and(|before| first.order.0 >= before) {
            return None;
        }
        self.waiting.pop().map(|Reverse(line)| line)
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Line {}

impl PartialOrd for Line {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Line {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Ask, Caller, Details, Digest, RequestId, Title, Topic, Transition};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A request that was asked at one time and cancelled at another.
    fn request(n: u8, asked: i64, cancelled: i64) -> Request {
        let ask = Ask {
            title: Title::new(n.to_string()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::default(),
            expires_in: Some(Duration::from_hours(1)),
            match_code: None,
            command: None,
            need: None,
            from: Vec::new(),
            lease: None,
            use_within: crate::limits::USE_WITHIN.1,
            digest: Digest::of(b""),
        };
        let by = Caller::named("ci");
        let id = RequestId::from_bytes([n; 16]);
        let request = Request::asked(id, ask, by.clone(), at(asked));
        match request.cancelled(&by, at(cancelled)).unwrap() {
            Transition::Commit(next) => *next,
            Transition::Refuse(..) | Transition::Unchanged => unreachable!("it was pending"),
        }
    }

    #[test]
    fn steps_come_in_the_order_of_their_times_however_requests_overlap() {
        let mut steps = Steps::default();
        let mut told = Vec::new();
        // The third was asked by a clock that was set back before the cancellation.
        for (n, asked, cancelled) in [(1, 10, 60), (2, 20, 25), (3, 30, 5), (4, 70, 80)] {
            let request = request(n, asked, cancelled);
            while let Some(line) = steps.next(Some(at(asked))) {
                told.push(format!("{} {}", line.of.title, line.step.what));
            }
            steps.add(&request, |_| true);
        }
        while let Some(line) = steps.next(None) {
            told.push(format!("{} {}", line.of.title, line.step.what));
        }
        assert_eq!(
            told,
            [
                "1 asked",
                "2 asked",
                "2 cancelled",
                "3 asked",
                "3 cancelled",
                "1 cancelled",
                "4 asked",
                "4 cancelled"
            ]
        );
    }
}
