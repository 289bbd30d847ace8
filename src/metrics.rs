//! What is counted while the daemon runs, in the OpenMetrics format.
//!
//! It knows nothing but the domain's words. Counters are kept here; what is a plain reading at the moment of asking (waiters,
//! pending requests) is added to the text when it is asked for.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::domain::Status;

/// The counters of one daemon.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests made.
    pub asked: Counter,
    /// Commits that the store's feed told of.
    pub committed: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were closed because their peers took too little of what they asked for.
    pub cut: Counter,
    settled: Family<Settled, Counter>,
    problems: Family<Problem, Counter>,
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
    /// Held long polls.
    pub waiters: usize,
    /// Open streams.
    pub subscribers: usize,
    /// Pending requests; `None` when it is not known.
    pub pending: Option<usize>,
    /// The newest commit delivered.
    pub head: u64,
}

impl Metrics {
    /// Counts a request that became final.
    pub fn settled(&self, status: Status) {
        self.settled
            .get_or_create(&Settled {
                status: status.as_str(),
            })
            .inc();
    }

    /// Counts an error that was answered.
    pub fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&Problem { code }).inc();
    }

    /// All figures, as OpenMetrics text.
    pub fn text(&self, readings: Readings) -> String {
        let mut registry = Registry::with_prefix("pushd");
        registry.register("requests_asked", "Requests made", self.asked.clone());
        registry.register(
            "requests_settled",
            "Requests that became final",
            self.settled.clone(),
        );
        registry.register("commits", "Commits delivered", self.committed.clone());
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
        let count = |number| Some(number as u64);
        for (name, help, value) in [
            ("waiters", "Held long polls", count(readings.waiters)),
            ("subscribers", "Open streams", count(readings.subscribers)),
            (
                "requests_pending",
                "Pending requests",
                readings.pending.and_then(count),
            ),
            (
                "head_event_id",
                "The newest commit delivered",
                Some(readings.head),
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing into a String does not fail");
        text
    }
}
