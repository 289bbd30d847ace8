//! What peers make the daemon hold: bodies that are still arriving, and answers that are not taken.
//!
//! A limit for each connection does not bound the sum: ten thousand peers that ask for a large
//! list and never read it hold ten thousand lists. So all that is held for peers is counted here,
//! and when it is more than may be held in all, the connection whose load is the oldest has to go.
//! A healthy peer takes its answer within a moment, so among the oldest there are only those that
//! do not read, or read as slowly as they can. Nobody else waits, is refused, or is asked.
//!
//! A peer may be slow while there is room, but not without end: a load that moves more slowly than
//! [`limits::LOAD_RATE`] costs its connection as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits;

/// All that is held for peers.
#[derive(Debug)]
pub struct Burden {
    // A std mutex: it is held for map operations only, never over an await.
    state: Mutex<State>,
    most: usize,
    // Told when there is something after there was nothing.
    begun: Notify,
}

#[derive(Debug, Default)]
struct State {
    // By age: numbers are given out in order.
    loads: BTreeMap<u64, Entry>,
    next: u64,
    // Bytes of the loads whose connections are not on their way out.
    bytes: usize,
    // What several loads share, by where it lies in memory: nothing else lies there while one of
    // them has it.
    shared: HashMap<usize, Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes: usize,
    holders: usize,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    bytes: usize,
    // What the peer has to send or take, whoever else shares it.
    length: usize,
    of: Arc<Connection>,
}

#[derive(Debug, Default)]
struct Connection {
    // Only changed under the lock of the burden.
    bytes: AtomicUsize,
    is_cut: AtomicBool,
    cut: Notify,
    // What is kept for it, by the number of its load. It is here, and not with whoever sends it, so
    // that it can be thrown away in the moment of the cut: the tasks of a connection come to their
    // ends one by one, and thousands of them may have something else to do first.
    kept: Mutex<BTreeMap<u64, Bytes>>,
    // Which of its loads have a part in what is shared, and where that lies; few at a time, but
    // for many streams on one connection of HTTP/2. Only changed under the lock of the burden.
    shares: Mutex<Vec<(u64, usize)>>,
}

impl Connection {
    fn shares(&self) -> MutexGuard<'_, Vec<(u64, usize)>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }
}

/// One connection as the burden knows it. Clones are of the same connection.
#[derive(Clone, Debug)]
pub struct Carrier {
    burden: Arc<Burden>,
    connection: Arc<Connection>,
}

/// Bytes that are held for a connection, until this is dropped.
#[derive(Debug)]
pub struct Load {
    carrier: Carrier,
    number: u64,
}

/// Bytes that are to be taken piece by piece, and counted as a load. They are gone when the
/// connection is cut.
#[derive(Debug)]
pub struct Kept {
    load: Load,
    // Some of it was taken.
    begun: bool,
}

/// What there is to be taken next.
#[derive(Debug)]
pub enum Piece {
    /// Some of it.
    Some(Bytes),
    /// The rest, with its load.
    Rest(Bytes, Load),
    /// Nothing: the connection has to go.
    Cut,
}

