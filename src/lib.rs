//! pushd: human approvals for shell scripts.
//!
//! A requester asks and waits, an approver answers, and the exit code tells the script.
//! The modules follow the dependencies, one way: each knows only those above it.
//! ARCHITECTURE.md is the map.

pub mod characters;
pub mod limits;

pub mod domain;

pub mod burden;
pub mod certificate;
pub mod clock;
pub mod hook;
pub mod metrics;
pub mod shares;
pub mod trusted;
pub mod watched;
pub mod wire;

pub mod hub;
pub mod policies;
pub mod principals;
pub mod store;

pub mod approvals;

pub mod http;
pub mod nodes;
pub mod notices;

pub mod server;

pub mod client;
pub mod relay;
pub mod terminal;

pub mod cli;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
