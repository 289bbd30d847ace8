//! The public view of an event as JSON, written once for all who are told of it.

use bytes::Bytes;

use super::{RequestView, StepView};
use crate::domain::Event;

/// About how many bytes a view has beside its texts.
const MEMBERS_BYTES: usize = 1024;

/// The public view of one event as JSON. What a reader is told of the same event differs at the end
/// only, so all of it is made of one text.
#[derive(Clone, Debug)]
pub struct Rendering {
    // The view of a single read, and a newline.
    single: Bytes,
    // How much of it is the view of lists and streams, all but the brace at its end.
    brief: usize,
}

impl Rendering {
    /// Writes the view of this event.
    pub fn of(event: &Event) -> Self {
        let history: Vec<StepView<&str>> =
            event.request.history.iter().map(StepView::from).collect();
        let room = MEMBERS_BYTES + event.request.text_bytes();
        let mut text = Vec::with_capacity(room);
        write(&mut text, &RequestView::<&str>::of(event));
        text.pop();
        let brief = text.len();
        text.extend_from_slice(b",\"history\":");
        write(&mut text, &history);
        text.extend_from_slice(b"}\n");
        Self {
            single: text.into(),
            brief,
        }
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.single.len()
    }

    /// [`RequestView::single`] and a newline.
    pub fn single(&self) -> Bytes {
        self.single.clone()
    }

    /// The same in the answer to an ask: with how many listen who may decide it.
    pub fn asked(&self, approvers_connected: u64) -> Bytes {
        let single = self.single.strip_suffix(b"}\n");
        let single = single.expect("it was written with this end");
        let last = format!(",\"approvers_connected\":{approvers_connected}}}\n");
        [single, last.as_bytes()].concat().into()
    }

    /// [`RequestView::of`], between what is `before` it and `after` it.
    pub fn brief(&self, before: &[u8], after: &[u8]) -> Bytes {
        let (brief, _) = self.single.split_at(self.brief);
        [before, brief, b"}", after].concat().into()
    }
}

fn write<T: serde::Serialize>(text: &mut Vec<u8>, view: &T) {
    serde_json::to_writer(text, view).expect("views have text keys and write without errors");
}
