//! The suite that every store passes: one test or more for each sentence of [`Store`] and [`Feed`].
//!
//! A store joins with [`suite!`] and an [`Opener`]. A rule that is not here is not a rule.

pub(super) mod damage;
pub(super) mod feed;
pub(super) mod lists;
pub(super) mod model;
pub(super) mod reads;
pub(super) mod retention;
pub(super) mod writes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{Commit, Feed, SharedStore};
use crate::domain::{
    Ask, Caller, Details, Digest, Event, EventId, Request, RequestId, Status, Timestamp, Title,
    Topic,
};

/// Opens a store; the same value opens the same store again, once it was closed.
#[async_trait]
pub(super) trait Opener: Send + Sync {
    /// Whether what was written is there after reopening.
    fn durable(&self) -> bool;

    /// Opens it.
    async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore;

    /// Makes the record of a request unreadable while the store is closed. Asked only of durable
    /// stores: the others have no records that could be.
    async fn damage(&self, id: RequestId) {
        panic!("this store cannot damage {id}");
    }
}

/// Makes the tests of the suite for one store; the expression makes an opener of an empty one.
macro_rules! suite {
    ($opener:expr) => {
        crate::store::contract::suite! { $opener;
            writes:
                event_ids_start_above_zero_and_rise,
                an_absent_request_is_created_once,
                a_write_on_an_older_commit_is_refused_with_the_current_one,
                a_write_on_an_absent_request_is_refused_with_none,
                of_a_hundred_racing_writes_one_wins_each_version,
                writes_of_different_requests_do_not_hinder_each_other,
                a_dropped_commit_does_no_harm,
                every_text_comes_back_exactly,
                a_closed_store_refuses_everything,
                what_was_accepted_before_closing_is_done,
                what_was_answered_is_there_after_reopening;
            feed:
                every_commit_is_delivered_once_and_in_order,
                a_delivered_commit_is_readable,
                what_was_refused_is_not_delivered,
                what_was_there_on_opening_is_not_delivered;
            reads:
                a_get_sees_what_was_answered,
                changes_are_after_the_first_id_and_up_to_the_last,
                changes_show_each_request_once_as_its_latest_commit_left_it,
                changes_can_leave_out_what_is_settled,
                changes_stop_at_the_limit,
                overdue_ones_are_pending_and_come_earliest_first,
                the_next_expiry_is_the_earliest_of_those_pending,
                pending_ones_are_counted;
            lists:
                the_newest_come_first_and_ties_are_broken_by_id,
                filters_combine,
                a_list_shows_what_somebody_may_see_and_pages_do_not_tell_more,
                pending_requests_are_counted_by_requester,
                pages_visit_everything_once,
                a_page_is_not_searched_for_without_end_and_names_nothing_of_others,
                ones_own_requests_are_searched_page_by_page_as_well,
                large_requests_make_small_pages,
                a_page_says_how_far_it_has_seen;
            retention:
                only_what_was_settled_long_enough_is_purged,
                a_purge_stops_at_its_limit,
                the_highest_purged_id_is_remembered_and_none_is_used_again,
                a_purge_is_no_commit,
                a_purged_request_can_be_asked_again,
                the_history_belongs_to_the_store;
            damage:
                a_record_that_cannot_be_read_is_stepped_over,
                a_record_that_cannot_be_read_is_named_and_hinders_no_other,
                a_store_is_ready_again_when_the_bad_record_is_purged;
        }

        #[test]
        fn random_operations_do_what_the_model_does() {
            crate::store::contract::model::agrees(|| $opener);
        }
    };
    ($opener:expr; $($part:ident: $($test:ident),+;)+) => {
        $(mod $part {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::store::contract::$part::$test(&$opener).await;
            })+
        })+
    };
}
pub(super) use suite;

/// A feed that notes what it is told.
#[derive(Default)]
pub(super) struct Spy {
    delivered: Mutex<Vec<Event>>,
    reached: Mutex<Vec<EventId>>,
    inside: AtomicBool,
    overlapped: AtomicBool,
}

impl Spy {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The spy, as a store takes it.
    pub(super) fn feed(self: &Arc<Self>) -> Arc<dyn Feed> {
        Arc::<Self>::clone(self)
    }

    /// All that was delivered, after checking how.
    pub(super) fn delivered(&self) -> Vec<Event> {
        assert!(
            !self.overlapped.load(Ordering::SeqCst),
            "delivered twice at the same time"
        );
        self.delivered.lock().unwrap().clone()
    }

    /// The heads that it was told of without their events.
    pub(super) fn reached(&self) -> Vec<EventId> {
        self.reached.lock().unwrap().clone()
    }
}

impl Feed for Spy {
    fn deliver(&self, events: &[Event]) {
        if self.inside.swap(true, Ordering::SeqCst) {
            self.overlapped.store(true, Ordering::SeqCst);
        }
        self.delivered.lock().unwrap().extend_from_slice(events);
        self.inside.store(false, Ordering::SeqCst);
    }

    fn reached(&self, head: EventId) {
        self.reached.lock().unwrap().push(head);
    }
}

/// When the requests of the suite are created.
pub(super) const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The point `millis` after [`T0`].
pub(super) fn at(millis: u64) -> Timestamp {
    T0.after(Duration::from_millis(millis))
}

/// The id of the request `n`.
pub(super) fn id(n: u8) -> RequestId {
    RequestId::from_bytes([n; 16])
}

/// The id of the request `n`, where there are many.
pub(super) fn id_of_many(n: usize) -> RequestId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RequestId::from_bytes(bytes)
}

/// Writes many requests that are not there, as fast as the store takes them.
pub(super) async fn put_many(store: &SharedStore, requests: Vec<Request>) {
    for some in requests.chunks(512) {
        let writes = some
            .iter()
            .map(|request| store.commit(None, request.clone()));
        for write in join_all(writes).await {
            done(write.unwrap());
        }
    }
}

/// A pending request, created at [`T0`] and with a minute to live.
pub(super) fn asked(n: u8) -> Request {
    let ask = Ask {
        title: Title::new(format!("Deploy {n}?")).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: Some(Duration::from_mins(1)),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: crate::limits::USE_WITHIN.1,
        digest: Digest::of(&[n]),
    };
    Request::asked(id(n), ask, Caller::named("ci"), T0)
}

/// The same request in a final state.
pub(super) fn settled(mut request: Request, status: Status, at: Timestamp) -> Request {
    request.status = status;
    request.settled_at = Some(at);
    request
}

/// The same request under another topic.
pub(super) fn about(mut request: Request, topic: &str) -> Request {
    request.topic = Topic::new(topic.to_owned()).unwrap();
    request
}

/// The event of a write that was accepted.
pub(super) fn done(commit: Commit) -> Event {
    match commit {
        Commit::Done(event) => event,
        Commit::Conflict(current) => panic!("refused, the latest is {current:?}"),
    }
}

/// Writes a request, whatever its latest commit is.
pub(super) async fn put(store: &SharedStore, request: Request) -> Event {
    let current = store.get(request.id).await.unwrap();
    let expected = current.map(|event| event.id);
    done(store.commit(expected, request).await.unwrap())
}

/// The numbers of some events, for short comparisons.
pub(super) fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}
