//! One run: a daemon, its clients and their misfortunes, all drawn from one seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::chaos::{break_daemon, start};
use super::clients::Client;
use super::history::{Fault, History, Item, Notes, Rest, View};
use super::link::{Link, Links};
use super::people::{Mischief, Person, requester};
use super::stumbling::Inside;
use crate::daemon::setup;

/// How long a run may take once nothing is broken any more.
const END: Duration = Duration::from_secs(45);
/// Polls of one request beside those of whoever asked.
const HERD: usize = 6;
/// Asks and decisions that are under way when the daemon is struck.
const BURST: usize = 6;
/// Requests that expire sooner than this are left to do so.
const SOON: i64 = 5_000;

/// Who takes part, beside one who watches each daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// Those who decide what they see.
    pub(crate) deciders: usize,
    /// Those who ask over HTTP.
    pub(crate) askers: usize,
    /// Those who run `requester`.
    pub(crate) requesters: usize,
    /// For how long whoever has an answer asks for something else, after a pause.
    pub(crate) lasting: Duration,
    /// At most so long is that pause.
    pub(crate) pause: Duration,
}

/// Those in a run with one daemon. Each asks once.
const FEW: Crowd = Crowd {
    deciders: 2,
    askers: 4,
    requesters: 3,
    lasting: Duration::ZERO,
    pause: Duration::ZERO,
};

/// The parts that a run consists of.
pub(crate) struct Run {
    seed: u64,
    crowd: Crowd,
    pub(crate) rng: Rng,
    pub(crate) notes: Notes,
    links: Links,
    /// Those who have something to come to an end with.
    pub(crate) tasks: JoinSet<()>,
    /// Those who go on until it is over.
    readers: JoinSet<()>,
    over: CancellationToken,
}

/// Makes the run of `seed` with a daemon that is killed, stopped and replaced; answers what was
/// noted.
pub(crate) async fn with_a_daemon(seed: u64) -> History {
    let mut run = Run::new(seed, FEW);
    let daemon = setup().start();
    let direct = Client::at(&[daemon.address()], &run.notes);
    let person = run.begin(&[daemon.address()]).await;
    let (notes, rng, mark) = (run.notes.clone(), run.rng.fork(), run.title("burst"));
    let mut bursts = 0;
    let burst = |rng| {
        bursts += 1;
        spawn_burst(&mut run.tasks, &direct, &format!("{mark}-{bursts}"), rng);
    };
    let mut daemon = break_daemon(daemon, &notes, rng, burst).await;
    run.end(&direct).await;
    drop(person);
    run.rest(&direct).await;
    // Once more, so that nothing counts that only lived in its memory.
    let from = run.notes.now();
    daemon.crash();
    let daemon = start(daemon.again()).await;
    let (what, to) = ("killed", run.notes.now());
    run.notes.open().faults.push(Fault { what, from, to });
    let history = run.history(&direct).await;
    drop(daemon);
    history
}

/// The same with a daemon that is not killed, but whose store stumbles.
pub(crate) async fn with_a_stumbling_store(seed: u64) -> History {
    let mut run = Run::new(seed, FEW);
    let inside = Inside::start(run.rng.fork()).await;
    let direct = Client::at(&[inside.address], &run.notes);
    let person = run.begin(&[inside.address]).await;
    let from = run.notes.now();
    sleep(Duration::from_millis(run.rng.u64(300..1500))).await;
    inside.calm.cancel();
    run.notes.open().faults.push(Fault {
        what: "disk",
        from,
        // Whatever began to take its time before.
        to: run.notes.now() + 400,
    });
    run.end(&direct).await;
    drop(person);
    run.rest(&direct).await;
    run.history(&direct).await
}

impl Run {
    pub(crate) fn new(seed: u64, crowd: Crowd) -> Self {
        let notes = Notes::new();
        notes.open().approvers.push("local".to_owned());
        Self {
            seed,
            crowd,
            rng: Rng::with_seed(seed),
            notes,
            links: Links::default(),
            tasks: JoinSet::new(),
            readers: JoinSet::new(),
            over: CancellationToken::new(),
        }
    }

    /// Begins to read, to ask and to decide, at daemons on one store.
    pub(crate) async fn begin(&mut self, backends: &[SocketAddr]) -> Option<Person> {
        self.readers(backends).await;
        self.askers(backends).await;
        self.requesters(backends).await;
        self.person(backends).await
    }

    /// What was noted, and what the daemons have.
    pub(crate) async fn history(&self, direct: &Client) -> History {
        let mut stores = Vec::new();
        for node in 0..direct.nodes() {
            let (store, _) = direct.only(node).list("").await.expect("it works");
            stores.push(store);
        }
        let mut history = self.notes.open().clone();
        history.store = stores.remove(0);
        history.elsewhere = stores;
        history
    }

    pub(crate) fn title(&self, name: &str) -> String {
        format!("fault-{}-{name}", self.seed)
    }

    /// A link to each of the daemons.
    async fn links(&mut self, backends: &[SocketAddr]) -> Vec<Arc<Link>> {
        let mut links = Vec::new();
        for backend in backends {
            links.push(self.links.add(*backend, self.rng.fork()).await);
        }
        links
    }

