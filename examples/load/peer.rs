//! Who gets load, and in which words: the calls of a workload as each peer takes them, and what its
//! answers say.
//!
//! A peer that keeps no requests gets their ids from here, and what its subscribers read is what a
//! workload publishes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use tokio::time::{Instant, sleep};

use crate::http::{Answer, Connection, get, member, post};
use crate::machine::{Used, Watched};

/// Pause between two looks at what a peer holds.
const LOOK: Duration = Duration::from_millis(50);
/// Time for what was sent to be held.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a peer that does not tell has to be calm.
const CALM: Duration = Duration::from_millis(500);
/// What a usual question has beside its title.
const FACTS: &str = "\"expires_in_secs\":86400,\
    \"fields\":[{\"name\":\"service\",\"value\":\"shop\"},{\"name\":\"commit\",\"value\":\"3f9c2ab\"}]";

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// A daemon of this project
    Pushd,
    /// The bare hub of this program, `load hub`, which understands the same calls
    Hub,
    /// nginx with the module nchan: a request is a channel, and so are the events
    Nchan,
    /// Pushpin in front of `load origin`: what is published goes to its control port
    Pushpin,
}

/// What a peer can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Long polls, each of a request of its own
    Poll,
    /// Streams of a topic on which nothing happens
    Stream,
}

/// A peer, and where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) peer: Peer,
    /// Where somebody waits.
    pub(crate) address: SocketAddr,
    /// Where something is published.
    publishing: SocketAddr,
}

impl Peer {
    /// The name under which its processes are watched.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pushd => "pushd",
            Self::Hub => "hub",
            Self::Nchan => "nchan",
            Self::Pushpin => "pushpin",
        }
    }

    /// Whether a request has to be asked before somebody can wait for it.
    const fn keeps_requests(self) -> bool {
        match self {
            Self::Pushd | Self::Hub => true,
            Self::Nchan | Self::Pushpin => false,
        }
    }
}

impl Server {
    pub(crate) fn new(peer: Peer, address: SocketAddr, publishing: Option<SocketAddr>) -> Self {
        let publishing = publishing.unwrap_or(address);
        Self {
            peer,
            address,
            publishing,
        }
    }

    /// A daemon of this project.
    pub(crate) fn pushd(address: SocketAddr) -> Self {
        Self::new(Peer::Pushd, address, None)
    }

    pub(crate) const fn keeps_requests(&self) -> bool {
        self.peer.keeps_requests()
    }

    /// Whether an answer is lost that is published before its poll is held, so that it has to be
    /// published again.
    pub(crate) fn forgets(&self) -> bool {
        self.peer == Peer::Pushpin
    }

    /// Whether who asks needs another connection to wait.
    pub(crate) fn publishes_elsewhere(&self) -> bool {
        self.publishing != self.address
    }

