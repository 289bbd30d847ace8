//! The newest events as text: the one who decides, those who wait for it and those who listen are
//! told of an event at about the same time, and share what was written for the first of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Event, EventId};
use crate::limits;
use crate::wire::Rendering;

/// Renderings of at most [`limits::RENDERINGS`] events, each of at most
/// [`limits::RENDERING_BYTES`]. Nothing is wrong when one is not there: it is written again.
pub struct Renderings {
    // Each event has its place, by its number. It is kept with what it was written as, so that
    // nothing else can ever be taken for it. A std mutex: it is held to copy a pointer.
    places: Vec<Mutex<Option<(Event, Rendering)>>>,
}

impl Default for Renderings {
    fn default() -> Self {
        let places = (0..limits::RENDERINGS).map(|_| Mutex::default()).collect();
        Self { places }
    }
}

impl fmt::Debug for Renderings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renderings(..)")
    }
}

impl Renderings {
    /// The rendering of this event.
    pub(super) fn of(&self, event: &Event) -> Rendering {
        let place = usize::try_from(event.id.0 % limits::RENDERINGS as u64).unwrap_or_default();
        let Some(place) = self.places.get(place) else {
            return Rendering::of(event);
        };
        let kept = place.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = match &*kept {
            Some((known, rendering)) if is_same(known, event) => return rendering.clone(),
            Some((known, _)) => known.id,
            None => EventId::ZERO,
        };
        drop(kept);
        let rendering = Rendering::of(event);
        // Who reads what is old does not push out what is new.
        if newest <= event.id && rendering.bytes() <= limits::RENDERING_BYTES {
            let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
            let old = kept.replace((event.clone(), rendering.clone()));
            drop(kept);
            drop(old);
        }
        rendering
    }
}

/// Whether these are one and the same in memory.
fn is_same(one: &Event, other: &Event) -> bool {
    one.id == other.id && Arc::ptr_eq(&one.request, &other.request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Details, Request, Status};
    use crate::hub::tests::event;
    use crate::wire::RequestView;

    fn json<T: serde::Serialize>(view: &T) -> String {
        serde_json::to_string(view).unwrap()
    }

    #[test]
    fn a_rendering_is_what_the_view_of_each_reader_is_written_as() {
        for status in [Status::Pending, Status::Denied] {
            let event = event(7, 1, status);
            let rendering = Rendering::of(&event);
            let single = RequestView::<&str>::single(&event);
            assert_eq!(rendering.single(), json(&single) + "\n");
            assert_eq!(rendering.bytes(), rendering.single().len());
            let brief = json(&RequestView::<&str>::of(&event));
            assert_eq!(rendering.brief(b"<", b">"), format!("<{brief}>"));
            let asked = RequestView {
                approvers_connected: Some(12),
                ..single
            };
            assert_eq!(rendering.asked(12), json(&asked) + "\n");
        }
    }

    const PLACES: u64 = limits::RENDERINGS as u64;

    fn is_shared(renderings: &Renderings, event: &Event) -> bool {
        let texts = [(); 2].map(|()| renderings.of(event).single());
        assert_eq!(texts[0], Rendering::of(event).single());
        texts[0].as_ptr() == texts[1].as_ptr()
    }

    #[test]
    fn a_new_event_is_written_once_and_an_old_one_for_each_who_asks() {
        let renderings = Renderings::default();
        let old = event(3, 1, Status::Pending);
        let new = event(3 + PLACES, 2, Status::Denied);
        assert!(is_shared(&renderings, &old));
        assert!(is_shared(&renderings, &new));
        assert!(!is_shared(&renderings, &old), "the new one has its place");
        assert!(is_shared(&renderings, &new));
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let renderings = Renderings::default();
        let small = event(1, 1, Status::Pending);
        let details = Details::new("a".repeat(limits::RENDERING_BYTES)).unwrap();
        let large = Event {
            request: Arc::new(Request {
                details,
                ..Request::clone(&small.request)
            }),
            ..small.clone()
        };
        assert!(!is_shared(&renderings, &large));
        assert!(is_shared(&renderings, &small));
    }
}
