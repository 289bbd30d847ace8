//! Notices that wait for their run: a bounded queue that drops what finds no room.

use std::collections::VecDeque;

use crate::domain::{Event, RequestId};
use crate::limits;
use crate::wire::notice::Occasion;

/// Something to tell the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The request was asked.
    Asked(Event),
    /// It became final.
    Settled(Event),
    /// It may be pending still; how it stands is looked up when its turn comes.
    Reminder(RequestId, u32),
}

impl Notice {
    /// Of which request.
    pub(super) fn id(&self) -> RequestId {
        match self {
            Self::Asked(event) | Self::Settled(event) => event.request.id,
            Self::Reminder(id, _) => *id,
        }
    }

    /// Why it is told.
    pub(super) const fn occasion(&self) -> Occasion {
        match self {
            Self::Asked(_) => Occasion::Asked,
            Self::Settled(_) => Occasion::Settled,
            Self::Reminder(..) => Occasion::Reminder,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Asked(event) | Self::Settled(event) => event.request.text_bytes(),
            Self::Reminder(..) => 0,
        }
    }
}

/// The notices that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Notice>,
    bytes: usize,
    /// How many found no room since there last was some.
    dropped: u64,
}

/// What became of a notice that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Waits,
    /// It waits, and it is the first one after so many that were dropped.
    WaitsAgain(u64),
    /// It is dropped, as the first one since there was room.
    DroppedFirst,
    /// It is dropped, like others before it.
    Dropped,
}

impl Queue {
    /// Lets a notice wait, if there is room.
    pub(super) fn push(&mut self, notice: Notice) -> Pushed {
        let bytes = self.bytes.saturating_add(notice.bytes());
        let is_full = self.waiting.len() >= limits::NOTICE_QUEUE
            || bytes > limits::NOTICE_QUEUE_BYTES && !self.waiting.is_empty();
        if is_full {
            self.dropped += 1;
            return match self.dropped {
                1 => Pushed::DroppedFirst,
                _ => Pushed::Dropped,
            };
        }
        self.bytes = bytes;
        self.waiting.push_back(notice);
        match std::mem::take(&mut self.dropped) {
            0 => Pushed::Waits,
            dropped => Pushed::WaitsAgain(dropped),
        }
    }

    /// The notice that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Notice> {
        let notice = self.waiting.pop_front()?;
        self.bytes -= notice.bytes();
        Some(notice)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reminder(number: u32) -> Notice {
        Notice::Reminder(RequestId::from_bytes([0; 16]), number)
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let mut queue = Queue::default();
        for number in 0..limits::NOTICE_QUEUE {
            let number = u32::try_from(number).unwrap();
            assert_eq!(queue.push(reminder(number)), Pushed::Waits);
        }
        assert_eq!(queue.push(reminder(0)), Pushed::DroppedFirst);
        assert_eq!(queue.push(reminder(0)), Pushed::Dropped);
        assert_eq!(queue.pop(), Some(reminder(0)), "the first comes first");
        assert_eq!(queue.push(reminder(7)), Pushed::WaitsAgain(2));
        assert_eq!(queue.push(reminder(7)), Pushed::DroppedFirst);
        assert_eq!(queue.len(), limits::NOTICE_QUEUE);
    }

    #[test]
    fn large_requests_are_bounded_by_their_bytes() {
        let event = |bytes: usize| {
            let mut event = crate::hub::tests::event(1, 1, crate::domain::Status::Pending);
            let request = std::sync::Arc::get_mut(&mut event.request).unwrap();
            request.details = crate::domain::Details::new("x".repeat(bytes)).unwrap();
            Notice::Asked(event)
        };
        let mut queue = Queue::default();
        let fitting = limits::NOTICE_QUEUE_BYTES / limits::DETAILS_BYTES - 1;
        for _ in 0..fitting {
            assert_eq!(queue.push(event(limits::DETAILS_BYTES)), Pushed::Waits);
        }
        assert_eq!(queue.push(event(1)), Pushed::Waits);
        let full = queue.push(event(limits::DETAILS_BYTES));
        assert_eq!(full, Pushed::DroppedFirst);
        while queue.pop().is_some() {}
        assert_eq!((queue.len(), queue.bytes), (0, 0));
    }
}
