//! The use cases as one caller has them: what it may not see is not there for it.
//!
//! The HTTP side reaches the use cases through this alone. Rights depend on a request's topic and
//! requester, which never change, so they are looked at before a command and hold during it.

use std::sync::Arc;
use std::time::Duration;

use super::quotas::{OverQuota, Taken};
use super::{Approvals, Asked, Ballot, Error, Subscription};
use crate::domain::{
    Ask, Caller, Denial, Digest, Event, Principal, Refusal, Request, RequestId, Rights, Role,
    Topic, Verdict,
};
use crate::hub::{Filter, Wants};
use crate::principals::Grant;
use crate::store::{ListQuery, Page};

/// One caller at the use cases.
#[derive(Clone, Debug)]
pub struct Access {
    approvals: Arc<Approvals>,
    caller: Caller,
    grant: Grant,
}

impl Access {
    /// What this caller may do with these rights.
    pub const fn new(approvals: Arc<Approvals>, caller: Caller, grant: Grant) -> Self {
        Self {
            approvals,
            caller,
            grant,
        }
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What they may do.
    pub fn rights(&self) -> &Rights {
        &self.grant.rights
    }

    /// Ends when these rights do. Safe to drop at any time.
    pub async fn ended(&self) {
        self.grant.ended().await;
    }

    /// What the caller may do now: the body of a call may have taken its time, and the token have
    /// been revoked or given other rights meanwhile.
    fn rights_now(&self) -> Result<Arc<Rights>, Error> {
        let renewed = self.grant.renewed(self.approvals.now());
        let grant = renewed.map_err(|_| Error::RightsEnded)?;
        Ok(grant.rights)
    }

    /// The request as it stands, and what the caller may do now; for commands.
    async fn read_now(&self, id: RequestId) -> Result<(Event, Arc<Rights>), Error> {
        let event = self.approvals.read(id).await?;
        let rights = self.rights_now()?;
        if rights.may_see(&event.request) {
            Ok((event, rights))
        } else {
            Err(Error::NotFound(id))
        }
    }

    /// Asks; see [`Approvals::ask_within`].
    ///
    /// # Errors
    /// Not permitted, or those of the use case.
    pub async fn ask(
        &self,
        ask: Ask,
        key: Option<&str>,
        random_id: impl FnOnce() -> RequestId,
    ) -> Result<Asked, Error> {
        self.rights_now()?.may_ask(&ask.topic)?;
        let by = self.caller.clone();
        let asked = self
            .approvals
            .ask_within(self.is_counted(), by, ask, key, random_id)
            .await?;
        if asked.replayed {
            self.is_alive(asked.event.request.id);
        }
        Ok(asked)
    }

    /// Notes that the caller is there, for the lease of their own request.
    fn is_alive(&self, id: RequestId) {
        drop(self.approvals.leases().hold(id, &self.caller));
    }

    /// Reads; see [`Approvals::read`]. The lease of one's own request begins anew.
    ///
    /// # Errors
    /// Those of the use case; what may not be seen is not found.
    pub async fn read(&self, id: RequestId) -> Result<Event, Error> {
        self.is_alive(id);
        let event = self.approvals.read(id).await?;
        if self.rights().may_see(&event.request) {
            Ok(event)
        } else {
            Err(Error::NotFound(id))
        }
    }

    /// Waits; see [`Approvals::wait`]. The lease of one's own request does not run meanwhile, from
    /// before anything is read, and begins anew when the wait ends, however it does.
    ///
    /// # Errors
    /// Those of the use case, and [`Error::RightsEnded`] as soon as the token is good for nothing.
    /// When it is given other rights, the wait ends early.
    pub async fn wait(&self, id: RequestId, wants: Wants, wait: Duration) -> Result<Event, Error> {
        let mut hold = self.approvals.leases().hold(id, &self.caller);
        self.admit(id).await?;
        let place = match self.place(|by| self.approvals.quotas.wait(by)) {
            Ok(place) => place,
            Err(full) => {
                // What there is to tell is told even when it must not wait.
                let event = self.approvals.read(id).await?;
                let has_news = wants.are_met_by(&event) || event.request.status.is_final();
                return if has_news { Ok(event) } else { Err(full) };
            }
        };
        tokio::select! {
            biased;
            () = self.ended() => {}
            event = self.approvals.wait_holding(id, wants, wait, (&mut hold, &self.caller)) => {
                return event;
            }
        }
        drop(place);
        let renewed = self.grant.renewed(self.approvals.now());
        let grant = renewed.map_err(|_| Error::RightsEnded)?;
        Self::new(Arc::clone(&self.approvals), self.caller.clone(), grant)
            .read(id)
            .await
    }

    /// Decides; see [`Approvals::vote`].
    ///
    /// # Errors
    /// Not permitted, or those of the use case.
    pub async fn decide(&self, id: RequestId, ballot: Ballot) -> Result<Event, Error> {
        // Whoever decides nothing is told so of any id, whether there is such a request or not.
        self.rights_now()?.needs(Role::Approver)?;
        let (event, rights) = self.read_now(id).await?;
        rights.may_decide(&event.request, ballot.verdict)?;
        let (by, verdict) = (&self.caller, ballot.verdict);
        let may_still = |request: &Request| {
            let rights = self.rights_now()?;
            rights.may_decide(request, verdict)?;
            Ok(rights.is_known)
        };
        self.approvals.vote(id, by, &ballot, may_still).await
    }

    /// Takes back what the caller has said; see [`Approvals::take_back`].
    ///
    /// # Errors
    /// Not permitted, or those of the use case.
    pub async fn take_back(&self, id: RequestId) -> Result<Event, Error> {
        self.rights_now()?.needs(Role::Approver)?;
        self.read_now(id).await?;
        self.approvals.take_back(id, &self.caller).await
    }

    /// Uses an approval; see [`Approvals::consume`].
    ///
    /// # Errors
    /// Not permitted, or those of the use case; what may not be seen is not found.
    pub async fn consume(&self, id: RequestId, nonce: Digest) -> Result<Event, Error> {
        self.read_now(id).await?;
        self.approvals.consume(id, nonce, &self.caller).await
    }

    /// Withdraws one's own request, or as an admin anybody's; see [`Approvals::cancel`].
    ///
    /// # Errors
    /// Not permitted, or those of the use case.
    pub async fn cancel(&self, id: RequestId) -> Result<Event, Error> {
        let (event, rights) = self.read_now(id).await?;
        if rights.may_withdraw_others(&event.request) {
            return self.approvals.withdraw(id, &self.caller).await;
        }
        if !rights.is_own(&event.request) {
            let refusal = Refusal::NotTheRequester;
            return Err(Error::Refused(refusal, Box::new(event)));
        }
        self.approvals.cancel(id, &self.caller).await
    }

    /// Notes that the request is on the caller's screen; see [`Approvals::seen`]. It is noted only
    /// of those who could decide it.
    ///
    /// # Errors
    /// Those of the use case; what may not be seen is not found.
    pub async fn seen(&self, id: RequestId) -> Result<(), Error> {
        let (event, rights) = self.read_now(id).await?;
        let may_decide = rights.may_decide(&event.request, Verdict::Approve);
        if may_decide.is_ok() {
            self.approvals.seen(id, &self.caller).await?;
        }
        Ok(())
    }

    /// Lists what may be seen; see [`Approvals::list`].
    ///
    /// # Errors
    /// Those of the use case.
    pub async fn list<T>(
        &self,
        query: ListQuery,
        answer: impl FnOnce(Page) -> T,
    ) -> Result<T, Error> {
        let seen_by = self.filter();
        let query = ListQuery { seen_by, ..query };
        self.approvals.list(query, answer).await
    }

    /// Listens to what may be seen; see [`Approvals::listen`]. Whoever reads the stream has to end
    /// it when these rights [end](Self::ended).
    ///
    /// # Errors
    /// Those of the use case.
    pub async fn listen(
        &self,
        cursor: Option<&str>,
        topics: Vec<Topic>,
    ) -> Result<Subscription, Error> {
        let place = self.place(|by| self.approvals.quotas.listen(by))?;
        let listeners = &self.approvals.hub.listeners;
        let listening = listeners.enter(&self.grant.rights, &topics);
        let filter = Filter::new(topics, self.filter());
        let subscription = self.approvals.listen(cursor, filter).await?;
        Ok(subscription.holding(place).listening(listening))
    }

    /// How many whose approval of this request would count have a stream open on which they hear of
    /// it: people, or streams on a daemon that knows nobody. Those at other nodes are among them, as
    /// far as these have told of them; of these, users of another machine are not.
    pub fn approvers_connected(&self, request: &Request) -> u64 {
        let counts = |rights: &Rights| {
            let may_approve = rights.may_decide(request, Verdict::Approve).is_ok();
            may_approve && request.terms.admit(&rights.principal)
        };
        let (approvals, topic) = (&self.approvals, &request.topic);
        let (setting, listeners) = (&approvals.setting, &approvals.hub.listeners);
        let here = listeners.of(topic, counts);
        let elsewhere = setting.nodes.listening(topic);
        let now = approvals.now();
        let others = elsewhere.people.iter().filter(|who| {
            // Whoever listens here as well was looked at above.
            !listeners.has(who, topic)
                && setting
                    .people
                    .rights_by_token(who, now)
                    .is_some_and(|rights| counts(&rights))
        });
        let alike = !setting.people.are_known() && counts(&Rights::local());
        let streams = if alike { elsewhere.streams } else { 0 };
        let connected = here.saturating_add(others.count()).saturating_add(streams);
        u64::try_from(connected).unwrap_or(u64::MAX)
    }

    /// Whether this caller may see what the daemon counts, which is about everybody's requests.
    ///
    /// # Errors
    /// Not permitted.
    pub fn may_read_figures(&self) -> Result<(), Error> {
        let rights = self.rights();
        if rights.sees_all() {
            return Ok(());
        }
        Err(Denial::Figures {
            by: rights.principal.as_str().to_owned(),
        }
        .into())
    }

    /// Whether the limits for one requester hold for this caller. A name that stands for everybody
    /// has no share of its own, and whoever is known by a Unix socket is on this machine, where
    /// only what is held in all is bounded.
    fn is_counted(&self) -> bool {
        self.grant.is_by_token()
    }

    fn place(
        &self,
        take: impl FnOnce(&Principal) -> Result<Taken, OverQuota>,
    ) -> Result<Option<Taken>, Error> {
        if !self.is_counted() {
            return Ok(None);
        }
        Ok(Some(take(&self.caller.principal)?))
    }

    async fn admit(&self, id: RequestId) -> Result<(), Error> {
        if self.rights().sees_all() {
            return Ok(());
        }
        self.read(id).await.map(drop)
    }

    fn filter(&self) -> Option<Arc<Rights>> {
        (!self.rights().sees_all()).then(|| Arc::clone(&self.grant.rights))
    }
}
