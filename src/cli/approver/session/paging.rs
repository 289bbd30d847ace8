//! All that the asker says, on the whole screen.

use std::io;

use super::{News, Session, Work};
use crate::cli::approver::pager::{Pager, Pages};
use crate::cli::approver::question::whole;
use crate::terminal::row::Row;
use crate::terminal::tty::Mode;

impl Session<'_> {
    /// Hands the terminal to the person's pager.
    pub(super) async fn show_whole(&mut self) -> io::Result<()> {
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        self.showing = Some((asked.view.id, asked.view.version));
        let rows = whole(&asked.view, self.room());
        let text = rows.iter().map(|row| row.text() + "\n").collect();
        // The pager has the whole screen, and begins below the question if it keeps it.
        let way = self.screen.leave();
        self.screen.disturbed();
        self.tty.write(&way).await?;
        self.tty.set_mode(Mode::Listening)?;
        let Ok(pager) = Pager::start(text) else {
            return self.own_pages().await;
        };
        self.paging.set(true);
        self.work = Work::Paging(Box::new(pager));
        Ok(())
    }

    pub(super) async fn on_paged(&mut self, shown: bool) -> io::Result<()> {
        self.paging.set(false);
        self.work = Work::None;
        let size = self.tty.size();
        self.screen.disturbed();
        self.screen.resize_quietly(size);
        self.tty.set_mode(Mode::Quiet)?;
        self.tty.throw_away_input()?;
        if shown {
            self.has_shown();
        } else if self.news.is_none() {
            return self.own_pages().await;
        }
        if self.news.is_none() {
            self.news = Some(News::Redraw);
        }
        Ok(())
    }

    /// Notes that the whole was shown to its end; what was said about that is over.
    fn has_shown(&mut self) {
        self.shown = self.showing;
        if let Some(asked) = &mut self.asked
            && asked.hides_command
        {
            asked.note = Row::new();
        }
    }

    async fn own_pages(&mut self) -> io::Result<()> {
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        let rows = whole(&asked.view, self.room());
        self.work = Work::Pages(Pages::new(rows, self.room().height));
        self.turn_page(true).await
    }

    /// Shows the next page, or the question again after the last.
    pub(super) async fn turn_page(&mut self, wanted: bool) -> io::Result<()> {
        let Work::Pages(pages) = &mut self.work else {
            return Ok(());
        };
        let Some((rows, follows)) = pages.turn().filter(|_| wanted) else {
            self.work = Work::None;
            self.news = Some(News::Redraw);
            return Ok(());
        };
        self.screen.disturbed();
        let prompt = if follows {
            "-- Enter shows more, q and Enter goes back to the question -- "
        } else {
            "-- Enter goes back to the question -- "
        };
        let text = self.screen.print(&rows) + prompt;
        self.screen.disturbed();
        self.tty.write(&text).await?;
        if !follows {
            self.has_shown();
        }
        self.tty.set_mode(Mode::Listening)
    }
}
