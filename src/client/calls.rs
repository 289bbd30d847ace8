//! The calls of HTTP contract version 1, one attempt each.

use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;

use super::answer::{Answer, CallError, empty, json, news};
use super::transport::{Authorities, Secret, TransportError, transport};
use super::url::DaemonUrl;
use crate::domain::{Channel, EventId, RequestId};
use crate::limits;
use crate::wire::{
    AskBody, ConsumeBody, DecisionBody, ListView, MeView, RequestView, header, media,
};

/// A daemon, by its address. Clones share their connections.
///
/// Each call is one attempt and ends after [`limits::CALL_TIME`], on top of the wait if it waits.
/// Dropping a call is safe at any time; the daemon may have acted on it all the same.
#[derive(Clone, Debug)]
pub struct Client {
    base: DaemonUrl,
    program: &'static str,
    channel: Option<Channel>,
    authorities: Option<Authorities>,
    http: reqwest::Client,
}

impl Client {
    /// A client of the daemon at `base`; `program` (`requester`) goes into the `User-Agent`.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn new(base: DaemonUrl, program: &'static str) -> Result<Self, TransportError> {
        Self::trusting(base, None, None, program)
    }

    /// The same; over TLS the daemon's certificate has to be of one of these `authorities`, or else
    /// of one that the system trusts. Every call carries `token`.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn trusting(
        base: DaemonUrl,
        authorities: Option<Authorities>,
        token: Option<&Secret>,
        program: &'static str,
    ) -> Result<Self, TransportError> {
        let (url, socket) = (base.as_url(), base.socket());
        let http = transport(url, socket, authorities.as_ref(), token, program)?;
        Ok(Self {
            base,
            program,
            channel: None,
            authorities,
            http,
        })
    }

    /// The same, whose calls say that they come by this way.
    #[must_use]
    pub fn by_way_of(self, channel: Channel) -> Self {
        let channel = Some(channel);
        Self { channel, ..self }
    }

    /// The HTTP client underneath, for what is not a call: no redirects, and no time
    /// limit but [`limits::CONNECT_TIME`].
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// An HTTP client of the same program for another origin, where the daemon has sent us. It does
    /// not carry the token.
    pub(super) fn http_elsewhere(&self, url: &Url) -> Result<reqwest::Client, TransportError> {
        transport(url, None, self.authorities.as_ref(), None, self.program)
    }

    /// Where the daemon is.
    pub const fn base(&self) -> &DaemonUrl {
        &self.base
    }

    /// The URL of one of the daemon's paths, such as `/v1/events?topic=deploy`.
    pub fn url(&self, path: &str) -> Url {
        self.base.join(path)
    }

    /// Asks. The same `key` with the same body is the same ask, however often it is sent.
    ///
    /// # Errors
    /// See [`CallError`]. After a transient one the request may exist.
    pub async fn ask(&self, body: &AskBody, key: &str) -> Result<Answer<RequestView>, CallError> {
        let call = self
            .post("/v1/requests", body)
            .header(header::IDEMPOTENCY_KEY, key);
        self.exchange(call, None, json).await
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
        let call = self.call(Method::GET, &format!("/v1/requests/{id}"));
        self.exchange(call, wait, json).await
    }

    /// Waits until a pending request is another than `known`, at most for `wait`, rounded up to
    /// whole seconds: being seen counts. `None` when it is as it was.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read_news(
        &self,
        id: RequestId,
        wait: Duration,
        known: EventId,
    ) -> Result<Answer<Option<RequestView>>, CallError> {
        let tag = format!("\"{known}\"");
        let call = self
            .call(Method::GET, &format!("/v1/requests/{id}"))
            .header(reqwest::header::IF_NONE_MATCH, &tag);
        self.exchange(call, Some(wait), |response| async move {
            news(response, &tag).await
        })
        .await
    }

    /// Withdraws a request; a second time is a success too.
    ///
    /// # Errors
    /// See [`CallError`]. A 409 carries the request as it was decided.
    pub async fn cancel(&self, id: RequestId) -> Result<Answer<RequestView>, CallError> {
        let call = self.call(Method::DELETE, &format!("/v1/requests/{id}"));
        self.exchange(call, None, json).await
    }

    /// Decides. The same verdict again is a success too.
    ///
    /// # Errors
    /// See [`CallError`]. 409 (final otherwise) and 412 (another version) carry the request.
    pub async fn decide(
        &self,
        id: RequestId,
        body: &DecisionBody,
    ) -> Result<Answer<RequestView>, CallError> {
        let call = self.post(&format!("/v1/requests/{id}/decision"), body);
        self.exchange(call, None, json).await
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
        let call = self.post(&format!("/v1/requests/{id}/consume"), &body);
        self.exchange(call, None, json).await
    }

    /// Takes our decision on a pending request back; without one it is a success too.
    ///
    /// # Errors
    /// See [`CallError`]. A 409 carries the request, which is final.
    pub async fn take_back(&self, id: RequestId) -> Result<Answer<RequestView>, CallError> {
        let call = self.call(Method::DELETE, &format!("/v1/requests/{id}/decision"));
        self.exchange(call, None, json).await
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
        let call = self.call(Method::GET, &format!("/v1/requests?{}", query.finish()));
        self.exchange(call, None, json).await
    }

    /// Tells the daemon that the request is on somebody's screen.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn seen(&self, id: RequestId) -> Result<Answer<()>, CallError> {
        let call = self.call(Method::POST, &format!("/v1/requests/{id}/seen"));
        self.exchange(call, None, empty).await
    }

    /// Asks who we are.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn me(&self) -> Result<Answer<MeView>, CallError> {
        let call = self.call(Method::GET, "/v1/me");
        self.exchange(call, None, json).await
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self
            .http
            .request(method, self.url(path))
            .header(reqwest::header::ACCEPT, media::JSON);
        match self.channel {
            Some(channel) => call.header(header::CHANNEL, channel.as_str()),
            None => call,
        }
    }

    fn post(&self, path: &str, body: &impl Serialize) -> RequestBuilder {
        let body = serde_json::to_vec(body).expect("the wire's bodies have string keys only");
        self.call(Method::POST, path)
            .header(reqwest::header::CONTENT_TYPE, media::JSON)
            .body(body)
    }

    async fn exchange<T, F>(
        &self,
        mut call: RequestBuilder,
        wait: Option<Duration>,
        read: impl FnOnce(Response) -> F,
    ) -> Result<Answer<T>, CallError>
    where
        F: Future<Output = Result<Answer<T>, CallError>>,
    {
        if let Some(wait) = wait {
            call = call.header(header::PREFER, format!("wait={}", whole_secs(wait)));
        }
        let limit = limits::CALL_TIME + wait.unwrap_or_default();
        let attempt = async {
            let response = call.send().await;
            read(response.map_err(|error| self.unreached(&error))?).await
        };
        match tokio::time::timeout(limit, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::silent(limit)),
        }
    }
}

impl Client {
    /// An error below HTTP. What the system says of a Unix socket does not always tell what is
    /// wrong with it.
    pub(super) fn unreached(&self, error: &reqwest::Error) -> CallError {
        let trouble = CallError::transport(error);
        match (self.base.socket(), trouble) {
            (Some(path), trouble @ CallError::Transient { unsent: true, .. }) => {
                let is_socket = |file: std::fs::Metadata| file.file_type().is_socket();
                let what = match std::fs::metadata(path).map(is_socket) {
                    Ok(false) => "cannot connect: what is there is no socket".to_owned(),
                    Ok(true) | Err(_) => trouble.to_string(),
                };
                CallError::unsent(what)
            }
            (_, trouble) => trouble,
        }
    }
}

/// Seconds, rounded up, so that a wait is never shorter than what was asked for.
fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
