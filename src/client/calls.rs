//! The calls of HTTP contract version 1, one round over the daemon's addresses each.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderName, IF_NONE_MATCH};
use serde::Serialize;

use super::answer::{Answer, empty, json, news};
use super::error::CallError;
use super::nodes::Nodes;
use super::round::Call;
use super::transport::{Authorities, Secret, TransportError};
use super::url::DaemonUrl;
use crate::domain::{Channel, EventId, RequestId};
use crate::limits;
use crate::wire::{AskBody, ConsumeBody, DecisionBody, ListView, MeView, RequestView, header};

/// A daemon, by its addresses. Clones share their connections, and which address is in use.
///
/// Each call is one round: it is sent to the address in use, and to the next one at once when that
/// one fails, until one has answered. One attempt ends after [`limits::CALL_TIME`], or what is said,
/// on top of the wait if it waits; with other addresses left already after [`limits::TURN_TIME`].
/// Dropping a call is safe at any time; the daemon may have acted on it all the same.
#[derive(Clone, Debug)]
pub struct Client {
    nodes: Arc<Nodes>,
    channel: Option<Channel>,
}

impl Client {
    /// A client of the daemon at `base`; `program` (`requester`) goes into the `User-Agent`.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn new(base: DaemonUrl, program: &'static str) -> Result<Self, TransportError> {
        Self::trusting(vec![base], None, None, program)
    }

    /// The same by any of `urls`, of which there is one at least; over TLS the daemon's certificate
    /// has to be of one of these `authorities`, or else of one that the system trusts. Every call
    /// carries `token`, to each of these and to nobody else.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn trusting(
        urls: Vec<DaemonUrl>,
        authorities: Option<Authorities>,
        token: Option<&Secret>,
        program: &'static str,
    ) -> Result<Self, TransportError> {
        let nodes = Nodes::new(urls, authorities, token, program)?;
        Ok(Self {
            nodes: Arc::new(nodes),
            channel: None,
        })
    }

    /// The same, whose calls say that they come by this way.
    #[must_use]
    pub fn by_way_of(self, channel: Channel) -> Self {
        let channel = Some(channel);
        Self { channel, ..self }
    }

    /// The way by which it says that its calls come.
    pub(super) const fn channel(&self) -> Option<Channel> {
        self.channel
    }

    /// The daemons that it knows.
    pub(super) const fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// The address in use.
    pub fn base(&self) -> &DaemonUrl {
        &self.nodes.current().url
    }

    /// All addresses, for messages.
    pub fn names(&self) -> String {
        self.nodes.names()
    }

    /// No good answer within `time`, whoever has set it; the call may have been acted on.
    pub fn silent(&self, time: Duration) -> CallError {
        self.nodes.silent(time)
    }

    /// Says once that another address is in use, and why, as soon as that is so. Cancel safe.
    pub async fn changed(&self) -> String {
        self.nodes.changed().await
    }

    /// The same, if that is so and was not said yet.
    pub fn take_change(&self) -> Option<String> {
        self.nodes.take_change()
    }

    /// Asks. The same `key` with the same body is the same ask, however often it is sent.
    ///
    /// # Errors
    /// See [`CallError`]. After a transient one the request may exist.
    pub async fn ask(&self, body: &AskBody, key: &str) -> Result<Answer<RequestView>, CallError> {
        let call = post("/v1/requests", body)
            .header(HeaderName::from_static(header::IDEMPOTENCY_KEY), key)
            .grace(limits::POLL_GRACE);
        let answer: Answer<RequestView> = self.exchange(call, json).await?;
        self.nodes.acquaint(answer.value.id);
        Ok(answer)
    }

    /// Reads a request; with `wait`, rounded up to whole seconds, as a long poll.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read(
        &self,
        id: RequestId,
        wait: Option<Duration>,
    ) -> Result<Answer<RequestView>, CallError> {
        let call = about(Method::GET, id, "").wait(wait);
        self.exchange(call, json).await
    }

    /// Waits until a pending request is another than `known`, at most for `wait`, rounded up to
    /// whole seconds: being seen counts. `None` when it is as it was. A daemon that is silent for
    /// `grace` beyond that has not answered.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read_news(
        &self,
        id: RequestId,
        wait: Duration,
        grace: Duration,
        known: EventId,
    ) -> Result<Answer<Option<RequestView>>, CallError> {
        let tag = format!("\"{known}\"");
        let call = about(Method::GET, id, "")
            .header(IF_NONE_MATCH, &tag)
            .wait(Some(wait))
            .grace(grace);
        self.exchange(call, |response| {
            let tag = tag.clone();
            async move { news(response, &tag).await }
        })
        .await
    }

    /// Withdraws a request; a second time is a success too.
    ///
    /// # Errors
    /// See [`CallError`]. A 409 carries the request as it was decided.
    pub async fn cancel(&self, id: RequestId) -> Result<Answer<RequestView>, CallError> {
        self.exchange(about(Method::DELETE, id, ""), json).await
    }

    /// Decides. The same verdict again is a success too, but a wrong match code counts each time: a
    /// decision with one is over when a daemon may have read it.
    ///
    /// # Errors
    /// See [`CallError`]. 409 (final otherwise) and 412 (another version) carry the request.
    pub async fn decide(
        &self,
        id: RequestId,
        body: &DecisionBody,
    ) -> Result<Answer<RequestView>, CallError> {
        let call = about(Method::POST, id, "/decision")
            .body(bytes(body))
            .once(body.match_code.is_some());
        self.exchange(call, json).await
    }

    /// Uses an approval. It is given to the first `nonce`, and to that one as often as it asks.
    ///
    /// # Errors
    /// See [`CallError`]. 409 (used by somebody else, not approved) and 410 (too late) carry the
    /// request. After a transient one the approval may be ours.
    pub async fn consume(
        &self,
        id: RequestId,
        nonce: &str,
    ) -> Result<Answer<RequestView>, CallError> {
        let body = ConsumeBody {
            nonce: nonce.to_owned(),
        };
        let call = about(Method::POST, id, "/consume")
            .body(bytes(&body))
            .grace(limits::POLL_GRACE);
        self.exchange(call, json).await
    }

    /// Takes our decision on a pending request back; without one it is a success too.
    ///
    /// # Errors
    /// See [`CallError`]. A 409 carries the request, which is final.
    pub async fn take_back(&self, id: RequestId) -> Result<Answer<RequestView>, CallError> {
        let call = about(Method::DELETE, id, "/decision");
        self.exchange(call, json).await
    }

    /// Reads a page of requests, the newest first: of one status and one topic if they are named,
    /// at most `limit` (1 to [`limits::LIST_MAX`]), older than `after`, the `next` of a page.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn list(
        &self,
        status: Option<&str>,
        topic: Option<&str>,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Answer<ListView>, CallError> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let given = [("status", status), ("topic", topic), ("after", after)];
        query.extend_pairs(
            given
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        query.append_pair("limit", &limit.to_string());
        let call = Call::new(Method::GET, format!("/v1/requests?{}", query.finish()));
        self.exchange(call, json).await
    }

    /// Tells the daemon that the request is on somebody's screen.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn seen(&self, id: RequestId) -> Result<Answer<()>, CallError> {
        self.exchange(about(Method::POST, id, "/seen"), empty).await
    }

    /// Asks who we are.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn me(&self) -> Result<Answer<MeView>, CallError> {
        self.exchange(Call::new(Method::GET, "/v1/me"), json).await
    }
}

fn about(method: Method, id: RequestId, what: &str) -> Call {
    Call::new(method, format!("/v1/requests/{id}{what}")).about(id)
}

fn post(path: &str, body: &impl Serialize) -> Call {
    Call::new(Method::POST, path).body(bytes(body))
}

fn bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("the wire's bodies have string keys only")
}

#[cfg(test)]
mod tests;
