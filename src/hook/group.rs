//! The processes of one run.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal as Number, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::End;

/// Wakes when a child of this process has ended, whichever; made before the child that is meant.
#[derive(Debug)]
pub(super) struct Ends(Signal);

impl Ends {
    pub(super) fn new() -> io::Result<Self> {
        signal(SignalKind::child()).map(Self)
    }
}

/// A process group by its leader, who has not been waited for; dropping it kills those that are
/// left.
#[derive(Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// # Errors
    /// The child was waited for already.
    pub(super) fn of(leader: &Child) -> io::Result<Self> {
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw);
        id.map(Self)
            .ok_or_else(|| io::Error::other("it has no process id"))
    }

    /// How its leader ended. The leader is left to be waited for, so that the number stays the
    /// group's, and no stranger's, until the group is killed. Cancel safe.
    pub(super) async fn ended(&self, mut ends: Ends) -> io::Result<End> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.0), options) {
                Ok(Some(status)) => {
                    let exited = status.exit_status().map(End::Exited);
                    let signalled = status.terminating_signal().map(End::Signalled);
                    return exited.or(signalled).ok_or_else(|| Errno::CHILD.into());
                }
                Ok(None) => drop(ends.0.recv().await),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills all of it.
    pub(super) fn kill(&self) {
        // There may be nobody left.
        let (Ok(()) | Err(_)) = kill_process_group(self.0, Number::KILL);
    }

    /// Its leader was waited for, so that its number may be somebody else's.
    pub(super) const fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::test_kill_process;
    use tokio::process::Command;
    use tokio::time::timeout;

    use super::*;

    // Whoever had the number next would be killed in its place.
    #[tokio::test]
    async fn the_number_stays_the_groups_until_it_is_killed() {
        let ends = Ends::new().unwrap();
        let mut child = Command::new("true").process_group(0).spawn().unwrap();
        let group = Group::of(&child).unwrap();
        let ended = timeout(Duration::from_mins(1), group.ended(ends)).await;
        assert_eq!(ended.unwrap().unwrap(), End::Exited(0));
        test_kill_process(group.0).expect("it is there to be waited for");
        group.kill();
        assert!(child.wait().await.unwrap().success());
        group.forget();
    }
}
