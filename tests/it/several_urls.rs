//! Clients that know several URLs of daemons that share a store: here, several ways to one daemon,
//! unless a test says otherwise.

mod approver;
mod door;
mod misled;
mod requester;
mod settings;

use self::door::Door;
use crate::daemon::{Daemon, setup};
use crate::programs::Requester;

/// A daemon and two ways to it.
struct Scene {
    daemon: Daemon,
    a: Door,
    b: Door,
}

impl Scene {
    async fn new() -> Self {
        let daemon = setup().start();
        let (a, b) = (Door::to(&daemon).await, Door::to(&daemon).await);
        Self { daemon, a, b }
    }

    /// `requester` that knows both ways.
    fn requester(&self, args: &[&str]) -> Requester {
        start(&self.a.url(), &self.b.url(), args)
    }

    /// How it is told that B is used in place of A.
    fn change(&self) -> String {
        format!("going on with {}", self.b.url())
    }
}

/// `requester` that knows these two URLs.
fn start(a: &str, b: &str, args: &[&str]) -> Requester {
    Requester::start(a, &[&["--url", b], args].concat())
}
