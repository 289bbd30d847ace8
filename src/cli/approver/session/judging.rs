//! What the policy does beside the person: it is given what waits, and its work is told where it
//! hides no question.

use std::io::{self, IsTerminal as _};

use tokio::time::Instant;

use super::Session;
use crate::cli::approver::end::End;
use crate::cli::approver::policy::{Desk, Report};
use crate::cli::approver::question::one_line;
use crate::cli::approver::tell;
use crate::limits;
use crate::terminal::row::{Frame, Row};
use crate::terminal::style::Ink;

impl Session<'_> {
    /// Gives to the policy what it has room for. With `--once` it judges only while nobody is
    /// asked, so that no two decide at the same time.
    pub(super) fn judge(&mut self) {
        let (now, daemon_now) = (Instant::now(), self.daemon_now());
        let is_asked = self.asked.is_some();
        let Some(desk) = &mut self.desk else {
            return;
        };
        while desk.has_room()
            && !(self.once && is_asked)
            && let Some(view) = self.inbox.next_to_judge(now, daemon_now)
        {
            desk.judge(view);
        }
    }

    /// Whether nobody is asked because the policy is at work.
    pub(super) fn is_judging_alone(&self) -> bool {
        self.once && self.desk.as_ref().is_some_and(|desk| !Desk::is_idle(desk))
    }

    /// Something was judged. It is told on the screen; and into a log, if standard error is one.
    pub(super) async fn on_judged(&mut self, report: &Report) -> Result<(), End> {
        if !io::stderr().is_terminal() {
            for line in report.lines() {
                tell(&line);
            }
        }
        let daemon_now = self.daemon_now();
        report.take_in(&mut self.inbox, Instant::now(), daemon_now);
        if self.judged.len() == limits::POLICY_NEWS {
            self.judged.pop_front();
        }
        let rows = self.report_rows(report);
        self.judged.push_back(rows);
        if let Some(verdict) = report.counted() {
            self.tally.count(verdict);
            if self.once {
                self.tell_judged().await?;
                return Err(End::Decided(verdict));
            }
        }
        Ok(())
    }

    /// Tells what the policy has done, once no question is on the screen.
    pub(super) async fn tell_judged(&mut self) -> io::Result<()> {
        let rows: Vec<Row> = std::mem::take(&mut self.judged)
            .into_iter()
            .flatten()
            .collect();
        if rows.is_empty() || self.screen.is_too_narrow() {
            return Ok(());
        }
        self.print(&rows).await
    }

    fn report_rows(&self, report: &Report) -> Vec<Row> {
        let room = self.room();
        let charset = room.look.charset;
        let frame = Frame::new(room.look, room.width);
        let (ours, theirs) = report.words();
        let ink = if report.counted().is_some() {
            Ink::Plain
        } else {
            Ink::Trouble
        };
        let mut rows = vec![
            Row::new()
                .and(ink, format!("  {ours}"))
                .cut(room.width, room.look.ellipsis()),
        ];
        rows.extend(frame.rows("", Ink::Plain, &one_line(report.title(), charset)));
        if let Some(theirs) = theirs {
            rows.extend(frame.rows("reason: ", Ink::Plain, &one_line(theirs, charset)));
        }
        rows
    }
}
