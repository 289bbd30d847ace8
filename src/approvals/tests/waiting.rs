//! Long polls, and what ends them.

use async_trait::async_trait;

use super::*;
use crate::approvals::nodes::{Elsewhere, Nodes, Unsure};

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
async fn with_no_room_to_wait_a_final_answer_is_still_told() {
    let limits = Limits {
        connections: 8,
        waiters: 0,
        subscribers: 8,
        pending: 8,
        ..Limits::for_descriptors(0)
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

/// A node with a line to others, of which none is heard.
#[derive(Debug)]
struct Apart;

#[async_trait]
impl Nodes for Apart {
    fn may_be_others(&self) -> bool {
        true
    }

    fn question_time(&self) -> Duration {
        Duration::ZERO
    }

    async fn hold_back(&self) {}

    async fn ask(&self, _: &[RequestId]) -> Result<(), Unsure> {
        Ok(())
    }

    fn listening(&self, _: &Topic) -> Elsewhere {
        Elsewhere::default()
    }
}

/// Whoever is told at a node that is cut off that nothing was decided would stay with it for ever.
#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_at_a_node_that_is_cut_off_is_sent_to_another() {
    for others in [false, true] {
        let mut setting = Setting::from(Limits::for_descriptors(1024));
        if others {
            setting.nodes = Arc::new(Apart);
        }
        let world = World::with(setting).await;
        let id = world.ask("Deploy?").await.request.id;
        let wait = || world.approvals.wait(id, Wants::Final, LIFE / 2);
        assert!(wait().await.is_ok(), "while the store works");
        world.store.tell_health(Health::Failing("away".to_owned()));
        let begun = tokio::time::Instant::now();
        let waited = wait().await;
        assert!(begun.elapsed() >= LIFE / 2, "not before its end");
        let is_sent = matches!(waited, Err(Error::Store(StoreError::Unavailable(_))));
        assert_eq!(is_sent, others, "{waited:?}");
        // What is decided is told.
        let decided = world.decide(id, Verdict::Approve).await.unwrap();
        assert_eq!(wait().await, Ok(decided));
    }
}
