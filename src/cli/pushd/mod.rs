//! The daemon: flags, log, store, server, and winding down.

mod audit;
mod copies;
mod flags;
mod log;
mod manager;
mod nodes;
mod policy;
mod relay;
mod ruling;
mod signals;
mod sockets;
mod token;
mod unix;

use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use etcetera::BaseStrategy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::flags::{Audit, Command, CommandLine, Flags, NatsFlags, StoreFlag, TlsFlags};
use self::signals::{Signals, obey};
use self::sockets::Trust;
use super::exit;
use super::flags::parse;
use crate::approvals::classic::Classic;
use crate::approvals::nodes::SharedNodes;
use crate::approvals::{Approvals, Pump, Setting, leases, sweep};
use crate::client::DaemonUrl;
use crate::clock::SystemClock;
use crate::domain::HistoryId;
use crate::http::{self, AllowedHosts, Api, Proxies};
use crate::hub::Hub;
use crate::limits::{Arrival, Limits, PerRequester, connections_per_address};
use crate::metrics::Metrics;
use crate::nodes::{NatsLine, Together};
use crate::notices::{self, Notices};
use crate::principals::{People, Registry, Users};
use crate::server::{Accounts, PerAddress, Server, Tls};
use crate::store::memory::MemoryStore;
use crate::store::nats::NatsStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Feed, SharedStore};
use crate::watched::Watched;

/// Runs the daemon that the command line describes; returns when it has ended.
pub fn run() -> ExitCode {
    let line = match parse::<CommandLine>() {
        Ok(line) => line,
        Err(code) => return ExitCode::from(code),
    };
    let runtime = match runtime(&line) {
        Ok(runtime) => runtime,
        Err(error) => return failed(exit::INTERNAL, &error.into()),
    };
    signals::outlive_file_limit(&runtime);
    let ended = match line.command {
        None => log::begin(line.daemon.log_format, &line.daemon.log)
            .or_exit(exit::USAGE)
            .and_then(|()| runtime.block_on(daemon(line.daemon))),
        Some(Command::Backup(flags)) => copies::back_up(flags),
        Some(Command::Restore(flags)) => copies::put_back(flags),
        Some(Command::Token(command)) => token::run(command),
        Some(Command::Policy(command)) => policy::run(command),
        Some(Command::Audit(Audit::Export(flags))) => audit::export(flags),
        Some(Command::Relay(flags)) => log::begin(flags.log_format, &flags.log)
            .or_exit(exit::USAGE)
            .and_then(|()| runtime.block_on(relay::run(*flags))),
    };
    // The store is closed, or had its time for it: whatever still runs is of no interest.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::from(exit::SUCCESS),
        Err(Failure(code, error)) => failed(code, &error),
    }
}

/// What runs everything: the thread that begins, unless the flags ask for more.
fn runtime(line: &CommandLine) -> io::Result<Runtime> {
    let threads = match &line.command {
        None => line.daemon.threads,
        Some(Command::Relay(flags)) => flags.threads,
        Some(_) => return Builder::new_current_thread().enable_all().build(),
    };
    let mut builder = match threads.count {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.count as usize);
    builder.enable_all().build()
}

/// Prints the whole chain, once, for whoever started the daemon; with nowhere to print to, the exit
/// code still tells.
fn failed(code: u8, error: &anyhow::Error) -> ExitCode {
    drop(writeln!(std::io::stderr(), "pushd: {error:#}"));
    ExitCode::from(code)
}

/// Why the daemon could not run, and the exit code that says so.
struct Failure(u8, anyhow::Error);

trait OrExit<T> {
    fn or_exit(self, code: u8) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: u8) -> Result<T, Failure> {
        self.map_err(|error| Failure(code, error.into()))
    }
}

