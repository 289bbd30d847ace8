//! Reads of many requests take turns, and nobody starves or blocks the others.

use tokio::sync::Semaphore;

use super::*;
use crate::store::ListQuery;
use crate::store::faulty::Fault;

impl World {
    async fn all_turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..limits::BULK_READS {
            let place = self.approvals.bulk.place();
            turns.push(self.approvals.bulk.turn(place).await);
        }
        turns
    }

    async fn list(&self) -> Result<Page, Error> {
        let query = ListQuery {
            status: None,
            topic: None,
            seen_by: None,
            after: None,
            limit: 9,
        };
        self.approvals.list(query, |page| page).await
    }
}

/// A stream that waited for its turn lost its place at each keep-alive, so that it never came to it
/// while more lists than 15 seconds can answer kept coming.
#[tokio::test]
async fn a_stream_that_sends_keep_alives_keeps_its_place() {
    let world = World::new().await;
    world.ask("Deploy?").await;
    let mut stream = world.listen(None).await;
    let turns = world.all_turns().await;
    assert!(stream.next().now_or_never().is_none());
    let mut later = Box::pin(world.list());
    assert!(later.as_mut().now_or_never().is_none());
    let mut next = Box::pin(stream.next());
    assert!(next.as_mut().now_or_never().is_none());
    drop(turns);
    assert!(later.as_mut().now_or_never().is_none());
    let item = next.now_or_never().expect("it has waited for longer");
    assert_eq!(lines(&item), ["1 pending"]);
    assert_eq!(later.await.unwrap().events.len(), 1);
}

/// A store does not stop reading because nobody listens any more: thousands of lists whose callers
/// leave at once were read at once.
#[tokio::test]
async fn a_list_whose_caller_has_left_keeps_its_turn_until_it_is_read() {
    let world = World::new().await;
    world.ask("Deploy?").await;
    let mut stream = world.listen(None).await;
    for _ in 0..2 {
        let gate = Arc::new(Semaphore::new(0));
        world.store.stall_reads(Some(Arc::clone(&gate)));
        for _ in 0..limits::BULK_READS {
            assert!(world.list().now_or_never().is_none());
        }
        world.store.stall_reads(None);
        tokio::task::yield_now().await;
        assert!(stream.next().now_or_never().is_none());
        // All of them, and those of lists that first look for what is overdue.
        gate.add_permits(2 * limits::BULK_READS);
        drop(world.all_turns().await);
    }
    assert_eq!(told(&mut stream), ["1 pending", "caught-up 1"]);
}

/// While a list committed expiries to a slow disk, no stream could read what it had missed.
#[tokio::test]
async fn expiries_hold_up_no_stream() {
    let world = World::new().await;
    world.ask("Deploy?").await;
    world.clock.advance(LIFE);
    let gate = Arc::new(Semaphore::new(0));
    world
        .store
        .break_commits(Some(Fault::Stall(Arc::clone(&gate))));
    let mut lists: Vec<_> = (0..=limits::BULK_READS)
        .map(|_| Box::pin(world.list()))
        .collect();
    for list in &mut lists {
        assert!(list.now_or_never().is_none());
    }
    let mut stream = world.listen(None).await;
    assert_eq!(told(&mut stream), ["1 pending", "caught-up 1"]);
    gate.add_permits(1);
    for list in lists {
        let page = list.await.unwrap();
        assert_eq!(page.events[0].request.status, Status::Expired);
    }
    assert_eq!(world.store.commits(), 2, "each expires once");
}
