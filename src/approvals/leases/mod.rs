//! Leases: a request whose asker is gone for good withdraws itself.
//!
//! A held poll is the sign that the asker is there; it writes nothing. What counts as one and which
//! lease has ended is decided in the book, which the pump feeds with requests and the use cases with
//! polls; one task, [`keep`], ends the leases.
//!
//! An outage never ends a lease: they begin anew when the daemon starts, when its store works again,
//! when time has passed that the daemon has not lived through, and when connections were turned away.
//!
//! Where several nodes serve one store, none ends a lease before it has asked the others, who may
//! hold the poll; see [`Nodes`](super::nodes::Nodes).

mod book;
mod keeper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::keeper::keep;

use self::book::Book;
use crate::domain::{Caller, Event, Request, RequestId};

/// The leases of one daemon.
#[derive(Debug)]
pub struct Leases {
    // A std mutex: it is held for map operations only, never over an await.
    book: Mutex<Book>,
    /// Some pending requests may not be in the book.
    has_gaps: AtomicBool,
    /// The keeper has something to do.
    stirred: Notify,
    /// Somebody whom another node has asked about has come.
    has_news: Notify,
    kept_out: KeptOut,
}

/// How long a lease has left, at least as far as one node knows.
pub type Left = (RequestId, Duration);

/// Whether somebody who wanted to call was turned away before it was known who: it may have been an
/// asker. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct KeptOut(Arc<AtomicBool>);

impl KeptOut {
    /// Somebody was.
    pub fn note(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody was since the keeper last looked.
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The same, which is forgotten with that.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Default for Leases {
    /// An empty book, in which what a former process has left pending is missing.
    fn default() -> Self {
        Self {
            book: Mutex::default(),
            has_gaps: AtomicBool::new(true),
            stirred: Notify::new(),
            has_news: Notify::new(),
            kept_out: KeptOut::default(),
        }
    }
}

impl Leases {
    /// Takes up what a request has become.
    pub(super) fn note(&self, event: &Event) {
        self.change(|book| book.note(&event.request, Instant::now()));
    }

    /// Commits may have been missed.
    pub(super) fn has_missed(&self) {
        self.has_gaps.store(true, Ordering::SeqCst);
        self.stirred.notify_one();
    }

    /// A poll of `by` comes, or another sign of life, which is over at once; it counts until the
    /// guard is dropped.
    pub(super) fn hold(&self, id: RequestId, by: &Caller) -> Hold<'_> {
        let counts = self.enter(id, by);
        Hold {
            leases: self,
            id,
            counts,
        }
    }

    fn enter(&self, id: RequestId, by: &Caller) -> bool {
        let mut book = self.book();
        let counts = book.enter(id, by, Instant::now());
        let has_news = book.has_news();
        drop(book);
        if has_news {
            self.has_news.notify_one();
        }
        counts
    }

    /// What has happened here to the leases that another node asks about: how long each has left,
    /// for those that have. Whoever comes for one of them within `wait` is [news](Self::news).
    pub fn kept(&self, ids: &[RequestId], wait: Duration) -> Vec<Left> {
        let now = Instant::now();
        self.book().kept(ids, now, now + wait)
    }

    /// Another node has said how long these leases have left there.
    pub fn hear(&self, kept: &[Left]) {
        self.change(|book| {
            let now = Instant::now();
            for (id, left) in kept {
                book.hear(*id, *left, now);
            }
        });
    }

    /// Waits for the askers of requests that another node has just asked about; answers at most
    /// `most`, each once. Safe to drop at any time.
    pub async fn news(&self, most: usize) -> Vec<Left> {
        loop {
            let news = {
                let mut book = self.book();
                let news = book.take_news(Instant::now(), most);
                if book.has_news() {
                    self.has_news.notify_one();
                }
                news
            };
            if !news.is_empty() {
                return news;
            }
            self.has_news.notified().await;
        }
    }

    /// What other nodes know is in doubt: no lease that runs ends sooner than a whole one from now.
    pub fn put_off(&self, why: &'static str) {
        let (_, running) = self.counts();
        if running > 0 {
            tracing::info!(running, why, "leases begin anew");
        }
        self.change(|book| book.put_off_all(Instant::now()));
    }

    /// Where those who turn callers away tell it.
    pub fn kept_out(&self) -> KeptOut {
        self.kept_out.clone()
    }

    /// How many leases there are, and how many of them run because no poll is held.
    pub fn counts(&self) -> (usize, usize) {
        self.book().counts()
    }

    /// Changes the book, and wakes the keeper when a lease runs and none did.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let ran = book.next_end().is_some();
        let answer = change(&mut book);
        let stirs = !ran && book.next_end().is_some();
        drop(book);
        if stirs {
            self.stirred.notify_one();
        }
        answer
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One poll; dropping it ends it.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    leases: &'a Leases,
    id: RequestId,
    counts: bool,
}

impl Hold<'_> {
    /// Counts it for this request, as it was read, if it does not count yet: the book may not have
    /// known the request when the poll came.
    pub(super) fn of(&mut self, request: &Request, by: &Caller) {
        if self.counts || request.lease_secs.is_none() {
            return;
        }
        // It may be final by now; then the keeper finds out.
        self.leases
            .change(|book| book.note(request, Instant::now()));
        self.counts = self.leases.enter(request.id, by);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.leases
                .change(|book| book.leave(self.id, Instant::now()));
        }
    }
}
