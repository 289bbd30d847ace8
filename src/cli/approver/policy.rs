//! The policy: a command that judges requests.
//!
//! `variables` says what it is told, `opinion` what its end means, both without input or output.
//! `command` runs it within bounds, and `desk` has it judge several requests at the same time and
//! tells the daemon what it said; `who` asks as whom.

mod command;
mod desk;
mod opinion;
mod variables;
mod who;

pub(super) use self::command::Policy;
pub(super) use self::desk::{Desk, News, Report};
