//! The signals that end a requester.

use std::io;

use tokio::signal::unix::{self, SignalKind};
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::cli::exit;
use crate::limits;

/// Somebody wants us to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, that is Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

impl Signal {
    /// The exit code after it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Interrupt => exit::INTERRUPTED,
            Self::Terminate => exit::TERMINATED,
            Self::Hangup => exit::HANGUP,
        }
    }

    const fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::Hangup => SignalKind::hangup(),
        }
    }
}

/// A signal as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interruption {
    /// Which.
    pub(super) signal: Signal,
    /// When.
    pub(super) at: Instant,
}

/// Where signals come from.
pub(super) trait Interrupts {
    /// The next one. Dropping the future loses none.
    async fn next(&mut self) -> Signal;

    /// The first one, with its time. Dropping the future loses none.
    async fn first(&mut self) -> Interruption {
        let signal = self.next().await;
        let at = Instant::now();
        Interruption { signal, at }
    }

    /// One that has come by now: the runtime looks for it while we step back.
    async fn caught(&mut self) -> Option<Interruption> {
        tokio::select! {
            biased;
            first = self.first() => Some(first),
            () = yield_now() => None,
        }
    }

    /// Waits for one that says "at once": not an echo of the `first`, and no hangup, which is
    /// often sent twice, by the kernel and by the shell, and means no more the second time.
    async fn again(&mut self, first: Interruption) {
        loop {
            match self.next().await {
                Signal::Hangup => {}
                Signal::Interrupt | Signal::Terminate => {
                    if first.at.elapsed() >= limits::SIGNAL_ECHO {
                        return;
                    }
                }
            }
        }
    }
}

/// The process's signals.
pub(super) struct Signals {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    hangup: Option<unix::Signal>,
}

impl Signals {
    /// Takes over the signals that the process was not started to ignore: nohup(1) ignores SIGHUP,
    /// and a shell ignores SIGINT for what it starts in the background.
    ///
    /// # Errors
    /// The system does not let us.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let listen = |signal: Signal| {
            let kind = signal.kind();
            let bit = 1_u64 << (kind.as_raw_value() - 1);
            let wanted = ignored & bit == 0;
            wanted.then(|| unix::signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: listen(Signal::Interrupt)?,
            terminate: listen(Signal::Terminate)?,
            hangup: listen(Signal::Hangup)?,
        })
    }
}

impl Interrupts for Signals {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            () = received(&mut self.interrupt) => Signal::Interrupt,
            () = received(&mut self.terminate) => Signal::Terminate,
            () = received(&mut self.hangup) => Signal::Hangup,
        }
    }
}

async fn received(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, as a mask; where the system does not tell, none.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_in(&status))
}

/// The line `SigIgn` of `/proc/self/status`, as proc(5) describes it.
fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_in(status), 0x1001);
        assert_eq!(ignored_in("SigIgn:\tnonsense"), 0);
    }
}
