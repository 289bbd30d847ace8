//! What the loop waits for, and in which order it is looked at.

use std::future::pending;
use std::io;

use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};

use super::{Session, Work};
use crate::cli::approver::decide::Progress;
use crate::cli::approver::policy::News;
use crate::cli::approver::signals::Disturbance;
use crate::client::StreamEvent;
use crate::terminal::lines::Typed;
use crate::wire::MeView;

/// The next thing that happens.
pub(super) enum Next {
    Disturbed(Disturbance),
    Stream(StreamEvent),
    Decided(Progress),
    Paged(bool),
    Judged(News),
    Courtesy(Option<MeView>),
    Typed(Typed),
    Tick,
}

impl Session<'_> {
    /// Waits for the next thing. What the stream says comes before what is typed, so that nobody
    /// answers a question that is known to be settled.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        let wake = self.wake();
        let reads = self.reads();
        let Self {
            tty,
            redrawing,
            stream,
            work,
            courtesies,
            desk,
            ..
        } = self;
        let working = async {
            match work {
                Work::Deciding(deciding) => Next::Decided(deciding.next().await),
                Work::Paging(pager) => Next::Paged(pager.shown().await),
                Work::None | Work::Pages(_) => pending().await,
            }
        };
        let typing = async {
            if reads {
                tty.read().await
            } else {
                pending().await
            }
        };
        let judging = async {
            match desk {
                Some(desk) => desk.next().await,
                None => pending().await,
            }
        };
        let waking = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        Ok(tokio::select! {
            biased;
            disturbance = redrawing.next() => Next::Disturbed(disturbance),
            next = working => next,
            news = judging => Next::Judged(news),
            event = stream.next() => Next::Stream(event),
            typed = typing => Next::Typed(typed?),
            () = waking => Next::Tick,
            Some(me) = courtesies.next() => Next::Courtesy(me),
        })
    }

    /// Whether what is typed is read now: not while a pager reads it, nor while a decision is on
    /// its way, after which it is thrown away.
    const fn reads(&self) -> bool {
        match self.work {
            Work::None | Work::Pages(_) => true,
            Work::Deciding(_) | Work::Paging(_) => false,
        }
    }

    /// When to wake up by ourselves.
    fn wake(&self) -> Option<Instant> {
        let question = self.question_wakes();
        let again = self.inbox.judged_again();
        let wakes = question.into_iter().chain(self.link.due());
        wakes.chain(again).min()
    }

    fn question_wakes(&self) -> Option<Instant> {
        match (&self.asked, &self.work) {
            (Some(asked), Work::None) => {
                let tick = self.screen.can_change().then_some(asked.clock_at);
                asked.guard.or(tick)
            }
            (None, _) => self.inbox.next_return(),
            (Some(_), Work::Deciding(deciding)) => {
                let told = self.news.is_some();
                deciding.echo_until().filter(|_| told)
            }
            (Some(_), Work::Paging(_) | Work::Pages(_)) => None,
        }
    }
}
