//! Long text on the whole screen: through the person's pager, or in pages of our own.

use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::limits;
use crate::terminal::row::Row;
use crate::terminal::tty::Tty;

/// What the shell answers when there is no such program (POSIX.1-2024, XCU section 2.8.2).
const NOT_FOUND: i32 = 127;

/// A program that has the terminal, to show a text.
#[derive(Debug)]
pub(super) struct Pager {
    child: Child,
    input: Option<ChildStdin>,
    text: Vec<u8>,
    written: usize,
}

impl Pager {
    /// Shows the text, which is visible already, through `$PAGER` or less, which may not start
    /// other programs meanwhile. Dropping the value kills it.
    ///
    /// # Errors
    /// There is no shell to start it, or no terminal.
    pub(super) fn start(text: String) -> io::Result<Self> {
        let mut child = spawn()?;
        Ok(Self {
            input: child.stdin.take(),
            child,
            text: text.into_bytes(),
            written: 0,
        })
    }

    /// Waits until the person leaves it. The answer is false when there is no such program.
    /// Cancel safe: it goes on with the next call.
    pub(super) async fn shown(&mut self) -> bool {
        while let Some(input) = &mut self.input {
            let rest = self.text.get(self.written..).unwrap_or_default();
            tokio::select! {
                biased;
                written = input.write(rest), if !rest.is_empty() => match written {
                    Ok(bytes @ 1..) => self.written += bytes,
                    // Whoever leaves the pager early has read enough.
                    Ok(0) | Err(_) => self.input = None,
                },
                _left = self.child.wait() => self.input = None,
                () = std::future::ready(()), if rest.is_empty() => self.input = None,
            }
        }
        let status = self.child.wait().await;
        status.is_ok_and(|status| status.code() != Some(NOT_FOUND))
    }

    /// Ends it, and gives it a moment to leave the terminal as it found it.
    pub(super) async fn end(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended by itself just now.
            let (Ok(()) | Err(_)) = kill_process(pid, Signal::TERM);
        }
        if timeout(limits::PAGER_END_TIME, self.child.wait())
            .await
            .is_err()
        {
            let (Ok(()) | Err(_)) = self.child.kill().await;
        }
    }
}

fn spawn() -> io::Result<Child> {
    let pager = std::env::var("PAGER")
        .ok()
        .filter(|pager| !pager.is_empty());
    Command::new("sh")
        .arg("-c")
        .arg(command(pager.as_deref().unwrap_or("less")))
        .env("LESSSECURE", "1")
        .stdin(Stdio::piped())
        .stdout(Tty::for_child()?)
        .stderr(Tty::for_child()?)
        .kill_on_drop(true)
        .spawn()
}

/// What the shell runs. A plain command takes the shell's place, so that ending it ends the pager
/// and not just a shell that waits for it.
fn command(pager: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -+_./:,%@".contains(c);
    if pager.chars().all(is_plain) {
        format!("exec {pager}")
    } else {
        pager.to_owned()
    }
}

/// Rows in pages, for who has no pager.
#[derive(Debug)]
pub(super) struct Pages {
    rows: Vec<Row>,
    at: usize,
    height: usize,
}

impl Pages {
    /// Pages of `height` rows.
    pub(super) fn new(rows: Vec<Row>, height: usize) -> Self {
        Self {
            rows,
            at: 0,
            height: height.max(1),
        }
    }

    /// The next page, and whether another one follows; `None` after the last.
    pub(super) fn turn(&mut self) -> Option<(Vec<Row>, bool)> {
        let page: Vec<Row> = self
            .rows
            .iter()
            .skip(self.at)
            .take(self.height)
            .cloned()
            .collect();
        self.at += page.len();
        if page.is_empty() {
            return None;
        }
        Some((page, self.at < self.rows.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::style::Ink;

    #[test]
    fn a_plain_pager_takes_the_place_of_its_shell() {
        assert_eq!(command("less -R"), "exec less -R");
        for shell in ["LESS=R less", "cat; echo", "a | b", "more $X"] {
            assert_eq!(command(shell), shell);
        }
    }

    #[test]
    fn pages_have_every_row_once() {
        let rows: Vec<Row> = (0..5)
            .map(|n| Row::new().and(Ink::Plain, n.to_string()))
            .collect();
        let mut pages = Pages::new(rows.clone(), 2);
        let mut seen = Vec::new();
        let mut more = Vec::new();
        while let Some((page, follows)) = pages.turn() {
            seen.extend(page);
            more.push(follows);
        }
        assert_eq!(seen, rows);
        assert_eq!(more, [true, true, false]);
    }
}
