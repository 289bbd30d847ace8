//! What a list shows, and how its pages follow.

use std::sync::Arc;

use super::{Opener, Spy, about, asked, at, id, id_of_many, put, put_many, settled};
use crate::domain::{
    Caller, Details, Event, Principal, RequestId, Rights, Role, Status, Topic, TopicPattern,
};
use crate::limits;
use crate::store::{ListQuery, Page, Place, SharedStore};

fn everything(limit: usize) -> ListQuery {
    ListQuery {
        status: None,
        topic: None,
        seen_by: None,
        after: None,
        limit,
    }
}

fn names(page: &Page) -> Vec<RequestId> {
    page.events.iter().map(|event| event.request.id).collect()
}

pub(in crate::store) async fn the_newest_come_first_and_ties_are_broken_by_id(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let page = store.list(everything(10)).await.unwrap();
    assert_eq!((page.events.len(), page.next), (0, None));
    for (n, created) in [(1, 5), (2, 9), (4, 5), (3, 5), (5, 1)] {
        let mut request = asked(n);
        request.created_at = at(created);
        put(&store, request).await;
    }
    let page = store.list(everything(10)).await.unwrap();
    assert_eq!(names(&page), [2, 4, 3, 1, 5].map(id));
    assert_eq!(page.next, None);
}

/// Sixty requests: three topics, five states, and three of each moment.
async fn sixty(store: &SharedStore) {
    let every_state = [
        Status::Pending,
        Status::Approved,
        Status::Denied,
        Status::Expired,
        Status::Cancelled,
    ];
    for n in 0..60_u8 {
        let mut request = about(
            asked(n),
            ["deploy", "deploy/prod", "login"][usize::from(n % 3)],
        );
        request.created_at = at(u64::from(n / 3));
        let status = every_state[usize::from(n % 5)];
        if status != Status::Pending {
            request = settled(request, status, at(100));
        }
        put(store, request).await;
    }
}

fn filters() -> impl Iterator<Item = ListQuery> {
    let statuses = [None, Some(Status::Pending), Some(Status::Denied)];
    let topics = [None, Some("deploy"), Some("nothing")];
    statuses.into_iter().flat_map(move |status| {
        topics.into_iter().map(move |topic| ListQuery {
            status,
            topic: topic.map(|topic| Topic::new(topic.to_owned()).unwrap()),
            ..everything(100)
        })
    })
}

pub(in crate::store) async fn filters_combine(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    sixty(&store).await;
    let all = store.list(everything(100)).await.unwrap();
    assert_eq!(all.events.len(), 60);
    for query in filters() {
        let page = store.list(query.clone()).await.unwrap();
        let wanted = all.events.iter().filter(|event| {
            query
                .status
                .is_none_or(|status| event.request.status == status)
                && query
                    .topic
                    .as_ref()
                    .is_none_or(|topic| event.request.topic == *topic)
        });
        let wanted: Vec<_> = wanted.cloned().collect();
        assert_eq!(page.events, wanted, "{query:?}");
    }
}

pub(in crate::store) async fn pages_visit_everything_once(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    sixty(&store).await;
    for query in filters() {
        let whole = store.list(query.clone()).await.unwrap().events;
        for limit in [1, 2, 3, 7, 59, 60, 61] {
            let mut query = ListQuery {
                limit,
                ..query.clone()
            };
            let mut seen = Vec::new();
            loop {
                let page = store.list(query.clone()).await.unwrap();
                assert!(page.events.len() <= limit);
                let last = page.events.last().map(|event| Place::of(&event.request));
                seen.extend(page.events);
                if page.next.is_none() {
                    break;
                }
                assert_eq!(page.next, last, "the next page goes on behind this one");
                query.after = page.next;
            }
            assert_eq!(seen, whole, "{limit} at a time, {query:?}");
        }
        // A full last page knows that it is the last.
        let exact = store
            .list(ListQuery {
                limit: whole.len().max(1),
                ..query
            })
            .await;
        assert_eq!(exact.unwrap().next, None);
    }
}

fn rights(name: &str, roles: &[Role], topics: &[&str]) -> Arc<Rights> {
    let topics = topics.iter().map(|text| TopicPattern::new(text).unwrap());
    Arc::new(Rights {
        principal: Principal::new(name),
        is_known: true,
        roles: roles.to_vec(),
        topics: topics.collect(),
    })
}

pub(in crate::store) async fn a_list_shows_what_somebody_may_see_and_pages_do_not_tell_more(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    for n in 0..40_u8 {
        let topics = ["deploy", "deploy/prod", "login", "Deploy"];
        let mut request = about(asked(n), topics[usize::from(n % 4)]);
        request.created_at = at(u64::from(n / 3));
        request.requester = Caller::named(["ci", "cron", "de*"][usize::from(n % 3)]);
        put(&store, request).await;
    }
    let all = store.list(everything(100)).await.unwrap().events;
    for rights in [
        rights("ci", &[Role::Requester], &["*"]),
        rights("ci", &[Role::Requester, Role::Observer], &["log*"]),
        rights("alice", &[Role::Approver], &["deploy*"]),
        rights("alice", &[Role::Admin], &["*/prod", "login"]),
        rights("alice", &[Role::Approver], &["*"]),
        rights("alice", &[Role::Requester], &["*"]),
        rights("alice", &[], &["*"]),
    ] {
        let topics = [None, Some("deploy"), Some("deploy/prod"), Some("login")];
        for (limit, topic) in [1, 7, 40]
            .into_iter()
            .flat_map(|limit| topics.map(|it| (limit, it)))
        {
            let is_wanted = |event: &&Event| {
                rights.may_see(&event.request)
                    && topic.is_none_or(|topic| event.request.topic.as_str() == topic)
            };
            let wanted: Vec<_> = all.iter().filter(is_wanted).cloned().collect();
            let mut query = ListQuery {
                topic: topic.map(|topic| Topic::new(topic.to_owned()).unwrap()),
                seen_by: Some(Arc::clone(&rights)),
                ..everything(limit)
            };
            let mut seen = Vec::new();
            loop {
                let page = store.list(query.clone()).await.unwrap();
                let last = page.events.last().map(|event| Place::of(&event.request));
                seen.extend(page.events);
                if page.next.is_none() {
                    break;
                }
                assert_eq!(page.next, last, "a place of what may be seen");
                query.after = page.next;
            }
            assert_eq!(seen, wanted, "{rights:?}, {topic:?}, {limit} at a time");
        }
    }
}

