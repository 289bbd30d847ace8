//! The loop of the program: it waits for the next thing that happens and does what the pure parts
//! say. It is the only place where stream, terminal and calls meet.

mod asking;
mod courtesy;
mod deciding;
mod judging;
mod link;
mod paging;
mod waiting;

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;

use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout};

use self::waiting::Next;
use super::daemon_clock::DaemonClock;
use super::decide::Deciding;
use super::end::End;
use super::inbox::{Gone, Inbox};
use super::link::Link;
use super::pager::{Pager, Pages};
use super::policy::{self, Desk};
use super::question::Room;
use super::signals::{Disturbance, Redrawing, stop_this_process};
use super::tally::Tally;
use crate::client::{Client, EventStream};
use crate::domain::{EventId, MatchCode, RequestId, Timestamp};
use crate::limits;
use crate::terminal::lines::Typed;
use crate::terminal::measure::wrap;
use crate::terminal::row::Row;
use crate::terminal::screen::Screen;
use crate::terminal::style::{Ink, Look};
use crate::terminal::tty::{Mode, Tty};
use crate::wire::{MeView, RequestView};

/// A person at a terminal and a daemon.
pub(super) struct Session<'a> {
    tty: Tty,
    screen: Screen,
    redrawing: Redrawing,
    client: Client,
    stream: EventStream,
    link: Link,
    /// Whether all that was pending has come since the last fresh start.
    caught_up: bool,
    /// Whether it is known who answers here, as well as it will be. Until then nothing is asked,
    /// or whoever has voted would be asked again.
    introduced: bool,
    clock: Option<DaemonClock>,
    inbox: Inbox,
    asked: Option<Asked>,
    work: Work,
    /// What became of the request on the screen while it could not be told.
    news: Option<News>,
    idle_told: Option<String>,
    tally: Tally,
    seen: BTreeSet<RequestId>,
    courtesies: FuturesUnordered<Courtesy>,
    paging: &'a Cell<bool>,
    desk: Option<Desk>,
    /// What the policy has done while a question was on the screen, to be told after it.
    judged: VecDeque<Vec<Row>>,
    /// Whether it ends after one decision.
    once: bool,
    /// Of which request, in which version, the whole is being shown.
    showing: Option<(RequestId, EventId)>,
    /// Of which it was shown last, to its end.
    shown: Option<(RequestId, EventId)>,
}

/// A call that we can do without; it may answer who we are.
type Courtesy = Pin<Box<dyn Future<Output = Option<MeView>>>>;

/// The question on the screen.
struct Asked {
    view: RequestView,
    time: usize,
    votes: Option<usize>,
    status: usize,
    /// Whether some of what an approval would let run is not on the screen.
    hides_command: bool,
    note: Row,
    /// Until when what is typed is thrown away.
    guard: Option<Instant>,
    /// When the times are looked at next.
    clock_at: Instant,
    /// What is typed now.
    wants: Wants,
    /// Whether an answer was on its way when it was given up.
    doubt: bool,
    /// Whether the bell has rung for newcomers.
    rang: bool,
}

/// What the line is that is typed below a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Wants {
    /// An answer.
    #[default]
    Answer,
    /// The match code, after a yes.
    Code,
    /// The reason, after a yes and the match code, if there is one.
    Reason(Option<MatchCode>),
}

/// What goes on besides the question.
enum Work {
    None,
    Deciding(Box<Deciding>),
    /// The person's pager has the terminal.
    Paging(Box<Pager>),
    /// Pages of our own.
    Pages(Pages),
}

#[derive(Debug)]
enum News {
    Redraw,
    Settled(Gone),
}

impl<'a> Session<'a> {
    /// A session on this terminal. `paging` tells others when Ctrl-C is a pager's.
    pub(super) fn new(
        tty: Tty,
        redrawing: Redrawing,
        client: Client,
        topics: &[String],
        paging: &'a Cell<bool>,
    ) -> Self {
        Self {
            screen: Screen::new(Look::of_process(), tty.size()),
            stream: EventStream::new(client.clone(), topics),
            tty,
            redrawing,
            client,
            link: Link::new(),
            caught_up: false,
            introduced: false,
            clock: None,
            inbox: Inbox::default(),
            asked: None,
            work: Work::None,
            news: None,
            idle_told: None,
            tally: Tally::default(),
            seen: BTreeSet::new(),
            courtesies: FuturesUnordered::new(),
            paging,
            desk: None,
            judged: VecDeque::new(),
            once: false,
            showing: None,
            shown: None,
        }
    }

