//! The use cases of the classic routes: the demonstration's polls and answers, as requests like
//! any other.
//!
//! The demonstration knows no requests, only a channel on which a client polls and somebody says
//! yes or no. Here each channel has one request at a time, asked by the principal `classic` about
//! a topic of its own. Which poll joins it and who may have its answer is decided in
//! [`channels`], by the rules of time that stand in for the identity that the polls do not have.
//! Requests are made, waited for, decided and withdrawn as everywhere else, so that other
//! approvers see them too and everything that holds for requests holds for these.

pub mod channels;
mod keeper;
mod questions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use self::channels::{ChannelName, Receiver};
pub use self::questions::Questions;

use self::channels::{Channels, Full, Step, Ticket};
use super::{Approvals, Error};
use crate::domain::{
    Ask, Caller, Channel, Details, Digest, Event, Field, Principal, Refusal, RequestId, Status,
    Title, Verdict,
};
use crate::hub::Wants;
use crate::limits;
use crate::store::ListQuery;

/// The name that requests of the classic routes are asked by; no caller has it.
const PRINCIPAL: &str = Principal::CLASSIC;

/// Somebody who gets an answer.
pub type SharedReceiver = Arc<dyn Receiver + Send + Sync>;

/// Why a classic call was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many channels are in use as may be.
    #[error(
        "no more channels may be in use than {}, the limit",
        limits::CLASSIC_CHANNELS
    )]
    TooManyChannels,
    /// As many polls are held on one channel as may be.
    #[error(
        "no more polls may be held on one channel than {}, the limit",
        limits::CLASSIC_POLLS
    )]
    TooManyPolls,
    /// There is no question on the channel that could be answered.
    #[error("no question is pending on the channel {0}")]
    NothingPending(String),
    /// The question has taken the place of another one a moment ago.
    #[error("the question on the channel {0} has just taken the place of another one")]
    JustAsked(String),
    /// The daemon winds down.
    #[error("this daemon is shutting down")]
    Draining,
    /// The outcome is there, and the one who polled for it is not.
    #[error("the poll was given up before its answer came")]
    Gone,
    /// As with every request.
    #[error(transparent)]
    Request(#[from] Error),
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        match full {
            Full::Channels => Self::TooManyChannels,
            Full::Polls => Self::TooManyPolls,
        }
    }
}

/// One who polls.
pub struct Poller {
    /// From which network address.
    pub address: Option<String>,
    /// The origin of the page that polls, if it is one.
    pub origin: Option<String>,
    /// How the answer goes to it.
    pub receiver: SharedReceiver,
}

/// The channels of one daemon.
pub struct Classic {
    approvals: Arc<Approvals>,
    // A std mutex: it is held for map operations only, never over an await.
    channels: Mutex<Channels<SharedReceiver>>,
    idle: Notify,
}

impl Classic {
    /// Begins with the questions that a former process has left pending.
    ///
    /// When their last polls ended is not known, so that counts as now: a client that resends
    /// finds its question again.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(approvals: Arc<Approvals>) -> Result<Arc<Self>, Error> {
        let mut channels = Channels::default();
        let mut query = ListQuery {
            status: Some(Status::Pending),
            topic: None,
            seen_by: None,
            after: None,
            limit: limits::LIST_MAX,
        };
        loop {
            let page = approvals.list(query.clone(), |page| page).await?;
            for event in &page.events {
                adopt(&approvals, &mut channels, event).await?;
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        Ok(Arc::new(Self {
            approvals,
            channels: Mutex::new(channels),
            idle: Notify::new(),
        }))
    }

    /// Joins the question of a channel, or asks it, and waits for its outcome: the request's final
    /// status.
    ///
    /// Dropping the future gives the poll up. The question stays for a client that resends soon.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn poll(&self, name: &ChannelName, poller: Poller) -> Result<Status, Refused> {
        let mut held = self.enter(name, &poller)?;
        for _ in 0..limits::COMMIT_ATTEMPTS {
            let mut event = self.found(name, &held.ticket, &poller).await?;
            let mut waited = false;
            let withdraw = loop {
                let now = self.approvals.now();
                let ticket = &held.ticket;
                let step = self
                    .channels()
                    .step(name, ticket, &event.request, waited, now);
                match step {
                    Step::Take => return Ok(event.request.status),
                    Step::Leave => return Err(Refused::Gone),
                    Step::AskAnew { withdraw } => break withdraw,
                    Step::Wait => {}
                }
                if self.approvals.drain.is_cancelled() {
                    return Err(Refused::Draining);
                }
                waited = true;
                let left = event.request.expires_at.since(now) + Duration::from_secs(1);
                let id = event.request.id;
                event = self.approvals.wait(id, Wants::Final, left).await?;
            };
            if withdraw {
                self.withdraw(held.ticket.request).await?;
            }
            held.anew(&poller)?;
        }
        Err(Error::Contended(held.ticket.request).into())
    }

