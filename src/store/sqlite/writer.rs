//! The one thread that writes.
//!
//! It takes all the writes that wait, commits them in one transaction, and only then makes them
//! known, tells the feed and answers. A flush of the disk takes milliseconds and the rest
//! microseconds, so what arrives during one flush shares the next, and nobody waits for company.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::CLOSED;
use super::Settings;
use super::database::{self, Database, Missing};
use super::error::OpenError;
use super::group::{self, Outcome, Purge, Write};
use super::lock::Lock;
use super::published::Published;
use super::rows::{self, ReadError};
use crate::domain::HistoryId;
use crate::limits;
use crate::store::{Commit, Feed, Health, Range, StoreError};

/// What waits for the writer.
pub(super) enum Job {
    Write(Box<Write>),
    Purge(Purge),
}

/// The writer's own things. The lock stands last, so that it is let go after the connection.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) history: HistoryId,
    pub(super) settings: Settings,
    pub(super) queue: Receiver<Job>,
    pub(super) feed: Arc<dyn Feed>,
    pub(super) published: Arc<Published>,
    pub(super) health: watch::Sender<Health>,
    /// A job that was taken from the queue and has to wait for the group before it.
    pub(super) next: Option<Job>,
    /// `None` while the store fails.
    pub(super) connection: Option<Connection>,
    /// The pause before the next attempt to open the database again.
    pub(super) pause: Duration,
    pub(super) suspicion: Suspicion,
    pub(super) _lock: Lock,
}

/// What has to be made sure of before the database is used again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    /// A COMMIT has failed, and may have happened.
    pub(super) unconfirmed: bool,
    /// The database's bytes were at fault.
    pub(super) damaged: bool,
}

/// A transaction did not happen, or nobody knows.
struct Failure {
    error: rusqlite::Error,
    at_commit: bool,
}

impl Failure {
    fn before(error: rusqlite::Error) -> Self {
        let at_commit = false;
        Self { error, at_commit }
    }

    fn at_commit(error: rusqlite::Error) -> Self {
        let at_commit = true;
        Self { error, at_commit }
    }

    fn answer(&self, why: String) -> StoreError {
        if self.at_commit {
            StoreError::OutcomeUnknown(why)
        } else {
            StoreError::Unavailable(why)
        }
    }
}

impl Writer {
    /// Works until nobody can send any more, then makes the database tidy and lets go of it.
    pub(super) fn run(mut self) {
        while let Some(job) = self.next_job() {
            match job {
                Job::Write(first) => {
                    let group = self.gather(*first);
                    self.write(group);
                }
                Job::Purge(purge) => self.purge(purge),
            }
            while self.connection.is_none() {
                if !self.recover() {
                    return;
                }
            }
        }
        let tidy = self
            .connection
            .as_ref()
            .map(|connection| database::checkpoint(connection, &self.path));
        if let Some(Err(error)) = tidy {
            // Nothing is lost by it: the next to open the database reads the log.
            tracing::warn!(%error, "the write-ahead log was not moved into the database");
        }
    }

    fn next_job(&mut self) -> Option<Job> {
        match self.next.take() {
            Some(job) => Some(job),
            None => self.queue.recv().ok(),
        }
    }

