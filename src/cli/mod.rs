//! The three command lines: parse, run, exit code.

pub mod approver;
mod config;
pub mod exit;
pub mod flags;
mod handbook;
pub mod pushd;
pub mod requester;
