//! The suite from the outside: real programs, real sockets.
mod approver_terminal;
