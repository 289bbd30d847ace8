//! Real `nats-server`s for tests: one, or three that replicate for each other, with `JetStream`.
//!
//! Written with the standard library alone and without anything of this crate, because the tests
//! of the store and those from the outside share it. All calls block: a test whose runtime has one
//! thread is held up by them, which does no harm where the test waits anyway.
//!
//! It deliberately does not know what is stored.

#![allow(
    dead_code,
    reason = "two test programs share it, and each uses a part of it"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test's servers keep real time, and whoever waits for them does not mind to block"
)]

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use tempfile::TempDir;

/// The time within which servers have started and found a leader, on a slow machine under load.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long one look at a server may take.
const LOOK: Duration = Duration::from_secs(1);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How often other ports are tried when somebody else has taken them meanwhile.
const TRIES: usize = 10;
/// Where ports are chosen: below the range from which Linux takes those of connections and of
/// whoever asks for port 0, so that a server that was killed finds its port free again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// One server, or a cluster of three, each with a directory of its own.
///
/// Dropping it kills all and waits for their ends.
#[derive(Debug)]
pub(crate) struct NatsServers {
    /// The name of the cluster, which no other has: a foreign server on a port that was ours must
    /// not be taken for one of ours.
    name: String,
    extra: String,
    servers: Vec<Server>,
    dir: TempDir,
}

#[derive(Debug)]
struct Server {
    name: String,
    ports: Ports,
    /// None while it is killed.
    child: Mutex<Option<Child>>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    route: u16,
    monitor: u16,
}

