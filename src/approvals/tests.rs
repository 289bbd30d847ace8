//! The use cases over a memory store, with time in our hands.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{Details, Digest, HistoryId, Status, Title};
use crate::hub::Entry;
use crate::metrics::Metrics;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Feed, Store};

const T0: Timestamp = Timestamp::from_millis(1_000_000_000);
const LIFE: Duration = Duration::from_mins(1);

struct World {
    approvals: Arc<Approvals>,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    drain: CancellationToken,
    ids: AtomicU64,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits {
            connections: 8,
            waiters: 8,
            subscribers: 8,
            pending: 8,
        })
        .await
    }

    async fn with(limits: Limits) -> Self {
        Self::fed(limits, |pump| pump).await
    }

    /// A world whose store tells `feed` of its commits.
    async fn fed(limits: Limits, feed: impl FnOnce(Arc<Pump>) -> Arc<dyn Feed>) -> Self {
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::new(Metrics::default()));
        let feed = feed(Arc::clone(&pump));
        let store = Arc::new(MemoryStore::new(HistoryId::from_random(14), feed));
        let clock = Arc::new(ManualClock::at(T0));
        let drain = CancellationToken::new();
        let (shared, time) = (
            Arc::clone(&store) as SharedStore,
            Arc::clone(&clock) as Arc<_>,
        );
        let approvals = Approvals::begin(shared, pump, time, limits, drain.clone())
            .await
            .unwrap();
        Self {
            approvals,
            clock,
            store,
            drain,
            ids: AtomicU64::new(0),
        }
    }

    async fn ask(&self, title: &str) -> Event {
        self.ask_about(title, Topic::DEFAULT).await
    }

    async fn ask_about(&self, title: &str, topic: &str) -> Event {
        let asked = self
            .approvals
            .ask(ci(), ask(title, topic), None, || self.next_id())
            .await;
        asked.unwrap().event
    }

    async fn decide(&self, id: RequestId, verdict: Verdict) -> Result<Event, Error> {
        let alice = Caller::named("alice");
        self.approvals.decide(id, &alice, verdict, None, None).await
    }

    async fn listen(&self, cursor: Option<Cursor>) -> Subscription {
        let cursor = cursor.map(|cursor| cursor.to_string());
        self.approvals
            .listen(cursor.as_deref(), Vec::new())
            .await
            .unwrap()
    }

    fn next_id(&self) -> RequestId {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        RequestId::from_bytes(u128::from(id).to_be_bytes())
    }
}

fn ci() -> Caller {
    Caller::named("ci")
}

fn ask(title: &str, topic: &str) -> Ask {
    Ask {
        title: Title::new(title.to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::new(topic.to_owned()).unwrap(),
        expires_in: LIFE,
        digest: Digest::of(title.as_bytes()),
    }
}

/// What a stream tells, in short: `event id`, `caught-up`, `reset`.
fn told(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(item) = subscription.next().now_or_never() {
        match item {
            Item::Reset(_) => all.push("reset".to_owned()),
            Item::CaughtUp(mark) => all.push(format!("caught-up {}", mark.event)),
            Item::Events(entries) => {
                let line = |entry: &Arc<Entry>| {
                    let event = &entry.event;
                    format!("{} {}", event.id, event.request.status.as_str())
                };
                all.extend(entries.iter().map(line));
            }
        }
    }
    all
}

#[tokio::test]
async fn a_decision_ends_the_wait() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let wait = world.approvals.wait(id, Wants::Final, LIFE);
    let (answer, decided) = tokio::join!(wait, world.decide(id, Verdict::Approve));
    assert_eq!(answer.unwrap(), decided.unwrap());
    assert_eq!(world.approvals.hub().waiters.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_without_an_answer_tells_what_stands() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let waited = world
        .approvals
        .wait(id, Wants::Final, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(waited.request.status, Status::Pending);
    assert_eq!(
        world.approvals.hub().waiters.count(),
        0,
        "nothing stays behind"
    );
}

#[tokio::test]
async fn a_wait_that_is_dropped_leaves_nothing_behind() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let mut wait = Box::pin(world.approvals.wait(id, Wants::Final, LIFE));
    assert!(wait.as_mut().now_or_never().is_none());
    assert_eq!(world.approvals.hub().waiters.count(), 1);
    drop(wait);
    assert_eq!(world.approvals.hub().waiters.count(), 0);
}

#[tokio::test]
async fn winding_down_ends_waits_with_what_is_true() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let wait = world.approvals.wait(id, Wants::Final, LIFE);
    let (waited, ()) = tokio::join!(wait, async { world.drain.cancel() });
    assert_eq!(waited.unwrap().request.status, Status::Pending);
}

