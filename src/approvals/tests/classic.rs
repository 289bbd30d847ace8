//! The classic channels over a memory store, with a clock that tests move.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::approvals::classic::{ChannelName, Classic, Poller, Receiver, Refused};
use crate::store::ListQuery;
use crate::store::faulty::Fault;

/// A client that is there until it is told to go.
#[derive(Clone, Default)]
struct Client(Arc<AtomicBool>);

impl Receiver for Client {
    fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn has_missed(&self) -> bool {
        false
    }
}

fn poller() -> Poller {
    polled_by(Client::default())
}

fn polled_by(client: Client) -> Poller {
    Poller {
        address: None,
        origin: Some("http://pages.example".to_owned()),
        receiver: Arc::new(client),
    }
}

fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

async fn classic(world: &World) -> Arc<Classic> {
    Classic::begin(Arc::clone(&world.approvals)).await.unwrap()
}

impl World {
    async fn all(&self) -> Vec<Event> {
        let query = ListQuery {
            status: None,
            topic: None,
            seen_by: None,
            after: None,
            limit: 100,
        };
        self.approvals
            .list(query, |page| page)
            .await
            .unwrap()
            .events
    }

    async fn pending_ids(&self) -> Vec<RequestId> {
        let all = self.all().await.into_iter();
        all.filter(|event| event.request.status == Status::Pending)
            .map(|event| event.request.id)
            .collect()
    }

    /// Lets time pass for clocks and timers alike.
    async fn pass(&self, secs: u64) {
        for _ in 0..secs {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.clock.advance(Duration::from_secs(1));
        }
        // Whoever sleeps until just after a second.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_asks_once_and_its_resends_join() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_secs(5), classic.poll(&a, poller()));
        assert!(given_up.await.is_err(), "nobody has answered");
    }
    let asked = world.all().await;
    let [event] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(event.request.topic.as_str(), "classic/a");
    assert_eq!(event.request.requester.principal.as_str(), "classic");
    assert_eq!(event.request.fields[0].value(), "http://pages.example");
    let id = event.request.id;
    let answering = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.decide(id, Verdict::Approve).await.unwrap();
    };
    let (answer, ()) = tokio::join!(classic.poll(&a, poller()), answering);
    assert_eq!(answer, Ok(Status::Approved));
}

#[tokio::test(start_paused = true)]
async fn polls_that_come_at_once_ask_one_question() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let answering = async {
        let id = loop {
            if let [id] = world.pending_ids().await[..] {
                break id;
            }
            tokio::task::yield_now().await;
        };
        world.decide(id, Verdict::Deny).await.unwrap();
    };
    let (one, two, ()) = tokio::join!(
        classic.poll(&a, poller()),
        classic.poll(&a, poller()),
        answering
    );
    assert_eq!((one, two), (Ok(Status::Denied), Ok(Status::Denied)));
    assert_eq!(world.all().await.len(), 1);
}

// The stream told D of the question before A's poll had heard that it was made, and D's answer was
// refused with "nothing pending".
#[tokio::test]
async fn a_question_can_be_answered_before_its_poll_knows_that_it_was_made() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    world
        .store
        .break_commit(1, Fault::StallAnswer(Arc::clone(&gate)));
    let mut poll = Box::pin(classic.poll(&a, poller()));
    assert!(poll.as_mut().now_or_never().is_none());
    let d = Caller::named("d");
    let answered = classic.answer(&a, &d, Verdict::Approve);
    assert_eq!(answered.await.unwrap().request.status, Status::Approved);
    gate.add_permits(1);
    assert_eq!(poll.await, Ok(Status::Approved));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_polls_for_any_more_is_withdrawn_after_15_seconds() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let keeper = tokio::spawn(Arc::clone(&classic).keep());
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    world.pass(14).await;
    assert_eq!(world.pending_ids().await.len(), 1);
    world.pass(2).await;
    assert_eq!(world.pending_ids().await, []);
    let refused = classic.answer(&a, &ci(), Verdict::Approve).await;
    assert_eq!(refused, Err(Refused::NothingPending("a".to_owned())));
    world.drain.cancel();
    keeper.await.unwrap();
}

