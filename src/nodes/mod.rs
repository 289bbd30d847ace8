//! What several daemons on the same store tell each other beside it: who is there, who listens, and
//! whose askers hold a poll.
//!
//! A daemon among others is a node. What is agreed is in the store alone; here are messages that
//! may be lost, late or doubled, and nothing is replicated, elected or remembered. Two things follow
//! from them: how many approvers an ask is told of, which is a hint, and that a lease is *not* ended,
//! which keeps a request pending for longer. Whatever is in doubt is taken as a reason to wait.
//!
//! - Each node says every few seconds that it is there, and who listens at it (`roster` keeps what
//!   was heard).
//! - A node at which leases have ended asks all others. They answer with what has happened at
//!   themselves, never with what they have heard, and all nodes hear the answers.
//! - An asker that comes to a node which has just answered is told of at once.
//!
//! It does not know how messages travel: that is the [`Line`]'s business.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod message;
mod nats;
mod roster;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub use self::line::{Cut, Line};
pub use self::nats::NatsLine;

use self::message::{Message, NodeId, Tells};
use self::roster::{Heard, Roster};
use crate::approvals::Approvals;
use crate::approvals::nodes::{Elsewhere, Nodes, Unsure};
use crate::domain::{RequestId, Topic};
use crate::limits;
use crate::metrics::{Metrics, NodeFigures};

/// A node among others on one line.
pub struct Together {
    line: Box<dyn Line>,
    me: NodeId,
    // A std mutex: it is held for a look at what was heard, never over an await.
    roster: Mutex<Roster>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

impl Together {
    /// A node on this line. `random` is its name for as long as the process lives.
    pub fn new(line: impl Line, random: u64, metrics: Arc<Metrics>) -> Arc<Self> {
        // Shown from the start.
        metrics.nodes();
        let me = NodeId(random);
        Arc::new(Self {
            line: Box::new(line),
            me,
            roster: Mutex::new(Roster::new(me, Instant::now())),
            metrics,
        })
    }

    /// Tells the others of this node, and hears them, until the daemon winds down.
    pub async fn keep(self: Arc<Self>, approvals: Arc<Approvals>) {
        let drain = approvals.drain().clone();
        tokio::select! {
            biased;
            () = drain.cancelled() => {}
            () = self.talk(&approvals) => {}
        }
        // Its askers are sent away, and come to the others.
        self.say(Tells::Leaves).await;
    }

    async fn talk(&self, approvals: &Approvals) {
        let leases = approvals.leases();
        let listeners = &approvals.hub().listeners;
        loop {
            let mut heard = match self.line.listen().await {
                Ok(heard) => heard,
                Err(error) => {
                    tracing::debug!(%error, "the other nodes cannot be heard");
                    sleep(limits::NODE_LISTEN_PAUSE).await;
                    continue;
                }
            };
            let mut told = Instant::now();
            let mut next = told;
            loop {
                tokio::select! {
                    () = sleep_until(next) => {
                        self.look_round(approvals);
                        self.say(Tells::here(listeners.all())).await;
                        told = Instant::now();
                        next = told + limits::NODE_PRESENCE;
                    }
                    () = listeners.changed() => next = next.min(told + limits::NODE_NEWS),
                    kept = leases.news(limits::LEASES_TOGETHER) => {
                        self.say(Tells::kept(&kept)).await;
                    }
                    message = heard.next() => {
                        let Some(message) = message else { break };
                        if self.take(&message, approvals).await == Some(Heard::New) {
                            // So that it knows this one, too.
                            next = next.min(told + limits::NODE_NEWS);
                        }
                    }
                }
            }
            // Nothing is heard until it is listened to again.
            self.roster().note_loss(Instant::now());
            sleep(limits::NODE_LISTEN_PAUSE).await;
        }
    }

