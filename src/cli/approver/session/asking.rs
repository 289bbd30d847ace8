//! One question: drawn, guarded, answered, struck out.

use std::io;

use tokio::time::Instant;

use super::{Asked, Gone, News, Session, Wants, Work};
use crate::cli::approver::answer::{Answer, parse_answer, parse_code};
use crate::cli::approver::end::End;
use crate::cli::approver::inbox::Change;
use crate::cli::approver::question::{
    CODE_PROMPT, PROMPT, REASON_PROMPT, STATUS_ROWS, count_row, head, one_line, outcome, question,
    time_row, votes_row,
};
use crate::domain::{MatchCode, Reason, Verdict};
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
            votes: drawn.votes,
            status: drawn.status,
            hides_command: drawn.hides_command,
            note,
            guard: None,
            clock_at: Instant::now() + limits::CLOCK_TICK,
            wants: Wants::Answer,
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
        let wants = match &mut self.asked {
            Some(asked) => std::mem::take(&mut asked.wants),
            None => Wants::Answer,
        };
        match wants {
            Wants::Answer => {}
            Wants::Code => return Ok(self.on_code(line).await?),
            Wants::Reason(code) => return Ok(self.on_reason(line, code).await?),
        }
        let unreadable = || Answer::Nothing("That cannot be read.".to_owned());
        match line.map_or_else(unreadable, parse_answer) {
            Answer::Approve if self.hides_command() => {
                let text = "Not all of the command is shown: type d first. Nothing was decided.";
                self.no_answer(text.to_owned()).await?;
            }
            Answer::Approve if self.asks_code() => self.ask(Wants::Code, CODE_PROMPT).await?,
            Answer::Approve => self.approve(None).await?,
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

    /// Whether an approval would let run what this person has not had on the screen: rows of the
    /// command do not fit, and the whole of this version was not shown.
    fn hides_command(&self) -> bool {
        let asked = self.asked.as_ref();
        asked.is_some_and(
            |Asked {
                 view,
                 hides_command,
                 ..
             }| { *hides_command && self.shown != Some((view.id, view.version)) },
        )
    }

    fn asks_code(&self) -> bool {
        let asked = self.asked.as_ref();
        asked.is_some_and(|asked| asked.view.match_code_required)
    }

    /// After a yes, and the match code if there is one: decides, or asks for the reason first.
    async fn approve(&mut self, code: Option<MatchCode>) -> io::Result<()> {
        let asked = self.asked.as_ref();
        if asked.is_some_and(|asked| asked.view.reason_required) {
            return self.ask(Wants::Reason(code), REASON_PROMPT).await;
        }
        self.decide(Verdict::Approve, None, code);
        Ok(())
    }

    /// After a yes that needs more: asks for it, under the same rules as for an answer. What was
    /// typed ahead is thrown away, so nobody gives what they were not asked for.
    async fn ask(&mut self, wants: Wants, prompt: &str) -> io::Result<()> {
        if let Some(asked) = &mut self.asked {
            asked.wants = wants;
        }
        self.screen.set_prompt(self.prompt(prompt));
        self.prompt_again().await
    }

    /// A line was typed in the place of the match code.
    async fn on_code(&mut self, line: Option<&str>) -> io::Result<()> {
        if let Some(code) = line.and_then(parse_code) {
            return self.approve(Some(code)).await;
        }
        self.not_given("Those are not six digits.").await
    }

    /// A line was typed in the place of the reason.
    async fn on_reason(&mut self, line: Option<&str>, code: Option<MatchCode>) -> io::Result<()> {
        let text = line.unwrap_or_default().trim_matches([' ', '\t']);
        match Reason::new(text.to_owned()) {
            Ok(Some(reason)) => {
                self.decide(Verdict::Approve, Some(reason.as_str().to_owned()), code);
                Ok(())
            }
            Ok(None) => self.not_given("There was no reason.").await,
            Err(error) => self.not_given(&format!("The reason {error}.")).await,
        }
    }

    /// What a yes needs was not given, so it was none.
    async fn not_given(&mut self, why: &str) -> io::Result<()> {
        self.screen.set_prompt(self.prompt(PROMPT));
        let text = format!("{why} Nothing was decided: type y again, n, s, d or q.");
        self.no_answer(text).await
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
            Change::Votes(view) => self.show_votes(*view).await?,
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

    /// Brings the votes on the screen up to date.
    async fn show_votes(&mut self, view: RequestView) -> io::Result<()> {
        let room = self.room();
        let Some(asked) = &mut self.asked else {
            return Ok(());
        };
        asked.view = view;
        let row = votes_row(&asked.view, room);
        match (asked.votes, &self.work) {
            // Somebody else has the screen, and it is drawn anew after that.
            (_, Work::Paging(_) | Work::Pages(_)) | (None, _) => Ok(()),
            (Some(index), Work::None | Work::Deciding(_)) => {
                let text = self.screen.change(index, row);
                self.tty.write(&text).await
            }
        }
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
