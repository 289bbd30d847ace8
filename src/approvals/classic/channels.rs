//! The channels: which poll waits for which request, and who may have its answer.
//!
//! Functions of values and `now`, with no input or output. The demonstration's polls say nothing
//! about who sends them, so time stands for identity: whoever polls a channel soon enough after
//! its last poll ended is taken for the same client, which resends.

mod past;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use self::past::Past;
use crate::domain::{Request, RequestId, Status, TextError, Timestamp, Topic};
use crate::limits::{CLASSIC_ABANDON, CLASSIC_CHANNELS, CLASSIC_KEEP, CLASSIC_POLLS};

/// The name of a channel: 1 to [`CLASSIC_CHANNEL_CHARS`](crate::limits::CLASSIC_CHANNEL_CHARS)
/// characters of a topic's alphabet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelName(Topic);

const PREFIX: &str = "classic/";

impl ChannelName {
    /// The channel of calls that name none.
    pub const DEFAULT: &'static str = "default";

    /// The topic of the channel's requests.
    pub const fn topic(&self) -> &Topic {
        &self.0
    }

    /// The channel whose requests have this topic.
    pub fn of_topic(topic: &Topic) -> Option<Self> {
        let name = topic.as_str().strip_prefix(PREFIX)?;
        name.parse().ok()
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str().strip_prefix(PREFIX).unwrap_or_default()
    }
}

impl FromStr for ChannelName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let (actual, most) = (text.chars().count(), crate::limits::CLASSIC_CHANNEL_CHARS);
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if actual > most {
            return Err(TextError::TooManyChars { actual, most });
        }
        Topic::new(format!("{PREFIX}{text}")).map(Self)
    }
}

/// The one who gets the answer of a poll, as far as it is known what becomes of them.
pub trait Receiver {
    /// Whether it is known that nobody is there any more.
    fn is_gone(&self) -> bool;
    /// Whether it is known that an answer which was sent has not arrived.
    fn has_missed(&self) -> bool;
}

impl<T: Receiver + ?Sized> Receiver for Arc<T> {
    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }

    fn has_missed(&self) -> bool {
        (**self).has_missed()
    }
}

/// The limit that keeps a poll out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// [`CLASSIC_CHANNELS`] are in use.
    Channels,
    /// [`CLASSIC_POLLS`] are held on this one.
    Polls,
}

/// All channels in use.
#[derive(Debug)]
pub struct Channels<R> {
    rounds: BTreeMap<ChannelName, Round<R>>,
    past: Past,
    next: u64,
}

/// One request of a channel, from its first poll until nobody may have its answer any more.
#[derive(Debug)]
struct Round<R> {
    request: RequestId,
    /// The request was made; otherwise the next poll makes it, under the same id.
    asked: bool,
    /// Its time was over once: nobody joins it any more, even if withdrawing it takes a while.
    closing: bool,
    /// When the last poll ended; while one is held it says nothing.
    idle_since: Timestamp,
    /// When there is something to do about it, if no poll is held.
    due: Timestamp,
    held: BTreeMap<u64, R>,
    /// Those who were sent the answer.
    given: Vec<R>,
}

/// One poll's place in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    number: u64,
    /// The request that it is about.
    pub request: RequestId,
    /// The poll came when nobody held the round any more; an answer counts up to this moment.
    open_until: Option<Timestamp>,
    /// It came too late to join a question that is still open.
    late: bool,
}

/// What a poll does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody has decided: wait.
    Wait,
    /// The outcome is for this poll.
    Take,
    /// The outcome is for this poll, but nobody is there to take it.
    Leave,
    /// The outcome is for others, so this poll asks anew. The old question may still be open, and
    /// is then to be withdrawn.
    AskAnew {
        /// Whether it is.
        withdraw: bool,
    },
}

impl<R> Default for Channels<R> {
    fn default() -> Self {
        Self {
            rounds: BTreeMap::new(),
            past: Past::default(),
            next: 0,
        }
    }
}

