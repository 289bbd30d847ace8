//! Requests whose askers are gone, or only seem to be.

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::approvals::leases::keep;
use crate::domain::{Channel, Rights, Role, TopicPattern, What};
use crate::principals::Grant;
use crate::store::faulty::Fault;

const LEASE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_mins(1);

fn leased(title: &str) -> Ask {
    Ask {
        lease: Some(LEASE),
        expires_in: Some(limits::EXPIRY_MAX),
        ..ask(title, Topic::DEFAULT)
    }
}

fn roomy() -> Limits {
    Limits {
        waiters: 100,
        pending: 10_000,
        ..Limits::for_descriptors(0)
    }
}

impl World {
    async fn ask_leased(&self, title: &str) -> RequestId {
        let asked = self
            .approvals
            .ask(ci(), leased(title), None, || self.next_id());
        asked.await.unwrap().event.request.id
    }

    fn keeps_leases(&self) -> JoinHandle<()> {
        tokio::spawn(keep(Arc::clone(&self.approvals)))
    }

    /// The use cases as somebody has them who may do everything.
    fn access(&self, by: &str, channel: Channel) -> Access {
        let caller = Caller {
            channel: Some(channel),
            ..Caller::named(by)
        };
        let rights = Rights {
            principal: caller.principal.clone(),
            is_known: true,
            roles: Role::ALL.to_vec(),
            topics: vec![TopicPattern::new(TopicPattern::ALL).unwrap()],
        };
        let grant = Grant::lasting(Arc::new(rights));
        Access::new(Arc::clone(&self.approvals), caller, grant)
    }

    fn asker(&self) -> Access {
        self.access("ci", Channel::Api)
    }

    async fn stands(&self, id: RequestId) -> (Status, bool) {
        let request = self.approvals.read(id).await.unwrap().request;
        (request.status, request.lease_ended)
    }
}

const KEPT: (Status, bool) = (Status::Pending, false);
const ABANDONED: (Status, bool) = (Status::Cancelled, true);
const NEARLY: Duration = Duration::from_secs(19);
const SOON_AFTER: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn a_request_whose_asker_is_gone_is_withdrawn_and_everybody_is_told() {
    let world = World::with(roomy()).await;
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["caught-up 0"]);
    let keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let plain = world.ask("No lease?").await.request.id;
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
    assert_eq!(world.stands(plain).await, KEPT);
    assert_eq!(told(&mut stream), ["1 pending", "2 pending", "3 cancelled"]);
    let request = world.approvals.read(id).await.unwrap().request;
    let last = request.history.last().unwrap();
    assert_eq!((last.what, &last.by), (What::Cancelled, &None));
    assert_eq!(world.approvals.leases().counts(), (0, 0));
    world.drain.cancel();
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_polls_for_hours_keeps_its_request() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let asker = world.asker();
    for _ in 0..100 {
        let event = asker.wait(id, Wants::Final, POLL).await.unwrap();
        assert_eq!(event.request.status, Status::Pending);
        sleep(LEASE / 2).await;
    }
    let commits = world.store.commits();
    assert_eq!(commits, 1, "polls write nothing");
    let held = asker.wait(id, Wants::Final, Duration::from_hours(5)).await;
    assert_eq!(held.unwrap().request.status, Status::Pending);
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn one_of_several_polls_is_enough_and_a_dropped_one_counts_no_more() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let access = world.asker();
    let [first, second] = [(); 2].map(|()| {
        let access = access.clone();
        tokio::spawn(async move { access.wait(id, Wants::Final, POLL * 60).await })
    });
    sleep(LEASE * 2).await;
    first.abort();
    sleep(LEASE * 2).await;
    assert_eq!(world.stands(id).await, KEPT);
    second.abort();
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn polls_of_others_and_of_pages_do_not_keep_it_and_are_told() {
    for (who, channel) in [
        ("alice", Channel::Api),
        ("ci", Channel::Page),
        ("ci", Channel::Terminal),
    ] {
        let world = World::with(roomy()).await;
        let _keeper = world.keeps_leases();
        let id = world.ask_leased("Deploy?").await;
        let poll = world
            .access(who, channel)
            .wait(id, Wants::Final, POLL)
            .await;
        let request = poll.unwrap().request;
        assert!(request.lease_ended, "{who} {channel:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_of_the_asker_and_the_same_ask_again_are_signs_of_life() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let (asker, key) = (world.asker(), Some("key"));
    let ask = || asker.ask(leased("Deploy?"), key, || unreachable!("it has a key"));
    let id = ask().await.unwrap().event.request.id;
    sleep(NEARLY).await;
    asker.read(id).await.unwrap();
    sleep(NEARLY).await;
    assert!(ask().await.unwrap().replayed);
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    let look = world.access("ci", Channel::Page).read(id).await.unwrap();
    assert_eq!(look.request.status, Status::Pending);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED, "not that of its page");
}

/// Found by review: the lease of an asker that was killed stayed when the same was asked without
/// one, and ended what was meant to wait for its answer alone.
#[tokio::test(start_paused = true)]
async fn the_same_ask_without_a_lease_frees_the_request_of_it() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let (access, key) = (world.asker(), Some("key"));
    let asked = async |ask: Ask| {
        let asking = access.ask(ask, key, || unreachable!("it has a key"));
        asking.await.unwrap()
    };
    let first = asked(leased("Deploy?")).await.event;
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["1 pending", "caught-up 1"]);
    let plain = || Ask {
        lease: None,
        ..leased("Deploy?")
    };
    let freed = asked(plain()).await;
    assert!(freed.replayed);
    assert_eq!(freed.event.request.lease_secs, None);
    assert_eq!(freed.event.version(), first.version());
    assert_eq!(freed.event.request.history, first.request.history);
    assert_eq!(told(&mut stream), ["2 pending"]);
    assert_eq!(world.approvals.leases().counts(), (0, 0));
    // A poll that had read it before puts its lease into the book again.
    let mut hold = world.approvals.leases().hold(first.request.id, &ci());
    hold.of(&first.request, &ci());
    drop(hold);
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.stands(first.request.id).await, KEPT);
    assert_eq!(world.approvals.leases().counts(), (0, 0));
    // Once is enough, and nobody gives it one again.
    assert_eq!(asked(plain()).await.event.id, freed.event.id);
    assert_eq!(asked(leased("Deploy?")).await.event.id, freed.event.id);
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.stands(first.request.id).await, KEPT);
}

