//! What the service manager is told (`sd_notify(3)`); where there is none, nothing happens.

use std::future::pending;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::approvals::Approvals;
use crate::store::Health;

/// The daemon listens and its store is open: units that need it may start.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells how the daemon is until the process ends: that it winds down, what is wrong with its
/// store, and, as often as the manager's watchdog wants it, that the process works.
pub(super) async fn tell(approvals: Arc<Approvals>) {
    let (mut health, drain) = (approvals.health(), approvals.drain().clone());
    // How it is at the start is told, too.
    health.mark_changed();
    let mut watchdog = watchdog();
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            () = drain.cancelled(), if !draining => {
                draining = true;
                notify(&[NotifyState::Stopping, NotifyState::Status("winding down")]);
            }
            changed = health.changed(), if !draining => {
                if changed.is_err() {
                    return;
                }
                let words = in_words(&health.borrow_and_update());
                notify(&[NotifyState::Status(&words)]);
            }
            () = due(&mut watchdog) => {
                // A store that is locked up for good, and not only failing, is seen as well: a
                // restart helps against that, and not against a full disk.
                drop(approvals.pending().await);
                notify(&[NotifyState::Watchdog]);
            }
        }
    }
}

/// Ticks twice in the time after which the manager takes the process for stuck.
fn watchdog() -> Option<Interval> {
    let half = sd_notify::watchdog_enabled()? / 2;
    if half.is_zero() {
        return None;
    }
    let mut ticks = interval(half);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

async fn due(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(ticks) => drop(ticks.tick().await),
        None => pending().await,
    }
}

fn in_words(health: &Health) -> String {
    let words = match health {
        Health::Ready => "ready".to_owned(),
        Health::Damaged(why) => format!("not ready, some requests are left out: {why}"),
        Health::Failing(why) => format!("not ready, the store fails: {why}"),
    };
    // A line is an assignment of its own, and the words have the name of a file in them.
    words.replace(char::is_control, " ")
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_one_line() {
        let why = "/var/lib/a\nREADY=1\n/pushd.db is full".to_owned();
        let words = in_words(&Health::Failing(why));
        assert!(!words.contains('\n'), "{words}");
        assert!(words.starts_with("not ready"), "{words}");
    }
}
