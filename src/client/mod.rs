//! The daemon, as a client sees it: typed calls, backoff, and the stream.
//!
//! A call here is one attempt. Whether and when it is repeated is its caller's decision, because
//! only the caller knows until when the answer matters; [`CallError`] says whether it may help and
//! [`Backoff`] how long to wait before.

mod answer;
mod backoff;
mod calls;
mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod look;
#[cfg(test)]
pub(crate) mod stand_in;
mod transport;
mod trust;
mod url;

pub(crate) use answer::root;
pub use answer::{Answer, CallError};
pub use backoff::Backoff;
pub use calls::Client;
pub use events::{EventStream, StreamEvent};
pub use look::Look;
pub use transport::{Authorities, NoSecret, Secret, TransportError, relaying};
pub use url::{BadUrl, DaemonUrl, socket_path};
