//! Random sequences of use cases, on the daemon's inside and on a model of it that is too simple
//! to be wrong: no store, no feed, nobody who overtakes.

mod plain;
mod script;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::plain::{Asks, Model, Refused};
use self::script::{PEOPLE, Step, step};
use super::*;
use crate::store::sqlite::SqliteStore;

/// Requests that may be pending.
const ROOM: usize = 4;
/// How long something may take that has to happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon's inside, over a store that may outlive it.
struct Inside {
    approvals: Arc<Approvals>,
    clock: Arc<ManualClock>,
    drain: CancellationToken,
    dir: Option<TempDir>,
    listener: Subscription,
    /// What was told since the listener came: event ids and states, in the order they were told.
    heard: Vec<(EventId, Status)>,
    parked: Vec<(RequestId, JoinHandle<Result<Event, Error>>)>,
}

impl Inside {
    /// Opens it; the store is new unless `dir` has one.
    async fn open(dir: Option<TempDir>, now: Timestamp) -> Self {
        let limits = Limits {
            connections: 64,
            waiters: 64,
            subscribers: 64,
            pending: ROOM,
            ..Limits::for_descriptors(0)
        };
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::new(Metrics::default()));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let store: SharedStore = match &dir {
            Some(dir) => {
                let path = dir.path().join("pushd.db");
                Arc::new(SqliteStore::open(&path, feed).await.unwrap())
            }
            None => Arc::new(MemoryStore::new(HistoryId::from_random(14), feed)),
        };
        let (clock, drain) = (Arc::new(ManualClock::at(now)), CancellationToken::new());
        let time = Arc::clone(&clock) as Arc<_>;
        let begun = Approvals::begin(store, pump, time, limits, drain.clone());
        let approvals = begun.await.unwrap();
        let head = approvals.store.head().await.unwrap().event;
        let here = approvals.cursor(head).to_string();
        let listener = approvals
            .listen(Some(&here), Filter::default())
            .await
            .unwrap();
        Self {
            approvals,
            clock,
            drain,
            dir,
            listener,
            heard: Vec::new(),
            parked: Vec::new(),
        }
    }

    /// Ends as a daemon ends: whoever waits is told what is true.
    async fn end(&mut self, model: &mut Model) {
        // Polls of several overdue requests would expire them in no order, so that all but one are
        // met before.
        let ids: Vec<_> = self.parked.iter().map(|(id, _)| *id).collect();
        for id in ids.iter().copied().filter(|id| *id != ids[0]) {
            let real = self.approvals.read(id).await;
            let wanted = model.read(id);
            same(model, id, real, wanted);
        }
        self.drain.cancel();
        for (id, poll) in std::mem::take(&mut self.parked) {
            let answer = timeout(PATIENCE, poll).await.expect("a drain ends polls");
            // The last look may be the one that meets an overdue request.
            let wanted = model.read(id);
            same(model, id, answer.unwrap(), wanted);
        }
        assert_eq!(self.approvals.hub().waiters.count(), 0);
        self.listen().await;
        self.approvals.store.close().await;
    }

    /// Hears everything up to the newest commit.
    async fn listen(&mut self) {
        let head = self.approvals.store.head().await.unwrap().event;
        while self.listener.cursor().event < head || !self.listener.is_live() {
            let next = timeout(PATIENCE, self.listener.next()).await;
            match next.expect("the stream tells every commit") {
                Item::Events(entries) => self.heard.extend(
                    entries
                        .iter()
                        .map(|entry| (entry.event.id, entry.event.request.status)),
                ),
                Item::CaughtUp(_) => {}
                Item::Reset(_) => panic!("nothing was missed that this stream had not passed"),
            }
        }
    }
}