    /// Has a policy judge each request first.
    pub(super) fn judge_by(&mut self, desk: Option<Desk>) {
        if desk.is_some() {
            self.inbox = Inbox::judged();
        }
        self.desk = desk;
    }

    /// Ends after one decision that counts, if so.
    pub(super) const fn leave_after_one(&mut self, once: bool) {
        self.once = once;
    }

    /// Asks one question after the other. It may be dropped at any time, and then
    /// [`Session::leave`] says goodbye.
    pub(super) async fn run(&mut self) -> End {
        let Err(end) = self.run_until_end().await;
        end
    }

    async fn run_until_end(&mut self) -> Result<std::convert::Infallible, End> {
        self.welcome().await?;
        self.ask_who_we_are();
        loop {
            self.go_on().await?;
            let next = self.next().await?;
            self.happened(next).await?;
        }
    }

    /// Says goodbye and what was decided, as far as the terminal takes it in a short time.
    pub(super) async fn leave(&mut self) {
        let mut rows = vec![self.tally.row()];
        let work = std::mem::replace(&mut self.work, Work::None);
        if let Work::Paging(pager) = work {
            pager.end().await;
            self.screen.disturbed();
        } else if matches!(work, Work::Deciding(_)) {
            let text = "  Left while a decision was on its way: it may count or not.";
            rows.insert(0, Row::new().and(Ink::Trouble, text));
        }
        if self.desk.as_ref().is_some_and(|desk| !desk.is_idle()) {
            let text = "  Left while the policy was at work: what it decides may count or not.";
            rows.insert(0, Row::new().and(Ink::Trouble, text));
        }
        if self.asked.is_some() && rows.len() == 1 {
            let text = "  Left without an answer: the request on the screen stays pending.";
            rows.insert(0, Row::new().and(Ink::Plain, text));
        }
        let text = self.screen.leave() + &self.screen.print(&rows);
        // Nobody is left to tell when the terminal does not take it.
        let (Ok(Ok(()) | Err(_)) | Err(_)) =
            timeout(limits::FAREWELL_TIME, self.tty.write(&text)).await;
    }

    async fn welcome(&mut self) -> io::Result<()> {
        let title = format!("approver - asks here what waits at {}", self.client.names());
        let rows = [
            Row::new()
                .and(Ink::Strong, title)
                .cut(self.screen.width(), self.screen.look().ellipsis()),
            Row::new().and(
                Ink::Faint,
                "q and Enter, Ctrl-D or Ctrl-C leaves; leaving decides nothing.",
            ),
            Row::new(),
        ];
        let text = self.screen.start() + &self.screen.print(&rows);
        self.tty.write(&text).await
    }

    async fn happened(&mut self, next: Next) -> Result<(), End> {
        match next {
            Next::Disturbed(disturbance) => self.disturbed(disturbance).await?,
            Next::Stream(event) => self.on_stream(event).await?,
            Next::Decided(progress) => self.on_progress(progress).await?,
            Next::Paged(shown) => self.on_paged(shown).await?,
            Next::Judged(policy::News::Who(me)) => self.inbox.answers_as(me),
            Next::Judged(policy::News::Judged(report)) => self.on_judged(&report).await?,
            Next::Courtesy(me) => self.on_courtesy(me.as_ref()).await?,
            Next::Typed(typed) => self.on_typed(typed).await?,
            Next::Tick => self.on_tick().await?,
        }
        Ok(())
    }

    async fn disturbed(&mut self, disturbance: Disturbance) -> io::Result<()> {
        if disturbance == Disturbance::Stopping {
            return self.stop().await;
        }
        if self.paging.get() {
            return Ok(());
        }
        if matches!(self.work, Work::Pages(_)) {
            self.work = Work::None;
        }
        match disturbance {
            Disturbance::Resized => {
                let size = self.tty.size();
                let text = self.screen.resized(size);
                self.tty.write(&text).await?;
            }
            Disturbance::Continued | Disturbance::Stopping => self.screen.disturbed(),
        }
        match (&self.asked, &self.work) {
            // What comes of the decision is shown as well as it can be.
            (Some(_), Work::Deciding(_)) if self.screen.is_too_narrow() => Ok(()),
            (Some(_), _) => self.draw_again().await,
            (None, _) => {
                self.idle_told = None;
                self.tty.set_mode(Mode::Listening)
            }
        }
    }

    /// Stops, as Ctrl-Z asks, once the terminal can be another program's.
    async fn stop(&mut self) -> io::Result<()> {
        if !self.paging.get() {
            let text = self.screen.leave();
            self.screen.disturbed();
            // A terminal that takes nothing (Ctrl-S) must not keep us from stopping.
            let (Ok(Ok(()) | Err(_)) | Err(_)) =
                timeout(limits::FAREWELL_TIME, self.tty.write(&text)).await;
            self.tty.set_mode(Mode::Listening)?;
        }
        stop_this_process();
        self.redrawing.has_continued();
        Ok(())
    }

