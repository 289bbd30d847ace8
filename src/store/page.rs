//! How a page of a list is filled, the same in every store.
//!
//! A page ends when it is full, when nothing is left, or when enough was looked at for one. In the
//! last case it is short or even empty, and the place to go on from must not be that of a request
//! which the reader may not see: it is then the beginning of a second. So a page tells up to which
//! second there was nothing for its reader, and of the requests of others neither the names nor the
//! moments.

use std::ops::ControlFlow;

use super::{Page, Place};
use crate::domain::{Event, EventId, RequestId, Timestamp};
use crate::limits;

/// A page that is being filled; a `Break` names the place to go on from.
#[derive(Debug)]
pub(super) struct Filling {
    limit: usize,
    events: Vec<Event>,
    bytes: usize,
    looks: usize,
    last: Option<Last>,
}

/// What was looked at last.
#[derive(Clone, Copy, Debug)]
struct Last {
    place: Place,
    may_be_seen: bool,
}

impl Filling {
    /// An empty page for at most `limit` requests.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            events: Vec::new(),
            bytes: 0,
            looks: 0,
            last: None,
        }
    }

    /// Looks at the next request, newest first, which the reader of the page may see or not. When
    /// the page ends before it, it was not looked at.
    pub(super) fn look_at(&mut self, place: Place, may_be_seen: bool) -> ControlFlow<Place> {
        if self.looks >= limits::LIST_LOOKS
            && let Some(pause) = self.last.and_then(|last| last.pause(place))
        {
            return ControlFlow::Break(pause);
        }
        self.looks += 1;
        self.last = Some(Last { place, may_be_seen });
        ControlFlow::Continue(())
    }

    /// Shows the request that was looked at last, unless the page is full.
    pub(super) fn show(&mut self, event: Event) -> ControlFlow<Place> {
        if let Some(last) = self.events.last()
            && (self.events.len() >= self.limit || self.bytes >= limits::LIST_BYTES)
        {
            return ControlFlow::Break(Place::of(&last.request));
        }
        self.bytes += event.request.text_bytes();
        self.events.push(event);
        ControlFlow::Continue(())
    }

    /// The page.
    pub(super) fn end(self, next: Option<Place>, head: EventId) -> Page {
        Page {
            events: self.events,
            next,
            head,
        }
    }
}

impl Last {
    /// The place between this and the `following` one that a page may name, if there is any. The
    /// requests of others in one second are looked at together.
    fn pause(self, following: Place) -> Option<Place> {
        if self.may_be_seen {
            return Some(self.place);
        }
        let second = beginning_of_second(self.place);
        (following < second).then_some(second)
    }
}

/// The place behind all requests of the same second.
fn beginning_of_second(place: Place) -> Place {
    let millis = place.created_at.as_millis();
    Place {
        created_at: Timestamp::from_millis(millis.saturating_sub(millis.rem_euclid(1000))),
        id: RequestId::from_bytes([0; 16]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(millis: i64, id: u8) -> Place {
        Place {
            created_at: Timestamp::from_millis(millis),
            id: RequestId::from_bytes([id; 16]),
        }
    }

    fn tired() -> Filling {
        let mut page = Filling::new(10);
        for _ in 0..limits::LIST_LOOKS {
            assert!(page.look_at(place(5_000, 9), true).is_continue());
        }
        page
    }

    #[test]
    fn a_page_pauses_at_a_request_that_its_reader_may_see() {
        let mut page = tired();
        let pause = page.look_at(place(4_999, 7), false);
        assert_eq!(pause, ControlFlow::Break(place(5_000, 9)));
    }

    #[test]
    fn a_page_pauses_among_those_of_others_only_where_a_second_ends() {
        let mut page = tired();
        page.last = Some(Last {
            place: place(4_700, 7),
            may_be_seen: false,
        });
        for millis in [4_700, 4_300, 4_000] {
            let looked = page.look_at(place(millis, 3), false);
            assert_eq!(looked, ControlFlow::Continue(()), "{millis}");
        }
        let pause = page.look_at(place(2_500, 3), false);
        assert_eq!(pause, ControlFlow::Break(place(4_000, 0)));
    }

    #[test]
    fn seconds_before_the_epoch_begin_like_those_after_it() {
        assert_eq!(beginning_of_second(place(-1, 5)), place(-1_000, 0));
        let first = beginning_of_second(place(i64::MIN, 5));
        assert_eq!(first.created_at, Timestamp::from_millis(i64::MIN));
    }
}
