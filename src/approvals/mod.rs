//! The use cases: ask, read, wait, decide, cancel, list, listen.
//!
//! Each reads the store, lets the domain decide, and commits by compare-and-set. None of them
//! wakes anybody: that is the feed's work, which comes back through the [pump](pump::Pump), so
//! that what is seen has been stored first.

pub mod access;
mod bulk;
pub mod classic;
mod cool_down;
pub mod leases;
pub mod nodes;
pub mod pump;
mod quotas;
mod room;
mod setting;
pub mod subscription;
pub mod sweep;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use access::Access;
pub use pump::Pump;
pub use quotas::OverQuota;
pub use setting::{PolicyInForce, Setting};
pub use subscription::{Item, Subscription};

use self::bulk::{Bulk, Place, Turn};
use self::leases::{Hold, Leases};
use self::quotas::Quotas;
use self::room::OnTheWay;
use crate::clock::Clock;
use crate::domain::{
    Ask, Caller, Cursor, Decision, Denial, Digest, Event, EventId, HistoryId, MatchCode, Principal,
    Reason, Refusal, Request, RequestId, Timestamp, Transition, Unmet, Verdict, Vote,
};
use crate::hub::{Filter, Full, Hub, Wants};
use crate::limits::{self, Limits};
use crate::store::{Commit, Health, ListQuery, Page, Range, SharedStore, StoreError};

/// Why a use case was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such request, or it is kept no longer.
    #[error("there is no request {0}")]
    NotFound(RequestId),
    /// The domain says no; here is the request as it stands.
    #[error("{0}")]
    Refused(Refusal, Box<Event>),
    /// The caller's rights do not allow it.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The caller's rights have ended meanwhile.
    #[error("the token was revoked, has expired, or was given other rights")]
    RightsEnded,
    /// The idempotency key stands for another ask.
    #[error(
        "the idempotency key was used for another ask, request {id}; {}",
        other(differs)
    )]
    KeyReused {
        /// The request of the other ask.
        id: RequestId,
        /// The members that differ, as far as that is known.
        differs: Vec<&'static str>,
    },
    /// As many requests are pending as may be.
    #[error("no more requests may be pending than {0}, the limit")]
    TooManyPending(usize),
    /// As many long polls are held as may be.
    #[error("long polls: {0}")]
    TooManyWaiters(Full),
    /// As many streams are open as may be.
    #[error("streams: {0}")]
    TooManySubscribers(Full),
    /// More than one requester may have or do.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// There are no terms on which it could be approved.
    #[error(transparent)]
    Unmet(#[from] Unmet),
    /// It is not known whether somebody who has voted still may.
    #[error("the user database does not answer: {0}")]
    AccountsSilent(String),
    /// Others kept changing the same request.
    #[error("others keep changing request {0}")]
    Contended(RequestId),
    /// The store did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn other(differs: &[&str]) -> String {
    if differs.is_empty() {
        return "they differ in need or from, or one of them names a default".to_owned();
    }
    format!("they differ in {}", differs.join(", "))
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request.
    pub event: Event,
    /// The same ask had come before.
    pub replayed: bool,
}

/// What an approver says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<Reason>,
    /// The version that was on the approver's screen.
    pub shown: Option<EventId>,
    /// The match code that was typed.
    pub code: Option<MatchCode>,
}

/// All that is asked and answered on one daemon.
pub struct Approvals {
    store: SharedStore,
    hub: Arc<Hub>,
    pump: Arc<Pump>,
    clock: Arc<dyn Clock>,
    setting: Setting,
    on_the_way: OnTheWay,
    quotas: Quotas,
    bulk: Arc<Bulk>,
    /// One list at a time settles what is overdue; the others find it settled.
    settling: Mutex<()>,
    drain: CancellationToken,
}