    /// The first write and those that wait behind it, up to the bounds of a group.
    fn gather(&mut self, first: Write) -> Vec<Write> {
        let mut bytes = first.record.len();
        let mut group = vec![first];
        while group.len() < limits::WRITE_GROUP && bytes < limits::WRITE_GROUP_BYTES {
            match self.queue.try_recv() {
                Ok(Job::Write(write)) => {
                    bytes += write.record.len();
                    group.push(*write);
                }
                Ok(other @ Job::Purge(_)) => {
                    self.next = Some(other);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        group
    }

    fn write(&mut self, group: Vec<Write>) {
        match self.commit_group(&group) {
            Ok(outcomes) => {
                self.pause = self.settings.reopen.0;
                for (write, outcome) in group.into_iter().zip(outcomes) {
                    answer(write.answer, outcome);
                }
            }
            Err(failure) => {
                let error = self.fail(&failure);
                for write in group {
                    answer(write.answer, Err(error.clone()));
                }
            }
        }
    }

    fn commit_group(&mut self, group: &[Write]) -> Result<Vec<Outcome>, Failure> {
        let connection = self.connection.as_ref().expect("it is open between jobs");
        let mut standing = self.published.standing();
        begin(connection)?;
        let outcomes = group::apply(connection, group, &mut standing).map_err(Failure::before)?;
        let changed = group.iter().map(|write| write.request.id);
        self.published.forget(changed);
        let committed = self.settings.driver.commit(connection);
        committed.map_err(Failure::at_commit)?;
        let done = outcomes.iter().filter_map(|outcome| match outcome {
            Ok(Commit::Done(event)) => Some(event.clone()),
            Ok(Commit::Conflict(_)) | Err(_) => None,
        });
        let events: Vec<_> = done.collect();
        self.published.publish(standing, &events);
        if !events.is_empty() {
            self.feed.deliver(&events);
        }
        Ok(outcomes)
    }

    fn purge(&mut self, purge: Purge) {
        let result = self.commit_purge(&purge);
        let result = result.map_err(|failure| self.fail(&failure));
        answer(purge.answer, result);
    }

    fn commit_purge(&mut self, purge: &Purge) -> Result<usize, Failure> {
        let connection = self.connection.as_ref().expect("it is open between jobs");
        let mut standing = self.published.standing();
        begin(connection)?;
        let head = &mut standing.head;
        let purged = group::purge(connection, purge.settled_before, purge.limit, head)
            .map_err(Failure::before)?;
        self.published.forget(purged.iter().copied());
        let committed = self.settings.driver.commit(connection);
        committed.map_err(Failure::at_commit)?;
        self.published.publish(standing, &[]);
        Ok(purged.len())
    }

    /// Lets go of the connection and tells why, first everybody and then those who wait for this
    /// answer, so that whoever has it finds the store failing.
    fn fail(&mut self, failure: &Failure) -> StoreError {
        let error = OpenError::sqlite(&self.path, &failure.error);
        tracing::error!(%error, unconfirmed = failure.at_commit, "the store failed");
        self.suspicion.unconfirmed |= failure.at_commit;
        self.suspicion.damaged |= error.is_damage();
        let why = error.to_string();
        self.health.send_replace(Health::Failing(why.clone()));
        self.connection = None;
        failure.answer(why)
    }

    /// Waits, then opens the database again; false when the store was closed meanwhile.
    ///
    /// The pause grows until a write has worked, not only until the database could be opened: one
    /// that opens and fails again must not make the daemon ready and not ready many times a second.
    fn recover(&mut self) -> bool {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.settings.reopen.1);
        if !self.refuse_for(pause) {
            return false;
        }
        match self.reopen() {
            Ok(connection) => {
                self.connection = Some(connection);
                self.suspicion = Suspicion::default();
                tracing::info!(path = %self.path.display(), "the store works again");
                self.health.send_replace(Health::Ready);
            }
            Err(error) => {
                self.suspicion.damaged |= error.is_damage();
                let failing = Health::Failing(error.to_string());
                self.health.send_if_modified(|health| {
                    let changed = *health != failing;
                    if changed {
                        tracing::error!(%error, "the store still fails");
                        *health = failing;
                    }
                    changed
                });
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
            let why = match &*self.health.borrow() {
                Health::Failing(why) => why.clone(),
                Health::Ready => CLOSED.to_owned(),
            };
            match job {
                Ok(Job::Write(write)) => answer(write.answer, Err(StoreError::Unavailable(why))),
                Ok(Job::Purge(purge)) => answer(purge.answer, Err(StoreError::Unavailable(why))),
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
        if self.suspicion.damaged {
            database::examine(&connection, path)?;
        }
        if self.suspicion.unconfirmed {
            // After a failed flush the kernel may call the pages clean that it could not write, so
            // that the next flush is no proof of them. Moving the log into the database writes
            // them all once more.
            database::checkpoint(&connection, path)?;
        }
        database::probe(&connection).map_err(sqlite)?;
        // What was committed without a confirmation is told now, before anything that follows it.
        let mut range = Range {
            after: known.head.event,
            until: found.standing.head.event,
        };
        loop {
            let events = match rows::changes(&connection, range, false, limits::CHANGES_BATCH) {
                Ok(events) => events,
                Err(ReadError::Sqlite(error)) => return Err(sqlite(error)),
                Err(ReadError::Record(error)) => {
                    return Err(OpenError::Damaged {
                        path: path.clone(),
                        reason: error.to_string(),
                    });
                }
            };
            let Some(last) = events.last() else {
                self.published.publish(found.standing, &[]);
                return Ok(connection);
            };
            // Published as far as it is told, so that a fault in between leaves the rest to tell.
            let mut standing = found.standing;
            standing.head.event = last.id;
            range.after = last.id;
            self.published.publish(standing, &events);
            self.feed.deliver(&events);
        }
    }
}

fn begin(connection: &Connection) -> Result<(), Failure> {
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(Failure::before)
}

/// Answers a caller; one that has gone needs no answer.
fn answer<T>(to: oneshot::Sender<T>, with: T) {
    drop(to.send(with));
}
