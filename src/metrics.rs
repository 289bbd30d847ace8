//! What is counted while the daemon runs, in the OpenMetrics format.
//!
//! It knows nothing but the domain's words. Counters are kept here; what is a plain reading at the
//! moment of asking (waiters, pending requests) is added to the text when it is asked for, so that
//! nothing runs for it in between. Labels have values that the program knows beforehand: never a
//! topic, a title or anything else that a caller chooses.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{Status, Timestamp, Verdict};
use crate::limits::Limits;

/// Upper bounds of the buckets for the time that a commit takes, in seconds.
///
/// A flush takes from a quarter of a millisecond on a fast local disk to some tens of milliseconds
/// on a slow one, so these buckets lie close together. Beyond a quarter of a second the disk is in
/// trouble or the writer has a queue: 2.5 s is just above the time that a write waits for another
/// program's lock on the database, and after 10 s a client has given the call up.
const COMMIT_SECONDS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The counters of one daemon.
#[derive(Debug)]
pub struct Metrics {
    /// Requests made.
    pub asked: Counter,
    /// Requests that were withdrawn because their askers were gone.
    pub abandoned: Counter,
    /// Commits that the store's feed told of.
    pub committed: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were closed because their peers took too little of what they asked for.
    pub cut: Counter,
    /// Connections that were closed because no call came in time, or no more of one.
    pub late: Counter,
    /// 1 while the tokens file is as it should be, 0 while it is wrong and an older reading of it
    /// holds; always 1 without one.
    pub tokens_file_good: Gauge,
    /// 1 while the policy file is as it should be, 0 while it is wrong and an older reading of it
    /// holds; always 1 without one.
    pub policy_file_good: Gauge,
    commits: Histogram,
    decided: Family<Decided, Counter>,
    settled: Family<Settled, Counter>,
    problems: Family<Problem, Counter>,
    tls: OnceLock<TlsFigures>,
    notices: OnceLock<NoticeFigures>,
    nodes: OnceLock<NodeFigures>,
}

/// What is counted where several nodes may serve the same store, and left out elsewhere.
#[derive(Debug)]
pub struct NodeFigures {
    /// Other nodes that are there.
    pub others: Gauge,
    /// Messages from other nodes that could not be read.
    pub odd: Counter,
    asked: Family<Ran, Counter>,
}

impl Default for NodeFigures {
    fn default() -> Self {
        let figures = Self {
            others: Gauge::default(),
            odd: Counter::default(),
            asked: Family::default(),
        };
        for outcome in ["sure", "unsure"] {
            drop(figures.asked.get_or_create(&Ran { outcome }));
        }
        figures
    }
}

impl NodeFigures {
    /// Counts a question about leases, by whether all other nodes have answered.
    pub fn asked(&self, is_sure: bool) {
        let outcome = if is_sure { "sure" } else { "unsure" };
        self.asked.get_or_create(&Ran { outcome }).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "nodes_others",
            "Other nodes on the same store that are heard",
            self.others.clone(),
        );
        registry.register(
            "nodes_messages_odd",
            "Messages of other nodes that could not be read",
            self.odd.clone(),
        );
        registry.register(
            "lease_questions",
            "Questions to the other nodes about leases that have ended, by whether all answered",
            self.asked.clone(),
        );
    }
}

/// What is counted where a command is told of requests, and left out elsewhere.
#[derive(Debug)]
pub struct NoticeFigures {
    /// Notices that found no room in the queue.
    pub dropped: Counter,
    ran: Family<Ran, Counter>,
}

/// How a run of that command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With exit code 0.
    Done,
    /// With another exit code, by a signal, or it did not begin.
    Failed,
    /// Its time was over.
    TimedOut,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Default for NoticeFigures {
    fn default() -> Self {
        let figures = Self {
            dropped: Counter::default(),
            ran: Family::default(),
        };
        for outcome in [Outcome::Done, Outcome::Failed, Outcome::TimedOut] {
            let outcome = outcome.as_str();
            drop(figures.ran.get_or_create(&Ran { outcome }));
        }
        figures
    }
}

impl NoticeFigures {
    /// Counts a run.
    pub fn ran(&self, outcome: Outcome) {
        let outcome = outcome.as_str();
        self.ran.get_or_create(&Ran { outcome }).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "notices_run",
            "Runs of the command of --notify, by outcome",
            self.ran.clone(),
        );
        registry.register(
            "notices_dropped",
            "Notices that the command of --notify was not run for, because too many waited",
            self.dropped.clone(),
        );
    }
}

/// What is counted where TLS is spoken, and left out elsewhere.
#[derive(Debug, Default)]
pub struct TlsFigures {
    /// Handshakes that came to nothing.
    pub failed: Counter,
    expires_at: Gauge,
    stale: Gauge,
}

