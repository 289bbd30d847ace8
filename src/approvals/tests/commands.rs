//! What is asked and decided, once and by one.

use super::*;

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
    let differs = vec!["title"];
    assert_eq!(
        ask_with_key("Destroy?").await,
        Err(Error::KeyReused { id, differs })
    );
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
        ..Limits::for_descriptors(0)
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

    fn reached(&self, head: EventId) {
        self.0.reached(head);
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
        ..Limits::for_descriptors(0)
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

/// A request with the match code 004207.
async fn matched(world: &World) -> RequestId {
    let ask = Ask {
        match_code: Some("004207".parse().unwrap()),
        ..ask("Deploy?", "t")
    };
    let asked = world.approvals.ask(ci(), ask, None, || world.next_id());
    asked.await.unwrap().event.request.id
}

/// Approvals by many at once, each with one of these codes; what became of them.
async fn race(world: &World, id: RequestId, codes: &[&str]) -> Vec<Result<Event, Error>> {
    let racers = codes.iter().enumerate().map(|(n, code)| {
        let (approvals, code) = (Arc::clone(&world.approvals), code.parse().unwrap());
        tokio::spawn(async move {
            let (by, yes) = (Caller::named(&format!("approver-{n}")), Verdict::Approve);
            approvals
                .decide(id, &by, yes, None, None, Some(&code))
                .await
        })
    });
    let ended = futures_util::future::join_all(racers).await;
    ended.into_iter().map(Result::unwrap).collect()
}

/// How many tries were left, said in the order of the tries.
fn tries_left(outcomes: &[Result<Event, Error>]) -> Vec<u32> {
    let mut refused: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Err(Error::Refused(Refusal::WrongCode { left }, event)) => Some((event.id, *left)),
            _ => None,
        })
        .collect();
    refused.sort_unstable_by_key(|&(id, _)| id);
    refused.into_iter().map(|(_, left)| left).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_guesses_at_once_three_are_tried_and_the_third_is_the_denial() {
    let world = World::new().await;
    let id = matched(&world).await;
    let outcomes = race(&world, id, &["999999"; 50]).await;
    assert_eq!(tries_left(&outcomes), [2, 1, 0]);
    for outcome in &outcomes {
        let Err(Error::Refused(refusal, event)) = outcome else {
            panic!("{outcome:?}");
        };
        if let Refusal::WrongCode { left } = refusal {
            assert_eq!(event.request.status.is_final(), *left == 0);
        } else {
            assert_eq!(*refusal, Refusal::Final(crate::domain::Status::Denied));
        }
    }
    let request = world.approvals.read(id).await.unwrap().request;
    assert_eq!((request.match_tries, request.decisions.len()), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_right_code_among_wrong_ones_counts_before_the_third_of_them_or_never() {
    for at in 0..20 {
        let world = World::new().await;
        let id = matched(&world).await;
        let mut codes = ["999999"; 20];
        codes[at] = "004207";
        let outcomes = race(&world, id, &codes).await;
        let request = world.approvals.read(id).await.unwrap().request;
        let approved = request.status == crate::domain::Status::Approved;
        assert_eq!(outcomes[at].is_ok(), approved);
        assert_eq!(
            outcomes.iter().filter(|one| one.is_ok()).count(),
            usize::from(approved)
        );
        let tried = tries_left(&outcomes).len();
        assert_eq!(usize::try_from(request.match_tries), Ok(tried));
        assert_eq!(tried < 3, approved, "{tried} wrong ones");
    }
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
            approvals.decide(id, &by, verdict, None, None, None).await
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