async fn daemon(flags: Flags) -> Result<(), Failure> {
    let trust = Trust::of(&flags);
    trust
        .check(&flags.addresses())
        .or_exit(exit::CONFIGURATION)?;
    let metrics = Arc::new(Metrics::default());
    let tls = tls(&flags.tls, &metrics).or_exit(exit::CONFIGURATION)?;
    let accounts = Accounts::new(&flags.unix.unix_approvers).context("--unix-approvers");
    let accounts = Arc::new(accounts.or_exit(exit::CONFIGURATION)?);
    let handed = sockets::handed_over(trust, &accounts).or_exit(exit::CONFIGURATION)?;
    let drain = CancellationToken::new();
    // Before anything is begun, so that a start that stalls on a slow disk can be ended too.
    let signals = Signals::new().or_exit(exit::INTERNAL)?;
    let tokens = flags.tokens.as_deref().map(Registry::open);
    let tokens = tokens.transpose().or_exit(exit::CONFIGURATION)?;
    let policy = ruling::read(flags.policy.as_deref()).or_exit(exit::CONFIGURATION)?;
    // It lives as long as the process: the second signal may come at any time.
    tokio::spawn(obey(signals, drain.clone()));
    let listening = sockets::listen(&flags, handed, &accounts).await;
    let sockets = listening.or_exit(exit::UNAVAILABLE)?;
    trust
        .check_together(&sockets)
        .or_exit(exit::CONFIGURATION)?;
    let limits = limits(&flags);
    let registry = tokens.as_ref().map(|(registry, _)| Arc::clone(registry));
    let users = sockets.have_users().then_some(accounts as Arc<dyn Users>);
    let setting = Setting {
        people: People::new(registry, users),
        ..limits.into()
    };
    ruling::rule(policy, &setting, &metrics, &drain);
    let clock = Arc::new(SystemClock::new());
    let world = (Arc::clone(&clock), Arc::clone(&metrics));
    let begun = tokio::select! {
        biased;
        () = drain.cancelled() => return Ok(()),
        begun = begin((flags.store.store, flags.nats), setting, world, drain.clone()) => begun,
    };
    let (store, approvals, nodes) = begun.or_exit(exit::CONFIGURATION)?;
    let mut classic = None;
    if flags.classic {
        nodes::warn_of_channels(nodes.as_ref());
        let begun = Classic::begin(Arc::clone(&approvals)).await;
        classic = Some(begun.or_exit(exit::CONFIGURATION)?);
    }
    let public_url = flags.public_url.as_ref().map(DaemonUrl::to_string);
    let terms = flags.notify.terms(public_url.as_deref());
    let notifying = notifying(terms, &approvals, &metrics, &drain).await;
    let notifying = notifying.or_exit(exit::CONFIGURATION)?;
    let tasks = keep(Arc::clone(&approvals), flags.retain, classic.clone());
    let tasks = nodes::among(nodes, Arc::clone(&approvals), tasks);
    let tasks = following(tls.clone(), tasks);
    let tasks = tokio::spawn(vital(tasks, drain.clone()));
    let told = Arc::clone(&approvals);
    let public_host = flags.public_url.as_ref().and_then(DaemonUrl::host);
    let allowed: Vec<_> = flags.allow_host.into_iter().chain(public_host).collect();
    let hosts = Arc::new(AllowedHosts::new(&allowed));
    let api = Api {
        approvals,
        metrics: Arc::clone(&metrics),
        hosts,
        renderings: Arc::default(),
        trust: trusting(tokens, clock, &metrics, &drain),
        classic,
        public_url: public_url.map(Into::into),
    };
    let kept_out = api.approvals.leases().kept_out();
    let server = Server::new(
        http::routes(&api),
        metrics,
        limits.connections,
        drain.clone(),
    );
    let per_address = PerAddress::beyond_loopback(limits.connections_per_address);
    let server = server
        .with_tls(tls)
        .with_per_address(per_address)
        .with_proxies(Proxies::new(&flags.trust_proxy))
        .with_head_time(limits.arrival.head_time)
        .with_kept_out(kept_out);
    sockets.tell();
    // It, too, lives as long as the process, which works to the very end.
    tokio::spawn(manager::tell(told));
    let begun_to_drain = async {
        drain.cancelled().await;
        Instant::now()
    };
    let serving = server.run(sockets.listeners, grace(flags.drain));
    let (drained_from, ()) = tokio::join!(begun_to_drain, serving);
    drop(sockets.files);
    if let Some(notifying) = notifying {
        notifying
            .end(drained_from + grace_of_notices(flags.drain))
            .await;
    }
    end(tasks, store, drained_from + flags.drain).await
}