#[tokio::test(start_paused = true)]
async fn with_a_new_daemon_all_leases_begin_anew() {
    let world = World::with(roomy()).await;
    // More than one page, and nobody ends leases while the daemon is down.
    let mut ids = Vec::new();
    for _ in 0..=limits::LIST_MAX {
        ids.push(world.ask_leased("Deploy?").await);
    }
    sleep(LEASE * 10).await;
    let pump = Pump::new(Arc::new(Hub::new(&roomy())), Arc::new(Metrics::default()));
    let store = Arc::clone(&world.store) as SharedStore;
    let clock = Arc::clone(&world.clock) as Arc<_>;
    let begun = Approvals::begin(store, pump, clock, roomy(), CancellationToken::new());
    let again = begun.await.unwrap();
    let _keeper = tokio::spawn(keep(Arc::clone(&again)));
    sleep(NEARLY).await;
    assert_eq!(again.leases().counts(), (ids.len(), ids.len()));
    assert_eq!(again.pending().await, Ok(ids.len()));
    sleep(SOON_AFTER).await;
    assert_eq!(again.pending().await, Ok(0));
    assert_eq!(again.leases().counts(), (0, 0));
}

/// The book is filled while polls come already: one that came before its request was found counts.
#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_before_the_daemon_knows_of_the_lease_counts() {
    let world = World::with(roomy()).await;
    let id = world.ask_leased("Deploy?").await;
    let pump = Pump::new(Arc::new(Hub::new(&roomy())), Arc::new(Metrics::default()));
    let store = Arc::clone(&world.store) as SharedStore;
    let clock = Arc::clone(&world.clock) as Arc<_>;
    let begun = Approvals::begin(store, pump, clock, roomy(), CancellationToken::new());
    let approvals = begun.await.unwrap();
    let world = World { approvals, ..world };
    let asker = world.asker();
    let poll = tokio::spawn(async move { asker.wait(id, Wants::Final, POLL * 9).await });
    sleep(SOON_AFTER).await;
    assert_eq!(world.approvals.leases().counts(), (1, 0));
    let _keeper = world.keeps_leases();
    sleep(LEASE * 2).await;
    assert_eq!(world.stands(id).await, KEPT);
    poll.abort();
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_cannot_write_no_lease_ends_and_then_all_begin_anew() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    world.store.tell_health(Health::Failing("full".to_owned()));
    sleep(LEASE * 10).await;
    assert_eq!(world.stands(id).await, KEPT);
    assert_eq!(world.store.commits(), 1, "it was not even tried");
    world.store.tell_health(Health::Ready);
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_store_that_is_over_at_once_is_an_outage_too() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    world.store.tell_health(Health::Failing("lost".to_owned()));
    world.store.tell_health(Health::Ready);
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_fails_is_tried_again_a_whole_lease_later() {
    for fault in [Fault::Unavailable, Fault::Busy, Fault::Lost] {
        let world = World::with(roomy()).await;
        let _keeper = world.keeps_leases();
        let id = world.ask_leased("Deploy?").await;
        world.store.break_commit(1, fault);
        sleep(LEASE + NEARLY).await;
        assert_eq!(world.stands(id).await, KEPT);
        assert_eq!(world.store.commits(), 2);
        sleep(SOON_AFTER).await;
        assert_eq!(world.stands(id).await, ABANDONED);
    }
}

