//! The suite from the outside: real programs, real sockets.
#[allow(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "in a test a panic is the message"
)]
mod approver_terminal;
