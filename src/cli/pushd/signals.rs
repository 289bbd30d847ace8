//! Signals: how the daemon is told to end, and one that must not end it.

use std::io;

use rustix::process::Signal as Number;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::exit;
use crate::limits;

/// Keeps SIGXFSZ from ending the process: a file that may not grow (`ulimit -f`, `LimitFSIZE=`) is
/// an error of that write, as a full disk is, and no reason to die in the middle of others.
///
/// The handler, once there, stays for as long as the process runs.
pub(super) fn outlive_file_limit(runtime: &Runtime) {
    let _in_runtime = runtime.enter();
    let handled = signal(SignalKind::from_raw(Number::XFSZ.as_raw()));
    if let Err(error) = handled {
        tracing::debug!(%error, "SIGXFSZ keeps its default");
    }
}

/// The first signal winds the daemon down, the second ends it at once, unless it comes so soon that
/// it is the first one, delivered by another way ([`limits::SIGNAL_ECHO`]).
pub(super) async fn obey(mut signals: Signals, drain: CancellationToken) -> ! {
    let (name, _) = signals.next().await;
    tracing::info!(signal = name, "winding down");
    drain.cancel();
    let first = Instant::now();
    loop {
        let (name, code) = signals.next().await;
        if first.elapsed() < limits::SIGNAL_ECHO {
            tracing::info!(signal = name, "taken for an echo of the first signal");
            continue;
        }
        tracing::warn!(
            signal = name,
            "ended at once; what was acknowledged is on disk"
        );
        std::process::exit(code.into());
    }
}

/// The signals that ask the daemon to end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they are waited for, and end nothing by themselves.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self {
            terminate: signal(terminate)?,
            interrupt: signal(interrupt)?,
        })
    }

    async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", exit::TERMINATED),
            _ = self.interrupt.recv() => ("SIGINT", exit::INTERRUPTED),
        }
    }
}