    /// A client with a link of its own to each of the daemons; it begins with any.
    async fn client(&mut self, backends: &[SocketAddr]) -> Client {
        let client = Client::behind(self.links(backends).await, &self.notes);
        match backends {
            [_] => client,
            _ => client.from(self.rng.usize(..)),
        }
    }

    /// Mostly long, sometimes so short that it passes during the run.
    fn expiry(rng: &mut Rng) -> u64 {
        if rng.u8(..3) == 0 { rng.u64(1..3) } else { 600 }
    }

    /// Those who decide what they see, and for each daemon one who watches it.
    async fn readers(&mut self, backends: &[SocketAddr]) {
        for n in 1..=self.crowd.deciders {
            let client = self.client(backends).await;
            self.reader(&format!("decider {n}"), client, true);
        }
        for (n, backend) in backends.iter().enumerate() {
            let client = self.client(&[*backend]).await;
            self.reader(&format!("watcher of {n}"), client, false);
        }
    }

    fn reader(&mut self, name: &str, client: Client, deciding: bool) {
        let name = name.to_owned();
        let (over, mut rng, notes) = (self.over.clone(), self.rng.fork(), self.notes.clone());
        self.readers.spawn(async move {
            let mut decisions = JoinSet::new();
            let reading_rng = rng.fork();
            let tell = |view: &View| {
                if deciding && !view.is_final() && rng.u8(..4) > 0 {
                    let (client, view) = (client.clone(), view.clone());
                    let (rng, notes) = (rng.fork(), notes.clone());
                    decisions.spawn(async move { decide(&client, &view, rng, &notes).await });
                }
            };
            client.listen(&name, &over, reading_rng, tell).await;
        });
    }

    /// Those who ask over HTTP and wait; one of them changes its mind.
    async fn askers(&mut self, backends: &[SocketAddr]) {
        let Crowd { lasting, pause, .. } = self.crowd;
        for n in 0..self.crowd.askers {
            let client = self.client(backends).await;
            let (mut rng, title) = (self.rng.fork(), self.title(&format!("http-{n}")));
            let mut expires = Self::expiry(&mut self.rng);
            let begin = Duration::from_millis(rng.u64(..600));
            let end = Instant::now() + lasting;
            self.tasks.spawn(async move {
                sleep(begin).await;
                for time in 0.. {
                    let view = client
                        .ask(&format!("{title}-{time}"), expires, &mut rng)
                        .await;
                    if n == 0 {
                        sleep(Duration::from_millis(rng.u64(..100))).await;
                        client.cancel(&view, &mut rng).await;
                    }
                    client.wait(&view.id, &mut rng).await;
                    if Instant::now() >= end {
                        break;
                    }
                    sleep(pause.mul_f64(rng.f64())).await;
                    expires = Self::expiry(&mut rng);
                }
            });
        }
    }

    async fn requesters(&mut self, backends: &[SocketAddr]) {
        let Crowd { lasting, pause, .. } = self.crowd;
        for n in 0..self.crowd.requesters {
            let mut links = self.links(backends).await;
            links.rotate_left(n % backends.len());
            let (notes, title) = (self.notes.clone(), self.title(&format!("requester-{n}")));
            let mut expires = Self::expiry(&mut self.rng);
            let begin = Duration::from_millis(self.rng.u64(..600));
            let mut mischief = mischief(&mut self.rng);
            let mut rng = self.rng.fork();
            let end = Instant::now() + lasting;
            self.tasks.spawn(async move {
                sleep(begin).await;
                for time in 0.. {
                    let title = format!("{title}-{time}");
                    requester(links.clone(), notes.clone(), title, expires, mischief).await;
                    if Instant::now() >= end {
                        break;
                    }
                    sleep(pause.mul_f64(rng.f64())).await;
                    expires = Self::expiry(&mut rng);
                    mischief = self::mischief(&mut rng);
                }
            });
        }
    }

    /// Sometimes somebody sits at a terminal.
    async fn person(&mut self, backends: &[SocketAddr]) -> Option<Person> {
        if self.rng.u8(..3) > 0 {
            return None;
        }
        let links = self.links(backends).await;
        let mark = format!("fault-{}-", self.seed);
        Some(Person::at(links, self.notes.clone(), mark, self.rng.fork()))
    }

