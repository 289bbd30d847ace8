//! That what others ask does not stand in the way of a list.

use super::*;
use crate::domain::{Caller, Rights, Role, Status, TopicPattern};
use crate::store::Place;
use crate::store::contract::{about, asked, at, done, id_of_many, put, put_many, settled};

#[tokio::test]
async fn a_few_requests_are_found_at_once_among_any_number_of_others() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let count = limits::LIST_LOOKS + 100;
    let requests = (0..count).map(|n| {
        // The oldest ones: who reads from the newest one on meets all others before.
        let (topic, by) = match n {
            0 => ("deploy", "cron"),
            1 => ("deploy/prod", "cron"),
            2 => ("deploy/prod", "alice"),
            3 => ("deployment", "cron"),
            4 => ("other", "alice"),
            n => (["a", "deploy.x", "z/prod/1"][n % 3], "cron"),
        };
        let mut request = about(asked(1), topic);
        request.id = id_of_many(n);
        request.created_at = at(n as u64);
        request.requester = Caller::named(by);
        // The newest half is in memory, the other in the indexes.
        if n < count / 2 {
            settled(request, Status::Denied, at(count as u64))
        } else {
            request
        }
    });
    put_many(&store, requests.collect()).await;
    file_all(&store).await;
    for (patterns, found) in [
        (&["deploy"][..], &[4, 2, 0][..]),
        (&["deploy/*"], &[4, 2, 1]),
        (&["*/prod"], &[4, 2, 1]),
        (&["d*y", "d*t", "deploy/p*d"], &[4, 3, 2, 1, 0]),
        (&["nothing", "none*"], &[4, 2]),
    ] {
        let topics = patterns.iter().map(|text| TopicPattern::new(text).unwrap());
        let rights = Rights {
            principal: Principal::new("alice"),
            is_known: true,
            roles: vec![Role::Approver],
            topics: topics.collect(),
        };
        let query = ListQuery {
            status: None,
            topic: None,
            seen_by: Some(Arc::new(rights)),
            after: None,
            limit: 10,
        };
        let page = store.list(query).await.unwrap();
        let names: Vec<_> = page.events.iter().map(|event| event.request.id).collect();
        let wanted: Vec<_> = found.iter().map(|n| id_of_many(*n)).collect();
        assert_eq!((names, page.next), (wanted, None), "{patterns:?}");
    }
}

/// Between the look at what is not filed and the read of the database there may be commits.
#[tokio::test]
async fn what_has_changed_since_it_was_found_is_read_as_it_stands() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let asked_first = put(&store, asked(1)).await;
    let found = unfiled::Found {
        rows: vec![list::Row::found(
            Place::of(&asked_first.request),
            asked_first.id,
            None,
            None,
        )],
        more: false,
    };
    let denied = put(&store, settled(asked(1), Status::Denied, at(1))).await;
    let (head, denied) = (denied.id, [denied]);
    let (connection, condition) = (dir.intruder(), Condition::new(String::new(), ""));
    let shown = |status| {
        let query = ListQuery {
            status,
            topic: None,
            seen_by: None,
            after: None,
            limit: 10,
        };
        let page = list::list(&connection, &condition, &query, &found, head);
        page.unwrap().unwrap().events
    };
    for _ in 0..2 {
        assert_eq!(shown(None), denied);
        assert_eq!(shown(Some(Status::Pending)), []);
        // The second time it is found in the index as well, and shown once.
        file_all(&store).await;
    }
    assert_eq!(shown(Some(Status::Denied)), denied);
}

/// A filed row that left the indexes with its next commit was in neither place for a list that had
/// looked into memory before that commit: an approved request was missing while it was being used.
#[tokio::test]
async fn what_is_filed_and_changes_again_is_in_the_indexes_all_the_while() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let asked_first = put(&store, asked(1)).await;
    let approved = settled(asked(1), Status::Approved, at(1));
    let approved = done(store.commit(Some(asked_first.id), approved).await.unwrap());
    file_all(&store).await;
    let query = ListQuery {
        status: Some(Status::Approved),
        topic: None,
        seen_by: None,
        after: None,
        limit: 10,
    };
    let before = unfiled::Found::default();
    // As when it is used, by one more step of a request that stays settled.
    let mut used = (*approved.request).clone();
    used.match_tries = 1;
    let used = done(store.commit(Some(approved.id), used).await.unwrap());
    let (connection, condition) = (dir.intruder(), Condition::new(String::new(), ""));
    let page = list::list(&connection, &condition, &query, &before, approved.id);
    let used = [used];
    assert_eq!(page.unwrap().unwrap().events, used);
    // It does not stand in memory again either, and is purged like any other.
    let unfiled = unfiled::Unfiled::load(&connection).unwrap();
    assert_eq!(unfiled.find(&query, 10), before);
    let page = store.list(query).await.unwrap();
    assert_eq!(page.events, used);
    assert_eq!(store.purge(at(2), 9).await, Ok(1));
}