impl<R> Round<R> {
    fn new(request: RequestId, now: Timestamp) -> Self {
        Self {
            request,
            asked: false,
            closing: false,
            idle_since: now,
            due: now.after(CLASSIC_ABANDON),
            held: BTreeMap::new(),
            given: Vec::new(),
        }
    }

    fn open_until(&self) -> Timestamp {
        self.idle_since.after(CLASSIC_ABANDON)
    }
}

impl<R: Receiver> Round<R> {
    /// Whether somebody has the answer, as far as is known.
    fn is_taken(&self) -> bool {
        self.given.iter().any(|receiver| !receiver.has_missed())
    }
}

impl<R: Receiver + Clone> Channels<R> {
    /// Takes over a pending request of a former process, whose last poll ended at `now` at the
    /// latest; the newer one of two. Answers the one that is not taken.
    pub fn adopt(
        &mut self,
        name: ChannelName,
        request: &Request,
        now: Timestamp,
    ) -> Option<RequestId> {
        if self.rounds.contains_key(&name) || self.rounds.len() >= CLASSIC_CHANNELS {
            return Some(request.id);
        }
        let round = Round {
            asked: true,
            ..Round::new(request.id, now)
        };
        self.rounds.insert(name, round);
        None
    }

    /// A poll comes; `fresh` is the id of the request that it makes if there is none.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(
        &mut self,
        name: &ChannelName,
        receiver: R,
        fresh: RequestId,
        now: Timestamp,
    ) -> Result<Ticket, Full> {
        if !self.rounds.contains_key(name) {
            if self.rounds.len() >= CLASSIC_CHANNELS {
                return Err(Full::Channels);
            }
            self.rounds.insert(name.clone(), Round::new(fresh, now));
        }
        let round = self.rounds.get_mut(name).expect("it was just made");
        if round.held.len() >= CLASSIC_POLLS {
            return Err(Full::Polls);
        }
        let idle = round.held.is_empty();
        round.closing |= idle && now >= round.open_until();
        let number = self.next;
        self.next += 1;
        round.held.insert(number, receiver);
        Ok(Ticket {
            number,
            request: round.request,
            open_until: (idle || round.closing).then(|| round.open_until()),
            late: round.closing,
        })
    }

    /// Whether the poll's request still has to be made.
    pub fn is_unasked(&self, name: &ChannelName, ticket: &Ticket) -> bool {
        self.round(name, ticket).is_some_and(|round| !round.asked)
    }

    /// The poll's request was made.
    pub fn asked(&mut self, name: &ChannelName, ticket: &Ticket) {
        if let Some(round) = self.round_mut(name, ticket) {
            round.asked = true;
        }
    }

    /// What a poll does that found its request as `request`; `waited` says that it has found it
    /// pending before. Taking is noted.
    pub fn step(
        &mut self,
        name: &ChannelName,
        ticket: &Ticket,
        request: &Request,
        waited: bool,
        now: Timestamp,
    ) -> Step {
        let anew = Step::AskAnew { withdraw: false };
        let settled_at = match (request.status, request.settled_at) {
            (Status::Pending, _) if ticket.late => return Step::AskAnew { withdraw: true },
            (Status::Pending, _) => return Step::Wait,
            // Nobody's answer: a question that was withdrawn is asked again.
            (Status::Cancelled, _) if !waited => return anew,
            (_, Some(settled_at)) => settled_at,
            (_, None) => return anew,
        };
        let Some(round) = self.round_mut(name, ticket) else {
            // A later poll has found the answer meant for this one and asked anew.
            return if waited { Step::Take } else { anew };
        };
        let Some(receiver) = round.held.get(&ticket.number).cloned() else {
            return anew;
        };
        if !waited {
            let in_time = now < settled_at.after(CLASSIC_KEEP)
                && ticket.open_until.is_none_or(|until| settled_at <= until);
            // Others who came first have waited for it, or take it for the same reason.
            let mut before = round.held.range(..ticket.number);
            if !in_time || round.is_taken() || before.any(|(_, other)| !other.is_gone()) {
                return anew;
            }
        }
        if receiver.is_gone() {
            return Step::Leave;
        }
        round.given.push(receiver);
        Step::Take
    }

    /// A poll turns from an outcome that is not for it to a new question, under `fresh` unless
    /// another poll has begun one.
    ///
    /// # Errors
    /// [`Full`]; then the poll has left.
    pub fn anew(
        &mut self,
        name: &ChannelName,
        ticket: &Ticket,
        receiver: R,
        fresh: RequestId,
        now: Timestamp,
    ) -> Result<Ticket, Full> {
        if self.round(name, ticket).is_some() {
            self.past.note(name.clone(), now);
            self.rounds.insert(name.clone(), Round::new(fresh, now));
        }
        self.enter(name, receiver, fresh, now)
    }

    /// A poll has ended, however it did.
    pub fn leave(&mut self, name: &ChannelName, ticket: &Ticket, now: Timestamp) {
        let Some(round) = self.round_mut(name, ticket) else {
            return;
        };
        if round.held.remove(&ticket.number).is_none() || !round.held.is_empty() {
            return;
        }
        if round.closing {
            round.due = now;
        } else {
            round.idle_since = now;
            round.due = round.open_until();
        }
    }

    /// The request that is asked on a channel now. It may be on its way to the store: those who
    /// listen are told of it from there, and may answer before its poll knows that it was made.
    pub fn question(&self, name: &ChannelName) -> Option<RequestId> {
        Some(self.rounds.get(name)?.request)
    }

    /// Whether an answer at `now` may be meant for the question before this one of the channel, so
    /// that it decides nothing.
    pub fn is_guarded(&self, name: &ChannelName, request: &Request, now: Timestamp) -> bool {
        self.past.guards(name, request, now)
    }

    /// The requests whose time is over: nobody joins them from now on, and they are to be
    /// withdrawn.
    pub fn overdue(&mut self, now: Timestamp) -> Vec<(ChannelName, RequestId)> {
        let overdue = self
            .rounds
            .iter_mut()
            .filter(|(_, round)| round.held.is_empty() && round.due <= now);
        overdue
            .map(|(name, round)| {
                round.closing = true;
                (name.clone(), round.request)
            })
            .collect()
    }

    /// The earliest time at which something is overdue.
    pub fn next_due(&self) -> Option<Timestamp> {
        let idle = self.rounds.values().filter(|round| round.held.is_empty());
        idle.map(|round| round.due).min()
    }

    /// An overdue request is withdrawn, or was decided before at `settled_at`: then its answer is
    /// kept for as long as it may be taken.
    pub fn withdrawn(
        &mut self,
        name: &ChannelName,
        request: RequestId,
        settled_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(round) = self.rounds.get_mut(name) else {
            return;
        };
        if round.request != request || !round.held.is_empty() {
            return;
        }
        let kept_until = settled_at
            .filter(|&at| at <= round.open_until() && !round.is_taken())
            .map(|at| at.after(CLASSIC_KEEP));
        match kept_until {
            Some(until) if now < until => round.due = until,
            _ => {
                self.past.note(name.clone(), now);
                self.rounds.remove(name);
            }
        }
    }

    /// Withdrawing it has failed, and is tried again at `at`.
    pub fn retry(&mut self, name: &ChannelName, request: RequestId, at: Timestamp) {
        if let Some(round) = self.rounds.get_mut(name)
            && round.request == request
        {
            round.due = at;
        }
    }

    fn round(&self, name: &ChannelName, ticket: &Ticket) -> Option<&Round<R>> {
        let round = self.rounds.get(name)?;
        (round.request == ticket.request).then_some(round)
    }

    fn round_mut(&mut self, name: &ChannelName, ticket: &Ticket) -> Option<&mut Round<R>> {
        let round = self.rounds.get_mut(name)?;
        (round.request == ticket.request).then_some(round)
    }
}

#[cfg(test)]
mod tests;