    async fn on_typed(&mut self, typed: Typed) -> Result<(), End> {
        let line = match typed {
            Typed::End if self.tty.is_gone() => {
                return Err(End::Hangup(io::ErrorKind::BrokenPipe.into()));
            }
            Typed::End => return Err(End::Left),
            Typed::Line(line) => Some(line),
            Typed::Unreadable => None,
        };
        match (&self.work, &mut self.asked) {
            (Work::Pages(_), _) => self.turn_page(line.as_deref() != Some("q")).await?,
            (
                Work::None,
                Some(Asked {
                    guard: Some(until), ..
                }),
            ) => {
                // Lines that keep coming were pasted, and all of them are thrown away.
                *until = (*until).max(Instant::now() + limits::PASTE_GAP);
            }
            (Work::None, Some(_)) => self.on_answer(line.as_deref()).await?,
            (Work::None, None) if line.as_deref() == Some("q") => return Err(End::Left),
            // Nothing is asked; what was typed has moved the cursor to who knows where.
            (Work::None | Work::Deciding(_) | Work::Paging(_), _) => self.screen.disturbed(),
        }
        Ok(())
    }

    async fn on_tick(&mut self) -> io::Result<()> {
        self.tell_link().await?;
        match (self.asked.as_ref().map(|asked| asked.guard), &self.work) {
            (Some(Some(until)), Work::None) if until <= Instant::now() => self.open_question(),
            (Some(None), Work::None) => self.show_time().await,
            (_, _) => Ok(()),
        }
    }

    /// Tells what has happened to the question, and asks the next one when there is none.
    async fn go_on(&mut self) -> Result<(), End> {
        if self.inbox.has_room_again() {
            self.stream.start_over();
            self.start_afresh();
        }
        self.judge();
        let now = Instant::now();
        match (&mut self.work, &self.news) {
            (Work::Paging(_), _) | (Work::Deciding(_), None) => return Ok(()),
            (Work::Deciding(deciding), Some(News::Settled(gone))) => {
                if deciding.may_have_won(gone, now) {
                    return Ok(());
                }
                self.given_up();
            }
            (Work::Deciding(_), Some(News::Redraw)) => self.given_up(),
            (Work::None | Work::Pages(_), _) => {}
        }
        match self.news.take() {
            Some(News::Settled(gone)) => self.strike(&gone).await?,
            Some(News::Redraw) => {
                self.work = Work::None;
                self.draw_again().await?;
            }
            None => {}
        }
        if self.introduced && self.asked.is_none() && !self.is_judging_alone() {
            self.tell_judged().await?;
            let daemon_now = self.daemon_now();
            match self.inbox.choose(now, daemon_now) {
                Some(_) if self.screen.is_too_narrow() => {
                    self.inbox.put_back();
                    self.idle().await?;
                }
                Some(view) => self.draw(view, Row::new()).await?,
                None => self.idle().await?,
            }
        }
        Ok(())
    }

    /// Says that nothing is asked, once.
    async fn idle(&mut self) -> io::Result<()> {
        let text = match self.inbox.skipped() {
            _ if self.screen.is_too_narrow() => {
                "Too narrow to ask: make the window wider.".to_owned()
            }
            0 if self.desk.is_some() => {
                "Nothing waits for you; the policy judges what comes.".to_owned()
            }
            0 => "No request waits for an answer.".to_owned(),
            1 => "Nothing else waits; the skipped request returns in a moment.".to_owned(),
            n => format!("Nothing else waits; {n} skipped requests return in a moment."),
        };
        if self.idle_told.as_ref() == Some(&text) {
            return Ok(());
        }
        self.tty.set_mode(Mode::Listening)?;
        if !self.caught_up && !self.screen.is_too_narrow() {
            return Ok(());
        }
        let rows: Vec<Row> = wrap(&text, self.screen.width())
            .into_iter()
            .map(|line| Row::new().and(Ink::Faint, line))
            .collect();
        self.idle_told = Some(text);
        self.print(&rows).await
    }

    async fn print(&mut self, rows: &[Row]) -> io::Result<()> {
        let text = self.screen.print(rows);
        self.tty.write(&text).await
    }

    fn room(&self) -> Room {
        Room {
            look: self.screen.look(),
            width: self.screen.width(),
            height: self.screen.height(),
        }
    }

    fn daemon_now(&self) -> Option<Timestamp> {
        Some(self.clock?.now(Instant::now()))
    }
}