impl TlsFigures {
    /// A certificate is served that expires then; `None` when it does not tell.
    pub fn serves(&self, expires_at: Option<Timestamp>) {
        let secs = expires_at.map_or(0, |at| at.as_millis().div_euclid(1000));
        self.expires_at.set(secs);
        self.stale.set(0);
    }

    /// The files cannot be used, so what is served is older than they are.
    pub fn cannot_read(&self) {
        self.stale.set(1);
    }

    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "tls_certificate_expiry_timestamp",
            "When the certificate that is served expires, in Unix time; 0 when it does not tell",
            Unit::Seconds,
            self.expires_at.clone(),
        );
        registry.register(
            "tls_certificate_stale",
            "1 when the files of certificate and key cannot be used and older ones are served, else 0",
            self.stale.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes that came to nothing",
            self.failed.clone(),
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ran {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Settled {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Problem {
    code: &'static str,
}

/// What is read at the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// Whether the daemon is ready.
    pub ready: bool,
    /// Held long polls.
    pub waiters: usize,
    /// Open streams.
    pub subscribers: usize,
    /// Events that the slowest stream has still to be told.
    pub behind: u64,
    /// Pending requests; `None` when it is not known.
    pub pending: Option<usize>,
    /// Pending requests with a lease.
    pub leases: usize,
    /// Those among them that nobody polls for at this moment.
    pub leases_running: usize,
    /// The newest commit delivered.
    pub head: u64,
    /// How many of all these there may be.
    pub most: Limits,
}

impl Default for Metrics {
    /// All at zero. What can be counted is there from the start, so that the first of its kind is
    /// seen as a change.
    fn default() -> Self {
        let metrics = Self {
            asked: Counter::default(),
            abandoned: Counter::default(),
            committed: Counter::default(),
            connections: Gauge::default(),
            cut: Counter::default(),
            late: Counter::default(),
            tokens_file_good: Gauge::default(),
            policy_file_good: Gauge::default(),
            commits: Histogram::new(COMMIT_SECONDS),
            decided: Family::default(),
            settled: Family::default(),
            problems: Family::default(),
            tls: OnceLock::new(),
            notices: OnceLock::new(),
            nodes: OnceLock::new(),
        };
        metrics.tokens_file_good.set(1);
        metrics.policy_file_good.set(1);
        for verdict in [Verdict::Approve, Verdict::Deny] {
            drop(metrics.decided.get_or_create(&Decided::of(verdict)));
        }
        for status in [
            Status::Approved,
            Status::Denied,
            Status::Expired,
            Status::Cancelled,
        ] {
            drop(metrics.settled.get_or_create(&Settled::of(status)));
        }
        metrics
    }
}

impl Decided {
    const fn of(verdict: Verdict) -> Self {
        let verdict = match verdict {
            Verdict::Approve => "approve",
            Verdict::Deny => "deny",
        };
        Self { verdict }
    }
}

impl Settled {
    const fn of(status: Status) -> Self {
        let status = status.as_str();
        Self { status }
    }
}

impl Metrics {
    /// Counts a decision that was accepted.
    pub fn decided(&self, verdict: Verdict) {
        self.decided.get_or_create(&Decided::of(verdict)).inc();
    }

    /// Counts a request that became final.
    pub fn settled(&self, status: Status) {
        self.settled.get_or_create(&Settled::of(status)).inc();
    }

    /// Counts an error that was answered.
    pub fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&Problem { code }).inc();
    }

    /// The figures of TLS, which are shown from the first call of this on.
    pub fn tls(&self) -> &TlsFigures {
        self.tls.get_or_init(TlsFigures::default)
    }

    /// The figures of notices, which are shown from the first call of this on.
    pub fn notices(&self) -> &NoticeFigures {
        self.notices.get_or_init(NoticeFigures::default)
    }

    /// The figures of other nodes, which are shown from the first call of this on.
    pub fn nodes(&self) -> &NodeFigures {
        self.nodes.get_or_init(NodeFigures::default)
    }

    /// Shows these codes from the start, with zero.
    pub fn expect_problems(&self, codes: impl Iterator<Item = &'static str>) {
        for code in codes {
            drop(self.problems.get_or_create(&Problem { code }));
        }
    }

    /// Notes how long a commit took, from handing it to the store until it was durable.
    pub fn commit_took(&self, time: Duration) {
        self.commits.observe(time.as_secs_f64());
    }

    /// What every server of ours counts, whatever it serves: connections, errors, TLS, and its
    /// version.
    pub fn register_serving(&self, registry: &mut Registry) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        registry.register(
            "problems",
            "Errors answered, by code",
            self.problems.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register(
            "connections_cut",
            "Connections closed because their peers were too slow",
            self.cut.clone(),
        );
        registry.register(
            "connections_late",
            "Connections closed because the head of a call did not come in time",
            self.late.clone(),
        );
        if let Some(tls) = self.tls.get() {
            tls.register(registry);
        }
    }

    /// All figures, as OpenMetrics text.
    pub fn text(&self, readings: Readings) -> String {
        let mut registry = Registry::with_prefix("pushd");
        registry.register("requests_asked", "Requests made", self.asked.clone());
        registry.register(
            "requests_settled",
            "Requests that became final, by status",
            self.settled.clone(),
        );
        registry.register(
            "requests_abandoned",
            "Requests withdrawn because their askers were gone for longer than their lease",
            self.abandoned.clone(),
        );
        registry.register(
            "decisions",
            "Decisions accepted, by verdict",
            self.decided.clone(),
        );
        registry.register("commits", "Commits delivered", self.committed.clone());
        registry.register_with_unit(
            "commit_duration",
            "Time from handing a commit to the store until it was durable",
            Unit::Seconds,
            self.commits.clone(),
        );
        self.register_serving(&mut registry);
        registry.register(
            "tokens_file_good",
            "0 while the tokens file is wrong, so that an older reading of it holds, else 1",
            self.tokens_file_good.clone(),
        );
        registry.register(
            "policy_file_good",
            "0 while the policy file is wrong, so that an older reading of it holds, else 1",
            self.policy_file_good.clone(),
        );
        if let Some(notices) = self.notices.get() {
            notices.register(&mut registry);
        }
        if let Some(nodes) = self.nodes.get() {
            nodes.register(&mut registry);
        }
        readings.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing into a String does not fail");
        text
    }
}

