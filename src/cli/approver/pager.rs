//! Long text on the whole screen: through the person's pager, or in pages of our own.

use std::io;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::terminal::row::Row;
use crate::terminal::tty::Tty;

/// What the shell answers when there is no such program (POSIX.1-2024, XCU section 2.8.2).
const NOT_FOUND: i32 = 127;

/// Shows the text, which is visible already, through `$PAGER` or less, until the person leaves it.
///
/// The answer is false when there is no pager. The text goes in by standard input, and less may
/// not start other programs meanwhile. Dropping the future ends the pager.
pub(super) async fn page(text: String) -> bool {
    let shown = async {
        let mut pager = spawn()?;
        let mut input = pager.stdin.take();
        let write = async {
            if let Some(input) = &mut input {
                // Whoever leaves the pager early has read enough.
                let (Ok(()) | Err(_)) = input.write_all(text.as_bytes()).await;
            }
            drop(input);
        };
        let ((), status) = tokio::join!(write, pager.wait());
        io::Result::Ok(status?.code() != Some(NOT_FOUND))
    };
    shown.await.unwrap_or(false)
}

fn spawn() -> io::Result<Child> {
    let pager = std::env::var_os("PAGER").filter(|pager| !pager.is_empty());
    let pager = pager.unwrap_or_else(|| "less".into());
    Command::new("sh")
        .arg("-c")
        .arg(pager)
        .env("LESSSECURE", "1")
        .stdin(Stdio::piped())
        .stdout(Tty::for_child()?)
        .stderr(Tty::for_child()?)
        .kill_on_drop(true)
        .spawn()
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
