//! Which other nodes are there, who listens at them, and what they have still to answer.
//!
//! Functions of values and `now`, with no input or output. A node is there while it is heard; what
//! cannot be told apart from a loss makes the question that is open unsure.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::message::{NodeId, Person, Streams};
use crate::approvals::nodes::{Elsewhere, Unsure};
use crate::domain::Topic;
use crate::limits;

/// What was heard of other nodes.
#[derive(Debug)]
pub(super) struct Roster {
    me: NodeId,
    others: BTreeMap<NodeId, Other>,
    /// Which connection it was heard on.
    connection: Option<u64>,
    /// Until then there may be nodes that have not been heard yet.
    settled: Instant,
    questions: u64,
    open: Option<Question>,
}

#[derive(Debug)]
struct Other {
    heard: Instant,
    people: Vec<Person>,
    streams: Streams,
}

/// A question to all, of which there is one at a time.
#[derive(Debug)]
struct Question {
    number: u64,
    connection: u64,
    /// Who has not answered which part yet.
    awaited: BTreeSet<(NodeId, usize)>,
    unsure: Option<Unsure>,
}

/// What was known of a node that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was there before.
    Again,
    /// It is new.
    New,
    /// There are too many.
    TooMany,
}

impl Roster {
    /// Nobody was heard yet, from `now` on.
    pub(super) fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            others: BTreeMap::new(),
            connection: None,
            settled: now + limits::NODE_SILENCE,
            questions: 0,
            open: None,
        }
    }

    /// How many others are there.
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    /// Another node has said something.
    pub(super) fn heard(&mut self, from: NodeId, now: Instant) -> Heard {
        if let Some(other) = self.others.get_mut(&from) {
            other.heard = now;
            return Heard::Again;
        }
        // It may have come too late for the question.
        self.doubt("a node has come meanwhile");
        if self.others.len() >= limits::NODES {
            self.unsettle(now);
            return Heard::TooMany;
        }
        let other = Other {
            heard: now,
            people: Vec::new(),
            streams: Streams::default(),
        };
        self.others.insert(from, other);
        Heard::New
    }

    /// Who listens at a node that is there.
    pub(super) fn listening(&mut self, from: NodeId, people: Vec<Person>, streams: Streams) {
        if let Some(other) = self.others.get_mut(&from) {
            (other.people, other.streams) = (people, streams);
        }
    }

    /// Who hears of `topic` at the others.
    pub(super) fn listening_to(&self, topic: &Topic) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for other in self.others.values() {
            for person in &other.people {
                if person.topics.is_empty() || person.topics.contains(topic) {
                    elsewhere.people.insert(person.who.clone());
                }
            }
            let streams = &other.streams;
            let of_topic = streams.of_topics.get(topic).copied().unwrap_or_default();
            for count in [streams.of_all, of_topic] {
                elsewhere.streams = elsewhere.streams.saturating_add(count);
            }
        }
        elsewhere
    }

    /// A node says that it winds down; answers whether it was there.
    pub(super) fn leaves(&mut self, from: NodeId) -> bool {
        let was_there = self.others.remove(&from).is_some();
        if was_there {
            self.doubt("a node has left meanwhile");
        }
        was_there
    }

    /// Those that were not heard for too long are gone; answers how many.
    pub(super) fn drop_silent(&mut self, now: Instant) -> usize {
        let before = self.others.len();
        let is_there = |other: &Other| now < other.heard + limits::NODE_SILENCE;
        self.others.retain(|_, other| is_there(other));
        let gone = before - self.others.len();
        if gone > 0 {
            // It may be that they are not heard and hold polls all the same.
            self.unsettle(now);
            self.doubt("a node has gone silent");
        }
        gone
    }

    /// Notes which connection there is; answers whether the one before was lost.
    pub(super) fn note_connection(&mut self, connection: Option<u64>, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.connection, connection);
        let is_cut = connection.is_none() || before != connection;
        if is_cut {
            self.note_loss(now);
        }
        is_cut && before.is_some()
    }

    /// Messages may have been missed up to now.
    pub(super) fn note_loss(&mut self, now: Instant) {
        self.unsettle(now);
        self.doubt("the connection was lost");
    }

    /// Begins a question in so many parts; the one before is over.
    ///
    /// # Errors
    /// Not everybody who may be there is known.
    pub(super) fn begin_question(
        &mut self,
        parts: usize,
        connection: Option<u64>,
        now: Instant,
    ) -> Result<u64, Unsure> {
        self.open = None;
        let Some(connection) = connection else {
            return Err(Unsure("there is no connection"));
        };
        if Some(connection) != self.connection {
            return Err(Unsure("the connection was lost"));
        }
        if now < self.settled {
            return Err(Unsure("it is not known yet who else is there"));
        }
        self.questions += 1;
        let everybody = self.others.keys().copied().chain([self.me]);
        let awaited = everybody.flat_map(|node| (0..parts).map(move |part| (node, part)));
        self.open = Some(Question {
            number: self.questions,
            connection,
            awaited: awaited.collect(),
            unsure: None,
        });
        Ok(self.questions)
    }

    /// A node has answered one part of a question, or this one has heard itself ask it.
    pub(super) fn answered(&mut self, from: NodeId, of: (u64, usize), is_sure: bool) {
        let (number, part) = of;
        let Some(open) = self.open.as_mut().filter(|open| open.number == number) else {
            return;
        };
        open.awaited.remove(&(from, part));
        if !is_sure {
            open.unsure = Some(Unsure("a node may not have heard its askers"));
        }
    }

    /// Ends a question.
    ///
    /// # Errors
    /// Not everybody has answered, or may have been heard.
    pub(super) fn end_question(
        &mut self,
        number: u64,
        connection: Option<u64>,
        now: Instant,
    ) -> Result<(), Unsure> {
        let open = self.open.take().filter(|open| open.number == number);
        let open = open.ok_or(Unsure("another question was asked"))?;
        if let Some(unsure) = open.unsure {
            return Err(unsure);
        }
        if connection != Some(open.connection) {
            return Err(Unsure("the connection was lost"));
        }
        let is_late = |other: &Other| now >= other.heard + limits::NODE_SILENCE;
        if !open.awaited.is_empty() || self.others.values().any(is_late) {
            return Err(Unsure("not all nodes have answered"));
        }
        Ok(())
    }

    fn unsettle(&mut self, now: Instant) {
        self.settled = now + limits::NODE_SILENCE;
    }

    fn doubt(&mut self, why: &'static str) {
        if let Some(open) = &mut self.open {
            open.unsure = Some(Unsure(why));
        }
    }
}

#[cfg(test)]
mod tests;