fn play(durable: bool, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&vec(step(), 1..50), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(live(durable, steps));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

async fn live(durable: bool, steps: Vec<Step>) {
    let dir = durable.then(|| tempfile::tempdir().unwrap());
    let mut inside = Inside::open(dir, T0).await;
    let mut model = Model::new(T0, ROOM);
    for step in steps {
        if matches!(step, Step::Restart) {
            if durable {
                inside.end(&mut model).await;
                let (now, heard) = (inside.clock.now(), inside.heard);
                inside = Inside::open(inside.dir, now).await;
                inside.heard = heard;
            }
        } else {
            take(&mut inside, &mut model, &step).await;
        }
        compare(&mut inside, &mut model).await;
    }
    inside.end(&mut model).await;
}

/// Takes one step on both sides; what they answer has to be the same.
async fn take(inside: &mut Inside, model: &mut Model, step: &Step) {
    let approvals = Arc::clone(&inside.approvals);
    match *step {
        Step::Ask {
            who,
            key,
            title,
            life,
        } => {
            let key = key.map(|n| format!("key {n}"));
            let title = format!("title {title}");
            asks(
                &approvals,
                model,
                (PEOPLE[who], key.as_deref()),
                (&title, life),
            )
            .await;
        }
        Step::Decide {
            slot,
            who,
            yes,
            shown,
        } => {
            let verdict = if yes { Verdict::Approve } else { Verdict::Deny };
            let id = model.id(slot);
            let shown = shown.map(|off| EventId(model.version(id).0 + off));
            let (by, reason) = (
                Caller::named(PEOPLE[who]),
                Reason::new("so".to_owned()).unwrap(),
            );
            let real = approvals
                .decide(id, &by, verdict, reason, shown, None)
                .await;
            let wanted = model.decide(id, PEOPLE[who], verdict, shown);
            same(model, id, real, wanted);
        }
        Step::Cancel { slot, who } => {
            let id = model.id(slot);
            let real = approvals.cancel(id, &Caller::named(PEOPLE[who])).await;
            let wanted = model.cancel(id, PEOPLE[who]);
            same(model, id, real, wanted);
        }
        Step::See { slot, who } => {
            let id = model.id(slot);
            let real = approvals.seen(id, &Caller::named(PEOPLE[who])).await;
            let wanted = model.see(id, PEOPLE[who]);
            same(model, id, real, wanted);
        }
        Step::Read { slot, waits } => {
            let id = model.id(slot);
            let real = if waits {
                approvals.wait(id, Wants::Final, Duration::ZERO).await
            } else {
                approvals.read(id).await
            };
            let wanted = model.read(id);
            same(model, id, real, wanted);
        }
        Step::Park { slot } => {
            let id = model.id(slot);
            let poll = async move { approvals.wait(id, Wants::Final, 100 * LIFE).await };
            inside.parked.push((id, tokio::spawn(poll)));
            // It meets an overdue request before it waits.
            tokio::task::yield_now().await;
            let real = inside.approvals.read(id).await;
            let wanted = model.read(id);
            same(model, id, real, wanted);
        }
        Step::Pass { secs } => {
            let time = Duration::from_secs(secs);
            inside.clock.advance(time);
            model.now = model.now.after(time);
        }
        Step::List { status } => {
            let query = ListQuery {
                status,
                topic: None,
                seen_by: None,
                after: None,
                limit: 100,
            };
            let page = approvals.list(query, |page| page).await.unwrap();
            let listed: Vec<_> = page.events.iter().map(|event| event.request.id).collect();
            assert_eq!(listed, model.list(status));
        }
        Step::Sweep => {
            let overdue = approvals.expire_overdue(100).await.unwrap();
            assert_eq!(overdue, model.sweep());
        }
        Step::Purge { secs } => {
            let before = model.now.before(Duration::from_secs(secs));
            let purged = approvals.store.purge(before, 100).await.unwrap();
            assert_eq!(purged, model.purge(before));
        }
        Step::Restart => {}
    }
}

/// Somebody asks, under a key or without, with a title and for so many seconds.
async fn asks(
    approvals: &Approvals,
    model: &mut Model,
    (who, key): (&str, Option<&str>),
    (title, life): (&str, u64),
) {
    let fresh = model.fresh_id();
    let asked = Ask {
        expires_in: Some(Duration::from_secs(life)),
        ..ask(title, "t")
    };
    let real = approvals
        .ask(Caller::named(who), asked, key, || fresh)
        .await;
    let wanted = model.ask(who, key, title, life);
    match (real, wanted) {
        (Ok(asked), Asks::Is { id, replayed }) => {
            assert_eq!((asked.event.request.id, asked.replayed), (id, replayed));
            model.is_shown(id, Ok(&asked.event));
        }
        (Err(Error::KeyReused { id: real, .. }), Asks::KeyReused(id)) => assert_eq!(real, id),
        (Err(Error::TooManyPending(most)), Asks::TooMany) => assert_eq!(most, ROOM),
        (real, wanted) => panic!("{real:?} is not {wanted:?}"),
    }
}

/// Both sides say the same of a command.
fn same(model: &Model, id: RequestId, real: Result<Event, Error>, wanted: Result<(), Refused>) {
    match (real, wanted) {
        (Ok(event), Ok(())) => model.is_shown(id, Ok(&event)),
        (Err(Error::NotFound(real)), Err(Refused::NotFound)) => assert_eq!(real, id),
        (Err(Error::Refused(refusal, event)), Err(Refused::By(wanted))) => {
            assert_eq!(refusal, wanted);
            model.is_shown(id, Ok(&event));
        }
        (real, wanted) => panic!("{real:?} is not {wanted:?}"),
    }
}

/// Every request is as the model has it, each change was one commit that was told once and in
/// order, and whoever waited for an end has been told that one.
async fn compare(inside: &mut Inside, model: &mut Model) {
    let store = Arc::clone(&inside.approvals.store);
    inside.listen().await;
    for id in model.ids() {
        let event = store.get(id).await.unwrap();
        model.is_stored(id, event.as_ref());
    }
    let told: Vec<_> = std::mem::take(&mut inside.heard);
    assert!(told.is_sorted_by_key(|(id, _)| *id), "{told:?}");
    let mut states: Vec<_> = told.iter().map(|(_, status)| *status).collect();
    let mut wanted = model.take_commits();
    // Expiries are committed together, in no order.
    states.sort_by_key(|status| status.as_str());
    wanted.sort_by_key(|status| status.as_str());
    assert_eq!(states, wanted);
    let head = store.head().await.unwrap().event;
    assert_eq!(head.0, model.commits);

    let mut parked = Vec::new();
    for (id, poll) in std::mem::take(&mut inside.parked) {
        if model.is_pending(id) {
            assert!(
                !poll.is_finished(),
                "it was told something that is not true"
            );
            parked.push((id, poll));
        } else {
            let answer = timeout(PATIENCE, poll).await.expect("a poll is woken");
            model.is_shown_or_gone(id, answer.unwrap().as_ref());
        }
    }
    inside.parked = parked;

    // A reader that comes back after it has seen nothing is told all that there is, once.
    let from = inside.approvals.cursor(model.purged).to_string();
    let mut late = inside
        .approvals
        .listen(Some(&from), Filter::default())
        .await
        .unwrap();
    let mut ids = Vec::new();
    while !late.is_live() {
        match timeout(PATIENCE, late.next())
            .await
            .expect("a replay goes on")
        {
            Item::Events(entries) => {
                ids.extend(entries.iter().map(|entry| entry.event.request.id));
            }
            Item::CaughtUp(_) => {}
            Item::Reset(_) => panic!("nothing was purged after it"),
        }
    }
    assert_eq!(ids, model.changed_after(model.purged));
}

#[test]
fn random_lives_are_as_the_model_says_in_memory() {
    play(false, 256);
}

#[test]
fn random_lives_are_as_the_model_says_on_the_disk_and_across_restarts() {
    play(true, 64);
}