/// Whom to believe; a tokens file is followed from now on, as long as the process lives.
fn trusting(
    tokens: Option<(Arc<Registry>, Watched)>,
    clock: Arc<SystemClock>,
    metrics: &Arc<Metrics>,
    drain: &CancellationToken,
) -> http::Trust {
    let Some((tokens, watched)) = tokens else {
        return http::Trust::in_everybody();
    };
    tracing::info!(principals = tokens.count(), "tokens");
    let (followed, metrics) = (Arc::clone(&tokens), Arc::clone(metrics));
    let following = async move { followed.keep(watched, clock, metrics).await };
    tokio::spawn(vital(following, drain.clone()));
    http::Trust::in_tokens(tokens)
}

/// The task that tells a command what happens, and how to end it.
struct Notifying {
    end: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

impl Notifying {
    /// Lets it tell what has happened, until then at the latest.
    async fn end(self, until: Instant) {
        let told = self.end.send(until);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, was_told = told.is_ok(), "notices broke off");
        }
    }
}

/// Begins to tell, if the flags ask for it; it comes before anybody can ask.
async fn notifying(
    terms: Option<notices::Terms>,
    approvals: &Arc<Approvals>,
    metrics: &Arc<Metrics>,
    drain: &CancellationToken,
) -> anyhow::Result<Option<Notifying>> {
    let Some(terms) = terms else { return Ok(None) };
    let (approvals, metrics) = (Arc::clone(approvals), Arc::clone(metrics));
    let notices = Notices::begin(approvals, metrics, terms).await;
    let (end, ended) = oneshot::channel();
    let telling = notices.context("reading the store")?.run(ended);
    let task = tokio::spawn(vital(telling, drain.clone()));
    Ok(Some(Notifying { end, task }))
}

/// TLS, if the flags ask for it.
fn tls(flags: &TlsFlags, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (&flags.tls_cert, &flags.tls_key) else {
        return Ok(None);
    };
    let clock = Arc::new(SystemClock::new());
    let opened = Tls::open(certificate.clone(), key.clone(), clock, Arc::clone(metrics));
    let tls = opened.context("--tls-cert and --tls-key")?;
    Ok(Some(Arc::new(tls)))
}