#[tokio::test]
async fn the_same_key_asks_once_and_another_ask_under_it_is_refused() {
    let world = World::new().await;
    let ask_with_key = |title: &'static str| {
        world.approvals.ask(ci(), ask(title, "t"), Some("key"), || {
            unreachable!("it has a key")
        })
    };
    let first = ask_with_key("Deploy?").await.unwrap();
    let again = ask_with_key("Deploy?").await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.event, again.event);
    let id = first.event.request.id;
    assert_eq!(ask_with_key("Destroy?").await, Err(Error::KeyReused(id)));
    assert_eq!(world.approvals.pending().await, Ok(1));
}

#[tokio::test]
async fn the_same_key_of_somebody_else_is_another_key() {
    let world = World::new().await;
    let ask = |who| {
        world
            .approvals
            .ask(who, ask("Deploy?", "t"), Some("key"), || unreachable!())
    };
    let (one, other) = (
        ask(ci()).await.unwrap(),
        ask(Caller::named("eve")).await.unwrap(),
    );
    assert_ne!(one.event.request.id, other.event.request.id);
}

#[tokio::test]
async fn as_many_may_be_pending_as_the_limit_says_and_replays_need_no_room() {
    let limits = Limits {
        connections: 8,
        waiters: 8,
        subscribers: 8,
        pending: 1,
    };
    let world = World::with(limits).await;
    let ask = |key| {
        world
            .approvals
            .ask(ci(), ask("Deploy?", "t"), Some(key), || unreachable!())
    };
    let first = ask("one").await.unwrap();
    assert_eq!(ask("two").await, Err(Error::TooManyPending(1)));
    assert!(ask("one").await.unwrap().replayed);
    world
        .decide(first.event.request.id, Verdict::Deny)
        .await
        .unwrap();
    assert!(!ask("two").await.unwrap().replayed);
}

/// Passes on what requests have come to, as a store does after a commit that was not confirmed.
struct OnlyTheEnd(Arc<Pump>);

impl Feed for OnlyTheEnd {
    fn deliver(&self, events: &[Event]) {
        let is_final = |event: &&Event| event.request.status.is_final();
        let events: Vec<_> = events.iter().filter(is_final).cloned().collect();
        self.0.deliver(&events);
    }
}

/// The pending requests were once counted along the feed, and one that was asked and decided in
/// the same unconfirmed group took one off that was never put on.
#[tokio::test]
async fn what_the_feed_leaves_out_is_counted_all_the_same() {
    let limits = Limits {
        connections: 8,
        waiters: 8,
        subscribers: 8,
        pending: 1,
    };
    let world = World::fed(limits, |pump| Arc::new(OnlyTheEnd(pump))).await;
    let id = world.ask("First?").await.request.id;
    world.decide(id, Verdict::Deny).await.unwrap();
    world.ask("Second?").await;
    let third = world
        .approvals
        .ask(ci(), ask("Third?", "t"), None, || world.next_id())
        .await;
    assert_eq!(third, Err(Error::TooManyPending(1)));
}

