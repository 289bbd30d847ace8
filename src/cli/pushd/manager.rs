//! What the service manager is told (`sd_notify(3)`); where there is none, nothing happens.

use std::future::pending;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sd_notify::NotifyState;
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::approvals::Approvals;
use crate::store::Health;

/// Tells that the daemon is ready, which it has to be by then, so that units that need it may start;
/// then, until the process ends, what is wrong with its store, that it winds down, and, as often as
/// the manager's watchdog wants it, that the process works.
pub(super) async fn tell(approvals: Arc<Approvals>) {
    say("READY=1".to_owned()).await;
    let (mut health, drain) = (approvals.health(), approvals.drain().clone());
    // How it is at the start is told, too.
    health.mark_changed();
    let mut watchdog = watchdog();
    let (mut draining, mut closed) = (false, false);
    let mut look: Option<BoxFuture<'_, ()>> = None;
    loop {
        tokio::select! {
            biased;
            () = drain.cancelled(), if !draining => {
                draining = true;
                say("STOPPING=1\nSTATUS=winding down".to_owned()).await;
            }
            changed = health.changed(), if !draining && !closed => {
                closed = changed.is_err();
                let words = in_words(&health.borrow_and_update());
                say(format!("STATUS={words}")).await;
            }
            () = due(&mut watchdog), if look.is_none() => {
                // A writer that is stuck for good, and not only failing, is seen as well: a restart
                // helps against that, and not against a full disk.
                look = Some(approvals.reach_writer().boxed());
            }
            () = done(&mut look) => {
                look = None;
                say("WATCHDOG=1".to_owned()).await;
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

async fn done(look: &mut Option<BoxFuture<'_, ()>>) {
    match look {
        Some(look) => look.await,
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

/// Says it off the runtime's threads: a manager that does not listen just now holds up the next
/// word to it, and no call.
async fn say(words: String) {
    let said = spawn_blocking(move || sd_notify::notify(&[NotifyState::Custom(&words)]));
    match said.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the service manager cannot be told"),
        Err(error) => tracing::warn!(%error, "the service manager was not told"),
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
