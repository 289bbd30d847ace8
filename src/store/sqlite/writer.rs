//! The one thread that writes.
//!
//! It takes all the writes that wait, commits them in one transaction, and only then makes them
//! known, tells the feed and answers. A flush of the disk takes milliseconds and the rest
//! microseconds, so what arrives during one flush shares the next, and nobody waits for company.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Condition;
use super::database::{self, Settings};
use super::group::{self, Outcome, Purge, Write};
use super::lock::Lock;
use super::published::Published;
use super::rows;
use crate::domain::{EventId, HistoryId};
use crate::limits;
use crate::store::{Commit, Feed};

/// What waits for the writer.
pub(super) enum Job {
    Write(Box<Write>),
    Purge(Purge),
    /// A read has failed: look into it.
    Look,
}

/// The writer's own things. The lock stands last, so that it is let go after the connection.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) history: HistoryId,
    pub(super) settings: Settings,
    pub(super) queue: Receiver<Job>,
    pub(super) feed: Arc<dyn Feed>,
    pub(super) published: Arc<Published>,
    pub(super) condition: Arc<Condition>,
    /// A job that was taken from the queue and has to wait for the group before it.
    pub(super) next: Option<Job>,
    /// `None` while the store fails.
    pub(super) connection: Option<Connection>,
    /// The pause before the next attempt to open the database again.
    pub(super) pause: Duration,
    pub(super) doubt: Doubt,
    pub(super) _lock: Lock,
}

/// What has to be made sure of before the database is used again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    /// A COMMIT has failed, and may have happened.
    pub(super) unconfirmed: bool,
    /// The database's bytes were at fault.
    pub(super) damaged: bool,
}

/// A transaction did not happen, or nobody knows.
pub(super) struct Failure {
    pub(super) error: rusqlite::Error,
    pub(super) at_commit: bool,
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
                Job::Look => {}
            }
            // After every job: when the queue is full, nobody can ask for a look.
            self.heed_suspicion();
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
                Ok(other @ (Job::Purge(_) | Job::Look)) => {
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
        let mut filed = Vec::new();
        let outcomes = group::apply(
            connection,
            &self.condition,
            group,
            &mut standing,
            &mut filed,
        )
        .map_err(Failure::before)?;
        filed.extend(self.file_some(connection)?);
        let changed = group.iter().map(|write| write.request.id);
        self.published.forget(changed);
        let committed = self.settings.driver.commit(connection);
        committed.map_err(Failure::at_commit)?;
        let done = outcomes.iter().filter_map(|outcome| match outcome {
            Ok(Commit::Done(event)) => Some(event.clone()),
            Ok(Commit::Conflict(_)) | Err(_) => None,
        });
        let events: Vec<_> = done.collect();
        self.published.publish(standing, &filed, &events);
        if !events.is_empty() {
            self.feed.deliver(&events);
        }
        Ok(outcomes)
    }

    /// Files what was settled a while ago, when it is enough at once.
    fn file_some(&self, connection: &Connection) -> Result<Vec<EventId>, Failure> {
        let (keep, at_once) = self.settings.filing;
        let mut rows = self.published.to_be_filed(keep);
        if rows.len() < at_once {
            rows.clear();
        }
        group::file(connection, &rows).map_err(Failure::before)?;
        Ok(rows)
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
        // Only what is filed is found by the time when it was settled.
        let filed = match purge.limit {
            0 => Vec::new(),
            _ => self.published.to_be_filed(0),
        };
        group::file(connection, &filed).map_err(Failure::before)?;
        let head = &mut standing.head;
        let purged = group::purge(connection, purge.settled_before, purge.limit, head)
            .map_err(Failure::before)?;
        self.published.forget(purged.iter().copied().flatten());
        self.published.purged(standing.head.purged);
        let committed = self.settings.driver.commit(connection);
        committed.map_err(Failure::at_commit)?;
        self.published.publish(standing, &filed, &[]);
        self.look_again(connection);
        Ok(purged.len())
    }

    /// Looks again at the rows that could not be read: they may be purged by now, or
    /// restored.
    pub(super) fn look_again(&self, connection: &Connection) {
        let mut rows = self.condition.bad_rows();
        // Where this cannot be read either, nothing has become better.
        rows.retain(|row| matches!(rows::is_bad(connection, *row), Ok(false)));
        if !rows.is_empty() {
            self.condition.mended(&rows);
        }
    }
}

fn begin(connection: &Connection) -> Result<(), Failure> {
    let begun = connection
        .prepare_cached("BEGIN IMMEDIATE")
        .and_then(|mut begin| begin.execute(()));
    begun.map(drop).map_err(Failure::before)
}

/// Answers a caller; one that has gone needs no answer.
pub(super) fn answer<T>(to: oneshot::Sender<T>, with: T) {
    drop(to.send(with));
}