    /// A connection for those who wait.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let opened = Connection::open(self.address).await;
        opened.with_context(|| format!("no connection to {}", self.address))
    }

    /// A connection for those who ask and decide.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn connect_to_publish(&self) -> anyhow::Result<Connection> {
        let opened = Connection::open(self.publishing).await;
        opened.with_context(|| format!("no connection to {}", self.publishing))
    }

    /// The call that asks, with facts as long as usual ones; `id` is for peers that give out none.
    pub(crate) fn ask(&self, topic: &str, title: &str, id: &str) -> Vec<u8> {
        match self.peer {
            Peer::Pushd | Peer::Hub => {
                let body = format!("{{\"title\":\"{title}\",\"topic\":\"{topic}\",{FACTS}}}");
                post(self.address, "/v1/requests", &body)
            }
            Peer::Nchan => post(
                self.address,
                &format!("/ask?id={topic}"),
                &message(topic, title, id),
            ),
            Peer::Pushpin => {
                let event = format!("data: {}\n\n", message(topic, title, id));
                self.publish(topic, "http-stream", "content", &event)
            }
        }
    }

    /// The id of the request that was asked.
    ///
    /// # Errors
    /// The peer refused it.
    pub(crate) fn asked(&self, answer: Answer, id: String) -> anyhow::Result<String> {
        let answer = answer.expect(match self.peer {
            Peer::Pushd | Peer::Hub => &[201],
            Peer::Nchan => &[201, 202],
            Peer::Pushpin => &[200],
        })?;
        if !self.keeps_requests() {
            return Ok(id);
        }
        let id = member(&answer.body, "id").context("an ask without an id")?;
        Ok(id.to_owned())
    }

    /// The long poll of a request, for so many seconds where the peer can be told.
    pub(crate) fn poll(&self, id: &str, secs: u64) -> Vec<u8> {
        let path = match self.peer {
            Peer::Pushd | Peer::Hub => format!("/v1/requests/{id}?wait={secs}"),
            Peer::Nchan | Peer::Pushpin => format!("/poll?id={id}"),
        };
        get(self.address, &path)
    }

    /// The answer to a poll, if it is what was decided.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn answered(answer: Answer) -> anyhow::Result<Instant> {
        Ok(answer.says("approved")?.at)
    }

    /// The call that approves a request.
    pub(crate) fn approval(&self, id: &str) -> Vec<u8> {
        let answer = || format!("{{\"id\":\"{id}\",\"status\":\"approved\"}}");
        match self.peer {
            Peer::Pushd | Peer::Hub => post(
                self.address,
                &format!("/v1/requests/{id}/decision"),
                "{\"verdict\":\"approve\"}",
            ),
            Peer::Nchan => post(self.address, &format!("/decide?id={id}"), &answer()),
            Peer::Pushpin => self.publish(id, "http-response", "body", &answer()),
        }
    }

    /// When the answer to a decision was here.
    ///
    /// # Errors
    /// The peer refused it.
    pub(crate) fn decided(&self, answer: Answer) -> anyhow::Result<Instant> {
        let answer = match self.peer {
            Peer::Pushd | Peer::Hub => answer.says("approved")?,
            Peer::Nchan => answer.expect(&[201, 202])?,
            Peer::Pushpin => answer.expect(&[200])?,
        };
        Ok(answer.at)
    }

    /// The call for the stream of a topic.
    pub(crate) fn stream(&self, topic: &str) -> Vec<u8> {
        match self.peer {
            Peer::Pushd | Peer::Hub => get(self.address, &format!("/v1/events?topic={topic}")),
            Peer::Nchan | Peer::Pushpin => format!(
                "GET /events?id={topic} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
                self.address
            )
            .into_bytes(),
        }
    }

    /// How many polls or streams the peer says that it holds; `None` where it does not tell.
    ///
    /// # Errors
    /// It does not tell, though it could.
    pub(crate) async fn holds(&self, kind: Kind) -> anyhow::Result<Option<u64>> {
        let (path, name) = match (self.peer, kind) {
            (Peer::Pushd | Peer::Hub, Kind::Poll) => ("/metrics", "pushd_waiters"),
            (Peer::Pushd | Peer::Hub, Kind::Stream) => ("/metrics", "pushd_subscribers"),
            (Peer::Nchan, Kind::Poll | Kind::Stream) => ("/status", "subscribers:"),
            (Peer::Pushpin, Kind::Poll | Kind::Stream) => return Ok(None),
        };
        let mut connection = self.connect().await?;
        let answer = connection.call(&get(self.address, path), &[200]).await?;
        let held = gauge(&String::from_utf8_lossy(&answer.body), name);
        held.with_context(|| format!("{} at {} tells no {name}", path, self.address))
            .map(Some)
    }

    fn publish(&self, channel: &str, format: &str, member: &str, content: &str) -> Vec<u8> {
        let content = serde_json::Value::from(content);
        let item = format!(
            "{{\"channel\":\"{channel}\",\"formats\":{{\"{format}\":{{\"{member}\":{content}}}}}}}"
        );
        post(
            self.publishing,
            "/publish/",
            &format!("{{\"items\":[{item}]}}"),
        )
    }
}

/// Waits until these hold so many polls or streams, or, if they do not tell, have nothing to do any
/// more.
///
/// # Errors
/// They do not within a minute.
pub(crate) async fn reach(
    servers: &[Server],
    watched: &[Watched],
    kind: Kind,
    count: u64,
) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut sum = 0;
        for server in servers {
            let Some(held) = server.holds(kind).await? else {
                return calm(watched, end).await;
            };
            sum += held;
        }
        if sum >= count {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("{sum} of {count} are held after {PATIENCE:?}");
        }
        sleep(LOOK).await;
    }
}

