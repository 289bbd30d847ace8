//! The loop without a terminal: the policy judges what comes, and what it does is told on standard
//! error.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

use super::daemon_clock::DaemonClock;
use super::end::End;
use super::inbox::Inbox;
use super::link::{Heard, Link, words};
use super::policy::{Desk, News, Report};
use super::tell;
use crate::client::{Client, EventStream, StreamEvent};
use crate::domain::Timestamp;

/// Judges until it has to end; with `once` until one decision counts. Dropping it ends the policy's
/// commands.
pub(super) async fn run(client: Client, topics: &[String], desk: Desk, once: bool) -> End {
    tell(&format!(
        "the policy answers what waits at {}",
        client.names()
    ));
    let mut loop_ = Loop {
        stream: EventStream::new(client, topics),
        link: Link::new(),
        inbox: Inbox::judged(),
        clock: None,
        desk,
        once,
    };
    let Err(end) = loop_.run().await;
    end
}

struct Loop {
    stream: EventStream,
    link: Link,
    inbox: Inbox,
    clock: Option<DaemonClock>,
    desk: Desk,
    once: bool,
}

enum Next {
    Stream(StreamEvent),
    Judged(News),
    Tick,
}

impl Loop {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            self.tell_link();
            self.go_on();
            match self.next().await {
                Next::Stream(event) => self.on_stream(event)?,
                Next::Judged(News::Who(me)) => self.inbox.answers_as(me),
                Next::Judged(News::Judged(report)) => self.on_report(&report)?,
                Next::Tick => {}
            }
        }
    }

    async fn next(&mut self) -> Next {
        let wake = self.inbox.judged_again().into_iter();
        let wake = wake.chain(self.link.due()).min();
        let waking = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // A stream that never rests must not keep what is judged from its end.
            news = self.desk.next() => Next::Judged(news),
            event = self.stream.next() => Next::Stream(event),
            () = waking => Next::Tick,
        }
    }

    /// Gives to the policy what it has room for.
    fn go_on(&mut self) {
        if self.inbox.has_room_again() {
            self.stream.start_over();
            self.inbox.reset();
        }
        let now = Instant::now();
        while self.desk.has_room()
            && let Some(view) = self.inbox.next_to_judge(now, self.daemon_now(now))
        {
            self.desk.judge(view);
        }
    }

    fn daemon_now(&self, now: Instant) -> Option<Timestamp> {
        Some(self.clock?.now(now))
    }

    fn on_stream(&mut self, event: StreamEvent) -> Result<(), End> {
        let set = |now| Some(DaemonClock::new(now, Instant::now()));
        match event {
            StreamEvent::Connected { resumed, now } => {
                if !resumed {
                    self.inbox.reset();
                }
                self.clock = now.and_then(set).or(self.clock);
                self.link.is(Heard::Up);
            }
            // What is on no screen needs no redrawing.
            StreamEvent::Request(view) => drop(self.inbox.apply(view)),
            StreamEvent::CaughtUp(mark) => {
                self.clock = set(mark.now);
                drop(self.inbox.caught_up());
            }
            StreamEvent::Reset(mark) => {
                self.clock = set(mark.now);
                self.inbox.reset();
            }
            StreamEvent::Cut {
                why, foreign: true, ..
            } if !self.link.is_known() => {
                return Err(End::NotPushd(why));
            }
            StreamEvent::Cut { why, at_limit, .. } => self.link.is_cut(why, at_limit),
            StreamEvent::Moved(words) => tell(&words),
            StreamEvent::Skipped { why } => tell(&format!("something was left out: {why}")),
            StreamEvent::Ended => return Err(End::Dismissed),
            StreamEvent::Refused { why } => return Err(End::Refused(why)),
        }
        Ok(())
    }

    fn on_report(&mut self, report: &Report) -> Result<(), End> {
        for line in report.lines() {
            tell(&line);
        }
        let now = Instant::now();
        let daemon_now = self.daemon_now(now);
        report.take_in(&mut self.inbox, now, daemon_now);
        match report.counted() {
            Some(verdict) if self.once => Err(End::Decided(verdict)),
            Some(_) | None => Ok(()),
        }
    }

    fn tell_link(&mut self) {
        if let Some(heard) = self.link.news(Instant::now())
            && let Some(text) = words(&heard)
        {
            tell(&text);
        }
    }
}