    /// Has everything decided, and waits for those who ask and until all readers have caught up.
    pub(crate) async fn end(&mut self, direct: &Client) {
        self.links.calm_down();
        let notes = self.notes.clone();
        let mut rng = self.rng.fork();
        let mut herd = JoinSet::new();
        let deciding = async {
            loop {
                let pending = direct.list("&status=pending").await;
                for view in pending.into_iter().flat_map(|(views, _)| views) {
                    if view.expires_at > notes.now() + SOON {
                        // Polls that begin in the very moment in which it is decided.
                        for _ in 0..HERD {
                            let client = direct.from(rng.usize(..));
                            let (id, mut rng) = (view.id.clone(), rng.fork());
                            herd.spawn(async move {
                                sleep(Duration::from_micros(rng.u64(..3000))).await;
                                client.wait(&id, &mut rng).await;
                            });
                        }
                        sleep(Duration::from_micros(rng.u64(..3000))).await;
                        let verdict = if rng.bool() { "approve" } else { "deny" };
                        direct.decide(&view, verdict, &mut rng).await;
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let asking = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("no client panics");
            }
        };
        let in_time = timeout(END, async {
            tokio::select! {
                () = asking => {}
                () = deciding => {}
            }
        });
        if in_time.await.is_err() {
            let stuck = format!("{} of those who ask", self.tasks.len());
            notes.open().stuck.push(stuck);
        }
        let polling = async {
            while let Some(ended) = herd.join_next().await {
                ended.expect("no poll panics");
            }
        };
        if timeout(END, polling).await.is_err() {
            notes.open().stuck.push("a poll".to_owned());
        }
        // Whatever was asked for somebody who was killed.
        let settled = async {
            while let Some((views, _)) = direct.list("&status=pending").await
                && !views.is_empty()
            {
                for view in &views {
                    if view.expires_at > notes.now() + SOON {
                        direct.decide(view, "deny", &mut rng).await;
                    }
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(END, settled).await.is_err() {
            notes.open().stuck.push("what is pending".to_owned());
        }
        self.catch_up(direct).await;
        self.over.cancel();
        while let Some(ended) = self.readers.join_next().await {
            ended.expect("no reader panics");
        }
    }

    /// Waits until all readers of the stream are where the daemon is.
    async fn catch_up(&self, direct: &Client) {
        let (_, head) = direct.list("").await.expect("the daemon works");
        let readers = self.crowd.deciders + direct.nodes();
        let caught_up = || {
            let history = self.notes.open();
            let at_head = |items: &Vec<Item>| items.iter().rev().any(|item| place(item) >= head);
            history.streams.len() == readers && history.streams.values().all(at_head)
        };
        let catching_up = async {
            while !caught_up() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(END, catching_up).await.is_err() {
            self.notes
                .open()
                .stuck
                .push(format!("a stream before {head}"));
        }
    }

    /// Notes each daemon's figures once everybody has left, or what is left of them after a while.
    pub(crate) async fn rest(&mut self, direct: &Client) {
        self.links = Links::default();
        self.tasks.abort_all();
        for node in 0..direct.nodes() {
            let client = direct.only(node);
            let mut rest = Rest::default();
            for _ in 0..500 {
                rest = Rest {
                    waiters: client.metric("pushd_waiters").await,
                    subscribers: client.metric("pushd_subscribers").await,
                    pending: client.metric("pushd_requests_pending").await,
                };
                if (rest.waiters, rest.subscribers) == (0, 0) {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
            self.notes.open().rest.push(rest);
        }
    }
}

/// What is done to a `requester`, and when.
fn mischief(rng: &mut Rng) -> (Duration, Mischief) {
    let signals = [Signal::TERM, Signal::INT, Signal::KILL];
    let mischief = match rng.u8(..6) {
        0 => Mischief::Stops(Duration::from_millis(rng.u64(50..1500))),
        1 => Mischief::Signal(signals[rng.usize(..3)]),
        _ => Mischief::Nothing,
    };
    (Duration::from_millis(rng.u64(10..1000)), mischief)
}

/// Many writes at once: each asks and decides at once.
pub(crate) fn spawn_burst(tasks: &mut JoinSet<()>, direct: &Client, mark: &str, mut rng: Rng) {
    for n in 0..BURST {
        let client = direct.from(rng.usize(..));
        let (title, mut rng) = (format!("{mark}-{n}"), rng.fork());
        tasks.spawn(async move {
            sleep(Duration::from_micros(rng.u64(..6000))).await;
            let view = client.ask(&title, 600, &mut rng).await;
            let verdict = if rng.bool() { "approve" } else { "deny" };
            client.decide(&view, verdict, &mut rng).await;
        });
    }
}

/// How far an item of a stream has brought its reader.
fn place(item: &Item) -> u64 {
    match item {
        Item::Told(_, view) => view.event,
        Item::CaughtUp(head) => *head,
        Item::Moved(cursor) => cursor
            .split_once('-')
            .map_or(0, |(_, number)| number.parse().unwrap()),
        Item::Opened(_) | Item::Reset => 0,
    }
}

/// Decides at a moment of its own: at once, later, or in the very moment in which it expires.
async fn decide(client: &Client, view: &View, mut rng: Rng, notes: &Notes) {
    let left = u64::try_from(view.expires_at - notes.now()).unwrap_or(0);
    let delay = match rng.u8(..5) {
        0..2 => 0,
        2 => rng.u64(..30),
        3 => rng.u64(..400),
        _ if left < 3_000 => (left + rng.u64(..6)).saturating_sub(3),
        _ => rng.u64(..100),
    };
    sleep(Duration::from_millis(delay)).await;
    let verdict = if rng.bool() { "approve" } else { "deny" };
    client.decide(view, verdict, &mut rng).await;
}
