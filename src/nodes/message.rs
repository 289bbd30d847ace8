//! What nodes tell each other, as JSON, and its bounds.
//!
//! Members that are not known are ignored, so that a newer node may tell more; a message that is
//! not known as a whole is odd. Times are lengths in milliseconds: the clocks of nodes differ.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::approvals::leases::Left;
use crate::domain::{Principal, RequestId, Topic};
use crate::hub::Hears;
use crate::limits;

/// The name of one node: random, and another one with each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct NodeId(pub(super) u64);

/// A message to all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) from: NodeId,
    pub(super) tells: Tells,
}

/// How long a lease has left, in milliseconds.
pub(super) type Kept = (RequestId, u64);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tells {
    /// It is there, and so many listen at it, at least.
    Here {
        people: Vec<Person>,
        streams: Streams,
    },
    /// It asks about leases that have ended at it.
    Asks {
        number: u64,
        part: usize,
        ids: Vec<RequestId>,
    },
    /// It has heard all askers that have come to it, or not, and keeps these. The leases are for all
    /// nodes to hear.
    Answers {
        to: NodeId,
        number: u64,
        part: usize,
        is_sure: bool,
        kept: Vec<Kept>,
    },
    /// Somebody has come for a request that another node has just asked about.
    Kept { kept: Vec<Kept> },
    /// It winds down: its askers will go elsewhere.
    Leaves,
}

/// Somebody with a token, who listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) who: Principal,
    /// To what; nothing stands for every topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) topics: Vec<Topic>,
}

/// How many listen under a name that stands for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Streams {
    pub(super) of_all: usize,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) of_topics: BTreeMap<Topic, usize>,
}

impl Message {
    /// `None` for what no node sends.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > limits::NODE_MESSAGE_BYTES {
            return None;
        }
        let message: Self = serde_json::from_slice(bytes).ok()?;
        let is_bounded = match &message.tells {
            Tells::Here { people, streams } => {
                let topics = people.iter().map(|person| 1 + person.topics.len());
                topics.sum::<usize>() + streams.of_topics.len() <= 2 * limits::NODE_LISTENERS
            }
            Tells::Asks { ids, .. } => ids.len() <= limits::LEASES_TOGETHER,
            Tells::Answers { kept, .. } | Tells::Kept { kept } => {
                kept.len() <= limits::LEASES_TOGETHER
            }
            Tells::Leaves => true,
        };
        is_bounded.then_some(message)
    }

    pub(super) fn written(&self) -> Bytes {
        let bytes = serde_json::to_vec(self).expect("it is made of numbers, text and lists");
        bytes.into()
    }
}

impl Tells {
    /// Who listens, as far as there is room: first those that hear of every topic. Users of this
    /// machine are left out, since no other one can say what they may do.
    pub(super) fn here(mut all: Vec<Hears>) -> Self {
        let (mut people, mut streams) = (Vec::new(), Streams::default());
        all.retain(|hears| !hears.principal.as_str().starts_with(Principal::UNIX));
        all.sort_by(|a, b| (a.of_all == 0, &a.principal).cmp(&(b.of_all == 0, &b.principal)));
        let mut room = limits::NODE_LISTENERS;
        for hears in all {
            let mut topics = hears.of_topics;
            topics.sort();
            if !hears.is_known {
                streams.of_all += hears.of_all;
                topics.truncate(room);
                room -= topics.len();
                for (topic, count) in topics {
                    *streams.of_topics.entry(topic).or_default() += count;
                }
                continue;
            }
            if hears.of_all > 0 {
                topics.clear();
            }
            topics.truncate(room);
            if room == 0 {
                break;
            }
            room = room.saturating_sub(topics.len().max(1));
            people.push(Person {
                who: hears.principal,
                topics: topics.into_iter().map(|(topic, _)| topic).collect(),
            });
        }
        Self::Here { people, streams }
    }

    pub(super) fn answer(
        (to, number, part): (NodeId, u64, usize),
        is_sure: bool,
        kept: &[Left],
    ) -> Self {
        Self::Answers {
            to,
            number,
            part,
            is_sure,
            kept: in_millis(kept),
        }
    }