/// The first commit of a request is not always told, so whatever is told first wakes the sweep.
#[tokio::test]
async fn the_sweep_wakes_for_a_request_whatever_is_told_of_it_first() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let seen = world.approvals.seen(id, &Caller::named("alice")).await;
    let seen = seen.unwrap();
    assert_ne!(seen.version(), seen.id);
    let (pump, expires) = (&world.approvals.pump, seen.request.expires_at);
    // The ask has woken it, too.
    pump.expires_before(expires).await;
    let mut woken = Box::pin(pump.expires_before(expires));
    assert!(woken.as_mut().now_or_never().is_none());
    pump.deliver(std::slice::from_ref(&seen));
    let early = woken.as_mut().now_or_never();
    assert!(early.is_none(), "the sweep looks then anyway");
    drop(woken);
    let mut woken = Box::pin(pump.expires_before(expires.after(Duration::from_millis(1))));
    assert!(woken.as_mut().now_or_never().is_none());
    pump.deliver(&[seen]);
    assert!(woken.now_or_never().is_some());
}

#[tokio::test]
async fn with_no_room_to_wait_a_final_answer_is_still_told() {
    let limits = Limits {
        connections: 8,
        waiters: 0,
        subscribers: 8,
        pending: 8,
    };
    let world = World::with(limits).await;
    let id = world.ask("Deploy?").await.request.id;
    let full = Error::TooManyWaiters(Full { most: 0 });
    assert_eq!(
        world.approvals.wait(id, Wants::Final, LIFE).await,
        Err(full)
    );
    let decided = world.decide(id, Verdict::Approve).await.unwrap();
    assert_eq!(
        world.approvals.wait(id, Wants::Final, LIFE).await,
        Ok(decided)
    );
}

#[tokio::test]
async fn an_overdue_request_is_expired_by_whoever_meets_it() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    world.clock.advance(LIFE);
    let late = world.decide(id, Verdict::Approve).await.unwrap_err();
    let Error::Refused(Refusal::Final(Status::Expired), event) = late else {
        panic!("{late:?}")
    };
    assert_eq!(event.request.status, Status::Expired);
    assert_eq!(
        world.store.get(id).await.unwrap().unwrap(),
        *event,
        "it is committed"
    );
    assert_eq!(world.approvals.read(id).await.unwrap(), *event);
    assert_eq!(world.approvals.pending().await, Ok(0));
}

