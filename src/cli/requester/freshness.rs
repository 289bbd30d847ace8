//! How long an approval counts: what was allowed hours ago may not be what is there now.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::Instant;

use super::outcome::End;
use crate::cli::exit;
use crate::client::Answer;
use crate::wire::{RequestView, Status};

/// Judges approvals by their age.
///
/// The age is taken from the daemon's own clock. An answer without a `Date` is told by our own
/// watch, if we know of an instant before the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    /// How long it counts at most, if we were told.
    use_within: Option<Duration>,
    /// The last instant at which the request was certainly not decided.
    undecided: Option<Instant>,
}

impl Freshness {
    /// For a request of which nothing is known yet.
    pub(super) const fn of_found(use_within: Option<Duration>) -> Self {
        let undecided = None;
        Self {
            use_within,
            undecided,
        }
    }

    /// For a request that cannot have been there before `begun`.
    pub(super) const fn of_new(use_within: Option<Duration>, begun: Instant) -> Self {
        let undecided = Some(begun);
        Self {
            use_within,
            undecided,
        }
    }

    /// The request was pending at `at`.
    pub(super) const fn pending(&mut self, at: Instant) {
        self.undecided = Some(at);
    }

    /// How it ends with an answer that is final.
    pub(super) fn end(&self, answer: Answer<RequestView>) -> End {
        let within = self.within(&answer.value);
        let age = (answer.value.status == Status::Approved).then(|| self.age(&answer));
        match age {
            Some(None) => End::failed(
                exit::UNAVAILABLE,
                anyhow!(
                    "request {} is approved, but the answer has no Date, so how long ago cannot be \
                     told; is there a proxy that takes it away?",
                    answer.value.id
                ),
            ),
            Some(Some(age)) if age > within => End::TooLate {
                request: Box::new(answer.value),
                age,
                within,
            },
            Some(Some(_)) | None => End::Settled(Box::new(answer.value)),
        }
    }

    /// The shorter of what we were told and what was said at the ask: nobody makes an old approval
    /// good by asking for it.
    fn within(&self, request: &RequestView) -> Duration {
        let asked = Duration::from_secs(request.use_within_secs);
        asked.min(self.use_within.unwrap_or(asked))
    }

    fn age(&self, answer: &Answer<RequestView>) -> Option<Duration> {
        let dates = answer.value.decided_at.zip(answer.date);
        dates
            .map(|(decided, now)| now.since(decided))
            .or_else(|| self.undecided.map(|at| at.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::requester::script::{ASKED, request};

    const HOUR: Duration = Duration::from_hours(1);
    /// When the scripted request is decided.
    const DECIDED: Duration = Duration::from_secs(12);

    /// How an approval ends that is this old by the daemon's clock, or of which it does not tell.
    fn approved(freshness: Freshness, age: Option<Duration>) -> End {
        said(3600, freshness, age)
    }

    /// The same with what was said at the ask, in seconds.
    fn said(use_within_secs: u64, freshness: Freshness, age: Option<Duration>) -> End {
        freshness.end(Answer {
            value: RequestView {
                use_within_secs,
                ..request(Status::Approved)
            },
            date: age.map(|age| ASKED.after(DECIDED + age)),
            replayed: false,
        })
    }

    #[test]
    fn an_approval_counts_for_what_was_said_at_the_ask_or_for_less() {
        for (at_the_ask, told, within) in [
            (3600, None, HOUR),
            (60, None, HOUR / 60),
            (60, Some(HOUR), HOUR / 60),
            (7200, Some(HOUR), HOUR),
        ] {
            let freshness = Freshness::of_found(told);
            let fresh = said(at_the_ask, freshness, Some(within));
            assert!(matches!(fresh, End::Settled(_)), "{fresh:?}");
            let old = said(at_the_ask, freshness, Some(within + DECIDED));
            assert!(matches!(old, End::TooLate { .. }), "{old:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_daemons_time_only_what_was_seen_pending_has_an_age() {
        let unknown = approved(Freshness::of_found(None), None);
        assert!(
            matches!(
                unknown,
                End::Failed {
                    code: exit::UNAVAILABLE,
                    ..
                }
            ),
            "{unknown:?}"
        );
        let freshness = Freshness::of_new(None, Instant::now());
        tokio::time::advance(HOUR).await;
        let fresh = approved(freshness, None);
        assert!(matches!(fresh, End::Settled(_)), "{fresh:?}");
        tokio::time::advance(DECIDED).await;
        let old = approved(freshness, None);
        assert!(matches!(old, End::TooLate { .. }), "{old:?}");
    }

    #[test]
    fn a_denial_never_gets_too_old() {
        let denied = Freshness::of_found(None).end(Answer {
            value: request(Status::Denied),
            date: Some(ASKED.after(99 * HOUR)),
            replayed: false,
        });
        assert!(matches!(denied, End::Settled(_)), "{denied:?}");
    }
}
