//! What the stream says: requests, marks, and whether there is a stream at all.

use std::io;

use tokio::time::Instant;

use super::{Session, Work};
use crate::cli::approver::daemon_clock::DaemonClock;
use crate::cli::approver::end::End;
use crate::cli::approver::link::Heard;
use crate::cli::approver::question::one_line;
use crate::client::StreamEvent;
use crate::domain::Timestamp;
use crate::limits;
use crate::terminal::measure::wrap;
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::wire::{MarkView, MeView};

impl Session<'_> {
    pub(super) async fn on_stream(&mut self, event: StreamEvent) -> Result<(), End> {
        match event {
            StreamEvent::Connected { resumed, now } => self.connected(resumed, now).await?,
            StreamEvent::Request(view) => {
                let change = self.inbox.apply(view);
                self.on_change(change).await?;
            }
            StreamEvent::CaughtUp(mark) => {
                self.set_clock(&mark);
                self.caught_up = true;
                let change = self.inbox.caught_up();
                self.on_change(change).await?;
            }
            StreamEvent::Reset(mark) => {
                self.set_clock(&mark);
                self.start_afresh();
            }
            StreamEvent::Cut {
                why, foreign: true, ..
            } if !self.link.is_known() => {
                return Err(End::NotPushd(why));
            }
            StreamEvent::Cut { why, at_limit, .. } => {
                self.link.is_cut(why, at_limit);
                self.tell_link().await?;
            }
            StreamEvent::Moved(words) => {
                let words = one_line(&words, self.screen.look().charset);
                self.tell(Ink::Plain, &words).await?;
            }
            StreamEvent::Skipped { why } => {
                let why = one_line(&why, self.screen.look().charset);
                self.tell(Ink::Trouble, &format!("Something was left out: {why}"))
                    .await?;
            }
            StreamEvent::Ended => return Err(End::Dismissed),
            StreamEvent::Refused { why } => return Err(End::Refused(why)),
        }
        Ok(())
    }

    async fn connected(&mut self, resumed: bool, now: Option<Timestamp>) -> io::Result<()> {
        if !resumed {
            self.start_afresh();
        }
        self.set_date(now);
        self.link.is(Heard::Up);
        self.tell_link().await
    }

    /// Tells whether the daemon can be heard, if that is new and not told too often.
    pub(super) async fn tell_link(&mut self) -> io::Result<()> {
        match self.link.news(Instant::now()) {
            Some(Heard::Down(why)) => {
                let why = one_line(&why, self.screen.look().charset);
                let text = format!("No connection to the daemon, trying again: {why}");
                self.tell(Ink::Trouble, &text).await
            }
            Some(Heard::Full(why)) => {
                let why = one_line(&why, self.screen.look().charset);
                let text = format!("The daemon has no place for us now, trying again: {why}");
                self.tell(Ink::Trouble, &text).await
            }
            Some(Heard::Up) => self.tell(Ink::Yes, "Connected again.").await,
            Some(Heard::New) | None => Ok(()),
        }
    }

    /// Says something about the connection: with the question if there is one.
    async fn tell(&mut self, ink: Ink, text: &str) -> io::Result<()> {
        if matches!(self.work, Work::Paging(_) | Work::Pages(_)) {
            if let Some(asked) = &mut self.asked {
                asked.note = Row::new()
                    .and(ink, text)
                    .cut(self.screen.width(), self.screen.look().ellipsis());
            }
            return Ok(());
        }
        if self.asked.is_some() {
            return self.note(Row::new().and(ink, text)).await;
        }
        self.idle_told = None;
        let mut rows: Vec<_> = wrap(text, self.screen.width())
            .into_iter()
            .map(|line| Row::new().and(ink, line))
            .collect();
        rows.truncate(limits::LINK_ROWS);
        self.print(&rows).await
    }

    pub(super) async fn on_courtesy(&mut self, me: Option<&MeView>) -> io::Result<()> {
        self.introduced = true;
        let Some(me) = me else {
            return Ok(());
        };
        if me.known {
            self.inbox.answers_as(Some(me.party.principal.clone()));
        }
        let name = one_line(&me.party.principal, self.screen.look().charset);
        let text = format!("You answer as {name}.");
        let row = Row::new()
            .and(Ink::Faint, text)
            .cut(self.screen.width(), self.screen.look().ellipsis());
        self.print(&[row]).await
    }

    /// What is known is in doubt until all that is pending has come again.
    pub(super) fn start_afresh(&mut self) {
        self.caught_up = false;
        self.inbox.reset();
    }

    fn set_clock(&mut self, mark: &MarkView) {
        self.clock = Some(DaemonClock::new(mark.now, Instant::now()));
    }

    /// A `Date` is cut to the second, so it counts only when there is nothing better.
    fn set_date(&mut self, date: Option<Timestamp>) {
        let Some(date) = date else {
            return;
        };
        let at = Instant::now();
        let close = self.clock.is_some_and(|clock| {
            let now = clock.now(at);
            now.since(date) <= limits::DATE_SLACK && date.since(now) <= limits::DATE_SLACK
        });
        if !close {
            self.clock = Some(DaemonClock::new(date, at));
        }
    }
}