    /// Answers the question that is pending on a channel, as `by`.
    ///
    /// # Errors
    /// [`Refused::NothingPending`], [`Refused::JustAsked`], or the store's.
    pub async fn answer(
        &self,
        name: &ChannelName,
        by: &Caller,
        verdict: Verdict,
    ) -> Result<Event, Refused> {
        let nothing = || Refused::NothingPending(name.as_str().to_owned());
        let id = self.channels().question(name).ok_or_else(nothing)?;
        let present = match self.approvals.read(id).await {
            Ok(present) => present,
            Err(Error::NotFound(_)) => return Err(nothing()),
            Err(error) => return Err(error.into()),
        };
        if present.request.status.is_final() {
            return Err(nothing());
        }
        // Looked at after the question was read: one that follows it by now has another id.
        let now = self.approvals.now();
        if self.channels().is_guarded(name, &present.request, now) {
            return Err(Refused::JustAsked(name.as_str().to_owned()));
        }
        match self
            .approvals
            .decide(id, by, verdict, None, None, None)
            .await
        {
            Err(Error::Refused(Refusal::Final(_), _)) => Err(nothing()),
            decided => Ok(decided?),
        }
    }

    /// The request of this poll, which is made if it is not there.
    async fn found(
        &self,
        name: &ChannelName,
        ticket: &Ticket,
        poller: &Poller,
    ) -> Result<Event, Refused> {
        let unasked = self.channels().is_unasked(name, ticket);
        if !unasked {
            match self.approvals.read(ticket.request).await {
                // It was not made after all, or has been forgotten.
                Err(Error::NotFound(_)) => {}
                found => return Ok(found?),
            }
        }
        if self.approvals.drain.is_cancelled() {
            return Err(Refused::Draining);
        }
        let by = Caller {
            principal: Principal::new(PRINCIPAL),
            address: poller.address.clone(),
            channel: Some(Channel::Classic),
        };
        // The id is the round's, so that of two polls which make it at once one joins the other.
        let asking = self
            .approvals
            .ask(by, question(name, poller), None, || ticket.request);
        let asked = asking.await?;
        self.channels().asked(name, ticket);
        if !asked.replayed {
            let channel = name.as_str();
            tracing::info!(id = %ticket.request, channel, "asked by a classic poll");
        }
        Ok(asked.event)
    }

    /// Withdraws a question that is not waited for any more; answers when it was settled if that
    /// was otherwise.
    async fn withdraw(&self, id: RequestId) -> Result<Option<crate::domain::Timestamp>, Error> {
        let cancelled = self.approvals.cancel(id, &Caller::named(PRINCIPAL)).await;
        match cancelled {
            Ok(_) => {
                tracing::info!(%id, "cancelled, because its channel is no longer polled");
                Ok(None)
            }
            Err(Error::NotFound(_)) => Ok(None),
            Err(Error::Refused(_, event)) => Ok(event.request.settled_at),
            Err(error) => Err(error),
        }
    }

    fn enter<'a>(&'a self, name: &'a ChannelName, poller: &Poller) -> Result<Held<'a>, Refused> {
        let (receiver, fresh) = (Arc::clone(&poller.receiver), fresh()?);
        let mut channels = self.channels();
        let ticket = channels.enter(name, receiver, fresh, self.approvals.now())?;
        drop(channels);
        Ok(Held {
            classic: self,
            name,
            ticket,
        })
    }

    fn channels(&self) -> MutexGuard<'_, Channels<SharedReceiver>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Classic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classic").finish_non_exhaustive()
    }
}

/// Takes over a request of a former process if it is one of ours, and withdraws it if there is a
/// newer one on its channel.
async fn adopt(
    approvals: &Approvals,
    channels: &mut Channels<SharedReceiver>,
    event: &Event,
) -> Result<(), Error> {
    let request = &*event.request;
    if request.requester.principal.as_str() != PRINCIPAL {
        return Ok(());
    }
    let Some(name) = ChannelName::of_topic(&request.topic) else {
        return Ok(());
    };
    let Some(surplus) = channels.adopt(name, request, approvals.now()) else {
        return Ok(());
    };
    match approvals.cancel(surplus, &request.requester).await {
        Ok(_) | Err(Error::Refused(..)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The id of a request that is not made yet.
fn fresh() -> Result<RequestId, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let why = format!("no random bytes from the system: {error}");
        crate::store::StoreError::Unavailable(why)
    })?;
    Ok(RequestId::from_bytes(bytes))
}

/// What is asked: the demonstration has no words for it.
fn question(name: &ChannelName, poller: &Poller) -> Ask {
    let channel = name.as_str();
    let title = format!("Yes or no? Somebody polls the classic channel {channel}");
    let origin = poller.origin.as_ref().and_then(|origin| {
        Field::new(
            "page of origin".to_owned(),
            origin.chars().take(limits::FIELD_VALUE_CHARS).collect(),
        )
        .ok()
    });
    Ask {
        title: Title::new(title).expect("a channel's name is short and on one line"),
        details: Details::new(String::new()).expect("nothing is not too long"),
        fields: origin.into_iter().collect(),
        topic: name.topic().clone(),
        expires_in: None,
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        // Whoever joins a question asks the same, whatever else their calls say.
        digest: Digest::of(name.topic().as_str().as_bytes()),
    }
}

/// A poll that is under way; dropping it ends it.
struct Held<'a> {
    classic: &'a Classic,
    name: &'a ChannelName,
    ticket: Ticket,
}

impl Held<'_> {
    fn anew(&mut self, poller: &Poller) -> Result<(), Refused> {
        let (receiver, fresh) = (Arc::clone(&poller.receiver), fresh()?);
        let now = self.classic.approvals.now();
        let mut channels = self.classic.channels();
        self.ticket = channels.anew(self.name, &self.ticket, receiver, fresh, now)?;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let now = self.classic.approvals.now();
        self.classic.channels().leave(self.name, &self.ticket, now);
        self.classic.idle.notify_one();
    }
}
