//! What a daemon is told about its work: bounds, people, the policy in force, and the other nodes.

use std::sync::{Arc, PoisonError, RwLock};

use super::nodes::{Alone, SharedNodes};
use crate::domain::Policy;
use crate::limits::Limits;
use crate::principals::People;

/// What the use cases go by besides the store.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How much there may be.
    pub limits: Limits,
    /// Who is told apart.
    pub people: People,
    /// Who has to agree to what.
    pub policy: PolicyInForce,
    /// Who else serves the same store.
    pub nodes: SharedNodes,
}

impl From<Limits> for Setting {
    /// A daemon that knows nobody, has no rules, and is alone on its store.
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            people: People::default(),
            policy: PolicyInForce::default(),
            nodes: Arc::new(Alone),
        }
    }
}

/// The policy by which asks are judged from now on; its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct PolicyInForce(Arc<RwLock<Arc<Policy>>>);

impl PolicyInForce {
    /// It, now.
    pub fn current(&self) -> Arc<Policy> {
        // Held for a copy of the pointer, never over an await.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place.
    pub fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}