#[tokio::test]
async fn a_store_that_cannot_write_shows_an_overdue_request_as_pending() {
    let world = World::new().await;
    let event = world.ask("Deploy?").await;
    world.clock.advance(LIFE);
    world.store.close().await;
    let present = world.approvals.present(event).await.unwrap();
    assert_eq!(present.request.status, Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_expires_on_time_and_wakes_who_waits() {
    let world = World::new().await;
    let sweep = tokio::spawn(sweep::run(Arc::clone(&world.approvals), LIFE));
    let id = world.ask("Deploy?").await.request.id;
    let wait = world.approvals.wait(id, Wants::Final, LIFE * 10);
    let time = async {
        for _ in 0..61 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.clock.advance(Duration::from_secs(1));
        }
    };
    let (answer, ()) = tokio::join!(wait, time);
    assert_eq!(answer.unwrap().request.status, Status::Expired);
    world.drain.cancel();
    sweep.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_sweep_forgets_what_is_older_than_retained() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    world.decide(id, Verdict::Approve).await.unwrap();
    world.clock.advance(LIFE + Duration::from_millis(1));
    let sweep = tokio::spawn(sweep::run(Arc::clone(&world.approvals), LIFE));
    tokio::time::sleep(limits::SWEEP_SLEEP).await;
    assert_eq!(world.approvals.read(id).await, Err(Error::NotFound(id)));
    world.drain.cancel();
    sweep.await.unwrap();
}

#[tokio::test]
async fn of_a_hundred_racing_decisions_one_wins() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let racers = (0..100).map(|n| {
        let verdict = if n % 2 == 0 {
            Verdict::Approve
        } else {
            Verdict::Deny
        };
        let approvals = Arc::clone(&world.approvals);
        tokio::spawn(async move {
            let by = Caller::named(&format!("approver-{n}"));
            approvals.decide(id, &by, verdict, None, None).await
        })
    });
    let outcomes = futures_util::future::join_all(racers).await;
    let won = outcomes
        .iter()
        .filter(|outcome| outcome.as_ref().unwrap().is_ok())
        .count();
    assert_eq!(won, 1);
    assert_eq!(
        world
            .approvals
            .read(id)
            .await
            .unwrap()
            .request
            .decisions
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stream_tells_what_is_pending_then_what_happens() {
    let world = World::new().await;
    let gone = world.ask("Gone?").await.request.id;
    let kept = world.ask("Kept?").await.request.id;
    world.decide(gone, Verdict::Deny).await.unwrap();
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["2 pending", "caught-up 3"]);
    world.decide(kept, Verdict::Approve).await.unwrap();
    assert_eq!(told(&mut stream), ["4 approved"]);
}

#[tokio::test]
async fn a_resumed_stream_tells_what_changed_since() {
    let world = World::new().await;
    let first = world.ask("First?").await.request.id;
    let cursor = world.approvals.cursor(EventId(1));
    world.ask("Second?").await;
    world.decide(first, Verdict::Approve).await.unwrap();
    let mut stream = world.listen(Some(cursor)).await;
    assert_eq!(
        told(&mut stream),
        ["2 pending", "3 approved", "caught-up 3"]
    );
}

#[tokio::test]
async fn a_change_between_opening_and_reading_is_told_once() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    let mut stream = world.listen(None).await;
    world.decide(id, Verdict::Approve).await.unwrap();
    assert_eq!(told(&mut stream), ["caught-up 1", "2 approved"]);
}

#[tokio::test]
async fn a_cursor_that_this_store_does_not_know_resets() {
    let world = World::new().await;
    world.ask("Deploy?").await;
    let here = world.approvals.cursor(EventId(1));
    let elsewhere = Cursor {
        history: HistoryId::from_random(99),
        ..here
    };
    let ahead = Cursor {
        event: EventId(2),
        ..here
    };
    for cursor in [
        elsewhere.to_string(),
        ahead.to_string(),
        "garbage".to_owned(),
    ] {
        let mut stream = world
            .approvals
            .listen(Some(&cursor), Vec::new())
            .await
            .unwrap();
        assert_eq!(
            told(&mut stream),
            ["reset", "1 pending", "caught-up 1"],
            "{cursor}"
        );
    }
    let mut known = world.listen(Some(here)).await;
    assert_eq!(told(&mut known), ["caught-up 1"]);
}

#[tokio::test]
async fn a_cursor_older_than_what_was_purged_resets() {
    let world = World::new().await;
    let id = world.ask("Old?").await.request.id;
    world.decide(id, Verdict::Approve).await.unwrap();
    let before = world.approvals.cursor(EventId(1));
    let after = world.approvals.cursor(EventId(2));
    world.store.purge(T0.after(LIFE), 10).await.unwrap();
    assert_eq!(
        told(&mut world.listen(Some(before)).await),
        ["reset", "caught-up 2"]
    );
    assert_eq!(told(&mut world.listen(Some(after)).await), ["caught-up 2"]);
}

#[tokio::test]
async fn a_subscriber_far_behind_the_tail_misses_nothing() {
    let world = World::new().await;
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["caught-up 0"]);
    // Twice as many commits as the tail holds; each request's first one is overtaken.
    let requests = limits::TAIL_EVENTS as u64;
    for _ in 0..requests {
        let id = world.ask("Deploy?").await.request.id;
        world.decide(id, Verdict::Deny).await.unwrap();
    }
    let all = told(&mut stream);
    let denied: Vec<_> = all
        .into_iter()
        .filter(|line| line.ends_with("denied"))
        .collect();
    let expected: Vec<_> = (1..=requests)
        .map(|n| format!("{} denied", 2 * n))
        .collect();
    assert_eq!(denied, expected, "each request's end, once, in order");
}

