//! Clients that speak HTTP, do not give up, and note everything: askers, pollers, cancellers,
//! deciders and readers of the stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::history::{Ask, Decision, Item, Look, Notes, Told, View};
use super::link::Link;

/// The wait of a poll: so long that whoever is not woken comes too late.
pub(crate) const POLL: Duration = Duration::from_secs(25);
/// How long a client waits for what is not held.
const CALL: Duration = Duration::from_secs(3);

/// One client. Where there are several daemons on one store it goes to the next when one fails it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    ways: Arc<[Way]>,
    /// Which of the ways it takes.
    taken: Arc<AtomicUsize>,
    notes: Notes,
}

/// A way to a daemon.
#[derive(Clone, Debug)]
struct Way {
    base: String,
    /// Keeps the link open.
    _link: Option<Arc<Link>>,
}

impl Client {
    /// A client with a link of its own to each daemon.
    pub(crate) fn behind(links: impl IntoIterator<Item = Arc<Link>>, notes: &Notes) -> Self {
        let way = |link: Arc<Link>| Way {
            base: link.url(),
            _link: Some(link),
        };
        Self::by(links.into_iter().map(way).collect(), notes)
    }

    /// A client of the daemons at these addresses themselves.
    pub(crate) fn at(addresses: &[SocketAddr], notes: &Notes) -> Self {
        let way = |address| Way {
            base: format!("http://{address}"),
            _link: None,
        };
        Self::by(addresses.iter().map(way).collect(), notes)
    }

    fn by(ways: Arc<[Way]>, notes: &Notes) -> Self {
        // Losing a race against another test that installs it is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .http1_only()
            .build()
            .unwrap();
        Self {
            http,
            ways,
            taken: Arc::default(),
            notes: notes.clone(),
        }
    }

    /// The same client, beginning with this daemon, and going its own ways from then on.
    pub(crate) fn from(&self, node: usize) -> Self {
        Self {
            taken: Arc::new(AtomicUsize::new(node % self.ways.len())),
            ..self.clone()
        }
    }

    /// A client of one of the daemons alone.
    pub(crate) fn only(&self, node: usize) -> Self {
        Self {
            ways: [self.ways[node].clone()].into(),
            taken: Arc::default(),
            ..self.clone()
        }
    }

    /// How many daemons it knows.
    pub(crate) fn nodes(&self) -> usize {
        self.ways.len()
    }

    /// The daemon that it speaks to, and its URL.
    fn way(&self) -> (usize, &str) {
        let node = self.taken.load(Ordering::SeqCst);
        (node, &self.ways[node].base)
    }

    /// Goes to the next daemon, unless somebody else with this client has done so meanwhile.
    fn move_on(&self, from: usize) {
        if self.taken.load(Ordering::SeqCst) == from {
            let next = (from + 1) % self.ways.len();
            self.taken.store(next, Ordering::SeqCst);
        }
    }

