//! Records, as a damaged disk or another version may have left them.

use std::sync::Arc;

use super::record::{decode, encode};
use crate::domain::{Event, EventId, RequestId};
use crate::wire::RequestView;

/// The request whose records the seeds are.
const ID: RequestId = RequestId::from_bytes([7; 16]);

/// A record that is read is of the request that was meant, means the same when it is written and
/// read again, and shows nothing of what is internal.
pub fn records(data: &[u8]) {
    let Ok(request) = decode(ID, data) else {
        return;
    };
    assert_eq!(request.id, ID);
    let written = encode(&request);
    assert_eq!(decode(ID, &written).as_ref(), Ok(&request));
    assert_eq!(
        encode(&decode(ID, &written).expect("it was read just now")),
        written
    );
    assert!(
        decode(RequestId::from_bytes([8; 16]), data).is_err(),
        "it is of one request"
    );
    let event = Event {
        id: EventId(u64::MAX),
        request: Arc::new(request),
    };
    let view = RequestView::<&str>::single(&event);
    let view = serde_json::to_value(view).expect("a view can be written");
    for internal in ["ask_digest", "changed_at", "settled_at"] {
        assert!(view.get(internal).is_none(), "{internal} is shown");
    }
    let read: RequestView = serde_json::from_value(view).expect("clients read what is written");
    assert_eq!(read.status, event.request.status.into());
}
