//! `pushd relay`: calls are held through restarts of the daemon, and nothing is lent to anybody.

mod authority;
mod holding;
mod once;
mod passing;
mod secured;
mod several;
mod streams;

use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Setup, setup};

/// Starts a relay to these daemons, on a free port of this machine.
pub(crate) fn relay_to(daemons: &[&Daemon], flags: &str) -> Daemon {
    let urls: Vec<_> = daemons.iter().map(|daemon| daemon.url()).collect();
    let flags = format!("--listen 127.0.0.1:0 {flags}");
    let (setup, command) = relay(&urls.join(","), &flags);
    setup.start_by(command)
}

/// The command that starts a relay to these URLs, with nothing of the tester's own environment.
fn relay(upstream: &str, flags: &str) -> (Setup, Command) {
    let setup = setup();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushd"));
    command
        .env_clear()
        .args(["relay", "--upstream", upstream])
        .args(flags.split_whitespace())
        .stdin(Stdio::null());
    (setup, command)
}
