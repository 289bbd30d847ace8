//! A store that fails: nobody is told what is not so, and all goes on once it works again.

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::*;
use crate::store::faulty::Fault;

fn is_unknown<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Store(StoreError::OutcomeUnknown(_))))
}

fn is_unavailable<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Store(StoreError::Unavailable(_))))
}

#[tokio::test]
async fn an_ask_of_unknown_outcome_is_made_once_when_it_is_repeated() {
    for (fault, made) in [(Fault::Unconfirmed, true), (Fault::Lost, false)] {
        let world = World::new().await;
        let ask = || {
            world
                .approvals
                .ask(ci(), ask("Deploy?", "t"), Some("key"), || unreachable!())
        };
        world.store.break_commit(1, fault.clone());
        let answer = ask().await;
        assert!(is_unknown(&answer), "{fault:?}: {answer:?}");
        let again = ask().await.unwrap();
        assert_eq!(again.replayed, made, "{fault:?}");
        assert_eq!(world.approvals.pending().await, Ok(1), "{fault:?}");
        let mut stream = world.listen(None).await;
        assert_eq!(told(&mut stream), ["1 pending", "caught-up 1"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_decision_that_was_not_written_is_told_so_and_works_when_repeated() {
    for fault in [Fault::Lost, Fault::Busy, Fault::Unavailable] {
        let world = World::new().await;
        let asked = world.ask("Deploy?").await;
        let id = asked.request.id;
        world.store.break_commit(1, fault.clone());
        let answer = world.decide(id, Verdict::Approve).await;
        let is_told = matches!(
            (&fault, &answer),
            (
                Fault::Lost,
                Err(Error::Store(StoreError::OutcomeUnknown(_)))
            ) | (Fault::Busy, Err(Error::Store(StoreError::Busy)))
                | (
                    Fault::Unavailable,
                    Err(Error::Store(StoreError::Unavailable(_)))
                )
        );
        assert!(is_told, "{fault:?}: {answer:?}");
        assert_eq!(world.approvals.read(id).await, Ok(asked), "{fault:?}");
        assert_eq!(world.approvals.pending().await, Ok(1), "{fault:?}");
        let decided = world.decide(id, Verdict::Approve).await.unwrap();
        assert_eq!(decided.request.status, Status::Approved, "{fault:?}");
        assert_eq!(decided.request.decisions.len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn who_waits_is_woken_by_the_feed_though_the_decider_hears_late_or_leaves() {
    for leaves in [false, true] {
        let world = World::new().await;
        let id = world.ask("Deploy?").await.request.id;
        let gate = Arc::new(Semaphore::new(0));
        let stalled = Fault::StallAnswer(Arc::clone(&gate));
        world.store.break_commit(1, stalled);
        let mut wait = Box::pin(world.approvals.wait(id, Wants::Final, LIFE));
        assert!(wait.as_mut().now_or_never().is_none());
        let mut decide = Box::pin(world.decide(id, Verdict::Approve));
        assert!(decide.as_mut().now_or_never().is_none());
        let woken = wait.now_or_never().expect("the feed wakes it").unwrap();
        assert_eq!(woken.request.status, Status::Approved);
        if leaves {
            drop(decide);
        } else {
            gate.add_permits(1);
            assert_eq!(decide.await, Ok(woken.clone()));
        }
        assert_eq!(world.approvals.read(id).await, Ok(woken));
        let next = world.ask("Next?").await.request.id;
        let decided = world.decide(next, Verdict::Deny).await.unwrap();
        assert_eq!(decided.request.status, Status::Denied);
    }
}

/// The watchdog of the service manager was fed as long as the number of pending requests could be
/// read, which the writer has no part in.
#[tokio::test(start_paused = true)]
async fn a_writer_that_is_stuck_is_not_reached_and_one_that_fails_is() {
    let world = World::new().await;
    world.approvals.reach_writer().await;
    let gate = Arc::new(Semaphore::new(0));
    let stuck = [Fault::Stall(Arc::clone(&gate)), Fault::Busy];
    for fault in stuck {
        world.store.break_commits(Some(fault));
        let reached = timeout(LIFE, world.approvals.reach_writer());
        assert!(reached.await.is_err());
    }
    world.store.break_commits(Some(Fault::Unavailable));
    world.approvals.reach_writer().await;
}

/// The next thing that a stream tells, of a store whose reads work again after a while.
async fn next_after_failing_reads(world: &World, stream: &mut Subscription) -> Item {
    world.store.break_reads(Some(StoreError::Busy));
    let early = timeout(LIFE, stream.next()).await;
    assert!(early.is_err(), "it waits: {early:?}");
    let mended = async {
        sleep(LIFE).await;
        world.store.break_reads(None);
    };
    tokio::join!(stream.next(), mended).0
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_replays_waits_out_reads_that_fail() {
    let world = World::new().await;
    world.ask("First?").await;
    let mut stream = world.listen(None).await;
    world.ask("Second?").await;
    let first = next_after_failing_reads(&world, &mut stream).await;
    assert_eq!(lines(&first), ["1 pending"]);
    assert_eq!(told(&mut stream), ["2 pending", "caught-up 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_behind_the_tail_waits_out_reads_that_fail() {
    let world = World::new().await;
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["caught-up 0"]);
    let requests = limits::TAIL_EVENTS as u64;
    for _ in 0..requests {
        let id = world.ask("Deploy?").await.request.id;
        world.decide(id, Verdict::Deny).await.unwrap();
    }
    let mut all = lines(&next_after_failing_reads(&world, &mut stream).await);
    all.extend(told(&mut stream));
    all.retain(|line| line.ends_with("denied"));
    let expected = (1..=requests).map(|n| format!("{} denied", 2 * n));
    assert_eq!(all, expected.collect::<Vec<_>>(), "no gap, nothing twice");
}

#[tokio::test]
async fn while_an_expiry_cannot_be_committed_it_is_pending_and_not_decided() {
    let world = World::new().await;
    let asked = world.ask("Deploy?").await;
    let id = asked.request.id;
    world.clock.advance(LIFE);
    world.store.break_commits(Some(Fault::Unavailable));
    assert_eq!(world.approvals.read(id).await, Ok(asked.clone()));
    let decided = world.decide(id, Verdict::Approve).await;
    assert!(is_unavailable(&decided), "{decided:?}");
    let swept = world.approvals.expire_overdue(9).await;
    assert!(is_unavailable(&swept), "{swept:?}");
    assert_eq!(world.store.get(id).await, Ok(Some(asked)));
    world.store.break_commits(None);
    let late = world.decide(id, Verdict::Approve).await;
    let Err(Error::Refused(refusal, event)) = late else {
        panic!("{late:?}");
    };
    assert_eq!(refusal, Refusal::Final(Status::Expired));
    assert_eq!(event.request.status, Status::Expired);
}
