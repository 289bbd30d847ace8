//! A decision on its way, and what came of it.

use std::io;

use super::{Gone, News, Session, Work};
use crate::cli::approver::decide::{Deciding, Outcome, Progress};
use crate::cli::approver::end::End;
use crate::cli::approver::question::{one_line, outcome};
use crate::domain::{MatchCode, Verdict};
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::wire::{DecisionBody, RequestView, Status};

impl Session<'_> {
    /// Starts telling the daemon.
    pub(super) fn decide(
        &mut self,
        verdict: Verdict,
        reason: Option<String>,
        code: Option<MatchCode>,
    ) {
        if let Some(asked) = &self.asked {
            let body = DecisionBody {
                verdict,
                reason,
                version: Some(asked.view.version),
                match_code: code,
            };
            let deciding = Deciding::new(self.client.clone(), asked.view.id, body);
            self.work = Work::Deciding(Box::new(deciding));
        }
    }

    pub(super) async fn on_progress(&mut self, progress: Progress) -> Result<(), End> {
        let outcome = match progress {
            Progress::Again { why, again_in } => {
                let why = one_line(&why, self.screen.look().charset);
                let text = format!(
                    "Not decided yet, trying again in {} s: {why}",
                    again_in.as_secs_f32().ceil()
                );
                self.note(Row::new().and(Ink::Trouble, text)).await?;
                return Ok(());
            }
            Progress::Done(outcome) => outcome,
        };
        let Work::Deciding(deciding) = std::mem::replace(&mut self.work, Work::None) else {
            return Ok(());
        };
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        let id = asked.view.id;
        match outcome {
            Outcome::Counted(view) => {
                self.note(Row::new()).await?;
                self.counted(deciding.verdict(), &view).await?;
            }
            Outcome::TooLate(Some(view)) => {
                self.inbox.done(id, Some(view.event_id));
                self.news = Some(News::Settled(Gone::As(view)));
            }
            Outcome::TooLate(None) | Outcome::Gone => {
                self.inbox.done(id, None);
                self.news = Some(News::Settled(Gone::Unknown));
            }
            Outcome::Changed(view) => {
                let text = "The request has changed; nothing was decided. This is how it is now.";
                self.changed(view, text).await?;
            }
            Outcome::WrongCode {
                view: Some(view), ..
            } if view.status == Status::Denied => {
                let text = "That was not the match code, for the last time: the request is denied.";
                self.note(Row::new().and(Ink::No, text)).await?;
                self.counted(Verdict::Deny, &view).await?;
            }
            Outcome::WrongCode { left, .. } => {
                let rest = match left {
                    Some(1) => "one more try, then the request is denied".to_owned(),
                    Some(left) => format!("{left} more tries, then the request is denied"),
                    None => "after a few tries the request is denied".to_owned(),
                };
                let text = format!("NOT decided: that is not the match code; {rest}.");
                self.not_decided(Row::new().and(Ink::No, text));
            }
            Outcome::Failed { why, unsure, .. } => {
                let why = one_line(&why, self.screen.look().charset);
                let text = if unsure {
                    format!("NOT decided as far as known (answering again is safe): {why}")
                } else {
                    format!("NOT decided: {why}")
                };
                self.not_decided(Row::new().and(Ink::No, text));
            }
        }
        Ok(())
    }

    /// Stops waiting for the answer, because the stream has told that the question is another one
    /// now, or none.
    pub(super) fn given_up(&mut self) {
        let Work::Deciding(deciding) = std::mem::replace(&mut self.work, Work::None) else {
            return;
        };
        let doubt = match &self.news {
            // What won says all there is to say.
            Some(News::Settled(Gone::As(view))) if !deciding.fits(view) => return,
            Some(News::Settled(_)) => {
                "Your answer was on its way; whether it was the one that counts is not known."
            }
            Some(News::Redraw) | None => {
                "The request has changed; an answer that was on its way may have come too late."
            }
        };
        if let Some(asked) = &mut self.asked {
            asked.note = Row::new()
                .and(Ink::Trouble, doubt)
                .cut(self.screen.width(), self.screen.look().ellipsis());
            asked.doubt = true;
        }
    }

    async fn counted(&mut self, verdict: Verdict, view: &RequestView) -> Result<(), End> {
        self.tally.count(verdict);
        if view.status == Status::Pending {
            self.inbox.voted(Box::new(view.clone()));
        } else {
            self.inbox.done(view.id, Some(view.event_id));
        }
        self.news = None;
        let room = self.room();
        let mut rows = outcome(view, room);
        rows.push(Row::new());
        self.asked = None;
        let text = self.screen.answered(&rows);
        self.tty.write(&text).await?;
        if self.once {
            return Err(End::Decided(verdict));
        }
        Ok(())
    }

    async fn changed(&mut self, view: Option<Box<RequestView>>, text: &str) -> io::Result<()> {
        if let Some(asked) = &mut self.asked {
            asked.note = Row::new()
                .and(Ink::Trouble, text)
                .cut(self.screen.width(), self.screen.look().ellipsis());
        }
        match view.map(|view| self.inbox.apply(view)) {
            Some(change) => self.on_change(change).await?,
            // Without the new version at hand, everything is fetched once more.
            None => self.stream.start_over(),
        }
        if self.news.is_none() {
            self.news = Some(News::Redraw);
        }
        Ok(())
    }

    /// Tells a failure and asks anew, unless the stream has told meanwhile what became of it.
    fn not_decided(&mut self, note: Row) {
        if self.news.is_some() {
            return;
        }
        if let Some(asked) = &mut self.asked {
            asked.note = note.cut(self.screen.width(), self.screen.look().ellipsis());
        }
        self.news = Some(News::Redraw);
    }
}