impl NatsServers {
    /// Starts one server, or three as a cluster, and waits until they are ready.
    ///
    /// # Panics
    /// There is no `nats-server` on this machine, or it does not start; the message says why.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, "")
    }

    /// The same, with these lines in the configuration of each, such as users or TLS.
    pub(crate) fn start_with(count: usize, extra: &str) -> Self {
        assert!(matches!(count, 1 | 3), "one or three, not {count}");
        for _ in 0..TRIES {
            let servers = Self::prepared(count, extra);
            if (0..count).all(|n| servers.spawned(n)) {
                servers.wait_until_ready();
                return servers;
            }
        }
        panic!("{TRIES} times somebody else had one of the ports that were chosen for nats-server");
    }

    fn prepared(count: usize, extra: &str) -> Self {
        let dir = TempDir::with_prefix("pushd-nats-").expect("a directory for temporary files");
        let name: String = std::iter::repeat_with(fastrand::lowercase)
            .take(12)
            .collect();
        let server = |n| Server {
            name: format!("{name}-{n}"),
            ports: Ports::free(),
            child: Mutex::default(),
        };
        let prepared = Self {
            servers: (0..count).map(server).collect(),
            extra: extra.to_owned(),
            name,
            dir,
        };
        for n in 0..count {
            fs::write(prepared.config(n), prepared.configuration(n))
                .expect("the directory is ours");
        }
        prepared
    }

    /// What `--store` takes: `nats://HOST:PORT`, with further addresses after commas.
    pub(crate) fn urls(&self) -> String {
        let addresses: Vec<_> = self.servers.iter().map(Server::address).collect();
        let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        format!("nats://{}", addresses.join(","))
    }

    /// The URL of one of them.
    pub(crate) fn url_of(&self, n: usize) -> String {
        format!("nats://{}", self.servers[n].address())
    }

    /// Where each takes clients.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// How many there are, with those that are killed or stopped.
    pub(crate) fn count(&self) -> usize {
        self.servers.len()
    }

    /// Kills one as a power cut would, and waits for its end. One that is killed stays so.
    pub(crate) fn kill(&self, n: usize) {
        if let Some(mut child) = self.servers[n].child().take() {
            child.kill().expect("the server is ours");
            child.wait().expect("it is our child");
        }
    }

    /// Stops one as a machine that hangs: its connections stay open, and nothing answers.
    pub(crate) fn stop(&self, n: usize) {
        self.servers[n].signal(Signal::STOP);
        if let Some(child) = &*self.servers[n].child() {
            wait_until_stopped(child);
        }
    }

    /// Lets one that was stopped go on.
    pub(crate) fn resume(&self, n: usize) {
        self.servers[n].signal(Signal::CONT);
    }

    /// Asks one to end, as an upgrade does, and waits for its end.
    pub(crate) fn end(&self, n: usize) {
        self.servers[n].signal(Signal::TERM);
        if let Some(mut child) = self.servers[n].child().take() {
            child.wait().expect("it is our child");
        }
    }

    /// Starts one that was killed again, on the same ports and with what it had stored; waits
    /// until it takes connections, which is earlier than that it has caught up with the others.
    pub(crate) fn restart(&self, n: usize) {
        let begun = Instant::now();
        self.kill(n);
        while !self.spawned(n) {
            assert!(
                begun.elapsed() < DEADLINE,
                "somebody else keeps a port of ours: {}",
                self.log(n)
            );
            thread::sleep(PAUSE);
        }
    }

    /// Waits until all that are not killed are ready: they have a leader among them, and each has
    /// all that the leader has.
    pub(crate) fn wait_until_ready(&self) {
        for n in 0..self.count() {
            let runs = self.servers[n].child().is_some();
            if runs {
                self.until(n, "ready", || self.is_ready(n));
            }
        }
    }

    /// Whether this one works, and has caught up with the others.
    pub(crate) fn is_ready(&self, n: usize) -> bool {
        self.answers(n)
            && self
                .asked(n, "/healthz")
                .is_some_and(|health| is_well(&health))
    }

    /// What its monitoring says at a path, such as `/jsz?streams=true`; nothing unless it says
    /// that all is well.
    pub(crate) fn monitored(&self, n: usize, path: &str) -> Option<Value> {
        let (status, body) = self.asked(n, path)?;
        (status == "200").then(|| serde_json::from_str(&body).ok())?
    }

    /// Status and body of what its monitoring answers.
    fn asked(&self, n: usize, path: &str) -> Option<(String, String)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.servers[n].ports.monitor));
        let mut stream = connected(address)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?;
        Some((status.to_owned(), body.to_owned()))
    }

    /// All that one has logged.
    pub(crate) fn log(&self, n: usize) -> String {
        fs::read_to_string(self.path(n, "log")).unwrap_or_default()
    }

    /// Starts this one and waits until it takes connections; false when a port is not free.
    fn spawned(&self, n: usize) -> bool {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(n, "log"))
            .expect("the directory is ours");
        let before = self.log(n).len();
        let child = program()
            .arg("-c")
            .arg(self.config(n))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log)
            .spawn();
        *self.servers[n].child() = Some(child.expect("program() has looked"));
        self.until(n, "listening", || self.answers(n) || self.has_ended(n));
        if !self.has_ended(n) {
            return true;
        }
        let log = self.log(n);
        let new = log.get(before..).unwrap_or_default();
        assert!(new.contains("in use"), "nats-server has ended: {new}");
        self.servers[n].child().take();
        false
    }

    fn has_ended(&self, n: usize) -> bool {
        let mut child = self.servers[n].child();
        let ended = |child: &mut Child| child.try_wait().expect("it is our child").is_some();
        child.as_mut().is_none_or(ended)
    }

    /// Whether it takes clients, and is the one that we have started. A server says who it is
    /// first, in a line of JSON, also where TLS follows.
    fn answers(&self, n: usize) -> bool {
        let server = &self.servers[n];
        let Some(stream) = connected(server.address()) else {
            return false;
        };
        let mut line = String::new();
        if BufReader::new(stream).read_line(&mut line).is_err() {
            return false;
        }
        let info = line.strip_prefix("INFO ").unwrap_or_default();
        let info: Value = serde_json::from_str(info).unwrap_or_default();
        info["jetstream"] == true && info["server_name"] == server.name.as_str()
    }

    fn until(&self, n: usize, what: &str, mut look: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !look() {
            assert!(
                begun.elapsed() < DEADLINE,
                "nats-server {n} is not {what} after {DEADLINE:?}: {}",
                self.log(n)
            );
            thread::sleep(PAUSE);
        }
    }

    fn path(&self, n: usize, what: &str) -> PathBuf {
        self.dir.path().join(format!("{what}-{n}"))
    }

    fn config(&self, n: usize) -> PathBuf {
        self.path(n, "config")
    }

    fn configuration(&self, n: usize) -> String {
        let Server { name, ports, .. } = &self.servers[n];
        let store = self.path(n, "store");
        let mut text = format!(
            "server_name: {name}\n\
             listen: \"127.0.0.1:{}\"\n\
             http: \"127.0.0.1:{}\"\n\
             {}\n{}\n",
            ports.client,
            ports.monitor,
            jet_stream(&store, takes_sync_always()),
            self.extra,
        );
        if self.count() > 1 {
            let routes = self.servers.iter().map(|server| server.ports.route);
            let routes: Vec<_> = routes
                .map(|port| format!("\"nats-route://127.0.0.1:{port}\""))
                .collect();
            writeln!(
                text,
                "cluster {{ name: {}, listen: \"127.0.0.1:{}\", routes: [{}] }}",
                self.name,
                ports.route,
                routes.join(", ")
            )
            .expect("a string takes all");
        }
        text
    }
}