// A yes for A's question hit a stranger's, which had taken its place a moment before.
#[tokio::test(start_paused = true)]
async fn a_yes_for_a_question_that_is_over_does_not_hit_the_next_one() {
    for outcome in ["decided", "expired", "withdrawn"] {
        let world = World::new().await;
        let (classic, a) = (classic(&world).await, channel("a"));
        let keeper = tokio::spawn(Arc::clone(&classic).keep());
        let mut poll = Some(Box::pin(classic.poll(&a, poller())));
        assert!(poll.as_mut().unwrap().now_or_never().is_none());
        let first = world.pending_ids().await[0];
        match outcome {
            "decided" => drop(world.decide(first, Verdict::Deny).await.unwrap()),
            "expired" => world.clock.advance(crate::limits::EXPIRY_DEFAULT),
            _ => {
                poll = None;
                world.pass(16).await;
            }
        }
        if let Some(poll) = poll {
            drop(poll.await);
        }
        let stranger = classic.poll(&a, poller());
        let mut stranger = Box::pin(stranger);
        assert!(stranger.as_mut().now_or_never().is_none());
        let second = world.pending_ids().await[0];
        assert_ne!(first, second, "{outcome}");
        for millis in [0, 499] {
            world.clock.advance(Duration::from_millis(millis));
            let refused = classic.answer(&a, &ci(), Verdict::Approve).await;
            assert_eq!(
                refused,
                Err(Refused::JustAsked("a".to_owned())),
                "{outcome}"
            );
        }
        assert_eq!(world.pending_ids().await, [second], "{outcome}");
        world.clock.advance(Duration::from_millis(1));
        classic.answer(&a, &ci(), Verdict::Approve).await.unwrap();
        assert_eq!(stranger.await, Ok(Status::Approved), "{outcome}");
        world.drain.cancel();
        keeper.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_between_polls_is_given_to_one_of_them() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    let alice = Caller::named("alice");
    classic.answer(&a, &alice, Verdict::Approve).await.unwrap();
    let again = classic.answer(&a, &alice, Verdict::Approve).await;
    assert_eq!(again, Err(Refused::NothingPending("a".to_owned())));
    assert_eq!(classic.poll(&a, poller()).await, Ok(Status::Approved));
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    assert_eq!(world.pending_ids().await.len(), 1, "the second asks anew");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_10_seconds_whatever_the_keeper_does() {
    for (secs, kept) in [(9, true), (10, false)] {
        let world = World::new().await;
        let (classic, a) = (classic(&world).await, channel("a"));
        let keeper = tokio::spawn(Arc::clone(&classic).keep());
        assert!(classic.poll(&a, poller()).now_or_never().is_none());
        world.pass(14).await;
        classic.answer(&a, &ci(), Verdict::Approve).await.unwrap();
        world.pass(secs).await;
        let answer = classic.poll(&a, poller()).now_or_never();
        assert_eq!(answer, kept.then_some(Ok(Status::Approved)), "{secs}");
        world.drain.cancel();
        keeper.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_as_its_poll_is_given_up_waits_for_the_resend() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let client = Client::default();
    let mut poll = Box::pin(classic.poll(&a, polled_by(client.clone())));
    assert!(poll.as_mut().now_or_never().is_none());
    client.0.store(true, Ordering::Relaxed);
    classic.answer(&a, &ci(), Verdict::Approve).await.unwrap();
    assert_eq!(poll.await, Err(Refused::Gone));
    assert_eq!(classic.poll(&a, poller()).await, Ok(Status::Approved));
}

#[tokio::test(start_paused = true)]
async fn a_question_is_found_again_by_the_next_process() {
    let world = World::new().await;
    let a = channel("a");
    let former = classic(&world).await;
    assert!(former.poll(&a, poller()).now_or_never().is_none());
    // Somebody else's request about the same topic is not the channel's.
    world.ask_about("Mine", "classic/a").await;
    world.ask_about("Mine", "classic/b").await;
    let classic = classic(&world).await;
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    assert_eq!(world.pending_ids().await.len(), 3, "it has joined");
    let refused = classic.answer(&channel("b"), &ci(), Verdict::Approve).await;
    assert_eq!(refused, Err(Refused::NothingPending("b".to_owned())));
    classic.answer(&a, &ci(), Verdict::Approve).await.unwrap();
    assert_eq!(classic.poll(&a, poller()).await, Ok(Status::Approved));

    let keeper = tokio::spawn(Arc::clone(&classic).keep());
    world.pass(60).await;
    assert_eq!(world.all().await.len(), 3);
    world.drain.cancel();
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_draws_near_while_the_daemon_winds_down_is_told_so() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let mut held = Box::pin(classic.poll(&a, poller()));
    assert!(held.as_mut().now_or_never().is_none());
    world.drain.cancel();
    assert_eq!(held.await, Err(Refused::Draining));
    assert_eq!(
        classic.poll(&channel("b"), poller()).await,
        Err(Refused::Draining)
    );
    let alice = Caller::named("alice");
    classic.answer(&a, &alice, Verdict::Approve).await.unwrap();
    assert_eq!(
        classic.poll(&a, poller()).await,
        Ok(Status::Approved),
        "what is there is told"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_question_is_told_as_expired() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    let mut held = Box::pin(classic.poll(&a, poller()));
    assert!(held.as_mut().now_or_never().is_none());
    world.clock.advance(crate::limits::EXPIRY_DEFAULT);
    assert_eq!(held.await, Ok(Status::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_answer_and_its_question_is_withdrawn_later() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    let keeper = tokio::spawn(Arc::clone(&classic).keep());
    world.store.break_commits(Some(Fault::Unavailable));
    world.pass(16).await;
    let failed = classic.poll(&a, poller()).await;
    assert!(
        matches!(failed, Err(Refused::Request(Error::Store(_)))),
        "{failed:?}"
    );
    let failed = classic.answer(&a, &ci(), Verdict::Approve).await;
    assert!(
        matches!(failed, Err(Refused::Request(Error::Store(_)))),
        "{failed:?}"
    );
    world.store.break_commits(None);
    world.pass(2).await;
    assert_eq!(world.pending_ids().await, []);
    world.drain.cancel();
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_told_of_each_question_once() {
    let world = World::new().await;
    let (classic, a) = (classic(&world).await, channel("a"));
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    let mut late = classic.questions(&a, None).await.unwrap();
    let first = late.next().await;
    assert!(late.next().now_or_never().is_none());
    // Being seen is no new question, and somebody else's request is none at all.
    let id = world.pending_ids().await[0];
    world.approvals.seen(id, &ci()).await.unwrap();
    world.ask_about("Mine", "classic/a").await;
    assert!(late.next().now_or_never().is_none());
    let resumed = first.to_string();
    let mut resumed = classic.questions(&a, Some(&resumed)).await.unwrap();
    assert!(resumed.next().now_or_never().is_none(), "it knows that one");
    let mut garbage = classic.questions(&a, Some("x")).await.unwrap();
    assert_eq!(garbage.next().now_or_never().map(|_| ()), Some(()));
    classic.answer(&a, &ci(), Verdict::Deny).await.unwrap();
    let mut too_late = classic.questions(&a, None).await.unwrap();
    assert!(too_late.next().now_or_never().is_none(), "it is over");
    assert_eq!(classic.poll(&a, poller()).await, Ok(Status::Denied));
    assert!(classic.poll(&a, poller()).now_or_never().is_none());
    for listener in [&mut late, &mut resumed, &mut too_late] {
        assert!(listener.next().now_or_never().is_some());
        assert!(listener.next().now_or_never().is_none());
    }
}