    pub(super) fn kept(kept: &[Left]) -> Self {
        Self::Kept {
            kept: in_millis(kept),
        }
    }
}

fn in_millis(kept: &[Left]) -> Vec<Kept> {
    let whole = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    // Rather a moment too long.
    let kept = kept
        .iter()
        .map(|(id, left)| (*id, whole(*left).saturating_add(1)));
    kept.collect()
}

/// What [`Kept`] says.
pub(super) fn lasting(kept: &[Kept]) -> Vec<Left> {
    let kept = kept
        .iter()
        .map(|(id, millis)| (*id, Duration::from_millis(*millis)));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(name: &str, is_known: bool, of_all: usize, topics: &[(&str, usize)]) -> Hears {
        let topic = |text: &str| Topic::new(text.to_owned()).unwrap();
        Hears {
            principal: Principal::new(name),
            is_known,
            of_all,
            of_topics: topics
                .iter()
                .map(|(it, count)| (topic(it), *count))
                .collect(),
        }
    }

    #[test]
    fn a_node_tells_of_people_once_and_of_everybody_by_streams() {
        let told = Tells::here(vec![
            hears("bob", true, 0, &[("b", 2), ("a", 1)]),
            hears("alice", true, 1, &[("a", 1)]),
            hears("local", false, 2, &[("a", 3)]),
            hears("unix:carol", true, 1, &[]),
        ]);
        let message = Message {
            from: NodeId(7),
            tells: told,
        };
        let text = String::from_utf8(message.written().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"from":7,"tells":{"here":{"people":[{"who":"alice"},{"who":"bob","topics":["a","b"]}],"streams":{"of_all":2,"of_topics":{"a":3}}}}}"#
        );
        assert_eq!(Message::read(text.as_bytes()), Some(message));
    }

    /// The largest that a node sends is taken, and is far from the most that is.
    #[test]
    fn what_is_told_is_bounded_and_those_who_hear_everything_come_first() {
        let name = |n: usize| format!("{n:0>64}");
        let topics: Vec<_> = (0..40).map(name).collect();
        let topics: Vec<_> = topics.iter().map(|topic| (topic.as_str(), 1)).collect();
        let some = (0..1000).map(|n| hears(&name(n), true, 0, &topics));
        let all = (0..100).map(|n| hears(&format!("all-{n}"), true, 1, &[]));
        let here = Tells::here(some.chain(all).collect());
        let Tells::Here { people, .. } = &here else {
            panic!("{here:?}")
        };
        let of_all = people.iter().filter(|person| person.topics.is_empty());
        assert_eq!(of_all.count(), 100);
        assert!(people.len() > 100);
        let longest = (RequestId::from_bytes([255; 16]), u64::MAX);
        let kept = vec![longest; limits::LEASES_TOGETHER];
        for tells in [here, Tells::Kept { kept }] {
            let message = Message {
                from: NodeId(u64::MAX),
                tells,
            };
            let written = message.written();
            assert!(
                written.len() <= limits::NODE_MESSAGE_BYTES / 2,
                "{}",
                written.len()
            );
            assert_eq!(Message::read(&written), Some(message));
        }
    }

    #[test]
    fn what_no_node_sends_is_odd() {
        let ids = vec![RequestId::from_bytes([1; 16]); limits::LEASES_TOGETHER + 1];
        let too_many = Message {
            from: NodeId(1),
            tells: Tells::Asks {
                number: 1,
                part: 0,
                ids,
            },
        };
        let huge = format!(r#"{{"from":1,"tells":"leaves"{}}}"#, " ".repeat(300_000));
        for odd in [
            &b""[..],
            b"\xff",
            br#"{"from":1}"#,
            br#"{"from":-1,"tells":"leaves"}"#,
            br#"{"from":1,"tells":{"dances":{}}}"#,
            br#"{"from":1,"tells":{"kept":{"kept":[["no id",5]]}}}"#,
            &too_many.written(),
            huge.as_bytes(),
        ] {
            assert_eq!(Message::read(odd), None, "{}", String::from_utf8_lossy(odd));
        }
        let newer = br#"{"from":1,"tells":{"kept":{"kept":[],"why":"x"}},"version":2}"#;
        assert!(Message::read(newer).is_some());
    }
}
