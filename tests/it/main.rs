//! The suite from the outside: real programs, real sockets.
//!
//! First the tools that the tests share, then the tests. Nothing here sleeps for a while and
//! hopes: tests wait for conditions, each with a deadline. Every daemon listens on a free port,
//! keeps its files in a directory of its own, and is killed when its test ends.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and the place says why"
)]

mod call;
mod daemon;
mod document;
mod raw;
mod stream;
mod until;

mod contract;
mod openapi;
