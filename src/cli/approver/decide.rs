//! Telling the daemon a decision, with retries until it is too late to matter.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::inbox::Gone;
use crate::client::{Answer, Backoff, CallError, Client};
use crate::domain::{Reason, RequestId, Timestamp, Verdict};
use crate::limits;
use crate::wire::{DecisionBody, RequestView, Status};

/// The code of a refusal that passes with a freeze.
const FROZEN: &str = "frozen";
/// The code of a refusal to note more decisions on one request.
const TOO_MANY_VOTES: &str = "too_many_votes";

/// A decision on its way to the daemon.
pub(super) struct Deciding {
    client: Client,
    id: RequestId,
    body: DecisionBody,
    until: Instant,
    backoff: Backoff,
    unsure: bool,
    /// Until when an outcome that may be due to it waits for its own answer.
    echo_until: Option<Instant>,
    step: Step,
}

type Call = Pin<Box<dyn Future<Output = Result<Answer<RequestView>, CallError>>>>;

enum Step {
    Calling(Call),
    Pausing(Instant),
}

/// What happened on the way.
#[derive(Debug)]
pub(super) enum Progress {
    /// No answer yet; another attempt follows.
    Again {
        /// What went wrong.
        why: String,
        /// After which pause.
        again_in: Duration,
    },
    /// This is how it ended.
    Done(Outcome),
}

/// How a decision ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It counts.
    Counted(Box<RequestView>),
    /// The request was final before.
    TooLate(Option<Box<RequestView>>),
    /// The request has another version than the one that was decided.
    Changed(Option<Box<RequestView>>),
    /// Another match code was typed; the daemon says how many may still be.
    WrongCode {
        /// How many; `None` when it does not say.
        left: Option<u32>,
        /// The request after that, denied if it was the last.
        view: Option<Box<RequestView>>,
    },
    /// The daemon has no such request.
    Gone,
    /// It does not count, as far as we know.
    Failed {
        /// Why not.
        why: String,
        /// Whether it may count all the same, because an answer was lost.
        unsure: bool,
        /// What kind of trouble it was.
        cause: Cause,
    },
}

/// Why a decision failed, as far as it matters to what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The daemon was not reached, or does not work as it should.
    Trouble,
    /// Not now: a limit.
    Busy,
    /// Not now: a freeze.
    Frozen {
        /// Until then, if the daemon says so.
        until: Option<Timestamp>,
    },
    /// The daemon says no, with this HTTP status and code.
    Refused {
        /// The status.
        status: u16,
        /// The code; empty when a gate before the daemon has said it.
        code: String,
    },
}

impl Deciding {
    /// Starts telling it; nothing is sent before [`Deciding::next`] is called.
    pub(super) fn new(client: Client, id: RequestId, body: DecisionBody) -> Self {
        Self {
            step: Step::Calling(call(&client, id, &body)),
            client,
            id,
            body,
            until: Instant::now() + limits::DECIDE_TIME,
            backoff: Backoff::new(),
            unsure: false,
            echo_until: None,
        }
    }

    /// What was decided.
    pub(super) const fn verdict(&self) -> Verdict {
        self.body.verdict
    }

    /// Whether the request may have been settled by this very decision, of which the stream tells
    /// before its own answer has come. It is worth a moment's wait, but no more.
    pub(super) fn may_have_won(&mut self, gone: &Gone, now: Instant) -> bool {
        let fits = match gone {
            Gone::As(view) => self.fits(view) || self.may_have_missed(view),
            Gone::Unknown => true,
        };
        fits && now < *self.echo_until.get_or_insert(now + limits::ECHO_TIME)
    }

    /// Whether a wrong match code of ours may have denied it.
    fn may_have_missed(&self, view: &RequestView) -> bool {
        let reason = view
            .decisions
            .last()
            .and_then(|last| last.reason.as_deref());
        self.body.match_code.is_some()
            && view.status == Status::Denied
            && reason == Some(Reason::MATCH_CODE)
    }

    /// Whether this outcome is what was decided here, as far as anybody can tell.
    pub(super) fn fits(&self, view: &RequestView) -> bool {
        view.id == self.id
            && match (self.body.verdict, view.status) {
                (Verdict::Approve, Status::Approved) | (Verdict::Deny, Status::Denied) => true,
                // More of them are needed, and ours is one.
                (verdict, Status::Pending) => {
                    let mut decisions = view.decisions.iter();
                    decisions.any(|decision| decision.verdict == verdict)
                }
                (Verdict::Approve | Verdict::Deny, _) => false,
            }
    }

    /// When the wait for its own answer is over.
    pub(super) const fn echo_until(&self) -> Option<Instant> {
        self.echo_until
    }

    /// What happens next; after [`Progress::Done`] it must not be called. Cancel safe: an attempt
    /// goes on with the next call.
    pub(super) async fn next(&mut self) -> Progress {
        loop {
            match &mut self.step {
                Step::Pausing(until) => {
                    sleep_until(*until).await;
                    self.step = Step::Calling(call(&self.client, self.id, &self.body));
                }
                Step::Calling(call) => {
                    let answer = call.await;
                    return self.answered(answer);
                }
            }
        }
    }