impl Approvals {
    /// Begins to serve an open store whose feed is `pump`. Waits and streams end early once
    /// `drain` is cancelled.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn begin(
        store: SharedStore,
        pump: Arc<Pump>,
        clock: Arc<dyn Clock>,
        setting: impl Into<Setting>,
        drain: CancellationToken,
    ) -> Result<Arc<Self>, StoreError> {
        let setting = setting.into();
        let limits = setting.limits;
        let hub = Arc::clone(pump.hub());
        let head = store.head().await?.event;
        let newest = store.changes(Range::of(head), false, 1).await?;
        hub.begin(head);
        pump.begin(newest.first(), limits.cool_down);
        Ok(Arc::new(Self {
            store,
            hub,
            pump,
            clock,
            setting,
            on_the_way: OnTheWay::default(),
            quotas: Quotas::new(limits.per_requester),
            bulk: Bulk::new(),
            settling: Mutex::default(),
            drain,
        }))
    }

    /// The daemon's present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who waits and who listens.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Which requests need a sign of life of their askers.
    pub fn leases(&self) -> &Leases {
        self.pump.leases()
    }

    /// How many requests are pending. The store counts them: the feed may leave out what came
    /// before a request's latest state, so that a count along it would drift.
    ///
    /// # Errors
    /// The store's.
    pub async fn pending(&self) -> Result<usize, StoreError> {
        self.store.pending().await
    }

    /// Waits until the store's writer has come to us, without anything to do for it; a store that
    /// refuses to work has answered as well. Safe to drop at any time.
    pub async fn reach_writer(&self) {
        // The only write that writes nothing: there is no request of that time, and none is wanted.
        let nothing = Timestamp::from_millis(i64::MIN);
        while let Err(StoreError::Busy) = self.store.purge(nothing, 0).await {
            // Many wait for it, which does not say that it works.
            tokio::time::sleep(limits::WRITER_LOOK).await;
        }
    }

    /// How far this clock is behind the times that the store has, beyond what clocks may differ:
    /// then requests would expire later than was agreed.
    pub fn behind(&self) -> Option<Duration> {
        let behind = self.pump.latest().since(self.now());
        (behind > limits::CLOCK_DIFFERENCE).then_some(behind)
    }

    /// How many there may be of what is counted.
    pub fn limits(&self) -> Limits {
        self.setting.limits
    }

    /// Whether the store can do its work.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.store.health()
    }

    /// Cancelled when the daemon winds down.
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Which history the store has.
    pub fn history(&self) -> HistoryId {
        self.store.history()
    }

    /// The place of an event as its readers know it.
    pub fn cursor(&self, event: EventId) -> Cursor {
        Cursor {
            history: self.history(),
            event,
        }
    }

    /// Asks. With an idempotency key, the same ask by the same principal is made once.
    ///
    /// Dropping the future may leave the request made.
    ///
    /// # Errors
    /// Too many pending, the key used for another ask, or the store's.
    pub async fn ask(
        &self,
        by: Caller,
        ask: Ask,
        key: Option<&str>,
        random_id: impl FnOnce() -> RequestId,
    ) -> Result<Asked, Error> {
        let id = match key {
            Some(key) => RequestId::derive(by.principal.as_str(), key),
            None => random_id(),
        };
        let sent = Box::new(ask.clone());
        let (passage, most) = (self.on_the_way.enter(), self.setting.limits.pending);
        if !passage.has_room(self.store.pending().await?, most) {
            // Replays are answered even when there is no room for more.
            return match self.store.get(id).await? {
                Some(event) => self.replayed(event, &sent).await,
                None => Err(Error::TooManyPending(most)),
            };
        }
        let policy = self.setting.policy.current();
        let now = self.now();
        let approvers = self.setting.people.approvers_of(&ask.topic, now);
        let agreed = match policy.agree(&ask, &by.principal, &approvers, now) {
            Ok(agreed) => agreed,
            // What was asked before on other terms has them still.
            Err(unmet) => {
                return match self.store.get(id).await? {
                    Some(event) => self.replayed(event, &sent).await,
                    None => Err(unmet.into()),
                };
            }
        };
        let request = Request::agreed(id, ask, agreed, by, now);
        match self.commit(None, request).await? {
            Commit::Done(event) => Ok(Asked {
                event,
                replayed: false,
            }),
            Commit::Conflict(Some(event)) => self.replayed(event, &sent).await,
            Commit::Conflict(None) => Err(Error::Contended(id)),
        }
    }

    /// Asks, as somebody who has to keep to what one requester may do if they are `counted`, and
    /// not at once after a denial of the same; else like [`ask`](Self::ask). What was asked before
    /// under the same key is answered whatever the limits, and counts for none.
    ///
    /// # Errors
    /// Over quota, or those of [`ask`](Self::ask).
    pub async fn ask_within(
        &self,
        counted: bool,
        by: Caller,
        ask: Ask,
        key: Option<&str>,
        random_id: impl FnOnce() -> RequestId,
    ) -> Result<Asked, Error> {
        if !counted && self.setting.limits.cool_down.is_none() {
            return self.ask(by, ask, key, random_id).await;
        }
        let who = &by.principal;
        if let Some(key) = key {
            let id = RequestId::derive(who.as_str(), key);
            if let Some(event) = self.store.get(id).await? {
                let sent = Box::new(ask.clone());
                return self.replayed(event, &sent).await;
            }
        }
        if let Some(wait) = self.pump.cool_down().left(who, &ask, self.now()) {
            return Err(OverQuota::DeniedRecently { wait }.into());
        }
        if !counted {
            return self.ask(by, ask, key, random_id).await;
        }
        let taken = self.quotas.set_out(who);
        let pending = self.store.pending_of(who).await?;
        self.quotas.has_room(&taken, pending)?;
        // Last, so that what is refused anyway is not counted.
        self.quotas.asks(who)?;
        let asked = self.ask(by, ask, key, random_id).await;
        drop(taken);
        asked
    }

    /// The answer to an ask that was made before, when it is the same: the members, and the match
    /// code for as long as it is known. One without a lease frees the request of the one that it
    /// has: whoever does not mean to stay may not be the reason why it is withdrawn.
    async fn replayed(&self, event: Event, sent: &Ask) -> Result<Asked, Error> {
        let request = &event.request;
        let is_other_code = !request.status.is_final() && request.match_code != sent.match_code;
        if request.ask_digest != sent.digest || is_other_code {
            return Err(Error::KeyReused {
                id: request.id,
                differs: request.differs_in(sent),
            });
        }
        let mut event = self.present(event).await?;
        if sent.lease.is_none() {
            let free = |event: &Event, _| Ok(event.request.released(event.version()));
            event = self.change(event, free).await?;
        }
        Ok(Asked {
            event,
            replayed: true,
        })
    }

    /// The request as it stands; one that is past its time is expired first.
    ///
    /// # Errors
    /// Not found, or the store's. A store that can be read but not written shows it as pending.
    pub async fn read(&self, id: RequestId) -> Result<Event, Error> {
        let event = self.store.get(id).await?.ok_or(Error::NotFound(id))?;
        self.present(event).await
    }

    /// `event`, or the expiry that has to follow it.
    async fn present(&self, event: Event) -> Result<Event, Error> {
        if !event.request.is_overdue(self.now()) {
            return Ok(event);
        }
        match self.expire(event.clone()).await {
            Ok(expired) => Ok(expired),
            Err(Error::Store(error)) => {
                tracing::debug!(id = %event.request.id, %error, "expiry not committed");
                Ok(event)
            }
            Err(error) => Err(error),
        }
    }

    /// Commits the expiry of an overdue request; answers what the store then says.
    async fn expire(&self, event: Event) -> Result<Event, Error> {
        // Every change expires an overdue request first, so there is nothing left to do after it.
        self.change(event, |_, _| Ok(Transition::Unchanged)).await
    }

    /// Reads the request and waits, at most for `wait`, until it is as `wants` says; answers with
    /// the request as it then stands. While the daemon winds down nothing is waited for.
    ///
    /// Dropping the future ends the wait and leaves nothing behind.
    ///
    /// # Errors
    /// Not found, too many waiters, or the store's.
    pub async fn wait(&self, id: RequestId, wants: Wants, wait: Duration) -> Result<Event, Error> {
        self.wait_noting(id, wants, wait, |_| ()).await
    }

    /// Waits as `by`, of whom it is a sign of life, which `hold` has counted as far as the request
    /// was known; else like [`wait`](Self::wait).
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    async fn wait_holding(
        &self,
        id: RequestId,
        wants: Wants,
        wait: Duration,
        (hold, by): (&mut Hold<'_>, &Caller),
    ) -> Result<Event, Error> {
        self.wait_noting(id, wants, wait, |pending| hold.of(pending, by))
            .await
    }

    /// Waits, and tells `note` of the request before, if there is something to wait for.
    async fn wait_noting(
        &self,
        id: RequestId,
        wants: Wants,
        wait: Duration,
        note: impl FnOnce(&Request) + Send,
    ) -> Result<Event, Error> {
        // Registered before the state is read, so that no commit falls in between.
        let waiter = self.hub.waiters.register(id, wants);
        let event = self.read(id).await?;
        if wants.are_met_by(&event) || event.request.status.is_final() {
            return Ok(event);
        }
        note(&event.request);
        drop(event);
        // Asked for only now: what there is to tell is told even when nobody else may wait.
        let mut waiter = waiter.map_err(Error::TooManyWaiters)?;
        let is_over = tokio::select! {
            biased;
            event = waiter.woken() => return Ok(event),
            () = self.drain.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        };
        drop(waiter);
        let event = self.read(id).await?;
        let is_met = wants.are_met_by(&event) || event.request.status.is_final();
        if is_over && !is_met && self.is_cut_off() {
            let why = "the node is cut off, and another may know more".to_owned();
            return Err(StoreError::Unavailable(why).into());
        }
        Ok(event)
    }

    /// Whether others on the same store may know what this node cannot hear of. Whoever waits here
    /// is sent to them at the end of the wait: not before, so that nobody comes and goes without
    /// end where all are cut off.
    fn is_cut_off(&self) -> bool {
        let is_failing = matches!(*self.store.health().borrow(), Health::Failing(_));
        is_failing && self.setting.nodes.may_be_others()
    }

    /// Decides, as `by`, of whom nothing but the name is known: where approvers are told apart, it
    /// takes [`vote`](Self::vote).
    ///
    /// # Errors
    /// Those of a vote.
    pub async fn decide(
        &self,
        id: RequestId,
        by: &Caller,
        verdict: Verdict,
        reason: Option<Reason>,
        shown: Option<EventId>,
        code: Option<&MatchCode>,
    ) -> Result<Event, Error> {
        let ballot = Ballot {
            verdict,
            reason,
            shown,
            code: code.cloned(),
        };
        self.vote(id, by, &ballot, |_| Ok(false)).await
    }

    /// Votes, as `by`. Earlier votes of those who may not decide the request any more do not count.
    ///
    /// `may` says right before the vote is taken whether `by` may decide the request like this, and
    /// then whether the name stands for one person or program: to find out who else may can take
    /// its time.
    ///
    /// # Errors
    /// Not found, refused by the domain, the store's, or nobody can say who may still decide. A
    /// wrong match code is refused once the try has been committed, so that tries at the same time
    /// are counted one by one.
    pub async fn vote(
        &self,
        id: RequestId,
        by: &Caller,
        ballot: &Ballot,
        may: impl FnOnce(&Request) -> Result<bool, Error> + Send,
    ) -> Result<Event, Error> {
        let event = self.store.get(id).await?.ok_or(Error::NotFound(id))?;
        let fallen = self.fallen(&event.request, by, ballot.verdict).await?;
        let is_known = may(&event.request)?;
        self.change(event, |event, now| {
            let decision = Decision {
                verdict: ballot.verdict,
                approver: by.clone(),
                reason: ballot.reason.clone(),
                at: now,
            };
            let vote = Vote {
                decision,
                is_known,
                shown: ballot.shown,
                code: ballot.code.as_ref(),
            };
            // Who has voted since has been looked at just then.
            let stands = |who: &Principal| !fallen.contains(who);
            event.request.decided(event.version(), vote, stands)
        })
        .await
    }

    /// Who has voted on this request, other than `by`, and may not decide it any more. All are
    /// looked up side by side, within [`limits::ACCOUNT_TIME`].
    ///
    /// Nothing may hinder a no. So nobody is looked up for one that is enough by itself, and for
    /// one that is not, whoever cannot be looked up still may.
    async fn fallen(
        &self,
        request: &Request,
        by: &Caller,
        verdict: Verdict,
    ) -> Result<Vec<Principal>, Error> {
        let is_denial = verdict == Verdict::Deny;
        let is_enough = is_denial && request.terms.denials_needed <= 1;
        if is_enough || request.status.is_final() || !self.setting.people.are_known() {
            return Ok(Vec::new());
        }
        let (now, deadline) = (self.now(), Instant::now() + limits::ACCOUNT_TIME);
        let others = request.decisions.iter();
        let others = others.filter(|vote| vote.approver.principal != by.principal);
        let looks = others.map(|vote| async move {
            let who = &vote.approver.principal;
            let asking = timeout_at(deadline, self.setting.people.rights(who, now));
            match asking.await.unwrap_or_else(|late| Err(late.into())) {
                Ok(Some(rights)) if rights.may_decide(request, vote.verdict).is_ok() => Ok(None),
                Ok(_) => Ok(Some(who.clone())),
                Err(_) if is_denial => Ok(None),
                Err(error) => Err(Error::AccountsSilent(error.to_string())),
            }
        });
        let looked = join_all(looks).await.into_iter();
        looked.filter_map(Result::transpose).collect()
    }

    /// Takes back the vote of `by` on a pending request.
    ///
    /// # Errors
    /// Not found, refused by the domain, or the store's.
    pub async fn take_back(&self, id: RequestId, by: &Caller) -> Result<Event, Error> {
        self.command(id, |event, now| {
            event.request.taken_back(event.version(), by, now)
        })
        .await
    }

    /// Uses an approval, once, as its requester.
    ///
    /// Dropping the future may leave it used, by this nonce.
    ///
    /// # Errors
    /// Not found, refused by the domain, or the store's.
    pub async fn consume(&self, id: RequestId, nonce: Digest, by: &Caller) -> Result<Event, Error> {
        self.command(id, |event, now| {
            event.request.used(event.version(), nonce, by, now)
        })
        .await
    }

    /// Withdraws a request, as its requester.
    ///
    /// # Errors
    /// Not found, refused by the domain, or the store's.
    pub async fn cancel(&self, id: RequestId, by: &Caller) -> Result<Event, Error> {
        self.command(id, |event, now| event.request.cancelled(by, now))
            .await
    }

    /// Withdraws somebody else's request, as one who may.
    ///
    /// # Errors
    /// Not found, refused by the domain, or the store's.
    pub async fn withdraw(&self, id: RequestId, by: &Caller) -> Result<Event, Error> {
        self.command(id, |event, now| event.request.withdrawn(by, now))
            .await
    }

    /// Notes that `by` has the request on a screen.
    ///
    /// # Errors
    /// Not found, or the store's.
    pub async fn seen(&self, id: RequestId, by: &Caller) -> Result<Event, Error> {
        self.command(id, |event, now| {
            Ok(event.request.seen(event.version(), by, now))
        })
        .await
    }

    /// What `answer` makes of one page of requests, while nobody else makes one: it is work, and
    /// who asks for lists without end may not have all of the machine for it. What is overdue is
    /// expired first.
    ///
    /// # Errors
    /// The store's; it is busy as well when too many lists wait for their turn.
    pub async fn list<T>(
        &self,
        query: ListQuery,
        answer: impl FnOnce(Page) -> T,
    ) -> Result<T, Error> {
        let admitted = self.bulk.admit()?;
        // A list by status has to know of expiries before it selects, so they come first. A store
        // that cannot write is still read.
        let turn = self.settle_overdue(admitted.place).await;
        let store = Arc::clone(&self.store);
        let read = async move { store.list(query).await }.boxed();
        let (page, _turn) = self.bulk.run(turn, read).await;
        Ok(answer(page?))
    }

    /// Expires what is overdue, as far as that is possible; answers the turn for the read that
    /// follows. What is overdue is read in a turn, and committed without one: others may read
    /// meanwhile.
    async fn settle_overdue(&self, place: Place) -> Turn {
        let settling = self.settling.lock().await;
        let turn = self.bulk.turn(place).await;
        let (store, now) = (Arc::clone(&self.store), self.now());
        let read = async move { store.overdue(now, limits::SWEEP_BATCH).await }.boxed();
        let (overdue, turn) = self.bulk.run(turn, read).await;
        let expired = match overdue {
            Ok(overdue) if overdue.is_empty() => return turn,
            Ok(overdue) => {
                drop(turn);
                self.expire_all(overdue).await
            }
            Err(error) => {
                drop(turn);
                Err(error.into())
            }
        };
        drop(settling);
        if let Err(error) = expired {
            tracing::debug!(%error, "expiries not committed");
        }
        self.bulk.turn(place).await
    }

    /// Opens a stream of changes: all that is pending, or what changed after `cursor`, then what
    /// happens; of these, what `filter` lets through.
    ///
    /// # Errors
    /// Too many subscribers, or the store's.
    pub async fn listen(
        self: &Arc<Self>,
        cursor: Option<&str>,
        filter: Filter,
    ) -> Result<Subscription, Error> {
        let subscriber = self.hub.tail.subscribe(filter);
        let subscriber = subscriber.map_err(Error::TooManySubscribers)?;
        Ok(Subscription::open(Arc::clone(self), subscriber, cursor).await?)
    }

    /// Follows all changes from within the daemon: all that is pending, then what happens. It takes
    /// no place among the streams.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow(self: &Arc<Self>) -> Result<Subscription, StoreError> {
        let subscriber = self.hub.tail.follow();
        Subscription::open(Arc::clone(self), subscriber, None).await
    }

    /// Expires at most `limit` overdue requests; answers how many were overdue.
    pub(crate) async fn expire_overdue(&self, limit: usize) -> Result<usize, Error> {
        let overdue = self.store.overdue(self.now(), limit).await?;
        let count = overdue.len();
        self.expire_all(overdue).await?;
        Ok(count)
    }

    async fn expire_all(&self, overdue: Vec<Event>) -> Result<(), Error> {
        let expiries = overdue.into_iter().map(|event| self.expire(event));
        // Together, so that a store with group commit makes them durable at once.
        for expiry in join_all(expiries).await {
            expiry?;
        }
        Ok(())
    }

    /// Writes to the store, and notes how long that took when it was written.
    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        let begun = Instant::now();
        let commit = self.store.commit(expected, request).await?;
        if matches!(commit, Commit::Done(_)) {
            self.pump.metrics().commit_took(begun.elapsed());
        }
        Ok(commit)
    }

    /// Carries out a command on the request `id`.
    async fn command<F>(&self, id: RequestId, step: F) -> Result<Event, Error>
    where
        F: Fn(&Event, Timestamp) -> Result<Transition, Refusal> + Send + Sync,
    {
        let event = self.store.get(id).await?.ok_or(Error::NotFound(id))?;
        self.change(event, step).await
    }

    /// Lets `step` decide on the present state and commits what it says, until the commit is not
    /// overtaken by another. An overdue request is expired first, whatever the step.
    async fn change<F>(&self, mut event: Event, step: F) -> Result<Event, Error>
    where
        F: Fn(&Event, Timestamp) -> Result<Transition, Refusal> + Send + Sync,
    {
        let id = event.request.id;
        for _ in 0..limits::COMMIT_ATTEMPTS {
            let now = self.now();
            let (next, refusal) = match event.request.expired(now) {
                Some(expired) => (expired, None),
                None => match step(&event, now) {
                    Ok(Transition::Commit(next)) => (*next, None),
                    Ok(Transition::Refuse(next, refusal)) => (*next, Some(refusal)),
                    Ok(Transition::Unchanged) => return Ok(event),
                    Err(refusal) => return Err(Error::Refused(refusal, Box::new(event))),
                },
            };
            let expired_only = event.request.is_overdue(now);
            event = match self.commit(Some(event.id), next).await? {
                // The step has not had its say yet: it sees the expired request next.
                Commit::Done(event) if expired_only => event,
                Commit::Done(event) => {
                    return match refusal {
                        Some(refusal) => Err(Error::Refused(refusal, Box::new(event))),
                        None => Ok(event),
                    };
                }
                Commit::Conflict(Some(event)) => event,
                Commit::Conflict(None) => return Err(Error::NotFound(id)),
            };
        }
        Err(Error::Contended(id))
    }
}

#[cfg(test)]
mod tests;
