//! Requests that are past their time, and the clock that says so.

use super::*;
use crate::store::faulty::Fault;

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

/// A store that was away when the daemon started was not asked again for ten minutes. Found by three
/// daemons on a busy machine, none of which had forgotten anything after 45 s.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_forgotten_is_tried_again_soon() {
    let world = World::new().await;
    let id = world.ask("Deploy?").await.request.id;
    world.decide(id, Verdict::Approve).await.unwrap();
    world.clock.advance(LIFE + Duration::from_millis(1));
    world.store.break_commits(Some(Fault::Busy));
    let sweep = tokio::spawn(sweep::run(Arc::clone(&world.approvals), LIFE));
    tokio::time::sleep(limits::SWEEP_SLEEP).await;
    assert!(world.approvals.read(id).await.is_ok());
    world.store.break_commits(None);
    tokio::time::sleep(limits::SWEEP_PAUSE * 2).await;
    assert_eq!(world.approvals.read(id).await, Err(Error::NotFound(id)));
    world.drain.cancel();
    sweep.await.unwrap();
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
    let limits = world.approvals.limits();
    let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::new(Metrics::default()));
    let clock = Arc::new(ManualClock::at(T0));
    let set_back = Approvals::begin(shared, pump, Arc::clone(&clock) as Arc<_>, limits, drain)
        .await
        .unwrap();
    assert_eq!(set_back.behind(), Some(Duration::from_secs(10)));
    clock.advance(Duration::from_secs(9));
    assert_eq!(set_back.behind(), None);
}
