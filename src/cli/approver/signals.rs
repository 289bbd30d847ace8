//! Signals that end the program, and those after which the screen is drawn again.

use std::cell::Cell;
use std::io;

use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit;

/// Ctrl-Z.
const STOP: Number = Number::TSTP;
/// The end of being stopped.
const CONTINUE: Number = Number::CONT;

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
    stopping: Signal,
    /// Whether we were stopped, and go on.
    goes_on: bool,
}

/// What happened to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// It has another size.
    Resized,
    /// The program was stopped, and others have written meanwhile.
    Continued,
    /// The program is to stop (Ctrl-Z).
    Stopping,
}

impl Redrawing {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(CONTINUE.as_raw()))?,
            stopping: signal(SignalKind::from_raw(STOP.as_raw()))?,
            goes_on: false,
        })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Disturbance {
        if std::mem::take(&mut self.goes_on) {
            return Disturbance::Continued;
        }
        tokio::select! {
            biased;
            _ = self.stopping.recv() => Disturbance::Stopping,
            _ = self.resized.recv() => Disturbance::Resized,
            _ = self.continued.recv() => Disturbance::Continued,
        }
    }

    /// Tells that [`stop_this_process`] has returned, whether it has stopped or not.
    pub(super) const fn has_continued(&mut self) {
        self.goes_on = true;
    }
}

/// Stops as the signal would have that is caught.
///
/// SIGTTIN, like it, stops nobody whom no shell could ever continue; SIGSTOP would.
pub(super) fn stop_this_process() {
    // A process may always signal itself.
    let (Ok(()) | Err(_)) = kill_process(getpid(), Number::TTIN);
}