/// All pages of a list.
async fn pages(store: &SharedStore, mut query: ListQuery) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = store.list(query.clone()).await.unwrap();
        query.after = page.next;
        pages.push(page);
        if query.after.is_none() {
            return pages;
        }
    }
}

pub(in crate::store) async fn a_page_is_not_searched_for_without_end_and_names_nothing_of_others(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    // More requests of others than one page looks at, under more topics than can be told apart,
    // eight in a second; and three that may be seen, of which one is the oldest of all.
    let count = 3 * limits::LIST_LOOKS + 100;
    let visible = [0, count - 20, count - 10];
    let requests = (0..count).map(|n| {
        let topic = format!(
            "t/{}/{}",
            n % (2 * limits::LIST_TOPICS),
            visible.contains(&n)
        );
        let mut request = about(asked(1), &topic);
        request.id = id_of_many(n);
        request.created_at = at(125 * n as u64 + 7);
        // What is pending may be found faster than by a search.
        let settled_at = request.created_at;
        settled(request, Status::Denied, settled_at)
    });
    put_many(&store, requests.collect()).await;
    let rights = rights("alice", &[Role::Approver], &["t/*/true"]);
    for limit in [1, 100] {
        let query = ListQuery {
            seen_by: Some(Arc::clone(&rights)),
            ..everything(limit)
        };
        let pages = pages(&store, query).await;
        let found: Vec<_> = pages.iter().flat_map(names).collect();
        assert_eq!(found, [2, 1, 0].map(|n| id_of_many(visible[n])));
        assert!((3..=6).contains(&pages.len()), "{}", pages.len());
        assert!(pages.iter().any(|page| page.events.is_empty()));
        for next in pages.iter().filter_map(|page| page.next) {
            let is_seen = found.contains(&next.id);
            let is_second = next.created_at.as_millis() % 1000 == 0;
            assert!(is_seen || is_second && next.id == id(0), "{next:?}");
        }
    }
}

pub(in crate::store) async fn ones_own_requests_are_searched_page_by_page_as_well(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    // All of one moment, because what may be seen may be named. A store may find those that were
    // settled last without a search.
    let requests = (0..limits::LIST_LOOKS + 2 * limits::STORE_UNFILED).map(|n| {
        let mut request = asked(1);
        request.id = id_of_many(n);
        let status = if n == 0 {
            Status::Denied
        } else {
            Status::Expired
        };
        settled(request, status, at(9))
    });
    put_many(&store, requests.collect()).await;
    let query = ListQuery {
        status: Some(Status::Denied),
        seen_by: Some(rights("ci", &[Role::Requester], &["*"])),
        ..everything(10)
    };
    let pages = pages(&store, query).await;
    assert_eq!(pages.len(), 2);
    assert_eq!(names(&pages[0]), []);
    assert_eq!(names(&pages[1]), [id_of_many(0)]);
}

pub(in crate::store) async fn pending_requests_are_counted_by_requester(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    for n in 0..7_u8 {
        let mut request = asked(n);
        request.requester = Caller::named(["ci", "cron"][usize::from(n % 2)]);
        if n >= 5 {
            request = settled(request, Status::Denied, at(100));
        }
        put(&store, request).await;
    }
    for (name, count) in [("ci", 3), ("cron", 2), ("c", 0)] {
        let requester = Principal::new(name);
        assert_eq!(store.pending_of(&requester).await.unwrap(), count, "{name}");
    }
}

pub(in crate::store) async fn large_requests_make_small_pages(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    let most = limits::LIST_BYTES / limits::DETAILS_BYTES;
    let count = u8::try_from(most + most / 2).unwrap();
    for n in 0..count {
        let mut request = asked(n);
        request.details = Details::new("a".repeat(limits::DETAILS_BYTES)).unwrap();
        put(&store, request).await;
    }
    let first = store.list(everything(limits::LIST_MAX)).await.unwrap();
    assert!(first.events.len() <= most, "{}", first.events.len());
    assert!(!first.events.is_empty());
    let rest = ListQuery {
        seen_by: None,
        after: first.next,
        ..everything(limits::LIST_MAX)
    };
    let rest = store.list(rest).await.unwrap();
    assert_eq!(first.events.len() + rest.events.len(), usize::from(count));
    assert_eq!(rest.next, None);
}

pub(in crate::store) async fn a_page_says_how_far_it_has_seen(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    for n in 0..5 {
        let event = put(&store, asked(n)).await;
        for query in [everything(1), everything(10)] {
            assert_eq!(store.list(query).await.unwrap().head, event.id);
        }
    }
}
