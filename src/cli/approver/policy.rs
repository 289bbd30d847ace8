//! The policy: a command that judges requests.
//!
//! `opinion` says what its end means, without input or output. `command` has it judge one request,
//! and `desk` several at the same time, and tells the daemon what it said; `who`
//! asks as whom.

mod command;
mod desk;
mod opinion;
mod who;

pub(super) use self::command::Policy;
pub(super) use self::desk::{Desk, News, Report};
