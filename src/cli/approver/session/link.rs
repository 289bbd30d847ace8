//! What the stream says: requests, marks, and whether there is a stream at all.

use std::io;

use tokio::time::Instant;

use super::{End, Session, Work};
use crate::cli::approver::daemon_clock::{DaemonClock, spell};
use crate::cli::approver::question::one_line;
use crate::client::StreamEvent;
use crate::domain::Timestamp;
use crate::limits;
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::wire::{MarkView, MeView};

/// Whether the daemon can be heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// There was no stream yet.
    New,
    /// There is one.
    Up,
    /// There is none, for this reason, which was told.
    Down(String),
}

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
            } if self.link == Link::New => {
                return Err(End::NotPushd(why));
            }
            StreamEvent::Cut { why, again_in, .. } => {
                let again = format!("trying again in {}", spell(again_in));
                self.cut(why, &again).await?;
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
        if let Link::Down(_) = std::mem::replace(&mut self.link, Link::Up) {
            self.tell(Ink::Yes, "Connected again.").await?;
        }
        Ok(())
    }

    async fn cut(&mut self, why: String, again: &str) -> io::Result<()> {
        let told = matches!(&self.link, Link::Down(told) if *told == why);
        if !told {
            let shown = one_line(&why, self.screen.look().charset);
            self.link = Link::Down(why);
            self.tell(
                Ink::Trouble,
                &format!("No connection to the daemon: {shown}; {again}"),
            )
            .await?;
        }
        Ok(())
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
        let row = Row::new().and(ink, text);
        if self.asked.is_some() {
            self.note(row).await
        } else {
            self.idle_told = None;
            self.print(&[row.cut(self.screen.width(), self.screen.look().ellipsis())])
                .await
        }
    }

    pub(super) async fn on_courtesy(&mut self, me: Option<&MeView>) -> io::Result<()> {
        let (Some(me), None) = (me, &self.asked) else {
            return Ok(());
        };
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