#[tokio::test]
async fn a_stream_of_one_topic_tells_no_other_and_still_moves() {
    let world = World::new().await;
    let topic = Topic::new("deploy".to_owned()).unwrap();
    let mut stream = world.approvals.listen(None, vec![topic]).await.unwrap();
    assert_eq!(told(&mut stream), ["caught-up 0"]);
    world.ask_about("Ours?", "deploy").await;
    world.ask_about("Theirs?", "lunch").await;
    assert_eq!(told(&mut stream), ["1 pending"]);
    assert_eq!(stream.cursor().event, EventId(2));
}

#[tokio::test]
async fn a_clock_behind_the_store_is_told_until_it_has_caught_up() {
    let world = World::new().await;
    assert_eq!(world.approvals.behind(), None);
    world.clock.advance(Duration::from_secs(10));
    world.ask("Deploy?").await;
    let (shared, drain) = (
        Arc::clone(&world.store) as SharedStore,
        CancellationToken::new(),
    );
    let limits = world.approvals.limits;
    let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::new(Metrics::default()));
    let clock = Arc::new(ManualClock::at(T0));
    let set_back = Approvals::begin(shared, pump, Arc::clone(&clock) as Arc<_>, limits, drain)
        .await
        .unwrap();
    assert_eq!(set_back.behind(), Some(Duration::from_secs(10)));
    clock.advance(Duration::from_secs(9));
    assert_eq!(set_back.behind(), None);
}

/// The daemon once did not start on a database whose newest record was damaged, and any other such
/// record silenced every stream and the sweep.
#[tokio::test]
async fn a_record_that_cannot_be_read_silences_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pushd.db");
    let limits = World::new().await.approvals.limits;
    let begin = || async {
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::new(Metrics::default()));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let store: SharedStore = Arc::new(SqliteStore::open(&path, feed).await.unwrap());
        let clock = Arc::new(ManualClock::at(T0));
        let drain = CancellationToken::new();
        let approvals = Approvals::begin(store, pump, Arc::clone(&clock) as Arc<_>, limits, drain);
        (approvals.await.unwrap(), clock)
    };
    let id = |n| RequestId::from_bytes([n; 16]);
    let (approvals, _) = begin().await;
    for n in 1..=3 {
        let asked = approvals.ask(ci(), ask("Deploy?", "t"), None, || id(n));
        asked.await.unwrap();
    }
    approvals.store.close().await;
    let database = rusqlite::Connection::open(&path).unwrap();
    let sql = "UPDATE requests SET record = x'7b' WHERE event_id <> 2";
    assert_eq!(database.execute(sql, ()).unwrap(), 2);
    drop(database);
    let (approvals, clock) = begin().await;
    let mut stream = approvals.listen(None, Vec::new()).await.unwrap();
    let Item::Events(entries) = stream.next().await else {
        panic!("one can be read");
    };
    let told: Vec<_> = entries.iter().map(|entry| entry.event.id).collect();
    assert_eq!(told, [EventId(2)]);
    let Item::CaughtUp(mark) = stream.next().await else {
        panic!("the others cannot");
    };
    assert_eq!(mark.event, EventId(3), "the cursor has passed them");
    clock.advance(LIFE);
    assert_eq!(approvals.expire_overdue(9).await.unwrap(), 1);
    let read = approvals.read(id(2)).await.unwrap();
    assert_eq!(read.request.status, Status::Expired);
    let damaged = approvals.read(id(3)).await;
    assert!(
        matches!(damaged, Err(Error::Store(StoreError::BadRecord { .. }))),
        "{damaged:?}"
    );
    assert!(matches!(*approvals.health().borrow(), Health::Damaged(_)));
}
