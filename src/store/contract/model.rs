//! Random operations, on a store and on a model of it that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Opener, Spy, about, asked, at, id, settled};
use crate::domain::{Event, EventId, Request, RequestId, Status, Timestamp, Topic};
use crate::store::{Commit, Head, ListQuery, Page, Place, Range, SharedStore};

/// What is done to the store.
#[derive(Clone, Debug)]
enum Operation {
    /// A write; `wrong` moves the expectation off the truth by so much.
    Write {
        request: Box<Request>,
        wrong: u64,
    },
    Purge {
        before: Timestamp,
        limit: usize,
    },
    Reopen,
}

/// What is asked of it after each operation.
#[derive(Clone, Debug)]
struct Question {
    range: Range,
    only_pending: bool,
    limit: usize,
    status: Option<Status>,
    topic: Option<Topic>,
    after: Option<Place>,
    now: Timestamp,
}

/// The store as it ought to be.
#[derive(Default)]
struct Model {
    requests: BTreeMap<RequestId, Event>,
    delivered: Vec<Event>,
    head: EventId,
    purged: EventId,
}

/// Runs random operations on stores and the model side by side.
pub(in crate::store) fn agrees<O: Opener>(opener: impl Fn() -> O) {
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let scripts = vec((operation(), question()), 1..40);
    let outcome = TestRunner::new(config).run(&scripts, |script| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(play(&opener(), script));
        Ok(())
    });
    outcome.unwrap();
}

async fn play(opener: &impl Opener, script: Vec<(Operation, Question)>) {
    let spy = Spy::new();
    let mut store = opener.open(spy.feed()).await;
    let mut model = Model::default();
    for (operation, question) in script {
        match operation {
            Operation::Write { request, wrong } => write(&store, &mut model, *request, wrong).await,
            Operation::Purge { before, limit } => {
                let purged = store.purge(before, limit).await.unwrap();
                assert_eq!(purged, model.purge(before, limit));
            }
            Operation::Reopen if opener.durable() => {
                store.close().await;
                drop(store);
                store = opener.open(spy.feed()).await;
            }
            Operation::Reopen => {}
        }
        compare(&store, &model, question).await;
    }
    store.close().await;
    assert_eq!(spy.delivered(), model.delivered);
}

async fn write(store: &SharedStore, model: &mut Model, request: Request, wrong: u64) {
    let current = model.requests.get(&request.id).cloned();
    let truth = current.as_ref().map(|event| event.id);
    let expected = match (wrong, truth) {
        (0, truth) => truth,
        (1, Some(_)) => None,
        (by, truth) => Some(EventId(truth.unwrap_or_default().0 + by)),
    };
    let commit = store.commit(expected, request.clone()).await.unwrap();
    if expected != truth {
        assert_eq!(commit, Commit::Conflict(current));
        return;
    }
    let event = super::done(commit);
    assert!(event.id > model.head);
    assert_eq!(*event.request, request);
    model.head = event.id;
    model.requests.insert(request.id, event.clone());
    model.delivered.push(event);
}

async fn compare(store: &SharedStore, model: &Model, question: Question) {
    let Question {
        range,
        only_pending,
        limit,
        status,
        topic,
        after,
        now,
    } = question;
    let head = Head {
        event: model.head,
        purged: model.purged,
    };
    assert_eq!(store.head().await.unwrap(), head);
    for n in 0..SLOTS {
        let wanted = model.requests.get(&id(n)).cloned();
        assert_eq!(store.get(id(n)).await.unwrap(), wanted);
    }
    let changes = store.changes(range, only_pending, limit).await.unwrap();
    assert_eq!(changes, model.changes(range, only_pending, limit));
    let query = ListQuery {
        status,
        topic,
        seen_by: None,
        after,
        limit: limit.max(1),
    };
    assert_eq!(store.list(query.clone()).await.unwrap(), model.list(&query));
    let overdue = model.overdue(now);
    let some: Vec<_> = overdue.iter().take(limit).cloned().collect();
    assert_eq!(store.overdue(now, limit).await.unwrap(), some);
    let end = Timestamp::from_millis(i64::MAX);
    let next = model
        .overdue(end)
        .first()
        .map(|event| event.request.expires_at);
    assert_eq!(store.next_expiry().await.unwrap(), next);
    assert_eq!(store.pending().await.unwrap(), model.overdue(end).len());
}