    fn answered(&mut self, answer: Result<Answer<RequestView>, CallError>) -> Progress {
        let error = match answer {
            Ok(answer) if self.fits(&answer.value) => {
                return Progress::Done(Outcome::Counted(Box::new(answer.value)));
            }
            Ok(_) => {
                let why = "the daemon's answer is about something else".to_owned();
                return Progress::Done(Outcome::Failed {
                    why,
                    unsure: true,
                    cause: Cause::Trouble,
                });
            }
            Err(error) => error,
        };
        let (what, retry_after, unsent, cause) = match error {
            CallError::Transient {
                what,
                retry_after,
                unsent,
                at_limit,
                ..
            } => {
                let cause = if at_limit {
                    Cause::Busy
                } else {
                    Cause::Trouble
                };
                (what, retry_after, unsent, cause)
            }
            // The daemon that has sent the question was trusted, and may be again.
            CallError::Untrusted { what } => (what, None, true, Cause::Trouble),
            error @ (CallError::Refused { .. } | CallError::NotPushd { .. }) => {
                self.unsure |= matches!(error, CallError::Refused { in_doubt: true, .. });
                return Progress::Done(refusal(error, self.unsure));
            }
        };
        self.unsure |= !unsent;
        let now = Instant::now();
        let again_in = self.backoff.next(retry_after);
        // A wrong match code would count a second time.
        let is_over = self.unsure && self.body.match_code.is_some();
        if is_over || now + again_in >= self.until {
            let unsure = self.unsure;
            return Progress::Done(Outcome::Failed {
                why: what,
                unsure,
                cause,
            });
        }
        self.step = Step::Pausing(now + again_in);
        Progress::Again {
            why: what,
            again_in,
        }
    }
}

/// An attempt, which begins when it is asked for its answer.
fn call(client: &Client, id: RequestId, body: &DecisionBody) -> Call {
    let (client, body) = (client.clone(), body.clone());
    Box::pin(async move { client.decide(id, &body).await })
}

