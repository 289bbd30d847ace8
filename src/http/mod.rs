//! HTTP contract, version 1: routes, what a call says, what it is answered.
//!
//! Handlers translate between [`wire`](crate::wire) and the [use cases](crate::approvals). They
//! hold no state of their own and wake nobody.

mod call;
mod decisions;
mod events;
mod operations;
mod origin;
mod page;
mod params;
mod problem;
mod requests;
mod resource;
mod routes;

use std::sync::Arc;

pub use call::Peer;
pub use operations::OPENAPI;
pub use origin::AllowedHosts;
pub use problem::{Kind, Problem};
pub use routes::routes;

use call::Call;

use crate::approvals::Approvals;
use crate::metrics::Metrics;

/// What every handler may use.
#[derive(Clone, Debug)]
pub struct Api {
    /// The use cases.
    pub approvals: Arc<Approvals>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The names that the daemon answers to.
    pub hosts: Arc<AllowedHosts>,
}

/// A complete answer.
pub type Response = warp::reply::Response;

/// The outcome of a handler.
type Handled = Result<Response, Problem>;