/// Waits until these processes hardly use any CPU.
async fn calm(watched: &[Watched], end: Instant) -> anyhow::Result<()> {
    while Instant::now() < end {
        let then = Used::now(watched)?;
        sleep(CALM).await;
        let used: f64 = Used::now(watched)?.since(&then).watched.values().sum();
        if used < CALM.as_secs_f64() / 20.0 {
            return Ok(());
        }
    }
    bail!("the peer still has something to do after {PATIENCE:?}");
}

/// Ids for a peer that gives out none: different in each run, as long as those of this project.
#[derive(Debug)]
pub(crate) struct Ids {
    run: String,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let run = std::iter::repeat_with(fastrand::lowercase)
            .take(8)
            .collect();
        Self { run }
    }

    pub(crate) fn id(&self, slot: usize, turn: u64) -> String {
        format!("{}{slot:05}{turn:013}", self.run)
    }

    /// A topic that no other run has.
    pub(crate) fn topic(&self) -> String {
        format!("load/{}", self.run)
    }
}

/// What subscribers of a peer without requests read: what was asked, and what they need to decide.
fn message(topic: &str, title: &str, id: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"status\":\"pending\",\"title\":\"{title}\",\"topic\":\"{topic}\",{FACTS}}}"
    )
}

/// The value behind a name that begins a line.
fn gauge(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(peer: Peer) -> Server {
        Server::new(
            peer,
            "127.0.0.1:1".parse().unwrap(),
            Some("127.0.0.1:2".parse().unwrap()),
        )
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            closes: false,
            body: body.as_bytes().to_vec(),
            at: Instant::now(),
        }
    }

    fn body(call: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(call).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    #[test]
    fn what_subscribers_of_a_peer_without_requests_read_has_an_id() {
        let told = body(&server(Peer::Nchan).ask("load/a", "load 1/2", "xyz"));
        assert_eq!(
            (&told["id"], &told["title"]),
            (&"xyz".into(), &"load 1/2".into())
        );
        let told = body(&server(Peer::Pushpin).ask("load/a", "load 1/2", "xyz"));
        let event = told["items"][0]["formats"]["http-stream"]["content"]
            .as_str()
            .unwrap();
        let data = event
            .strip_prefix("data: ")
            .unwrap()
            .strip_suffix("\n\n")
            .unwrap();
        assert_eq!(member(data.as_bytes(), "id"), Some("xyz"));
        assert_eq!(told["items"][0]["channel"], "load/a");
        assert_eq!(
            body(&server(Peer::Pushd).ask("load/a", "load 1/2", "xyz")).get("id"),
            None
        );
    }

    #[test]
    fn an_id_is_the_peers_where_it_gives_one_out() {
        let asked =
            |peer, status, body: &str| server(peer).asked(answer(status, body), "own".to_owned());
        assert_eq!(asked(Peer::Pushd, 201, "{\"id\":\"abc\"}").unwrap(), "abc");
        assert_eq!(
            asked(Peer::Nchan, 202, "queued messages: 1").unwrap(),
            "own"
        );
        assert!(asked(Peer::Pushd, 201, "{}").is_err());
        assert!(asked(Peer::Nchan, 403, "").is_err());
    }

    #[test]
    fn a_refused_decision_is_an_error() {
        for (peer, status, body) in [
            (Peer::Pushd, 409, "{\"status\":\"approved\"}"),
            (Peer::Pushd, 200, "{\"status\":\"denied\"}"),
            (Peer::Nchan, 507, ""),
            (Peer::Pushpin, 400, ""),
        ] {
            assert!(
                server(peer).decided(answer(status, body)).is_err(),
                "{peer:?} {status}"
            );
        }
        assert!(server(Peer::Nchan).decided(answer(201, "queued")).is_ok());
    }

    #[test]
    fn ids_of_one_run_differ_and_have_one_length() {
        let ids = Ids::new();
        assert_ne!(ids.id(1, 23), ids.id(12, 3));
        assert_eq!(ids.id(0, 0).len(), 26);
        assert_ne!(ids.topic(), Ids::new().topic());
    }

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let metrics =
            "# TYPE pushd_waiters gauge\npushd_waiters_limit 100\npushd_waiters 7\n# EOF\n";
        assert_eq!(gauge(metrics, "pushd_waiters"), Some(7));
        assert_eq!(gauge(metrics, "pushd_subscribers"), None);
        assert_eq!(
            gauge("channels: 2\nsubscribers: 31\n", "subscribers:"),
            Some(31)
        );
    }
}