impl Burden {
    /// Nothing is held, and at most `most` bytes will be.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            most,
            begun: Notify::new(),
        })
    }

    /// A connection for which something may be held.
    pub fn carrier(self: &Arc<Self>) -> Carrier {
        Carrier {
            burden: Arc::clone(self),
            connection: Arc::default(),
        }
    }

    /// Bytes that are held, [`limits::LOAD_OVERHEAD`] of each load included, without those of
    /// connections that have been told to go.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Cuts connections whose loads take too long, for ever. It sleeps while nothing is held.
    /// Dropping the future ends that.
    pub async fn watch(&self) {
        loop {
            let begun = self.begun.notified();
            match self.cut_overdue(Instant::now()) {
                Some(next) => sleep_until(next).await,
                None => begun.await,
            }
        }
    }

    /// Cuts whose time is over; answers when to look again, `None` when nothing is held.
    fn cut_overdue(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let overdue: Vec<_> = state
            .loads
            .values()
            .take_while(|entry| entry.since + limits::LOAD_TIME <= now)
            .filter(|entry| entry.since + allowed(entry.length) <= now)
            .map(|entry| Arc::clone(&entry.of))
            .collect();
        for connection in overdue {
            state.cut(&connection);
        }
        let oldest = state.loads.values().next()?.since;
        // Who is old but was large may stay, and is looked at again with the others.
        Some((oldest + limits::LOAD_TIME).max(now + limits::LOAD_LOOK))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a load of so many bytes may be held.
fn allowed(bytes: usize) -> Duration {
    let secs = bytes / limits::LOAD_RATE;
    limits::LOAD_TIME + Duration::from_secs(secs as u64)
}

impl State {
    fn add(&mut self, number: u64, bytes: usize) {
        let Some(entry) = self.loads.get_mut(&number) else {
            return;
        };
        entry.bytes += bytes;
        // Whoever is on its way out is off the sum already, and all that it still brings.
        if !entry.of.is_cut() {
            entry.of.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.bytes += bytes;
        }
    }

    /// Counts a load as so many bytes from now on, all its own.
    fn settle(&mut self, number: u64, bytes: usize) {
        self.give_up_share(number);
        let Some(entry) = self.loads.get_mut(&number) else {
            return;
        };
        let less = entry.bytes;
        entry.bytes = 0;
        if !entry.of.is_cut() {
            entry.of.bytes.fetch_sub(less, Ordering::Relaxed);
            self.bytes -= less;
        }
        self.add(number, bytes);
    }

    /// A load has a part in what lies at this place: it is counted once, however many have one.
    fn share(&mut self, number: u64, place: usize, bytes: usize) {
        let Some(entry) = self.loads.get(&number) else {
            return;
        };
        if entry.of.is_cut() {
            return;
        }
        let shared = self
            .shared
            .entry(place)
            .or_insert(Shared { bytes, holders: 0 });
        if shared.holders == 0 {
            self.bytes += bytes;
        }
        shared.holders += 1;
        entry.of.shares().push((number, place));
    }

    fn give_up_share(&mut self, number: u64) {
        let Some(entry) = self.loads.get(&number) else {
            return;
        };
        let mut shares = entry.of.shares();
        let found = shares.iter().position(|(load, _)| *load == number);
        let place = found.map(|at| shares.swap_remove(at).1);
        drop(shares);
        if let Some(place) = place {
            self.let_go(place);
        }
    }

    /// One holder less of what lies there.
    fn let_go(&mut self, place: usize) {
        let Some(shared) = self.shared.get_mut(&place) else {
            return;
        };
        shared.holders -= 1;
        if shared.holders == 0 {
            self.bytes -= shared.bytes;
            self.shared.remove(&place);
        }
    }

    fn remove(&mut self, number: u64) {
        self.give_up_share(number);
        let Some(entry) = self.loads.remove(&number) else {
            return;
        };
        if !entry.of.is_cut() {
            entry.of.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
            self.bytes -= entry.bytes;
        }
    }

    /// Tells the connection to go. What it holds is free in a moment and counts no longer.
    fn cut(&mut self, connection: &Connection) {
        if !connection.is_cut() {
            self.bytes -= connection.bytes.swap(0, Ordering::Relaxed);
            connection.is_cut.store(true, Ordering::Release);
            connection.cut.notify_waiters();
            connection.kept().clear();
            let shares = std::mem::take(&mut *connection.shares());
            for (_, place) in shares {
                self.let_go(place);
            }
        }
    }

    /// Cuts the connections with the oldest loads until at most `most` bytes are held.
    fn make_room(&mut self, most: usize) {
        while self.bytes > most {
            let mut loads = self.loads.values().map(|entry| &entry.of);
            let Some(oldest) = loads.find(|of| !of.is_cut()).map(Arc::clone) else {
                return;
            };
            self.cut(&oldest);
        }
    }
}

impl Carrier {
    /// Counts `bytes` that begin to be held for this connection now. It may cost this or another
    /// connection its life.
    pub fn hold(&self, bytes: usize) -> Load {
        self.begin(bytes, bytes, None)
    }

    /// `length` is what the peer has to move: `bytes` that are its own, or what lies `at` a place
    /// that others share.
    fn begin(&self, bytes: usize, length: usize, at: Option<usize>) -> Load {
        let mut state = self.burden.state();
        let number = state.next;
        state.next += 1;
        let entry = Entry {
            since: Instant::now(),
            bytes: 0,
            length,
            of: Arc::clone(&self.connection),
        };
        let first = state.loads.is_empty();
        state.loads.insert(number, entry);
        state.add(number, limits::LOAD_OVERHEAD + bytes);
        if let Some(place) = at {
            state.share(number, place, length);
        }
        state.make_room(self.burden.most);
        drop(state);
        if first {
            self.burden.begun.notify_waiters();
        }
        Load {
            carrier: self.clone(),
            number,
        }
    }

    /// Counts `bytes`, all of which the transport takes now, like [`hold`](Self::hold). What others
    /// share is counted once, until the last of them has let it go.
    pub fn hold_all(&self, bytes: &Bytes) -> Load {
        let length = bytes.len();
        if bytes.is_unique() {
            self.begin(length, length, None)
        } else {
            self.begin(0, length, Some(bytes.as_ptr().addr()))
        }
    }

    /// Keeps `bytes` for this connection, counted as [`hold_all`](Self::hold_all) does.
    pub fn keep(&self, bytes: Bytes) -> Kept {
        let load = self.hold_all(&bytes);
        // Under the lock of what is kept, so that a cut comes before or finds it.
        let mut kept = self.connection.kept();
        if !self.connection.is_cut() {
            kept.insert(load.number, bytes);
        }
        drop(kept);
        Kept { load, begun: false }
    }

    /// Waits until this connection has to go. Safe to drop at any time.
    pub async fn cut(&self) {
        // Before the look, so that a cut in between is heard.
        let told = self.connection.cut.notified();
        if !self.connection.is_cut() {
            told.await;
        }
    }
}

impl Kept {
    /// Takes the next piece, of at most `most` bytes.
    pub fn take(mut self, most: usize) -> (Piece, Option<Self>) {
        let mut kept = self.load.carrier.connection.kept();
        let Some(bytes) = kept.get_mut(&self.load.number) else {
            drop(kept);
            return (Piece::Cut, None);
        };
        let piece = bytes.split_to(most.min(bytes.len()));
        let is_last = bytes.is_empty();
        if is_last {
            kept.remove(&self.load.number);
        }
        drop(kept);
        // What is larger is sent in copies, so that it can be thrown away without them, and the
        // last of them does not keep all of it.
        let is_whole = is_last && !self.begun;
        let piece = if is_whole {
            piece
        } else {
            Bytes::copy_from_slice(&piece)
        };
        if is_last {
            if !is_whole {
                self.load.settle(piece.len());
            }
            return (Piece::Rest(piece, self.load), None);
        }
        self.begun = true;
        (Piece::Some(piece), Some(self))
    }
}

impl Load {
    /// All but the last `bytes` were taken.
    fn settle(&self, bytes: usize) {
        let mut state = self.carrier.burden.state();
        state.settle(self.number, limits::LOAD_OVERHEAD + bytes);
    }

    /// Counts `bytes` more. It may cost this or another connection its life.
    pub fn grow(&mut self, bytes: usize) {
        let burden = &self.carrier.burden;
        let mut state = burden.state();
        state.add(self.number, bytes);
        state.make_room(burden.most);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.carrier.connection.kept().remove(&self.number);
        self.carrier.burden.state().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
