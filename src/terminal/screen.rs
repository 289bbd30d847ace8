//! What is on the screen, row by row, so that a question can be changed in place while somebody
//! types below it.
//!
//! The methods return what has to be written, and remember what that does to the screen; they
//! write nothing themselves. On a terminal without cursor movement everything is appended.
//!
//! The kernel shows what is typed, and nobody knows how far it has come before Enter. So the
//! question is fenced off: from the prompt on, the rows are a scrolling region of their own
//! (DECSTBM of the VT100), in which a long line may scroll while the question stays where it is.
//! Whoever else is to write gets the fence lifted first.

use std::fmt::Write as _;

use super::row::Row;
use super::style::Look;

/// Rows below the prompt in which a line that is longer than one row goes on.
const SPARE_ROWS: usize = 2;
/// The smallest screen whose rows are rewritten; a smaller one is written line by line.
const LEAST_ROWS: usize = 10;
/// The narrowest screen on which there is room for words in a frame.
const LEAST_COLUMNS: usize = 20;
/// The size of a terminal that does not know its own.
const UNKNOWN_SIZE: (usize, usize) = (24, 80);

/// A screen.
#[derive(Debug)]
pub struct Screen {
    /// What the terminal can do, apart from its size.
    wanted: Look,
    look: Look,
    rows: usize,
    columns: usize,
    /// The row that is written next, from 1; `None` when somebody else has written.
    next: Option<usize>,
    shown: Option<Shown>,
    /// Whether only the rows from the prompt on scroll.
    fenced: bool,
}

/// The question that is on the screen.
#[derive(Debug)]
struct Shown {
    lines: Vec<Row>,
    /// The row of the first line; not positive when it has been scrolled away.
    first: isize,
    prompt: String,
}

impl Screen {
    /// A screen of this size that somebody else has written on.
    pub fn new(look: Look, size: Option<(usize, usize)>) -> Self {
        let (rows, columns) = size.unwrap_or(UNKNOWN_SIZE);
        let cursor = look.cursor && size.is_some() && rows >= LEAST_ROWS;
        Self {
            wanted: look,
            look: Look { cursor, ..look },
            rows,
            columns,
            next: None,
            shown: None,
            fenced: false,
        }
    }

    /// How it is written to.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// Columns that a row of ours may have: the last one stays free, because terminals differ in
    /// what they do after it.
    pub const fn width(&self) -> usize {
        let width = self.columns.saturating_sub(1);
        if width == 0 { 1 } else { width }
    }

    /// Whether it is too narrow to show what is ours and what is a stranger's apart.
    pub const fn is_too_narrow(&self) -> bool {
        self.columns < LEAST_COLUMNS
    }

    /// Rows that a question may have without a part of it being scrolled away.
    pub const fn height(&self) -> usize {
        self.rows.saturating_sub(1 + SPARE_ROWS)
    }

    /// Starts on an empty screen; what was there is scrolled away, not lost.
    pub fn start(&mut self) -> String {
        self.shown = None;
        if !self.look.cursor {
            return String::new();
        }
        self.next = Some(1);
        let mut out = self.lift();
        write!(
            out,
            "\u{1b}[{};1H{}\u{1b}[H",
            self.rows,
            "\r\n".repeat(self.rows)
        )
        .expect("a String takes all that is written to it");
        out
    }

    /// Starts on an empty screen of another size, because no terminal agrees with another about
    /// where rows go when it is resized.
    pub fn resized(&mut self, size: Option<(usize, usize)>) -> String {
        let mut out = self.lift();
        *self = Self::new(self.wanted, size);
        if !self.look.cursor {
            return out + "\r\n";
        }
        self.next = Some(1);
        out.push_str("\u{1b}[H\u{1b}[2J");
        out
    }

    /// Takes in another size while somebody else has the screen.
    pub fn resize_quietly(&mut self, size: Option<(usize, usize)>) {
        *self = Self::new(self.wanted, size);
    }

    /// Lets the whole screen scroll again, for whoever writes next. The cursor may move.
    #[must_use]
    pub fn lift(&mut self) -> String {
        if std::mem::take(&mut self.fenced) {
            "\u{1b}[r".to_owned()
        } else {
            String::new()
        }
    }

    /// Forgets what is where, because something else has written.
    pub fn disturbed(&mut self) {
        self.next = None;
        self.shown = None;
    }

    /// Writes rows below everything else.
    pub fn print(&mut self, rows: &[Row]) -> String {
        let mut out = self.begin();
        for row in rows {
            // A row that goes on in the next one would be in nobody's account.
            let row = row.clone().cut(self.width(), self.look.ellipsis());
            out.push_str(&row.paint(self.look));
            out.push_str("\r\n");
        }
        self.advance(rows.len());
        out
    }

    /// Writes a question: its rows and the prompt, where the cursor stays. It takes the place of a
    /// question that is on the screen.
    pub fn ask(&mut self, lines: Vec<Row>, prompt: String) -> String {
        let mut out = self.make_way();
        out.push_str(&self.begin());
        for row in &lines {
            out.push_str(&row.paint(self.look));
            out.push_str("\r\n");
        }
        let start = self.next.unwrap_or(self.rows);
        self.advance(lines.len());
        let mut first = 0;
        if let Some(prompt_row) = self.next {
            let scrolled_by_lines = (start + lines.len()).saturating_sub(prompt_row);
            let scrolled_by_spare = (prompt_row + SPARE_ROWS).saturating_sub(self.rows);
            first = signed(start) - signed(scrolled_by_lines + scrolled_by_spare);
            self.next = Some(prompt_row - scrolled_by_spare);
            out.push_str(&"\r\n".repeat(SPARE_ROWS));
            let top = prompt_row - scrolled_by_spare;
            write!(out, "\u{1b}[{top};{}r", self.rows)
                .expect("a String takes all that is written to it");
            go_to(&mut out, top);
            self.fenced = true;
        }
        out.push_str(&prompt);
        self.shown = Some(Shown {
            lines,
            first,
            prompt,
        });
        out
    }

