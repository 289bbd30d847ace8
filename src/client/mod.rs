//! The daemon, as a client sees it: typed calls, backoff, and the stream.
//!
//! A call here is one attempt, or one round where the daemon has several addresses: it goes from one
//! to the next until one has answered. Whether and when it is repeated is its caller's decision,
//! because only the caller knows until when the answer matters; [`CallError`] says whether it may
//! help and [`Backoff`] how long to wait before.
//!
//! Which address is in use is kept in one place, `nodes`, for the calls and the stream of a client:
//! `turns` has the rule, `round` and `events` go by it.

mod acquainted;
mod answer;
mod backoff;
mod calls;
mod error;
mod events;
mod failures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod look;
mod nodes;
mod round;
#[cfg(test)]
pub(crate) mod stand_in;
mod transport;
mod trust;
mod turns;
mod url;
mod urls;

pub use answer::Answer;
pub use backoff::Backoff;
pub use calls::Client;
pub use error::CallError;
pub(crate) use error::root;
pub use events::{EventStream, StreamEvent};
pub use look::Look;
pub use transport::{Authorities, NoSecret, Secret, TransportError, relaying};
pub use url::{BadUrl, DaemonUrl, socket_path};
pub use urls::DaemonUrls;
