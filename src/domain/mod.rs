//! The rules of an approval: what may be asked, who decided what, and which state follows.
//!
//! Everything here is a function of values and `now`.
//! There is no input, no output, no clock and no runtime, so nothing here can fail for a reason
//! that is not in its arguments.

pub mod channel;
pub mod decision;
pub mod event;
pub mod ids;
pub mod match_code;
pub mod policy;
pub mod request;
pub mod rights;
pub mod text;
pub mod time;

pub use channel::Channel;
pub use decision::{Decision, Verdict};
pub use event::Event;
pub use ids::{Cursor, Digest, EventId, HistoryId, RequestId};
pub use match_code::{BadMatchCode, MatchCode};
pub use request::{Ask, Caller, Principal, Refusal, Request, Seen, Status, Step, Transition, What};
pub use rights::{BadName, Denial, Rights, Role, TopicPattern};
pub use text::{Details, Field, Reason, TextError, Title, Topic};
pub use time::Timestamp;