impl Readings {
    fn register(self, registry: &mut Registry) {
        let count = |number: usize| Some(number as u64);
        for (name, help, value) in [
            (
                "ready",
                "1 when asks and decisions are taken, as /readyz says, else 0",
                Some(u64::from(self.ready)),
            ),
            ("waiters", "Held long polls", count(self.waiters)),
            ("subscribers", "Open streams", count(self.subscribers)),
            (
                "slowest_subscriber_events",
                "Events by which the stream furthest behind is behind the newest, of those with something to be told",
                Some(self.behind),
            ),
            (
                "requests_pending",
                "Pending requests",
                self.pending.and_then(count),
            ),
            (
                "leases",
                "Pending requests that are withdrawn when their askers are gone",
                count(self.leases),
            ),
            (
                "leases_running",
                "Those of them whose askers hold no poll at this moment",
                count(self.leases_running),
            ),
            (
                "head_event_id",
                "The newest commit delivered",
                Some(self.head),
            ),
            (
                "connections_limit",
                "Connections that may be open",
                count(self.most.connections),
            ),
            (
                "waiters_limit",
                "Long polls that may be held",
                count(self.most.waiters),
            ),
            (
                "subscribers_limit",
                "Streams that may be open",
                count(self.most.subscribers),
            ),
            (
                "requests_pending_limit",
                "Requests that may be pending",
                count(self.most.pending),
            ),
            (
                "connections_per_address_limit",
                "Connections that one address may have",
                count(self.most.connections_per_address),
            ),
            (
                "waiters_per_requester_limit",
                "Long polls that one requester may have",
                count(self.most.per_requester.waiters),
            ),
            (
                "subscribers_per_requester_limit",
                "Streams that one requester may have",
                count(self.most.per_requester.subscribers),
            ),
            (
                "requests_pending_per_requester_limit",
                "Requests of one requester that may be pending",
                count(self.most.per_requester.pending),
            ),
            (
                "asks_per_minute_limit",
                "Requests that one requester may make in a minute",
                Some(self.most.per_requester.asks_per_minute.get().into()),
            ),
            (
                "body_limit_bytes",
                "Bytes that the body of a call may have",
                count(self.most.arrival.body_bytes),
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        self.register_times(registry);
    }

    fn register_times(self, registry: &mut Registry) {
        for (name, help, time) in [
            (
                "head_time_limit",
                "How long the head of a call may take to arrive",
                self.most.arrival.head_time,
            ),
            (
                "body_time_limit",
                "How long the body of a call may take to arrive",
                self.most.arrival.body_time,
            ),
            (
                "cool_down",
                "How long the same must not be asked again after its denial, 0 for no time",
                self.most.cool_down.unwrap_or_default(),
            ),
        ] {
            let gauge: Gauge<f64, AtomicU64> = Gauge::default();
            gauge.set(time.as_secs_f64());
            registry.register_with_unit(name, help, Unit::Seconds, gauge);
        }
    }
}
