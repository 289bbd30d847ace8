//! One question: drawn, guarded, answered, struck out.

use std::io;

use tokio::time::Instant;

use super::{Asked, Gone, News, Session, Work};
use crate::cli::approver::answer::{Answer, parse_answer, parse_code};
use crate::cli::approver::end::End;
use crate::cli::approver::inbox::Change;
use crate::cli::approver::question::{
    CODE_PROMPT, PROMPT, STATUS_ROWS, count_row, head, one_line, outcome, question, time_row,
};
use crate::domain::Verdict;
use crate::limits;
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::terminal::tty::Mode;
use crate::wire::RequestView;

impl Session<'_> {
    /// Draws a question. What was typed until then, and for a moment after, is thrown away, so
    /// that nobody answers what they have not seen.
    pub(super) async fn draw(&mut self, view: RequestView, note: Row) -> io::Result<()> {
        if self.screen.is_too_narrow() {
            return self.take_off().await;
        }
        self.tty.set_mode(Mode::Quiet)?;
        // Whoever looks elsewhere, because nothing was asked, has to hear it.
        let was_idle = self.idle_told.take().is_some();
        // It may have been cut for a wider window.
        let note = note.cut(self.screen.width(), self.screen.look().ellipsis());
        let mut drawn = question(&view, self.daemon_now(), self.room());
        set_status(
            &mut drawn.rows,
            drawn.status,
            note.clone(),
            count_row(self.inbox.others(), self.room()),
        );
        let prompt = self.prompt(PROMPT);
        let mut text = self.screen.ask(drawn.rows, prompt);
        if was_idle {
            text.push('\u{7}');
        }
        self.tty.write(&text).await?;
        self.tell_seen(view.id);
        let rang = self
            .asked
            .as_ref()
            .is_some_and(|asked| asked.rang && asked.view.id == view.id);
        self.asked = Some(Asked {
            view,
            time: drawn.time,
            status: drawn.status,
            note,
            guard: None,
            clock_at: Instant::now() + limits::CLOCK_TICK,
            wants_code: false,
            doubt: false,
            rang,
        });
        self.guard()
    }

    /// Draws the present question once more, as it is now.
    pub(super) async fn draw_again(&mut self) -> io::Result<()> {
        let note = self.asked.as_ref().map(|asked| asked.note.clone());
        match self.inbox.again() {
            Some(view) => self.draw(view, note.unwrap_or_default()).await,
            // It is settled, which is about to be told.
            None => Ok(()),
        }
    }

    /// Takes the question off a screen that has no room for it; it is asked again when there is.
    async fn take_off(&mut self) -> io::Result<()> {
        self.asked = None;
        self.inbox.put_back();
        self.idle().await
    }

    /// Throws away what is typed from before now until a moment from now.
    fn guard(&mut self) -> io::Result<()> {
        self.tty.throw_away_input()?;
        if let Some(asked) = &mut self.asked {
            asked.guard = Some(Instant::now() + limits::QUESTION_GUARD);
        }
        Ok(())
    }

    /// Ends the guard: from here on a line is an answer.
    pub(super) fn open_question(&mut self) -> io::Result<()> {
        self.tty.throw_away_input()?;
        self.tty.set_mode(Mode::Listening)?;
        if let Some(asked) = &mut self.asked {
            asked.guard = None;
        }
        Ok(())
    }

    /// A line was typed after the guard; `None` is a line that cannot be read.
    pub(super) async fn on_answer(&mut self, line: Option<&str>) -> Result<(), End> {
        self.tty.set_mode(Mode::Quiet)?;
        let (mut asks_code, mut wants_code) = (false, false);
        if let Some(asked) = &mut self.asked {
            asks_code = asked.view.match_code_required;
            wants_code = std::mem::take(&mut asked.wants_code);
        }
        if wants_code {
            return Ok(self.on_code(line).await?);
        }
        let unreadable = || Answer::Nothing("That cannot be read.".to_owned());
        match line.map_or_else(unreadable, parse_answer) {
            Answer::Approve if asks_code => self.ask_code().await?,
            Answer::Approve => self.decide(Verdict::Approve, None, None),
            Answer::Deny(reason) => self.decide(Verdict::Deny, reason, None),
            Answer::Skip => self.skip().await?,
            Answer::Details => self.show_whole().await?,
            Answer::Quit => return Err(End::Left),
            Answer::Nothing(why) => {
                let text = format!("{why} Nothing was decided: type y, n, s, d or q, and Enter.");
                self.no_answer(text).await?;
            }
        }
        Ok(())
    }

    /// After a yes to a request with a match code: asks for it, under the same rules as for an
    /// answer. What was typed ahead is thrown away, so nobody gives a code that they were not asked
    /// for.
    async fn ask_code(&mut self) -> io::Result<()> {
        if let Some(asked) = &mut self.asked {
            asked.wants_code = true;
        }
        self.screen.set_prompt(self.prompt(CODE_PROMPT));
        self.prompt_again().await
    }

    /// A line was typed in the place of the match code.
    async fn on_code(&mut self, line: Option<&str>) -> io::Result<()> {
        if let Some(code) = line.and_then(parse_code) {
            self.decide(Verdict::Approve, None, Some(code));
            return Ok(());
        }
        self.screen.set_prompt(self.prompt(PROMPT));
        let text = "Those are not six digits. Nothing was decided: type y again, n, s, d or q.";
        self.no_answer(text.to_owned()).await
    }

    /// Says why what was typed decides nothing, and asks again.
    async fn no_answer(&mut self, text: String) -> io::Result<()> {
        self.note(Row::new().and(Ink::Trouble, text)).await?;
        if self.screen.can_change() {
            self.prompt_again().await?;
        }
        Ok(())
    }

    fn prompt(&self, text: &str) -> String {
        self.screen.look().paint(Ink::Strong, text.trim_end()) + " "
    }

    async fn prompt_again(&mut self) -> io::Result<()> {
        let text = self.screen.prompt_again();
        self.tty.write(&text).await?;
        self.guard()
    }

    /// Changes the row below the facts that says what is going on.
    pub(super) async fn note(&mut self, note: Row) -> io::Result<()> {
        let note = note.cut(self.screen.width(), self.screen.look().ellipsis());
        let Some(asked) = &mut self.asked else {
            return Ok(());
        };
        asked.note = note.clone();
        if self.screen.can_change() {
            let text = self.screen.change(asked.status, note);
            return self.tty.write(&text).await;
        }
        if note.text().is_empty() {
            return Ok(());
        }
        // The kernel still holds what was typed behind the old prompt, and a new one must not
        // hide it: Enter alone would answer.
        self.tty.set_mode(Mode::Quiet)?;
        let prompts = matches!(self.work, Work::None);
        let text = self.screen.remark(&note, prompts);
        self.tty.write(&text).await?;
        if prompts { self.guard() } else { Ok(()) }
    }

    /// Brings the times on the screen up to date.
    pub(super) async fn show_time(&mut self) -> io::Result<()> {
        let (now, room) = (self.daemon_now(), self.room());
        let Some(asked) = &mut self.asked else {
            return Ok(());
        };
        asked.clock_at = Instant::now() + limits::CLOCK_TICK;
        let row = time_row(&asked.view, now, room);
        let text = self.screen.change(asked.time, row);
        self.tty.write(&text).await
    }

    /// Takes in what the inbox made of an event.
    pub(super) async fn on_change(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::None => {}
            Change::Redraw => self.news = Some(News::Redraw),
            Change::Settled(gone) => self.news = Some(News::Settled(gone)),
            Change::Count { arrived } => {
                let row = count_row(self.inbox.others(), self.room());
                let Some(asked) = &mut self.asked else {
                    return Ok(());
                };
                if matches!(self.work, Work::Paging(_) | Work::Pages(_)) {
                    return Ok(());
                }
                let mut text = self.screen.change(asked.status + 1, row);
                if arrived && !std::mem::replace(&mut asked.rang, true) {
                    text.push('\u{7}');
                }
                self.tty.write(&text).await?;
            }
        }
        Ok(())
    }

    async fn skip(&mut self) -> io::Result<()> {
        self.inbox.skip(Instant::now());
        self.asked = None;
        let rows = [
            Row::new().and(
                Ink::Faint,
                format!(
                    "  skipped; it comes back after the others, in {} s at the earliest",
                    limits::SKIP_TIME.as_secs()
                ),
            ),
            Row::new(),
        ];
        let text = self.screen.answered(&rows);
        self.tty.write(&text).await
    }

    /// Strikes the question out and says what happened.
    pub(super) async fn strike(&mut self, gone: &Gone) -> io::Result<()> {
        self.work = Work::None;
        self.tty.set_mode(Mode::Quiet)?;
        let Some(asked) = self.asked.take() else {
            return Ok(());
        };
        let room = self.room();
        let mut rows = match gone {
            Gone::As(view) => outcome(view, room),
            Gone::Unknown => {
                vec![Row::new().and(
                    Ink::Trouble,
                    "  the daemon no longer has it among those that wait",
                )]
            }
        };
        if asked.doubt {
            rows.push(
                Row::new()
                    .and(Ink::Plain, "  ")
                    .and(Ink::Trouble, asked.note.text()),
            );
        }
        let title = one_line(&asked.view.title, room.look.charset);
        if !self.screen.can_change() {
            rows.splice(
                0..0,
                crate::terminal::row::Frame::new(room.look, room.width).rows(
                    "",
                    Ink::Struck,
                    &title,
                ),
            );
        }
        rows.push(Row::new());
        let head = head(
            Ink::Trouble,
            "No longer asked; nothing typed here counts",
            room,
        );
        let text = self.screen.strike(&head, asked.status, &rows);
        self.tty.write(&text).await?;
        self.tty.throw_away_input()
    }
}

fn set_status(rows: &mut [Row], status: usize, note: Row, count: Row) {
    for (row, text) in rows
        .iter_mut()
        .skip(status)
        .take(STATUS_ROWS)
        .zip([note, count])
    {
        *row = text;
    }
}