fn asked_about(n: usize, topic: &str) -> Event {
    let mut request = about(asked(1), topic);
    request.id = id_of_many(n);
    request.created_at = at(n as u64);
    Event {
        id: EventId(n as u64),
        request: Arc::new(request),
    }
}

fn seen_with(pattern: &str) -> ListQuery {
    let rights = Rights {
        principal: Principal::new("alice"),
        is_known: true,
        roles: vec![Role::Approver],
        topics: vec![TopicPattern::new(pattern).unwrap()],
    };
    ListQuery {
        status: None,
        topic: None,
        seen_by: Some(Arc::new(rights)),
        after: None,
        limit: 10,
    }
}

/// Nobody else reads or writes meanwhile.
#[test]
fn no_more_is_taken_from_memory_than_is_asked_for() {
    let mut unfiled = unfiled::Unfiled::default();
    let count = limits::LIST_TOPICS + 10;
    for n in 0..count {
        unfiled.put(&asked_about(n, &format!("a{n}/x")));
        unfiled.put(&asked_about(count + n, &format!("b/{}", n % 3)));
    }
    let row = |n: usize, topic: Option<String>| {
        let requester = topic.as_ref().map(|_| "ci".to_owned());
        let place = Place::of(&asked_about(n, "any").request);
        list::Row::found(place, EventId(n as u64), topic, requester)
    };
    // A few topics are merged, whatever else there is.
    let found = unfiled.find(&seen_with("b/*"), 4);
    let newest: Vec<_> = (0..4).map(|n| row(2 * count - 1 - n, None)).collect();
    assert_eq!((found.rows, found.more), (newest, true));
    let found = unfiled.find(&seen_with("b/*"), count);
    assert_eq!((found.rows.len(), found.more), (count, false));
    // Too many are not looked for; the page sees for itself what its reader may see.
    let found = unfiled.find(&seen_with("a*"), 2);
    let newest = [1, 2].map(|n| row(2 * count - n, Some(format!("b/{}", (count - n) % 3))));
    assert_eq!((found.rows, found.more), (newest.to_vec(), true));
}

#[tokio::test]
async fn a_page_among_too_many_topics_in_memory_shows_what_may_be_seen() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let count = limits::LIST_TOPICS + 10;
    let topic = |n| {
        if n == 3 {
            "ay".to_owned()
        } else {
            format!("a{n}/x")
        }
    };
    let requests = (0..count).map(|n| (*asked_about(n, &topic(n)).request).clone());
    put_many(&store, requests.collect()).await;
    let page = store.list(seen_with("a*y")).await.unwrap();
    let names: Vec<_> = page.events.iter().map(|event| event.request.id).collect();
    assert_eq!((names, page.next), (vec![id_of_many(3)], None));
}

#[tokio::test]
async fn damaged_columns_of_what_is_pending_are_taken_for_nothing() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    for n in 1..=3 {
        put(&store, asked(n)).await;
    }
    store.close().await;
    let database = dir.intruder();
    let damage = "UPDATE requests SET topic = '' WHERE event_id = 1;
         UPDATE requests SET event_id = -event_id WHERE event_id > 1";
    database.execute_batch(damage).unwrap();
    let mut unfiled = unfiled::Unfiled::load(&database).unwrap();
    let everything = ListQuery {
        topic: Some(asked(1).topic),
        ..seen_with("*")
    };
    let events =
        |found: unfiled::Found| -> Vec<_> { found.rows.iter().map(|row| row.event).collect() };
    // Not the one that has lost its topic, which the list asks for.
    assert_eq!(events(unfiled.find(&everything, 9)), [EventId::ZERO; 2]);
    // Two rows had one number; what was known of it is gone with the first.
    unfiled.remove(EventId::ZERO);
    assert_eq!(events(unfiled.find(&everything, 9)), []);
}