    /// Changes one row of the question, while somebody may be typing. Nothing happens where rows
    /// cannot be rewritten, or to a row that was scrolled away.
    pub fn change(&mut self, index: usize, row: Row) -> String {
        let look = self.look;
        let mut out = String::new();
        let at = self.row_of(index);
        let Some(line) = self
            .shown
            .as_mut()
            .and_then(|shown| shown.lines.get_mut(index))
        else {
            return out;
        };
        if *line == row {
            return out;
        }
        *line = row;
        if let Some(at) = at {
            out.push_str("\u{1b}7");
            go_to(&mut out, at);
            out.push_str(&line.paint(look));
            out.push_str("\u{1b}[K\u{1b}8");
        }
        out
    }

    /// Says something below the question, where rows cannot be rewritten, and prompts again if
    /// it `prompts`.
    ///
    /// What was typed behind the old prompt is not behind the new one, so whoever writes this
    /// throws it away.
    pub fn remark(&mut self, row: &Row, prompts: bool) -> String {
        let Some(shown) = &self.shown else {
            return String::new();
        };
        let prompt = if prompts { shown.prompt.as_str() } else { "" };
        format!("\r\n{}\r\n{prompt}", row.paint(self.look))
    }

    /// Whether rows can be rewritten.
    pub const fn can_change(&self) -> bool {
        self.look.cursor
    }

    /// Has another prompt from here on, which is not written yet.
    pub fn set_prompt(&mut self, prompt: String) {
        if let Some(shown) = &mut self.shown {
            shown.prompt = prompt;
        }
    }

    /// Writes the prompt anew, over what was typed.
    pub fn prompt_again(&mut self) -> String {
        let mut out = String::new();
        let Some(shown) = &self.shown else {
            return out;
        };
        match self.next {
            Some(row) => {
                go_to(&mut out, row);
                out.push_str("\u{1b}[J");
            }
            None => out.push_str("\r\n"),
        }
        out.push_str(&shown.prompt);
        out
    }

    /// Takes the question off: what follows is written below it.
    pub fn answered(&mut self, rows: &[Row]) -> String {
        self.shown = None;
        let below = self.next.map(|prompt| (prompt + 1).min(self.rows));
        self.next = below;
        let mut out = if below.is_some() {
            String::new()
        } else {
            "\r\n".to_owned()
        };
        out.push_str(&self.print(rows));
        out
    }

    /// Strikes the question out, and writes what happened to it in place of the prompt. `head`
    /// replaces the first row, `keep` is how many rows are left standing.
    pub fn strike(&mut self, head: &Row, keep: usize, what: &[Row]) -> String {
        let mut out = String::new();
        if let (Some(shown), Some(prompt)) = (self.shown.take(), self.next) {
            for (index, line) in shown.lines.iter().take(keep).enumerate() {
                let row = shown.first + signed(index);
                let Some(row) = usize::try_from(row).ok().filter(|&row| row > 0) else {
                    continue;
                };
                go_to(&mut out, row);
                out.push_str(&if index == 0 {
                    head.paint(self.look)
                } else {
                    line.strike(self.look)
                });
                out.push_str("\u{1b}[K");
            }
            let below = shown.lines.len().saturating_sub(keep);
            self.next = Some(prompt.saturating_sub(below).max(1));
        } else {
            out.push_str(&self.lift());
            out.push_str("\r\n");
            out.push_str(&head.paint(self.look));
            out.push_str("\r\n");
        }
        out.push_str(&self.print(what));
        out
    }

    /// Goes below everything, for whoever writes next.
    pub fn leave(&mut self) -> String {
        if self.shown.take().is_some() {
            self.next = self.next.map(|prompt| (prompt + 1).min(self.rows));
            if self.next.is_none() {
                // Below what somebody else has written, wherever that is.
                return if self.fenced {
                    self.begin()
                } else {
                    "\r\n".to_owned()
                };
            }
        }
        self.begin()
    }

    /// Goes back to where the question on the screen begins.
    fn make_way(&mut self) -> String {
        match (self.shown.take(), &mut self.next) {
            (Some(shown), Some(next)) => {
                *next = usize::try_from(shown.first).unwrap_or(0).max(1);
                String::new()
            }
            (Some(_), None) => "\r\n".to_owned(),
            (None, _) => String::new(),
        }
    }

    /// Goes to the row that is written next, and clears from there on.
    fn begin(&mut self) -> String {
        let mut out = self.lift();
        if self.look.cursor {
            if self.next.is_none() {
                // The lowest row may have something on it, so it is scrolled up first.
                go_to(&mut out, self.rows);
                out.push_str("\r\n");
                self.next = Some(self.rows);
            }
            go_to(&mut out, self.next.unwrap_or(self.rows));
            out.push_str("\u{1b}[J");
        }
        out
    }

    fn advance(&mut self, rows: usize) {
        if let Some(next) = self.next {
            self.next = Some((next + rows).min(self.rows));
        }
    }

    fn row_of(&self, index: usize) -> Option<usize> {
        self.next?;
        let row = self.shown.as_ref()?.first + signed(index);
        usize::try_from(row).ok().filter(|&row| row > 0)
    }
}

fn go_to(out: &mut String, row: usize) {
    write!(out, "\u{1b}[{row};1H").expect("a String takes all that is written to it");
}

fn signed(row: usize) -> isize {
    isize::try_from(row).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests;