/// Does `tasks` to their end, and follows the files of TLS meanwhile.
async fn following(tls: Option<Arc<Tls>>, tasks: impl Future<Output = ()>) {
    let following = async {
        match tls {
            Some(tls) => tls.follow().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tasks => {}
        () = following => {}
    }
}

/// Opens the store and begins to serve it.
async fn begin(
    (flag, nats): (Option<StoreFlag>, NatsFlags),
    mut setting: Setting,
    (clock, metrics): (Arc<SystemClock>, Arc<Metrics>),
    drain: CancellationToken,
) -> anyhow::Result<(SharedStore, Arc<Approvals>, Option<Arc<Together>>)> {
    let pump = Pump::new(Arc::new(Hub::new(&setting.limits)), Arc::clone(&metrics));
    let (store, line) = open(flag, nats, Arc::clone(&pump) as Arc<dyn Feed>).await?;
    let nodes = line.map(|line| nodes::joined(line, metrics)).transpose()?;
    if let Some(nodes) = &nodes {
        setting.nodes = Arc::clone(nodes) as SharedNodes;
    }
    let begun = Approvals::begin(Arc::clone(&store), pump, clock, setting, drain).await;
    let approvals = begun.context("reading the store")?;
    if let Some(behind) = approvals.behind() {
        tracing::warn!(
            ?behind,
            "the clock is behind the times in the store: not ready until it has caught up"
        );
    }
    Ok((store, approvals, nodes))
}

/// What the daemon does by itself while it serves: lets requests expire, forgets old ones, and
/// withdraws those whose askers are gone and those of classic polls that have ended.
async fn keep(approvals: Arc<Approvals>, retain: Duration, classic: Option<Arc<Classic>>) {
    let leases = leases::keep(Arc::clone(&approvals));
    let sweep = sweep::run(approvals, retain);
    let classic = async {
        if let Some(classic) = classic {
            classic.keep().await;
        }
    };
    // Each ends before its time only by breaking off, and takes the others with it.
    tokio::join!(sweep, leases, classic);
}

/// Runs a task without which the daemon is none: should it end before its time, the daemon winds
/// down, to be started again.
async fn vital(task: impl Future<Output = ()>, drain: CancellationToken) {
    let wind_down = drain.drop_guard();
    task.await;
    drop(wind_down);
}

/// Ends what served, until `until` at the latest.
async fn end(tasks: JoinHandle<()>, store: SharedStore, until: Instant) -> Result<(), Failure> {
    let ended = timeout_at(until, tasks).await;
    // What was begun to be committed the close finishes.
    if timeout_at(until, store.close()).await.is_err() {
        tracing::warn!("the store took too long to close; what it acknowledged is on disk");
    }
    if let Ok(ended) = ended {
        ended
            .context("the sweep broke off")
            .or_exit(exit::INTERNAL)?;
    }
    tracing::info!("ended");
    Ok(())
}

/// The part of the time for winding down that open calls get; the rest is the store's.
fn grace(drain: Duration) -> Duration {
    drain.mul_f32(0.8)
}

/// The part of that time after which notices that still run are killed.
fn grace_of_notices(drain: Duration) -> Duration {
    drain.mul_f32(0.9)
}

/// How many files may be open, once that is raised as far as the system lets an ordinary process.
fn descriptors() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// The limits that the flags name, the rest from the number of files that may be open.
fn limits(flags: &Flags) -> Limits {
    let mut limits = Limits::for_descriptors(descriptors());
    if let Some(most) = flags.max_connections {
        let possible = limits.connections;
        if most > possible {
            tracing::warn!(
                most,
                possible,
                "--max-connections is more than files may be open, so it is fewer"
            );
        }
        // The store needs files of its own, and connections would take them.
        limits.connections = most.min(possible);
    }
    limits.waiters = flags.max_waiters.unwrap_or(limits.connections);
    limits.subscribers = flags.max_subscribers.unwrap_or(limits.connections);
    limits.pending = flags.max_pending.unwrap_or(limits.pending);
    limits.arrival = Arrival {
        head_time: flags.arrival.head_time,
        body_time: flags.arrival.body_time,
        body_bytes: flags.arrival.max_body_bytes,
    };
    let quotas = &flags.quotas;
    limits.connections_per_address = quotas
        .max_connections_per_address
        .unwrap_or_else(|| connections_per_address(limits.connections));
    let pending = quotas.max_pending_per_requester;
    limits.per_requester = PerRequester {
        pending,
        asks_per_minute: NonZeroU32::new(quotas.asks_per_minute).unwrap_or(NonZeroU32::MIN),
        waiters: quotas.max_waiters_per_requester.unwrap_or(pending),
        subscribers: quotas.max_subscribers_per_requester,
    };
    limits.cool_down = quotas.cool_down;
    limits
}

/// Opens the store; answers with the line to the other nodes on it, if there may be some.
async fn open(
    flag: Option<StoreFlag>,
    nats: NatsFlags,
    feed: Arc<dyn Feed>,
) -> anyhow::Result<(SharedStore, Option<NatsLine>)> {
    let path = match flag {
        Some(StoreFlag::Memory) => {
            tracing::warn!("--store memory: all requests are forgotten when the daemon ends");
            let bits = getrandom::u64().context("no random bytes from the system")?;
            let history = HistoryId::from_random(bits);
            return Ok((Arc::new(MemoryStore::new(history, feed)), None));
        }
        Some(StoreFlag::Sqlite(path)) => path,
        Some(StoreFlag::Nats(servers)) => {
            let settings = nats.settings(servers);
            let store = NatsStore::open(&settings, feed).await?;
            tracing::info!(servers = %settings.servers, bucket = settings.bucket, "store");
            let line = NatsLine::new(store.client(), &format!("pushd.{}", settings.bucket));
            return Ok((Arc::new(store), Some(line)));
        }
        None => default_database()?,
    };
    let store = SqliteStore::open(&path, feed).await?;
    tracing::info!(path = %path.display(), "store");
    Ok((Arc::new(store), None))
}

/// `$XDG_STATE_HOME/pushd/pushd.db` (XDG Base Directory Specification).
fn default_database() -> anyhow::Result<PathBuf> {
    let remedy = "name the database with --store sqlite:PATH";
    let base = etcetera::base_strategy::Xdg::new()
        .with_context(|| format!("there is no home directory; {remedy}"))?;
    let state = base
        .state_dir()
        .with_context(|| format!("there is no state directory; {remedy}"))?;
    Ok(state.join("pushd").join("pushd.db"))
}
