//! The rules of an approval: what may be asked, who decided what, and which state follows.
//!
//! Everything here is a function of values and `now`.
//! There is no input, no output, no clock and no runtime, so nothing here can fail for a reason
//! that is not in its arguments.

pub mod channel;
pub mod command;
pub mod decision;
pub mod event;
pub mod freeze;
pub mod ids;
pub mod match_code;
pub mod policy;
pub mod request;
pub mod rights;
pub mod terms;
pub mod text;
pub mod time;

pub use channel::Channel;
pub use command::{BoundFile, Command, CommandError, Content, Variable};
pub use decision::{Decision, Verdict};
pub use event::Event;
pub use freeze::{BadDayTime, BadZone, Day, DayTime, Freeze, Weekly, Zone};
pub use ids::{Cursor, Digest, EventId, HistoryId, RequestId};
pub use match_code::{BadMatchCode, MatchCode};
pub use policy::{
    Agreed, Approvers, BadGlob, Condition, Conditions, Demands, Glob, Never, Policy, Rule, Unmet,
    Whom,
};
pub use request::{
    Ask, Caller, Principal, Refusal, Request, Seen, Status, Step, Transition, Use, Vote, What,
};
pub use rights::{BadName, Denial, Rights, Role, TopicPattern};
pub use terms::{Panel, Terms};
pub use text::{Details, Field, Reason, TextError, Title, Topic};
pub use time::Timestamp;