    /// Sends one call; notes the request that the answer shows. When there is no answer the next
    /// call goes to the next daemon.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
        wait: Option<Duration>,
    ) -> Told<View> {
        let (node, base) = self.way();
        let request = self.http.request(method, format!("{base}{path}"));
        let told = self.sent(node, request, body, key, wait).await;
        if told == Told::Nothing {
            self.move_on(node);
        }
        told
    }

    async fn sent(
        &self,
        node: usize,
        mut request: RequestBuilder,
        body: Option<&Value>,
        key: Option<&str>,
        wait: Option<Duration>,
    ) -> Told<View> {
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let sent = self.notes.now();
        let answer = async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.bytes().await.ok()?))
        };
        let limit = CALL + wait.unwrap_or_default();
        let Ok(Some((status, body))) = timeout(limit, answer).await else {
            return Told::Nothing;
        };
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            return Told::Nothing;
        };
        let shown = if status < 300 {
            Some(&body)
        } else {
            body.get("request")
        };
        let shown = shown.map(View::new);
        if let Some(view) = &shown {
            self.notes.look(Look {
                sent,
                at: self.notes.now(),
                waited: wait.is_some(),
                node,
                view: view.clone(),
            });
        }
        match (status, shown) {
            (200..300, Some(view)) => Told::Yes(view),
            // What passes by itself, and a write that may have counted.
            (500.., _) => Told::Nothing,
            // Something on the way has cut the call.
            _ if body["code"] == "invalid_body" => Told::Nothing,
            _ => Told::No(body["code"].as_str().unwrap_or("no code").to_owned()),
        }
    }

    /// Asks under one key until the daemon has answered.
    pub(crate) async fn ask(&self, title: &str, expires: u64, rng: &mut Rng) -> View {
        let body = json!({"title": title, "expires_in_secs": expires});
        loop {
            let told = self
                .call(Method::POST, "/v1/requests", Some(&body), Some(title), None)
                .await;
            let title = title.to_owned();
            self.notes.open().asks.push(Ask {
                title,
                told: told.clone(),
            });
            match told {
                // Now and then it is sent again although it was answered.
                Told::Yes(view) if rng.u8(..5) > 0 => return view,
                Told::Yes(_) | Told::Nothing => {}
                Told::No(code) => panic!("an ask is refused with {code}"),
            }
            pause(rng).await;
        }
    }

    /// Polls until the request is final.
    pub(crate) async fn wait(&self, id: &str, rng: &mut Rng) {
        let path = format!("/v1/requests/{id}?wait={}", POLL.as_secs());
        loop {
            match self.call(Method::GET, &path, None, None, Some(POLL)).await {
                Told::Yes(view) if view.is_final() => return,
                Told::Yes(_) => {}
                Told::Nothing => pause(rng).await,
                Told::No(code) => panic!("a read is refused with {code}"),
            }
        }
    }

    /// Cancels until the daemon has answered.
    pub(crate) async fn cancel(&self, view: &View, rng: &mut Rng) {
        let path = format!("/v1/requests/{}", view.id);
        loop {
            let told = self.call(Method::DELETE, &path, None, None, None).await;
            self.notes.open().cancels.push(told.clone());
            match told {
                Told::Yes(_) | Told::No(_) => return,
                Told::Nothing => pause(rng).await,
            }
        }
    }

    /// Decides until the daemon has answered, or a few times.
    pub(crate) async fn decide(&self, view: &View, verdict: &str, rng: &mut Rng) {
        let path = format!("/v1/requests/{}/decision", view.id);
        let body = json!({ "verdict": verdict });
        loop {
            let sent = self.notes.now();
            // It is noted before it is sent: the answer may never come.
            let place = {
                let mut history = self.notes.open();
                history.decisions.push(Decision {
                    title: view.title.clone(),
                    verdict: verdict.to_owned(),
                    sent,
                    told: Told::Nothing,
                });
                history.decisions.len() - 1
            };
            let told = self
                .call(Method::POST, &path, Some(&body), None, None)
                .await;
            self.notes.open().decisions[place].told = told.clone();
            match told {
                Told::Yes(_) | Told::No(_) => return,
                Told::Nothing => pause(rng).await,
            }
        }
    }

    /// All requests that the daemon has, newest first, and its head.
    pub(crate) async fn list(&self, query: &str) -> Option<(Vec<View>, u64)> {
        let (mut views, mut after) = (Vec::new(), String::new());
        loop {
            let (_, base) = self.way();
            let path = format!("{base}/v1/requests?limit=1000{query}{after}");
            let response = timeout(CALL, self.http.get(path).send()).await.ok()?.ok()?;
            let page: Value = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
            views.extend(page["requests"].as_array()?.iter().map(View::new));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Some((views, page["event_id"].as_u64()?)),
            }
        }
    }

    /// Reads a request once.
    pub(crate) async fn read(&self, id: &str) -> Told<View> {
        let path = format!("/v1/requests/{id}");
        self.call(Method::GET, &path, None, None, None).await
    }

    /// Whether the daemon says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let (_, base) = self.way();
        let call = self.http.get(format!("{base}/readyz")).send();
        matches!(timeout(CALL, call).await, Ok(Ok(answer)) if answer.status() == 200)
    }

    /// A figure of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, base) = self.way();
        let response = self.http.get(format!("{base}/metrics")).send().await;
        let text = response.unwrap().text().await.unwrap();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("it is there").parse().unwrap()
    }

    /// Reads the stream, and resumes it, until `over`. Every request that it tells goes to `tell`.
    pub(crate) async fn listen(
        &self,
        reader: &str,
        over: &CancellationToken,
        mut rng: Rng,
        mut tell: impl FnMut(&View),
    ) {
        let reading = async {
            let mut cursor = None;
            loop {
                // Some readers start anew.
                if rng.u8(..8) == 0 {
                    cursor = None;
                }
                let (node, _) = self.way();
                self.follow(reader, &mut cursor, &mut tell).await;
                self.move_on(node);
                pause(&mut rng).await;
            }
        };
        tokio::select! {
            () = over.cancelled() => {}
            () = reading => {}
        }
    }

    async fn follow(
        &self,
        reader: &str,
        cursor: &mut Option<String>,
        tell: &mut impl FnMut(&View),
    ) {
        let (_, base) = self.way();
        let mut request = self.http.get(format!("{base}/v1/events"));
        if let Some(cursor) = &cursor {
            request = request.header("last-event-id", cursor);
        }
        let Ok(Ok(mut response)) = timeout(CALL, request.send()).await else {
            return;
        };
        if response.status() != 200 {
            return;
        }
        self.notes.stream(reader, Item::Opened(cursor.clone()));
        let mut text = Vec::new();
        while let Ok(Some(piece)) = response.chunk().await {
            text.extend_from_slice(&piece);
            while let Some(at) = text.windows(2).position(|end| end == b"\n\n") {
                let rest = text.split_off(at + 2);
                let block = String::from_utf8(std::mem::replace(&mut text, rest)).unwrap();
                if let Some(item) = item(&block) {
                    match &item {
                        Item::Told(id, view) => {
                            *cursor = Some(id.clone());
                            tell(view);
                        }
                        Item::Moved(id) => *cursor = Some(id.clone()),
                        Item::Reset => *cursor = None,
                        Item::Opened(_) | Item::CaughtUp(_) => {}
                    }
                    self.notes.stream(reader, item);
                }
            }
        }
    }
}

/// What a block of the stream says.
fn item(block: &str) -> Option<Item> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let data = || serde_json::from_str::<Value>(field("data").unwrap()).unwrap();
    match (field("event"), field("id")) {
        (Some("request"), Some(id)) => Some(Item::Told(id.to_owned(), View::new(&data()))),
        (Some("caught-up"), None) => Some(Item::CaughtUp(data()["event_id"].as_u64().unwrap())),
        (Some("reset"), None) => Some(Item::Reset),
        (None, Some(id)) => Some(Item::Moved(id.to_owned())),
        // The retry, or a comment.
        (None, None) => None,
        _ => panic!("a block that nobody expects: {block:?}"),
    }
}

/// A short pause, so that a daemon that is away is not asked without end.
async fn pause(rng: &mut Rng) {
    sleep(Duration::from_millis(rng.u64(5..60))).await;
}