    /// Notes who is there no longer, and whether the connection has been lost; then it is not known
    /// where askers are.
    fn look_round(&self, approvals: &Approvals) {
        let now = Instant::now();
        let mut roster = self.roster();
        let was_cut = roster.note_connection(self.line.connection(), now);
        let gone = roster.drop_silent(now);
        self.figures().others.set(count(roster.others()));
        drop(roster);
        if was_cut {
            approvals
                .leases()
                .put_off("the other nodes were out of reach");
        }
        if gone > 0 {
            approvals.leases().put_off("another node is gone");
        }
    }

    /// Takes a message; answers whom it was heard from, if anybody.
    async fn take(&self, message: &Bytes, approvals: &Approvals) -> Option<Heard> {
        let Some(Message { from, tells }) = Message::read(message) else {
            self.figures().odd.inc();
            return None;
        };
        let now = Instant::now();
        if from == self.me {
            // The question has gone out, and what is said now is heard.
            if let Tells::Asks { number, part, .. } = tells {
                self.roster().answered(self.me, (number, part), true);
            }
            return None;
        }
        let leases = approvals.leases();
        if matches!(tells, Tells::Leaves) {
            if self.roster().leaves(from) {
                leases.put_off("another node has left");
            }
            return None;
        }
        let heard = self.roster().heard(from, now);
        match tells {
            Tells::Here { people, streams } => self.roster().listening(from, people, streams),
            Tells::Asks { number, part, ids } => {
                let is_sure = approvals.hears_askers();
                let kept = leases.kept(&ids, self.question_time());
                let answer = Tells::answer((from, number, part), is_sure, &kept);
                self.say(answer).await;
            }
            Tells::Answers {
                to,
                number,
                part,
                is_sure,
                kept,
            } => {
                leases.hear(&message::lasting(&kept));
                if to == self.me {
                    self.roster().answered(from, (number, part), is_sure);
                }
            }
            Tells::Kept { kept } => leases.hear(&message::lasting(&kept)),
            Tells::Leaves => {}
        }
        Some(heard)
    }

    /// Says it to all; answers whether it has gone out, as far as is known.
    async fn say(&self, tells: Tells) -> bool {
        let message = Message {
            from: self.me,
            tells,
        };
        let saying = self.line.say(message.written());
        match timeout(limits::NODE_SAY, saying).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the other nodes were not told");
                false
            }
            Err(_) => false,
        }
    }

    async fn ask_all(&self, ids: &[RequestId]) -> Result<(), Unsure> {
        let parts: Vec<_> = ids.chunks(limits::LEASES_TOGETHER).collect();
        let connection = self.line.connection();
        let number = self
            .roster()
            .begin_question(parts.len(), connection, Instant::now())?;
        for (part, ids) in parts.into_iter().enumerate() {
            let asks = Tells::Asks {
                number,
                part,
                ids: ids.to_vec(),
            };
            if !self.say(asks).await {
                return Err(Unsure("the connection does not take the question"));
            }
        }
        // To the end, even when all have answered: whoever has just come may be heard as well.
        sleep(limits::LEASE_QUESTION).await;
        let connection = self.line.connection();
        self.roster()
            .end_question(number, connection, Instant::now())
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn figures(&self) -> &NodeFigures {
        self.metrics.nodes()
    }
}

#[async_trait]
impl Nodes for Together {
    fn may_be_others(&self) -> bool {
        true
    }

    fn question_time(&self) -> Duration {
        limits::LEASE_QUESTION_JITTER + limits::LEASE_QUESTION
    }

    async fn hold_back(&self) {
        let bits = getrandom::u32().unwrap_or_default();
        let part = f64::from(bits) / f64::from(u32::MAX);
        sleep(limits::LEASE_QUESTION_JITTER.mul_f64(part)).await;
    }

    async fn ask(&self, ids: &[RequestId]) -> Result<(), Unsure> {
        let answer = self.ask_all(ids).await;
        self.figures().asked(answer.is_ok());
        answer
    }

    fn listening(&self, topic: &Topic) -> Elsewhere {
        self.roster().listening_to(topic)
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
