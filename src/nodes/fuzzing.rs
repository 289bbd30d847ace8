//! What must hold for any bytes on the subject of the nodes.

use tokio::time::Instant;

use super::message::{Message, NodeId, Tells, lasting};
use super::roster::Roster;
use crate::limits;

/// It is odd, or it is bounded, means the same when it is written and read again, and disturbs
/// nothing when it is believed.
pub fn messages(bytes: &[u8]) {
    let Some(message) = Message::read(bytes) else {
        return;
    };
    assert!(bytes.len() <= limits::NODE_MESSAGE_BYTES);
    assert_eq!(Message::read(&message.written()), Some(message.clone()));
    let now = Instant::now();
    let mut roster = Roster::new(NodeId(0), now);
    roster.heard(message.from, now);
    match message.tells {
        Tells::Here { people, streams } => roster.listening(message.from, people, streams),
        Tells::Answers { kept, .. } | Tells::Kept { kept } => {
            assert!(lasting(&kept).len() <= limits::LEASES_TOGETHER);
        }
        Tells::Asks { ids, .. } => assert!(ids.len() <= limits::LEASES_TOGETHER),
        Tells::Leaves => assert!(roster.leaves(message.from)),
    }
    roster.listening_to(&crate::domain::Topic::default());
}
