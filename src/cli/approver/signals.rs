//! Signals that end the program, and those after which the screen is drawn again.

use std::cell::Cell;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit;

/// Signals that end the program.
#[derive(Debug)]
pub(super) struct Ending {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ending {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next one. Ctrl-C is a pager's while one is `paging`. Cancel safe.
    pub(super) async fn next(&mut self, paging: &Cell<bool>) -> u8 {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => if !paging.get() {
                    return exit::INTERRUPTED;
                },
                _ = self.quit.recv() => return exit::QUIT,
                _ = self.terminate.recv() => return exit::TERMINATED,
                _ = self.hangup.recv() => return exit::HANGUP,
            }
        }
    }
}

/// Signals after which the screen is not what we think.
#[derive(Debug)]
pub(super) struct Redrawing {
    resized: Signal,
    continued: Signal,
}

/// What happened to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// It has another size.
    Resized,
    /// The program was stopped, and others have written meanwhile.
    Continued,
}

impl Redrawing {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Disturbance {
        tokio::select! {
            _ = self.resized.recv() => Disturbance::Resized,
            _ = self.continued.recv() => Disturbance::Continued,
        }
    }
}