impl Drop for NatsServers {
    fn drop(&mut self) {
        for n in 0..self.count() {
            let child = self.servers[n].child().take();
            // It may have ended already, which is as good.
            drop(child.map(|mut child| (child.kill(), child.wait())));
        }
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.client))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &*self.child() {
            kill_process(Pid::from_child(child), signal).expect("the server is ours");
        }
    }
}

impl Ports {
    /// Three ports that are free in this moment.
    fn free() -> Self {
        // Held until all are chosen, so that they differ.
        let mut held = Vec::new();
        while held.len() < 3 {
            let address = (Ipv4Addr::LOCALHOST, fastrand::u16(PORTS));
            held.extend(TcpListener::bind(address));
        }
        let port = |n: usize| {
            let address = held[n].local_addr();
            address.expect("it is bound").port()
        };
        Self {
            client: port(0),
            route: port(1),
            monitor: port(2),
        }
    }
}

/// Waits for a child to which SIGSTOP was sent: its threads run on for a moment, and may answer.
pub(crate) fn wait_until_stopped(child: &Child) {
    // It stays to be waited for, so that a second look at one that is stopped returns as well.
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), stopped)
        .expect("it is our child, and has not ended");
}

/// Whether an answer of `/healthz` says that the server and its streams are well. A consumer that
/// went with whoever had asked for it is told as unwell without end.
fn is_well((status, body): &(String, String)) -> bool {
    status == "200" || body.contains("JetStream consumer")
}

/// A connection on which no call takes longer than a look.
fn connected(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LOOK).ok()?;
    stream.set_read_timeout(Some(LOOK)).ok()?;
    Some(stream)
}

/// The command that runs the server. Debian keeps it where only root looks for programs.
fn program() -> Command {
    static FOUND: OnceLock<&str> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let names = ["nats-server", "/usr/sbin/nats-server"];
        let there = |name: &&str| {
            let tried = Command::new(name).arg("--version").output();
            !tried.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        let found = names.into_iter().find(there);
        found.expect("nats-server is not here; on Debian: apt-get install nats-server")
    });
    Command::new(found)
}

/// The block that turns `JetStream` on.
fn jet_stream(store: &Path, sync_always: bool) -> String {
    // Without it a server acknowledges what it has not flushed to the disk yet.
    let sync = if sync_always {
        "sync_interval: always"
    } else {
        ""
    };
    let store = store.display();
    format!("jetstream {{ store_dir: \"{store}\", max_mem: 64MB, max_file: 1TB\n{sync}\n}}")
}

/// Whether this server can be told to flush before it acknowledges; older ones know no such word.
fn takes_sync_always() -> bool {
    static TAKES: OnceLock<bool> = OnceLock::new();
    *TAKES.get_or_init(|| {
        let dir = TempDir::with_prefix("pushd-nats-").expect("a directory for temporary files");
        let config = dir.path().join("config");
        let text = jet_stream(&dir.path().join("store"), true);
        File::create(&config)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("the directory is ours");
        let tried = program().arg("-t").arg("-c").arg(config).output();
        tried.expect("program() has looked").status.success()
    })
}
