//! Whether one store stands behind all addresses.

use super::report::Report;
use crate::client::DaemonUrl;
use crate::wire::MeView;

const CHECK: &str = "store";

/// Compares what the daemons say of their stores, as far as they have answered.
pub(super) fn compare(report: &mut Report, found: &[(DaemonUrl, MeView)]) {
    let (Some((first, me)), true) = (found.first(), found.len() > 1) else {
        let words = "fewer than two daemons have answered, so nothing is compared";
        return report.warn(CHECK, words, "see above why the others have not");
    };
    if let Some((silent, _)) = found.iter().find(|(_, me)| me.history.is_empty()) {
        let words = format!("{silent} does not say which one it has");
        return report.warn(CHECK, words, "install the same version everywhere");
    }
    match found.iter().find(|(_, other)| other.history != me.history) {
        None => report.ok(CHECK, format!("one store is behind all {}", found.len())),
        Some((other, _)) => report.warn(
            CHECK,
            format!(
                "{first} and {other} have different ones: what was asked at one is not known at \
                 the other"
            ),
            "name daemons that share one store, or one daemon alone",
        ),
    }
}