#[tokio::test(start_paused = true)]
async fn commits_that_the_feed_does_not_tell_are_looked_for() {
    struct Deaf(Arc<Pump>);
    impl Feed for Deaf {
        fn deliver(&self, events: &[Event]) {
            if let Some(last) = events.last() {
                self.0.reached(last.id);
            }
        }
        fn reached(&self, head: EventId) {
            self.0.reached(head);
        }
    }
    let world = World::fed(roomy(), |pump| Arc::new(Deaf(pump))).await;
    let _keeper = world.keeps_leases();
    sleep(SOON_AFTER).await;
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_was_stopped_or_slept_gives_every_asker_a_whole_lease() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    // The process was stopped: its timers are late, and the asker's calls lie in the kernel.
    tokio::time::advance(LEASE * 100).await;
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    // The machine slept: its own clock stood still, and the wall's went on.
    world.clock.advance(Duration::from_hours(9));
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_has_waited_for_the_store_is_not_made_on_an_old_look() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    let gate = Arc::new(Semaphore::new(0));
    world.store.stall_reads(Some(Arc::clone(&gate)));
    sleep(SOON_AFTER * 3).await;
    world.store.stall_reads(None);
    gate.add_permits(99);
    sleep(NEARLY).await;
    assert_eq!(world.stands(id).await, KEPT);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_came_first_wins() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let gate = Arc::new(Semaphore::new(0));
    let stalled = Fault::Stall(Arc::clone(&gate));
    world.store.break_commit(1, stalled);
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.store.commits(), 2, "the withdrawal is on its way");
    world.decide(id, Verdict::Approve).await.unwrap();
    gate.add_permits(1);
    sleep(SOON_AFTER).await;
    assert_eq!(world.stands(id).await, (Status::Approved, false));
    assert_eq!(world.approvals.leases().counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_during_the_withdrawal_is_told_of_it() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let gate = Arc::new(Semaphore::new(0));
    let stalled = Fault::Stall(Arc::clone(&gate));
    world.store.break_commit(1, stalled);
    sleep(LEASE + SOON_AFTER).await;
    let asker = world.asker();
    let poll = tokio::spawn(async move { asker.wait(id, Wants::Final, POLL).await });
    sleep(SOON_AFTER).await;
    assert!(!poll.is_finished());
    gate.add_permits(1);
    let told = timeout(SOON_AFTER, poll).await.unwrap().unwrap().unwrap();
    assert!(told.request.lease_ended);
    assert_eq!(world.approvals.leases().counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_right_before_the_withdrawal_prevents_it() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    let gate = Arc::new(Semaphore::new(0));
    world.store.stall_reads(Some(Arc::clone(&gate)));
    // The lease has ended, and the request is being read to be withdrawn.
    sleep(Duration::from_millis(1500)).await;
    assert!(world.approvals.leases().counts().1 == 1);
    let asker = world.asker();
    let poll = tokio::spawn(async move { asker.wait(id, Wants::Final, POLL).await });
    tokio::task::yield_now().await;
    world.store.stall_reads(None);
    gate.add_permits(99);
    sleep(LEASE).await;
    assert_eq!(world.stands(id).await, KEPT);
    assert_eq!(world.store.commits(), 1, "no withdrawal was tried");
    let event = poll.await.unwrap().unwrap();
    assert_eq!(event.request.status, Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_leases_that_end_at_once_are_ended_a_few_hundred_at_a_time() {
    let world = World::with(roomy()).await;
    let _keeper = world.keeps_leases();
    let gate = Arc::new(Semaphore::new(0));
    let mut ids = Vec::new();
    for _ in 0..1000 {
        ids.push(world.ask_leased("Deploy?").await);
    }
    let asked = world.store.commits();
    world
        .store
        .break_commits(Some(Fault::Stall(Arc::clone(&gate))));
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.store.commits() - asked, limits::SWEEP_BATCH);
    world.store.break_commits(None);
    gate.add_permits(limits::SWEEP_BATCH);
    // That took so long that it may have been the daemon, so that the rest have a lease more.
    sleep(LEASE + SOON_AFTER).await;
    for id in ids {
        assert_eq!(world.stands(id).await, ABANDONED);
    }
    assert_eq!(
        world.store.commits() - asked,
        1000,
        "each was committed once"
    );
}

#[tokio::test(start_paused = true)]
async fn winding_down_ends_no_lease() {
    let world = World::with(roomy()).await;
    let keeper = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    sleep(NEARLY).await;
    world.drain.cancel();
    timeout(SOON_AFTER, keeper).await.unwrap().unwrap();
    sleep(LEASE).await;
    assert_eq!(world.stands(id).await, KEPT);
}

/// Askers that lived were kept out by the limits on connections, and their requests withdrawn.
#[tokio::test(start_paused = true)]
async fn while_connections_are_turned_away_no_lease_ends_and_then_all_begin_anew() {
    let world = World::new().await;
    let keeping = world.keeps_leases();
    let id = world.ask_leased("Deploy?").await;
    let kept_out = world.approvals.leases().kept_out();
    for _ in 0..5 {
        sleep(LEASE / 2).await;
        assert_eq!(world.stands(id).await, KEPT);
        kept_out.note();
    }
    sleep(LEASE + SOON_AFTER).await;
    assert_eq!(world.stands(id).await, ABANDONED);
    keeping.abort();
}