impl Model {
    fn sorted<K: Ord>(
        &self,
        wanted: impl Fn(&Event) -> bool,
        key: impl Fn(&Event) -> K,
    ) -> Vec<Event> {
        let mut events: Vec<_> = self
            .requests
            .values()
            .filter(|e| wanted(e))
            .cloned()
            .collect();
        events.sort_by_key(key);
        events
    }

    fn changes(&self, range: Range, only_pending: bool, limit: usize) -> Vec<Event> {
        let wanted = |event: &Event| {
            event.id > range.after
                && event.id <= range.until
                && !(only_pending && event.request.status.is_final())
        };
        let mut events = self.sorted(wanted, |event| event.id);
        events.truncate(limit);
        events
    }

    fn list(&self, query: &ListQuery) -> Page {
        let wanted = |event: &Event| {
            let request = &event.request;
            query.status.is_none_or(|status| request.status == status)
                && query
                    .topic
                    .as_ref()
                    .is_none_or(|topic| request.topic == *topic)
                && query.after.is_none_or(|after| Place::of(request) < after)
        };
        let mut events = self.sorted(wanted, |event| Place::of(&event.request));
        events.reverse();
        let more = events.len() > query.limit;
        events.truncate(query.limit);
        let last = events.last().filter(|_| more);
        Page {
            next: last.map(|event| Place::of(&event.request)),
            events,
            head: self.head,
        }
    }

    fn overdue(&self, now: Timestamp) -> Vec<Event> {
        let wanted =
            |event: &Event| !event.request.status.is_final() && event.request.expires_at <= now;
        self.sorted(wanted, |event| (event.request.expires_at, event.request.id))
    }

    fn purge(&mut self, before: Timestamp, limit: usize) -> usize {
        let old = |event: &Event| event.request.settled_at.is_some_and(|at| at < before);
        let mut old = self.sorted(old, |event| (event.request.settled_at, event.request.id));
        old.truncate(limit);
        for event in &old {
            self.requests.remove(&event.request.id);
            self.purged = self.purged.max(event.id);
        }
        old.len()
    }
}

const SLOTS: u8 = 6;

fn moment() -> impl Strategy<Value = Timestamp> {
    (0_u64..8).prop_map(at)
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        3 => Just(Status::Pending),
        1 => Just(Status::Approved),
        1 => Just(Status::Denied),
        1 => Just(Status::Expired),
        1 => Just(Status::Cancelled),
    ]
}

fn topic() -> impl Strategy<Value = Topic> {
    prop_oneof!["a", "b", "c"].prop_map(|name| Topic::new(name).unwrap())
}

fn request() -> impl Strategy<Value = Request> {
    let times = (moment(), moment(), moment());
    (0..SLOTS, topic(), status(), times).prop_map(
        |(n, topic, status, (created, expires, ended))| {
            let mut request = about(asked(n), topic.as_str());
            request.created_at = created;
            request.expires_at = expires;
            if status.is_final() {
                request = settled(request, status, ended);
            }
            request
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let wrong = prop_oneof![3 => Just(0_u64), 1 => 1_u64..4];
    prop_oneof![
        12 => (request(), wrong).prop_map(|(request, wrong)| Operation::Write {
            request: Box::new(request),
            wrong,
        }),
        2 => (moment(), 0_usize..4).prop_map(|(before, limit)| Operation::Purge { before, limit }),
        1 => Just(Operation::Reopen),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let place = (moment(), 0..SLOTS).prop_map(|(created_at, n)| Place {
        created_at,
        id: id(n),
    });
    let range = (0_u64..30, 0_u64..40).prop_map(|(after, until)| Range {
        after: EventId(after),
        until: EventId(until),
    });
    let list = (
        prop::option::of(status()),
        prop::option::of(topic()),
        prop::option::of(place),
    );
    (range, any::<bool>(), 0_usize..5, list, moment()).prop_map(
        |(range, only_pending, limit, (status, topic, after), now)| Question {
            range,
            only_pending,
            limit,
            status,
            topic,
            after,
            now,
        },
    )
}
