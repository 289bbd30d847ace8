//! Exit codes: a part of the interface, so they are listed once.
//!
//! Nothing but an approval of the asked request ends `requester` with [`APPROVED`], and 2 is never
//! used, because some agent hosts read it as "block".

/// The request was approved; for commands that ask nothing, success.
pub const APPROVED: u8 = 0;
/// Success of a command that asks nothing.
pub const SUCCESS: u8 = 0;
/// The request was denied; for `approver approve|deny`, it was final otherwise.
pub const DENIED: u8 = 1;
/// The request is still pending: it was only asked after, or the wait has ended before it.
pub const PENDING: u8 = 3;
/// The request was cancelled by somebody else.
pub const CANCELLED: u8 = 4;
/// The command line is wrong (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
/// What was given to be restored is no sound backup, records that were asked for cannot be read, or
/// what a command is bound to is not as it was approved (`EX_DATAERR`).
pub const BAD_DATA: u8 = 65;
/// The daemon cannot be reached, or the address cannot be listened on (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// Something happened that must not (`EX_SOFTWARE`).
pub const INTERNAL: u8 = 70;
/// A file or an output that was asked for cannot be written (`EX_CANTCREAT`).
pub const CANNOT_CREATE: u8 = 73;
/// A limit was reached; try later (`EX_TEMPFAIL`).
pub const TRY_LATER: u8 = 75;
/// Not permitted (`EX_NOPERM`).
pub const NOT_PERMITTED: u8 = 77;
/// The configuration or the store is wrong (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;
/// The request expired, as timeout(1) says it.
pub const EXPIRED: u8 = 124;
/// The program of a command was found and cannot be run, as env(1) and timeout(1) say it.
pub const NOT_RUNNABLE: u8 = 126;
/// The program of a command was not found, as env(1) and timeout(1) say it.
pub const NOT_FOUND: u8 = 127;
/// Ended by SIGHUP.
pub const HANGUP: u8 = 129;
/// Ended by SIGINT, that is Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGQUIT, that is Ctrl-\.
pub const QUIT: u8 = 131;
/// Ended by SIGTERM.
pub const TERMINATED: u8 = 143;
