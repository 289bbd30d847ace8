//! HTTP contract, version 1: routes, what a call says, what it is answered.
//!
//! Handlers translate between [`wire`](crate::wire) and the [use cases](crate::approvals). They
//! hold no state of their own, but for what was just written, and wake nobody.

mod auth;
pub(crate) mod body;
mod call;
mod classic;
mod dates;
mod decisions;
mod digest;
mod etag;
mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod head;
mod operations;
mod origin;
mod page;
mod params;
mod problem;
mod proxies;
mod remote;
mod renderings;
mod requests;
mod resource;
mod routes;
mod session;
mod table;

use std::sync::Arc;

pub use auth::Trust;
pub use call::{Peer, WayBack};
pub use head::Routes;
pub(crate) use head::{Head, head};
pub use operations::OPENAPI;
pub use origin::AllowedHosts;
pub(crate) use params::wait_of as asked_wait;
pub use problem::{Kind, Problem};
pub use proxies::Proxies;
pub use remote::{Remote, UnixUser};
pub use renderings::Renderings;
pub use requests::checked as checked_ask;
pub use routes::routes;

use call::Call;

use crate::approvals::Approvals;
use crate::approvals::classic::Classic;
use crate::metrics::Metrics;

/// What every handler may use.
#[derive(Clone, Debug)]
pub struct Api {
    /// The use cases.
    pub approvals: Arc<Approvals>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The newest events as text.
    pub renderings: Arc<Renderings>,
    /// The names that the daemon answers to.
    pub hosts: Arc<AllowedHosts>,
    /// Whom the daemon believes.
    pub trust: Trust,
    /// The classic routes, if they are served.
    pub classic: Option<Arc<Classic>>,
    /// Where people reach the pages from other machines.
    pub public_url: Option<Arc<str>>,
}

/// A complete answer.
pub type Response = warp::reply::Response;

/// The outcome of a handler.
type Handled = Result<Response, Problem>;
