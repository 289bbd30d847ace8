//! How the writer meets a failure, and comes back.
//!
//! It never gives up and never guesses: while the database fails, writes are refused at once and
//! the readers are left alone; before it is used again it must be the same database, hold all that
//! was made known, and be able to take a large record, and the feed is told what it had missed.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::database::{self, Database, Missing};
use super::error::OpenError;
use super::writer::{Doubt, Failure, Job, Writer, answer};
use super::{reader, rows};
use crate::limits;
use crate::store::{Range, StoreError};

impl Failure {
    fn answer(&self, why: String) -> StoreError {
        if self.at_commit {
            StoreError::OutcomeUnknown(why)
        } else {
            StoreError::Unavailable(why)
        }
    }
}

impl Writer {
    /// Lets go of the connection and tells why, first everybody and then those who wait for this
    /// answer, so that whoever has it finds the store failing.
    pub(super) fn fail(&mut self, failure: &Failure) -> StoreError {
        let error = OpenError::sqlite(&self.path, &failure.error);
        tracing::error!(%error, unconfirmed = failure.at_commit, "the store failed");
        self.doubt.unconfirmed |= failure.at_commit;
        self.doubt.damaged |= error.is_damage();
        let why = error.to_string();
        self.condition.fails(why.clone());
        self.connection = None;
        failure.answer(why)
    }

    /// Takes up what a read has failed with, if one has, as if a write had.
    pub(super) fn heed_suspicion(&mut self) {
        let Some(error) = self.condition.take_suspicion() else {
            return;
        };
        if self.connection.take().is_some() {
            tracing::error!(%error, "a read of the store failed");
        }
        // What the system could not read, it may still not be able to read: that too is only seen
        // by reading everything.
        self.doubt.damaged |= error.is_damage() || matches!(error, OpenError::Io { .. });
    }

    /// Waits, then opens the database again; false when the store was closed meanwhile.
    ///
    /// The pause grows until a write has worked, not only until the database could be opened: one
    /// that opens and fails again must not make the daemon ready and not ready many times a second.
    pub(super) fn recover(&mut self) -> bool {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.settings.reopen.1);
        if !self.refuse_for(pause) {
            return false;
        }
        self.heed_suspicion();
        match self.reopen() {
            Ok(connection) => {
                self.look_again(&connection);
                self.connection = Some(connection);
                self.doubt = Doubt::default();
                tracing::info!(path = %self.path.display(), "the store works again");
                self.condition.works();
            }
            Err(error) => {
                self.doubt.damaged |= error.is_damage();
                if self.condition.fails(error.to_string()) {
                    tracing::error!(%error, "the store still fails");
                }
            }
        }
        true
    }

    /// Refuses what still comes in from those who have not seen the store fail.
    fn refuse_for(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let job = match self.next.take() {
                Some(job) => Ok(job),
                None => self.queue.recv_timeout(left),
            };
            // Only a failing store gets here, and only this thread ends that, so there is a reason.
            let why = self.condition.failing();
            let why = why.expect("the store fails until it was opened again");
            match job {
                Ok(Job::Write(write)) => answer(write.answer, Err(StoreError::Unavailable(why))),
                Ok(Job::Purge(purge)) => answer(purge.answer, Err(StoreError::Unavailable(why))),
                Ok(Job::Look) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn reopen(&mut self) -> Result<Connection, OpenError> {
        let path = &self.path;
        let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
        let settings = &mut self.settings;
        let driver = settings.driver.as_mut();
        let found = Database::open(path, Missing::Refuse, settings.busy, driver)?;
        let known = self.published.standing();
        if found.history != self.history || found.standing.head.event < known.head.event {
            return Err(OpenError::Replaced { path: path.clone() });
        }
        let connection = found.connection;
        let unfiled = found.unfiled;
        if self.doubt.damaged {
            database::examine(&connection, path)?;
        }
        if self.doubt.unconfirmed {
            // After a failed flush the kernel may call the pages clean that it could not write, so
            // that the next flush is no proof of them. Moving the log into the database writes
            // them all once more.
            database::checkpoint(&connection, path)?;
        }
        database::probe(&connection).map_err(sqlite)?;
        // The readers open the file in their own way, and that has to work as well.
        reader::connect(path, settings.busy)
            .and_then(|reader| rows::standing(&reader))
            .map_err(sqlite)?;
        self.published.reload(unfiled);
        // What was committed without a confirmation is told now, before anything that follows it.
        let mut range = Range {
            after: known.head.event,
            until: found.standing.head.event,
        };
        loop {
            let batch = limits::CHANGES_BATCH;
            let events = rows::changes(&connection, &self.condition, range, batch);
            let events = events.map_err(sqlite)?;
            let Some(last) = events.last() else {
                self.published.catch_up(found.standing, &[]);
                // Whoever waits for the head would wait for the next commit otherwise.
                if range.after < range.until {
                    self.feed.reached(range.until);
                }
                return Ok(connection);
            };
            // Published as far as it is told, so that a fault in between leaves the rest to tell.
            let mut standing = found.standing;
            standing.head.event = last.id;
            range.after = last.id;
            self.published.catch_up(standing, &events);
            self.feed.deliver(&events);
        }
    }
}
