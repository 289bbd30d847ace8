//! The requests that a daemon has told of: that there is none is not believed of them so soon.

use std::collections::{BTreeSet, VecDeque};

use crate::domain::RequestId;
use crate::limits;

/// The latest of them, at most [`limits::ACQUAINTED`].
#[derive(Debug, Default)]
pub(super) struct Acquainted {
    known: BTreeSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Acquainted {
    /// A daemon has told of it.
    pub(super) fn add(&mut self, id: RequestId) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > limits::ACQUAINTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether one has.
    pub(super) fn has(&self, id: RequestId) -> bool {
        self.known.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_for_the_latest() {
        let id = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            RequestId::from_bytes(bytes)
        };
        let mut acquainted = Acquainted::default();
        for number in 0..=limits::ACQUAINTED {
            acquainted.add(id(number));
            acquainted.add(id(number));
        }
        assert!(!acquainted.has(id(0)) && acquainted.has(id(1)));
        assert!(acquainted.has(id(limits::ACQUAINTED)));
        assert_eq!(acquainted.order.len(), limits::ACQUAINTED);
    }
}
