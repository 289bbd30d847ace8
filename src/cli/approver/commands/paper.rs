//! Standard output, for people and for programs.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::Context as _;
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::Failure;
use crate::cli::approver::question::Room;
use crate::cli::exit;
use crate::terminal::row::Row;
use crate::terminal::style::Look;

/// Columns of what is printed for a program or into a file: nothing is broken or cut there.
pub(super) const UNBOUNDED: usize = 1 << 20;

/// What is printed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    room: Room,
}

impl Paper {
    /// The standard output of this process.
    pub(super) fn of_process() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let look = Look::of_process();
        let look = Look {
            styled: look.styled && is_terminal,
            cursor: false,
            ..look
        };
        let size = tcgetwinsize(&stdout).ok().filter(|_| is_terminal);
        let columns = size.map(|size| usize::from(size.ws_col));
        let width = match columns {
            // As on the screen, the last column stays free.
            Some(columns @ 20..) => columns - 1,
            Some(_) | None => UNBOUNDED,
        };
        Self {
            room: Room {
                look,
                width,
                height: UNBOUNDED,
            },
        }
    }

    /// How it is written to, and what has to fit.
    pub(super) const fn room(self) -> Room {
        self.room
    }

    /// Prints rows.
    ///
    /// # Errors
    /// It takes nothing.
    pub(super) fn rows(self, rows: &[Row]) -> io::Result<()> {
        let look = self.room.look;
        let text: String = rows
            .iter()
            .map(|row| row.paint(look).trim_end_matches(' ').to_owned() + "\n")
            .collect();
        write(text.as_bytes())
    }
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// Standard output takes nothing.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write(&line)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// What it means that something could not be printed: a reader that has left has read enough, and
/// `None` says so.
///
/// # Errors
/// It is told, with its exit code.
pub(super) fn printed(result: io::Result<()>) -> Result<Option<()>, Failure> {
    match result {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(None),
        Err(error) => {
            let error = Err::<(), _>(error).context("cannot write to standard output");
            Err((exit::CANNOT_CREATE, error.expect_err("it is an error")))
        }
    }
}
