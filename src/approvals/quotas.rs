//! What one requester may have at the same time and do in a minute, so that one token does not
//! take what is meant for all.
//!
//! It counts by principal and decides nothing about who is counted: that is
//! [`Access`](super::Access)'s, which knows how somebody came to their rights.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::Principal;
use crate::limits::{self, PerRequester};
use crate::shares::{Share, Shares};

/// More than one requester may have or do; how much it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// As many requests of this requester are pending as may be.
    #[error("no more requests of one requester may be pending than {0}, the limit; settle some")]
    Pending(usize),
    /// This requester has asked too much in too short a time.
    #[error(
        "one requester may ask {most} times a minute, the limit; ask again in {}", secs(*wait)
    )]
    Asks {
        /// How often it may.
        most: NonZeroU32,
        /// When it may again.
        wait: Duration,
    },
    /// As many long polls of this requester are held as may be.
    #[error("long polls: all {0} places of one requester are taken")]
    Waiters(usize),
    /// As many streams of this requester are open as may be.
    #[error(
        "streams: all {0} places of one requester are taken; close another terminal or page with \
         this token"
    )]
    Subscribers(usize),
    /// The same was denied a short while ago.
    #[error(
        "the same was denied a short while ago, and may be asked again in {}; ask for something \
         else, or talk to whoever denied it", secs(*wait)
    )]
    DeniedRecently {
        /// When it may be asked again.
        wait: Duration,
    },
}

/// Whole seconds, and never none: what a `Retry-After` says.
fn secs(wait: Duration) -> String {
    let whole = limits::whole_seconds(wait);
    humantime::format_duration(whole).to_string()
}

/// One place of a requester, until it is dropped.
pub(super) type Taken = Share<Principal>;

/// What each requester has and does.
#[derive(Debug)]
pub(super) struct Quotas {
    most: PerRequester,
    asks: DefaultKeyedRateLimiter<Principal>,
    /// How many requesters are remembered before it is looked who has not asked for a while.
    look_at: AtomicUsize,
    on_the_way: Shares<Principal>,
    waiters: Shares<Principal>,
    subscribers: Shares<Principal>,
}

impl Quotas {
    /// Nobody has done anything yet.
    pub(super) fn new(most: PerRequester) -> Self {
        Self {
            most,
            asks: RateLimiter::keyed(Quota::per_minute(most.asks_per_minute)),
            look_at: AtomicUsize::new(limits::ASKERS),
            on_the_way: Shares::default(),
            waiters: Shares::default(),
            subscribers: Shares::default(),
        }
    }

    /// An ask sets out. How many are pending has to be read after this, and what it answers held
    /// until the store has: so that asks at the same time do not share the last room.
    pub(super) fn set_out(&self, by: &Principal) -> Taken {
        self.on_the_way.enter(by.clone())
    }

    /// Whether an ask that has set out has room beside the `pending` requests of its requester.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn has_room(&self, ask: &Taken, pending: usize) -> Result<(), OverQuota> {
        let most = self.most.pending;
        if pending.saturating_add(ask.before()) < most {
            return Ok(());
        }
        Err(OverQuota::Pending(most))
    }

    /// Counts an ask.
    ///
    /// # Errors
    /// It is one too many, and not counted.
    pub(super) fn asks(&self, by: &Principal) -> Result<(), OverQuota> {
        self.forget_the_idle();
        self.asks.check_key(by).map_err(|until| OverQuota::Asks {
            most: self.most.asks_per_minute,
            wait: until.wait_time_from(DefaultClock::default().now()),
        })
    }

    /// Forgets who has not asked for a minute: tokens come and go while a daemon runs. It is
    /// looked for them each time that twice as many are remembered.
    fn forget_the_idle(&self) {
        if self.asks.len() < self.look_at.load(Ordering::Relaxed) {
            return;
        }
        self.asks.retain_recent();
        let next = (2 * self.asks.len()).max(limits::ASKERS);
        self.look_at.store(next, Ordering::Relaxed);
    }

    /// A place to wait.
    ///
    /// # Errors
    /// All of this requester's are taken.
    pub(super) fn wait(&self, by: &Principal) -> Result<Taken, OverQuota> {
        let most = self.most.waiters;
        let taken = self.waiters.take(by.clone(), most);
        taken.ok_or(OverQuota::Waiters(most))
    }

    /// A place to listen.
    ///
    /// # Errors
    /// All of this requester's are taken.
    pub(super) fn listen(&self, by: &Principal) -> Result<Taken, OverQuota> {
        let most = self.most.subscribers;
        let taken = self.subscribers.take(by.clone(), most);
        taken.ok_or(OverQuota::Subscribers(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(asks: u32) -> Quotas {
        Quotas::new(PerRequester {
            pending: 2,
            asks_per_minute: NonZeroU32::new(asks).unwrap(),
            waiters: 1,
            subscribers: 1,
        })
    }

    #[test]
    fn asks_at_the_same_time_do_not_share_the_last_room_of_their_requester() {
        let quotas = quotas(1);
        let [ci, eve] = ["ci", "eve"].map(Principal::new);
        let first = quotas.set_out(&ci);
        assert_eq!(quotas.has_room(&first, 1), Ok(()));
        let second = quotas.set_out(&ci);
        assert_eq!(quotas.has_room(&second, 1), Err(OverQuota::Pending(2)));
        assert_eq!(quotas.has_room(&quotas.set_out(&eve), 1), Ok(()));
        drop((first, second));
        assert_eq!(quotas.has_room(&quotas.set_out(&ci), 1), Ok(()));
    }

    #[test]
    fn one_ask_too_many_is_told_how_long_to_wait() {
        let quotas = quotas(3);
        let [ci, eve] = ["ci", "eve"].map(Principal::new);
        for _ in 0..3 {
            quotas.asks(&ci).unwrap();
        }
        let Err(OverQuota::Asks { most, wait }) = quotas.asks(&ci) else {
            panic!("it is one too many");
        };
        assert_eq!(most.get(), 3);
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(20),
            "{wait:?}"
        );
        assert_eq!(quotas.asks(&eve), Ok(()));
    }

    #[test]
    fn requesters_that_no_longer_ask_are_forgotten() {
        // A quota so wide that a requester has its whole minute again in a moment.
        let quotas = quotas(u32::MAX);
        for n in 0..10 * limits::ASKERS {
            quotas.asks(&Principal::new(&n.to_string())).unwrap();
        }
        assert!(
            quotas.asks.len() <= 2 * limits::ASKERS,
            "{}",
            quotas.asks.len()
        );
    }
}
