//! A scripted daemon and scripted signals, for tests that own the clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::flow::{Daemon, Outcome};
use super::interrupt::{Interrupts, Signal};
use crate::client::{Answer, CallError, DaemonUrl};
use crate::domain::{EventId, RequestId, Timestamp, Verdict};
use crate::limits;
use crate::wire::{AskBody, DecisionView, Party, RequestView, Status};

/// When the scripted request was asked.
pub(super) const ASKED: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The id of the scripted request.
pub(super) const ID: RequestId = RequestId::from_bytes([7; 16]);

/// The scripted request, which expires after an hour and was decided after 12 s.
pub(super) fn request(status: Status) -> RequestView {
    let decided = matches!(status, Status::Approved | Status::Denied);
    let at = ASKED.after(Duration::from_secs(12));
    let decision = DecisionView {
        verdict: if status == Status::Approved {
            Verdict::Approve
        } else {
            Verdict::Deny
        },
        approver: Party {
            principal: "ana".to_owned(),
            address: Some("10.0.0.7".to_owned()),
            channel: None,
        },
        reason: Some("frozen until Monday".to_owned()),
        at,
    };
    RequestView {
        id: ID,
        topic: "default".to_owned(),
        title: "Deploy?".to_owned(),
        details: String::new(),
        fields: Vec::new(),
        status,
        version: EventId(1),
        event_id: EventId(1),
        requester: Party {
            principal: "local".to_owned(),
            address: None,
            channel: None,
        },
        created_at: ASKED,
        expires_at: ASKED.after(Duration::from_hours(1)),
        approvals_needed: 1,
        denials_needed: 1,
        approvers: None,
        panels: Vec::new(),
        rules: Vec::new(),
        reason_required: false,
        self_approval: false,
        freezes: Vec::new(),
        command: None,
        lease_secs: None,
        lease_ended: false,
        use_within_secs: 3600,
        approvers_connected: None,
        consumed_at: None,
        match_code_required: false,
        decisions: if decided { vec![decision] } else { Vec::new() },
        decided_at: decided.then_some(at),
        seen_by: Vec::new(),
        history: None,
    }
}

/// A good answer.
#[allow(clippy::unnecessary_wraps, reason = "it stands among outcomes")]
pub(super) fn answer(request: RequestView) -> Outcome {
    Ok(Answer {
        value: request,
        date: None,
        replayed: false,
    })
}

/// A good answer about the scripted request.
pub(super) fn says(status: Status) -> Outcome {
    answer(request(status))
}

/// Nobody listens.
pub(super) fn nobody() -> Outcome {
    Err(CallError::Transient {
        what: "cannot connect".to_owned(),
        retry_after: None,
        at_limit: false,
        about_us: false,
        unsent: true,
    })
}

/// The connection broke, which leaves a doubt.
pub(super) fn broken() -> Outcome {
    busy(502, None)
}

/// A server error or "too many".
pub(super) fn busy(status: u16, retry_after: Option<u64>) -> Outcome {
    Err(CallError::Transient {
        what: format!("it answered {status}"),
        retry_after: retry_after.map(Duration::from_secs),
        at_limit: status == 429,
        about_us: status == 429,
        unsent: status == 429,
    })
}

/// A refusal of the daemon, possibly with the request as it stands.
pub(super) fn refusal(status: u16, request: Option<RequestView>) -> Outcome {
    let code = match status {
        404 => "not_found",
        409 => "already_final",
        _ => "some_code",
    };
    refused(status, code, request)
}

/// A refusal of something else: a proxy whose backend restarts, a gate, another server.
pub(super) fn foreign(status: u16) -> Outcome {
    refused(status, "", None)
}

/// The same with a certain code.
pub(super) fn refused(status: u16, code: &str, request: Option<RequestView>) -> Outcome {
    Err(CallError::Refused {
        status,
        problem: Box::new(crate::wire::ProblemView {
            detail: format!("no, {status}"),
            code: code.to_owned(),
            request: request.map(Box::new),
            ..Default::default()
        }),
        in_doubt: false,
    })
}

/// A daemon that gives prepared outcomes, each after some time; afterwards it is silent.
pub(super) struct Script {
    outcomes: RefCell<VecDeque<(Duration, Outcome)>>,
    calls: RefCell<Vec<(Duration, String)>>,
    start: Instant,
}

impl Script {
    /// Gives each outcome at once.
    pub(super) fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self::timed(
            outcomes
                .into_iter()
                .map(|outcome| (Duration::ZERO, outcome)),
        )
    }

    /// Gives each outcome after its time.
    pub(super) fn timed(outcomes: impl IntoIterator<Item = (Duration, Outcome)>) -> Self {
        Self {
            outcomes: RefCell::new(outcomes.into_iter().collect()),
            calls: RefCell::default(),
            start: Instant::now(),
        }
    }

    /// The calls so far, in words.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls
            .borrow()
            .iter()
            .map(|(_, call)| call.clone())
            .collect()
    }

    /// When each call came, from the start.
    pub(super) fn times(&self) -> Vec<Duration> {
        self.calls.borrow().iter().map(|(at, _)| *at).collect()
    }

    /// Ends by itself, as a call does.
    async fn play_for(&self, most: Duration, call: String) -> Outcome {
        let outcome = timeout(most, self.play(call)).await;
        outcome.unwrap_or_else(|_| Err(CallError::silent(most)))
    }

    async fn play(&self, call: String) -> Outcome {
        self.calls.borrow_mut().push((self.start.elapsed(), call));
        let next = self.outcomes.borrow_mut().pop_front();
        match next {
            Some((after, outcome)) => {
                sleep(after).await;
                outcome
            }
            None => std::future::pending().await,
        }
    }
}

impl Daemon for Script {
    async fn ask(&self, body: &AskBody, key: &str) -> Outcome {
        let lease = body.lease_secs.map(|secs| format!(" lease {secs}"));
        let lease = lease.unwrap_or_default();
        let call = format!("ask {} {key}{lease}", body.title);
        self.play_for(limits::POLL_GRACE, call).await
    }

    async fn read(&self, known: &RequestView, wait: Duration, grace: Duration) -> Outcome {
        assert_eq!(known.id, ID);
        let call = format!("read {}", wait.as_secs());
        self.play_for(wait + grace, call).await
    }

    async fn look(&self, id: RequestId) -> Outcome {
        assert_eq!(id, ID);
        self.play("look".to_owned()).await
    }

    async fn consume(&self, id: RequestId, nonce: &str) -> Outcome {
        assert_eq!(id, ID);
        let call = format!("consume {nonce}");
        self.play_for(limits::POLL_GRACE, call).await
    }

    async fn cancel(&self, id: RequestId) -> Outcome {
        assert_eq!(id, ID);
        self.play("cancel".to_owned()).await
    }

    fn silent(&self, time: Duration) -> CallError {
        CallError::silent(time)
    }

    fn base(&self) -> DaemonUrl {
        DaemonUrl::default()
    }

    async fn public_url(&self) -> Option<String> {
        None
    }
}

/// Signals that come after these times, one after the other.
pub(super) struct Scheduled(pub(super) VecDeque<(Duration, Signal)>, Instant);

impl Scheduled {
    /// Each signal comes that long after now.
    pub(super) fn new(signals: impl IntoIterator<Item = (Duration, Signal)>) -> Self {
        Self(signals.into_iter().collect(), Instant::now())
    }
}

impl Interrupts for Scheduled {
    async fn next(&mut self) -> Signal {
        let Some((after, signal)) = self.0.front().copied() else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(self.1 + after).await;
        self.0.pop_front();
        signal
    }
}
