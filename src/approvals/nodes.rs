//! The other nodes on the same store, as far as the use cases need them.
//!
//! The store is what nodes share; this is the little that they have to ask of each other beside it.
//! How they talk is not known here. What is lost on the way makes an answer unsure, and nothing is
//! decided on an unsure answer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Principal, RequestId, Topic};

/// The other nodes; shared by all who ask them.
pub type SharedNodes = Arc<dyn Nodes>;

/// What can be asked of the other nodes.
#[async_trait]
pub trait Nodes: fmt::Debug + Send + Sync {
    /// Whether there may be others, whether or not they are heard at the moment.
    fn may_be_others(&self) -> bool;

    /// How long [`hold_back`](Self::hold_back) and [`ask`](Self::ask) take together at most.
    fn question_time(&self) -> Duration;

    /// A random part of the time in which another node may ask the same. Safe to drop at any time.
    async fn hold_back(&self);

    /// Asks all other nodes about these leases, which have ended here. Their answers go into the
    /// book of leases as they come, so what is not kept by anybody is what is still ended
    /// afterwards. Safe to drop at any time.
    ///
    /// # Errors
    /// Not all of them have answered, or perhaps not been heard.
    async fn ask(&self, ids: &[RequestId]) -> Result<(), Unsure>;

    /// Who listens at the other nodes and hears of this topic.
    fn listening(&self, topic: &Topic) -> Elsewhere;
}

/// It is not known what the other nodes would say, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsure(pub &'static str);

/// Who listens at other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// By name, those who are told apart. What they may do is not said.
    pub people: BTreeSet<Principal>,
    /// Streams of a name that stands for everybody.
    pub streams: usize,
}

/// A node that is the only one on its store.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

#[async_trait]
impl Nodes for Alone {
    fn may_be_others(&self) -> bool {
        false
    }

    fn question_time(&self) -> Duration {
        Duration::ZERO
    }

    async fn hold_back(&self) {}

    async fn ask(&self, _: &[RequestId]) -> Result<(), Unsure> {
        Ok(())
    }

    fn listening(&self, _: &Topic) -> Elsewhere {
        Elsewhere::default()
    }
}
