//! Who listens and may decide: kept so that an ask can be told how many there are.
//!
//! Streams are counted by principal, so that an ask looks at people and not at their windows. What
//! somebody may decide is their [`Rights`]' to say; here it is only remembered who is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::{Principal, Rights, Role, Topic};

/// The open streams of those who may decide something.
#[derive(Debug, Default)]
pub struct Listeners {
    // A std mutex: it is held for a look at the map, never over an await.
    here: Arc<Mutex<HashMap<Principal, Streams>>>,
    changed: Arc<Notify>,
}

/// What the streams of one principal hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hears {
    /// Whose they are.
    pub principal: Principal,
    /// Whether it is one known person or program, and not a name for everybody.
    pub is_known: bool,
    /// How many hear of every topic.
    pub of_all: usize,
    /// How many hear of some, by topic.
    pub of_topics: Vec<(Topic, usize)>,
}

/// The streams of one principal.
#[derive(Debug)]
struct Streams {
    /// As of the stream that came last; when rights change, the streams of the old ones end.
    rights: Arc<Rights>,
    /// Those that hear of every topic.
    of_all: usize,
    /// Those that asked for some, by topic.
    of_topics: HashMap<Topic, usize>,
}

/// One open stream, until it is dropped.
#[derive(Debug)]
pub struct Listening {
    here: Arc<Mutex<HashMap<Principal, Streams>>>,
    changed: Arc<Notify>,
    principal: Principal,
    /// None for every topic.
    topics: Vec<Topic>,
}

impl Listeners {
    /// A stream of somebody with these rights, who hears of `topics`, or of every one when there are
    /// none. Whoever decides nothing is not counted.
    pub fn enter(&self, rights: &Arc<Rights>, topics: &[Topic]) -> Option<Listening> {
        if !rights.has(Role::Approver) {
            return None;
        }
        // A topic that is named twice is heard of once.
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let mut here = lock(&self.here);
        let streams = here
            .entry(rights.principal.clone())
            .or_insert_with(|| Streams {
                rights: Arc::clone(rights),
                of_all: 0,
                of_topics: HashMap::new(),
            });
        streams.rights = Arc::clone(rights);
        if topics.is_empty() {
            streams.of_all += 1;
        }
        for topic in &topics {
            *streams.of_topics.entry(topic.clone()).or_default() += 1;
        }
        drop(here);
        self.changed.notify_one();
        Some(Listening {
            here: Arc::clone(&self.here),
            changed: Arc::clone(&self.changed),
            principal: rights.principal.clone(),
            topics,
        })
    }

    /// How many hear of `topic` and are such that `may_decide`: people, each of them once; where a
    /// name stands for everybody, its streams.
    pub fn of(&self, topic: &Topic, may_decide: impl Fn(&Rights) -> bool) -> usize {
        let here = lock(&self.here);
        let count = |streams: &Streams| match streams.hearing(topic) {
            0 => 0,
            _ if !may_decide(&streams.rights) => 0,
            _ if streams.rights.is_known => 1,
            heard => heard,
        };
        here.values().map(count).sum()
    }

    /// Whether a stream of this one hears of `topic`.
    pub fn has(&self, who: &Principal, topic: &Topic) -> bool {
        let here = lock(&self.here);
        let streams = here.get(who);
        streams.is_some_and(|streams| streams.hearing(topic) > 0)
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Hears> {
        let here = lock(&self.here);
        let all = here.iter().map(|(principal, streams)| Hears {
            principal: principal.clone(),
            is_known: streams.rights.is_known,
            of_all: streams.of_all,
            of_topics: streams
                .of_topics
                .iter()
                .map(|(topic, count)| (topic.clone(), *count))
                .collect(),
        });
        all.collect()
    }

    /// Waits until somebody has come or left since the last time that this answered. For one at a
    /// time; safe to drop at any time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Streams {
    fn hearing(&self, topic: &Topic) -> usize {
        self.of_all + self.of_topics.get(topic).copied().unwrap_or_default()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut here = lock(&self.here);
        let Some(streams) = here.get_mut(&self.principal) else {
            return;
        };
        if self.topics.is_empty() {
            streams.of_all -= 1;
        }
        for topic in &self.topics {
            match streams.of_topics.get_mut(topic) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => drop(streams.of_topics.remove(topic)),
            }
        }
        if streams.of_all == 0 && streams.of_topics.is_empty() {
            here.remove(&self.principal);
        }
        drop(here);
        self.changed.notify_one();
    }
}

fn lock<T>(here: &Mutex<T>) -> MutexGuard<'_, T> {
    here.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TopicPattern;

    fn rights(name: &str, role: Role, pattern: &str) -> Arc<Rights> {
        Arc::new(Rights {
            principal: Principal::new(name),
            is_known: true,
            roles: vec![role],
            topics: vec![TopicPattern::new(pattern).unwrap()],
        })
    }

    fn topic(text: &str) -> Topic {
        Topic::new(text.to_owned()).unwrap()
    }

    fn count(listeners: &Listeners, about: &str) -> usize {
        let about = topic(about);
        listeners.of(&about, |rights| rights.covers(&about))
    }

    #[test]
    fn people_are_counted_once_however_many_windows_they_have() {
        let listeners = Listeners::default();
        let alice = rights("alice", Role::Approver, "*");
        let first = listeners.enter(&alice, &[]);
        let second = listeners.enter(&alice, &[topic("a")]);
        let _bob = listeners.enter(&rights("bob", Role::Approver, "a"), &[]);
        assert_eq!((count(&listeners, "a"), count(&listeners, "b")), (2, 1));
        drop(first);
        assert_eq!((count(&listeners, "a"), count(&listeners, "b")), (2, 0));
        drop(second);
        assert_eq!(count(&listeners, "a"), 1);
    }

    #[test]
    fn who_decides_nothing_is_not_counted() {
        let listeners = Listeners::default();
        for role in [Role::Requester, Role::Observer, Role::Admin] {
            let entered = listeners.enter(&rights("eve", role, "*"), &[]);
            assert!(entered.is_none(), "{role:?}");
        }
        assert_eq!(count(&listeners, "a"), 0);
    }

    #[test]
    fn where_a_name_stands_for_everybody_its_streams_are_counted() {
        let listeners = Listeners::default();
        let local = Arc::new(Rights::local());
        let _both = [
            listeners.enter(&local, &[]),
            listeners.enter(&local, &[topic("a")]),
        ];
        assert_eq!((count(&listeners, "a"), count(&listeners, "b")), (2, 1));
    }

    #[test]
    fn nobody_is_remembered_who_has_left() {
        let listeners = Listeners::default();
        let local = Arc::new(Rights::local());
        let topics = [topic("a"), topic("a"), topic("b")];
        let all: Vec<_> = (0..9).map(|_| listeners.enter(&local, &topics)).collect();
        assert_eq!(
            count(&listeners, "a"),
            9,
            "a topic that is named twice counts once"
        );
        drop(all);
        assert!(lock(&listeners.here).is_empty());
    }
}
