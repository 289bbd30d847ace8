//! What a relay counts, as OpenMetrics text.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Upstreams;
use crate::metrics::Metrics;

/// The counters of a relay; connections and errors are counted as in every server of ours.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Calls passed on.
    pub(super) calls: Counter,
    /// Attempts to pass a call on that a daemon did not answer for good.
    pub(super) failed: Counter,
    /// Calls that got their answer only by another attempt.
    pub(super) saved: Counter,
}

impl Figures {
    /// All figures.
    pub(super) fn text(
        &self,
        metrics: &Metrics,
        upstreams: &Upstreams,
        open: usize,
        most: usize,
    ) -> String {
        let mut registry = Registry::with_prefix("pushd_relay");
        metrics.register_serving(&mut registry);
        registry.register("calls", "Calls passed on", self.calls.clone());
        registry.register(
            "attempts_failed",
            "Attempts to pass a call on that no daemon answered for good",
            self.failed.clone(),
        );
        registry.register(
            "calls_saved",
            "Calls whose answer came only by another attempt",
            self.saved.clone(),
        );
        for (name, help, value) in [
            ("calls_open", "Calls under way, streams included", open),
            ("calls_limit", "Calls that may be under way", most),
            ("upstreams", "Daemons behind this relay", upstreams.count()),
            (
                "upstreams_ready",
                "Daemons that were ready when they were last looked at",
                upstreams.ready(),
            ),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing into a String does not fail");
        text
    }
}
