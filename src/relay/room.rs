//! Room for the bodies of calls, which a relay keeps for as long as it may have to send them again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::server::network;

/// All the room, and who has how much of it, in bytes.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    most_of_one: usize,
    // A std mutex: it is held for a look into the map, never over an await.
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    // Only who has some is remembered.
    by_holder: HashMap<IpAddr, usize>,
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    holder: Option<IpAddr>,
    bytes: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All of it is taken.
    All,
    /// The share of this address is.
    OfAddress,
}

impl Room {
    /// So much room, of which one host may have a part, and one body in any case.
    pub(super) fn new(most: usize, body_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one: (most / limits::RELAY_BODY_SHARES).max(body_bytes),
            taken: Mutex::default(),
        })
    }

    /// Takes so much, for somebody at `address`. This machine trusts itself, so it has no share.
    ///
    /// # Errors
    /// There is not as much left.
    pub(super) fn take(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<Held, Full> {
        let address = address.map(|address| address.to_canonical());
        let holder = address.filter(|it| !it.is_loopback()).map(network);
        let mut taken = self.taken();
        if taken.all.saturating_add(bytes) > self.most {
            return Err(Full::All);
        }
        if let Some(holder) = holder {
            let has = taken.by_holder.get(&holder).copied().unwrap_or_default();
            if has.saturating_add(bytes) > self.most_of_one {
                return Err(Full::OfAddress);
            }
            taken.by_holder.insert(holder, has + bytes);
        }
        taken.all += bytes;
        drop(taken);
        Ok(Held {
            room: Arc::clone(self),
            holder,
            bytes,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Gives back what is not needed of it.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.give_back(spare);
        self.bytes -= spare;
    }

    fn give_back(&self, bytes: usize) {
        let mut taken = self.room.taken();
        taken.all = taken.all.saturating_sub(bytes);
        let Some(holder) = self.holder else { return };
        let has = taken.by_holder.get(&holder).copied().unwrap_or_default();
        if has > bytes {
            taken.by_holder.insert(holder, has - bytes);
        } else {
            taken.by_holder.remove(&holder);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(room: &Arc<Room>, address: &str, bytes: usize) -> Result<Held, Full> {
        room.take(Some(address.parse().unwrap()), bytes)
    }

    #[test]
    fn one_host_has_a_quarter_and_others_have_theirs() {
        let room = Room::new(100, 10);
        let mut first = take(&room, "192.0.2.1", 20).unwrap();
        let more = |room: &Arc<Room>, bytes| take(room, "::ffff:192.0.2.1", bytes).err();
        assert_eq!(more(&room, 6), Some(Full::OfAddress));
        assert_eq!(more(&room, 5), None);
        first.shrink(4);
        assert_eq!(more(&room, 21), None);
        let other = take(&room, "192.0.2.2", 25).unwrap();
        // This machine has no share, and no more than there is.
        let own = take(&room, "127.0.0.1", 71).unwrap();
        assert_eq!(take(&room, "192.0.2.3", 1).err(), Some(Full::All));
        drop((first, other, own));
        assert_eq!(room.taken().all, 0);
        assert!(room.taken().by_holder.is_empty());
    }

    #[test]
    fn hosts_of_one_network_are_one_and_one_body_always_fits() {
        let room = Room::new(100, 40);
        let held = take(&room, "2001:db8::1", 40).unwrap();
        let full = take(&room, "2001:db8::ffff:2", 1).err();
        assert_eq!(full, Some(Full::OfAddress));
        drop(held);
        assert!(take(&room, "2001:db8::ffff:2", 1).is_ok());
    }
}