/// What a refusal means to the one who decided.
fn refusal(error: CallError, unsure: bool) -> Outcome {
    let why = error.to_string();
    if error.is_not_found() {
        return Outcome::Gone;
    }
    match error {
        // A freeze passes, and the request is pending still.
        CallError::Refused {
            status: 409,
            problem,
            ..
        } if problem.code == FROZEN => Outcome::Failed {
            why,
            unsure,
            cause: Cause::Frozen {
                until: problem.frozen_until,
            },
        },
        CallError::Refused {
            status: 409,
            problem,
            ..
        } if problem.code != TOO_MANY_VOTES => Outcome::TooLate(problem.request),
        CallError::Refused {
            status: 412,
            problem,
            ..
        } => Outcome::Changed(problem.request),
        CallError::Refused {
            status: 403,
            problem,
            ..
        } if problem.code == "wrong_match_code" => Outcome::WrongCode {
            left: problem.tries_left,
            view: problem.request,
        },
        CallError::Refused {
            status, problem, ..
        } => Outcome::Failed {
            why,
            unsure,
            cause: Cause::Refused {
                status,
                code: problem.code,
            },
        },
        CallError::Transient { .. } | CallError::Untrusted { .. } | CallError::NotPushd { .. } => {
            Outcome::Failed {
                why,
                unsure,
                cause: Cause::Trouble,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::cli::approver::samples::{request, settled};
    use crate::wire::ProblemView;

    fn deciding() -> Deciding {
        let client = Client::new("http://127.0.0.1:1".parse().unwrap(), "approver").unwrap();
        Deciding::new(client, request(1).id, body(Verdict::Approve))
    }

    fn body(verdict: Verdict) -> DecisionBody {
        DecisionBody {
            verdict,
            reason: None,
            version: None,
            match_code: None,
        }
    }

    fn transient(unsent: bool) -> CallError {
        CallError::Transient {
            what: "connection refused".to_owned(),
            retry_after: None,
            at_limit: false,
            about_us: false,
            unsent,
        }
    }

    fn refused(status: u16, code: &str, request: Option<Box<RequestView>>) -> CallError {
        let problem = ProblemView {
            detail: "no".to_owned(),
            code: code.to_owned(),
            request,
            ..ProblemView::default()
        };
        CallError::Refused {
            status,
            problem: Box::new(problem),
            in_doubt: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_until_the_time_is_over() {
        let mut deciding = deciding();
        let start = Instant::now();
        let outcome = loop {
            match deciding.answered(Err(transient(true))) {
                Progress::Again { again_in, .. } => tokio::time::sleep(again_in).await,
                Progress::Done(outcome) => break outcome,
            }
        };
        let why = "connection refused".to_owned();
        let cause = Cause::Trouble;
        let failed = Outcome::Failed {
            why,
            unsure: false,
            cause,
        };
        assert_eq!(outcome, failed);
        let passed = start.elapsed();
        assert!(
            passed > limits::DECIDE_TIME / 2 && passed < limits::DECIDE_TIME,
            "{passed:?}"
        );
    }

    // A pause of no time at all is a millisecond to the runtime's clock.
    #[tokio::test]
    async fn the_first_attempt_waits_for_no_clock() {
        let daemon = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", daemon.local_addr().unwrap());
        let client = Client::new(url.parse().unwrap(), "approver").unwrap();
        let mut deciding = Deciding::new(client, request(1).id, body(Verdict::Approve));
        let mut next = pin!(deciding.next());
        // It is looked at once, so that it can do nothing after a pause.
        tokio::select! {
            biased;
            progress = &mut next => panic!("{progress:?} of a daemon that says nothing"),
            () = ready(()) => {}
        }
        let connected = timeout(Duration::from_secs(10), daemon.accept()).await;
        assert!(connected.is_ok(), "it pauses before the first attempt");
    }

    #[test]
    fn a_lost_answer_leaves_it_open_whether_the_decision_counts() {
        let mut deciding = deciding();
        assert!(matches!(
            deciding.answered(Err(transient(false))),
            Progress::Again { .. }
        ));
        let last = deciding.answered(Err(refused(403, "foreign_origin", None)));
        assert!(
            matches!(last, Progress::Done(Outcome::Failed { unsure: true, .. })),
            "{last:?}"
        );
    }

    #[test]
    fn a_match_code_that_may_have_been_read_is_not_sent_again() {
        let mut deciding = deciding();
        deciding.body.match_code = "123456".parse().ok();
        assert!(deciding.body.match_code.is_some());
        let unreached = deciding.answered(Err(transient(true)));
        assert!(matches!(unreached, Progress::Again { .. }), "{unreached:?}");
        let lost = deciding.answered(Err(transient(false)));
        assert!(
            matches!(lost, Progress::Done(Outcome::Failed { unsure: true, .. })),
            "{lost:?}"
        );
    }

    #[test]
    fn only_an_answer_that_says_so_counts() {
        // Any 200 counted once, whatever it said.
        let answered = |view: Box<RequestView>| {
            let answer = Answer {
                value: *view,
                date: None,
                replayed: false,
            };
            deciding().answered(Ok(answer))
        };
        let mut voted = request(1);
        voted.decisions = settled(1, 9, Status::Approved).decisions;
        for counts in [settled(1, 9, Status::Approved), voted] {
            let told = answered(counts);
            assert!(
                matches!(told, Progress::Done(Outcome::Counted(_))),
                "{told:?}"
            );
        }
        for other in [
            settled(2, 9, Status::Approved),
            settled(1, 9, Status::Denied),
            settled(1, 9, Status::Cancelled),
            settled(1, 9, Status::Unknown),
            request(1),
        ] {
            let told = answered(other);
            let unsure = matches!(told, Progress::Done(Outcome::Failed { unsure: true, .. }));
            assert!(unsure, "{told:?}");
        }
    }

    #[test]
    fn an_outcome_that_may_be_ours_waits_a_moment_for_the_answer() {
        let mut deciding = deciding();
        let now = Instant::now();
        let other = Gone::As(settled(1, 9, Status::Denied));
        assert!(!deciding.may_have_won(&other, now));
        let ours = Gone::As(settled(1, 9, Status::Approved));
        assert!(deciding.may_have_won(&ours, now));
        assert!(!deciding.may_have_won(&ours, now + limits::ECHO_TIME));
    }

    #[test]
    fn refusals_are_told_apart() {
        let winner = settled(1, 9, Status::Denied);
        for (error, outcome) in [
            (
                refused(409, "already_final", Some(winner.clone())),
                Outcome::TooLate(Some(winner)),
            ),
            (refused(412, "other_version", None), Outcome::Changed(None)),
            (
                refused(403, "wrong_match_code", Some(request(1))),
                Outcome::WrongCode {
                    left: None,
                    view: Some(request(1)),
                },
            ),
            (refused(404, "not_found", None), Outcome::Gone),
        ] {
            assert_eq!(refusal(error, false), outcome);
        }
        let mut frozen = refused(409, "frozen", Some(request(1)));
        if let CallError::Refused { problem, .. } = &mut frozen {
            problem.frozen_until = Some(Timestamp::from_millis(1_700_000_000_000));
        }
        let until = Some(Timestamp::from_millis(1_700_000_000_000));
        let told = refusal(frozen, false);
        let cause = Cause::Frozen { until };
        assert!(
            matches!(&told, Outcome::Failed { cause: known, .. } if *known == cause),
            "{told:?}"
        );
        // Neither is the end of the request.
        for (code, cause) in [
            ("frozen", Cause::Frozen { until: None }),
            (
                "too_many_votes",
                Cause::Refused {
                    status: 409,
                    code: "too_many_votes".to_owned(),
                },
            ),
        ] {
            let outcome = refusal(refused(409, code, Some(request(1))), false);
            let failed = Outcome::Failed {
                why: "no".to_owned(),
                unsure: false,
                cause,
            };
            assert_eq!(outcome, failed);
        }
        // A 404 that is not the daemon's own, or about the path, says nothing about the request.
        for code in ["", "no_such_path"] {
            let outcome = refusal(refused(404, code, None), false);
            assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        }
    }
}
