//! HTTP calls to a daemon. Every answer is held against the OpenAPI document on its way.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::document;
use crate::until::{soon, until};

/// HTTP clients for one daemon, which never go through a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    base: String,
    /// HTTP/1.1, keeping connections open.
    pub(crate) http1: reqwest::Client,
    /// HTTP/2 without TLS, as a client uses it that knows the server beforehand.
    pub(crate) http2: reqwest::Client,
}

impl Clients {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // Losing a race against another test that installs it is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let plain = || {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_only([])
                // Before the daemon closes them, which may be in the instant of the next call.
                .pool_idle_timeout(Duration::from_secs(5))
        };
        Self {
            base: format!("http://{address}"),
            http1: plain().http1_only().build().unwrap(),
            http2: plain().http2_prior_knowledge().build().unwrap(),
        }
    }

    /// The same over TLS, trusting the authority with this certificate alone; the version of HTTP
    /// is agreed on by ALPN.
    pub(crate) fn trusting(address: SocketAddr, authority: &str) -> Self {
        Self {
            base: format!("https://{address}"),
            http1: Self::secure(authority).http1_only().build().unwrap(),
            http2: Self::secure(authority).build().unwrap(),
        }
    }

    /// A client that speaks TLS and trusts this authority alone.
    pub(crate) fn secure(authority: &str) -> reqwest::ClientBuilder {
        drop(rustls::crypto::ring::default_provider().install_default());
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([authority])
            .pool_idle_timeout(Duration::from_secs(5))
    }
}

/// A call that is being put together; awaiting it sends it.
#[derive(Debug)]
pub(crate) struct Call {
    request: RequestBuilder,
    method: Method,
    path: String,
}

impl Daemon {
    /// A call by any method.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(&self.clients.http1, &self.clients.base, method, path)
    }

    /// A call by any method over HTTP/2.
    pub(crate) fn call_http2(&self, method: Method, path: &str) -> Call {
        Call::new(&self.clients.http2, &self.clients.base, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// The call that asks with these members.
    pub(crate) fn asking(&self, members: &Value) -> Call {
        self.post("/v1/requests").json(members)
    }

    /// The call that decides.
    pub(crate) fn deciding(&self, id: &str, members: &Value) -> Call {
        self.post(&format!("/v1/requests/{id}/decision"))
            .json(members)
    }

    /// Makes a request; answers its id.
    pub(crate) async fn ask(&self, title: &str) -> String {
        let reply = self.asking(&json!({ "title": title })).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    /// Approves a request.
    pub(crate) async fn approve(&self, id: &str) -> Reply {
        let reply = self.deciding(id, &json!({"verdict": "approve"})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// The request as it stands.
    pub(crate) async fn read(&self, id: &str) -> Value {
        let reply = self.get(&format!("/v1/requests/{id}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// A figure of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// Waits until a figure of `/metrics` has this value.
    pub(crate) async fn metric_is(&self, name: &str, value: u64) {
        until(&format!("{name} to be {value}"), async || {
            (self.metric(name).await == value).then_some(())
        })
        .await;
    }

    /// Waits until so many long polls are held.
    pub(crate) async fn waiters_are(&self, count: u64) {
        self.metric_is("pushd_waiters", count).await;
    }

    /// Waits until so many streams are open.
    pub(crate) async fn subscribers_are(&self, count: u64) {
        self.metric_is("pushd_subscribers", count).await;
    }
}

impl Call {
    fn new(client: &reqwest::Client, base: &str, method: Method, path: &str) -> Self {
        Self {
            request: client.request(method.clone(), format!("{base}{path}")),
            method,
            path: path.to_owned(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// A JSON body, declared as such.
    pub(crate) fn json(self, members: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(members.to_string())
    }

    /// Sends it and leaves the body to be read by the caller.
    pub(crate) async fn open(self) -> reqwest::Response {
        let what = format!("an answer to {} {}", self.method, self.path);
        soon(&what, self.request.send()).await.unwrap()
    }

    /// Sends it from a task of its own, which ends the call when it is aborted. Held polls may take
    /// as long as they like.
    pub(crate) fn spawn(self) -> tokio::task::JoinHandle<Reply> {
        tokio::spawn(self.send())
    }

    async fn send(self) -> Reply {
        let Self {
            request,
            method,
            path,
        } = self;
        let response = request.send().await;
        let response = response.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        let reply = Reply {
            status,
            headers,
            body,
        };
        document::check(&method, &path, &reply);
        reply
    }
}

impl IntoFuture for Call {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let what = format!("an answer to {} {}", self.method, self.path);
        Box::pin(async move { soon(&what, self.send()).await })
    }
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("our headers are plain ASCII"))
    }

    /// The media type without its parameters.
    pub(crate) fn media(&self) -> Option<&str> {
        let media = self.header("content-type")?;
        media.split(';').next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("our bodies are UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The id of the request that this answer shows.
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Status and code of a problem document.
    pub(crate) fn problem(&self) -> (u16, String) {
        let code = self.json()["code"].as_str().map(str::to_owned);
        (
            self.status,
            code.unwrap_or_else(|| panic!("no code: {self:?}")),
        )
    }

    /// What a problem document says to a person.
    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?} {body}", self.status, self.headers)
    }
}
