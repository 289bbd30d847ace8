//! What the store can do, as its writer and its readers have found.
//!
//! The writer knows whether it can write. The readers meet damage that no write has met, and
//! records that cannot be read in a store that is otherwise sound. Both come together here, in
//! the one [`Health`] that is told, and each trouble is logged once and not at every read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::{Health, StoreError};
use crate::domain::EventId;
use crate::limits;

/// Shared by the writer and the readers.
pub(super) struct Condition<S> {
    /// Which store, for the person who runs the daemon.
    name: String,
    /// What that person can do about records that cannot be read.
    remedy: &'static str,
    // A std mutex: it is held for map operations, never over an await or a read of the disk.
    found: Mutex<Found<S>>,
    health: watch::Sender<Health>,
}

struct Found<S> {
    /// Why the writer does not write.
    failing: Option<String>,
    /// What a read has failed with, until the writer has taken it up.
    suspicion: Option<S>,
    /// The rows with a record that cannot be read, and what is wrong with it.
    bad: BTreeMap<EventId, String>,
    /// There are more of them than are remembered.
    more: bool,
}

/// How many of the records that cannot be read are named to whoever asks for the health.
const NAMED: usize = 3;

/// Whether something that was found had to be said.
enum News {
    Known,
    New,
    TooMany,
}

impl<S: Display> Condition<S> {
    pub(super) fn new(name: String, remedy: &'static str) -> Self {
        let (health, _) = watch::channel(Health::Ready);
        let found = Found {
            failing: None,
            suspicion: None,
            bad: BTreeMap::new(),
            more: false,
        };
        Self {
            name,
            remedy,
            found: Mutex::new(found),
            health,
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Why writes are refused, if they are.
    pub(super) fn failing(&self) -> Option<String> {
        match &*self.health.borrow() {
            Health::Failing(why) => Some(why.clone()),
            Health::Ready | Health::Damaged(_) => None,
        }
    }

    /// The writer does not write; answers whether that, or the reason, is new.
    pub(super) fn fails(&self, why: String) -> bool {
        self.update(|found| {
            let why = Some(why);
            let new = found.failing != why;
            found.failing = why;
            new
        })
    }

    /// The writer writes again.
    pub(super) fn works(&self) {
        self.update(|found| found.failing = None);
    }

    /// A read has failed, and the store is not trusted until the writer has taken that up; answers
    /// whether the writer has to be told of it.
    pub(super) fn suspect(&self, error: S) -> bool {
        self.update(|found| found.suspicion.replace(error).is_none())
    }

    /// Takes up what a read has failed with. The store stays failing until [`works`](Self::works).
    pub(super) fn take_suspicion(&self) -> Option<S> {
        self.update(|found| {
            let error = found.suspicion.take()?;
            found.failing.get_or_insert_with(|| error.to_string());
            Some(error)
        })
    }

    /// The record of this row cannot be read, and is left out.
    pub(super) fn bad_record(&self, row: EventId, error: &StoreError) {
        let news = self.update(|found| {
            if found.bad.contains_key(&row) {
                News::Known
            } else if found.bad.len() < limits::STORE_BAD_RECORDS {
                found.bad.insert(row, error.to_string());
                News::New
            } else if std::mem::replace(&mut found.more, true) {
                News::Known
            } else {
                News::TooMany
            }
        });
        let store = &self.name;
        match news {
            News::Known => {}
            News::New => tracing::error!(%store, event = row.0, %error, "this request is left out"),
            News::TooMany => tracing::error!(
                %store,
                named = limits::STORE_BAD_RECORDS,
                "more records cannot be read, and are left out without being named"
            ),
        }
    }

    /// The rows that were [found bad](Self::bad_record).
    pub(super) fn bad_rows(&self) -> Vec<EventId> {
        self.found().bad.keys().copied().collect()
    }

    /// These rows are gone, or can be read after all.
    pub(super) fn mended(&self, rows: &[EventId]) {
        self.update(|found| {
            found.bad.retain(|row, _| !rows.contains(row));
            found.more &= !found.bad.is_empty();
        });
    }

    /// Changes what is known, and tells the health that follows if it is another.
    fn update<T>(&self, change: impl FnOnce(&mut Found<S>) -> T) -> T {
        let mut found = self.found();
        let answer = change(&mut found);
        // Under the lock, so that the last to change it is the last to tell.
        let health = self.follows(&found);
        self.health.send_if_modified(|told| {
            let changed = *told != health;
            *told = health;
            changed
        });
        answer
    }

    fn follows(&self, found: &Found<S>) -> Health {
        if let Some(why) = &found.failing {
            return Health::Failing(why.clone());
        }
        if let Some(error) = &found.suspicion {
            return Health::Failing(error.to_string());
        }
        if found.bad.is_empty() {
            return Health::Ready;
        }
        let named: Vec<_> = found.bad.values().take(NAMED).map(String::as_str).collect();
        let others = match found.bad.len() - named.len() {
            0 => String::new(),
            others if found.more => format!(" (and more than {others} others)"),
            others => format!(" (and {others} more)"),
        };
        Health::Damaged(format!(
            "{}: {}{others}; all else works: {}",
            self.name,
            named.join("; "),
            self.remedy
        ))
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found<S>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition() -> Condition<&'static str> {
        Condition::new("/pushd.db".to_owned(), "restore a backup")
    }

    fn bad(condition: &Condition<&'static str>, row: u64) {
        let error = StoreError::BadRecord {
            id: format!("r{row}"),
            reason: "torn".to_owned(),
        };
        condition.bad_record(EventId(row), &error);
    }

    fn health(condition: &Condition<&'static str>) -> Health {
        condition.watch().borrow().clone()
    }

    fn damage(condition: &Condition<&'static str>) -> String {
        match health(condition) {
            Health::Damaged(why) => why,
            other @ (Health::Ready | Health::Failing(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_failure_hides_bad_records_and_does_not_forget_them() {
        let condition = condition();
        bad(&condition, 2);
        let first = damage(&condition);
        assert!(
            first.contains("/pushd.db") && first.contains("r2"),
            "{first}"
        );
        assert_eq!(condition.failing(), None, "writes go on");
        assert!(condition.fails("full".to_owned()));
        assert!(!condition.fails("full".to_owned()));
        assert_eq!(health(&condition), Health::Failing("full".to_owned()));
        condition.works();
        bad(&condition, 1);
        let both = damage(&condition);
        assert!(both.contains("r1") && both.contains("r2"), "{both}");
        for row in 3..=5 {
            bad(&condition, row);
        }
        let many = damage(&condition);
        assert!(many.contains("r3") && many.contains("and 2 more"), "{many}");
        condition.mended(&[EventId(3), EventId(4), EventId(5)]);
        condition.mended(&[EventId(1)]);
        assert_eq!(damage(&condition), first);
        condition.mended(&[EventId(2)]);
        assert_eq!(health(&condition), Health::Ready);
    }

    #[test]
    fn a_suspicion_is_taken_up_once_and_lasts_until_the_writer_has_looked() {
        let condition = condition();
        let error = || "the disk is full";
        assert!(condition.suspect(error()));
        assert!(!condition.suspect(error()), "the writer knows of one");
        let why = error().to_string();
        assert_eq!(condition.failing(), Some(why.clone()));
        assert!(condition.take_suspicion().is_some());
        assert!(condition.take_suspicion().is_none());
        assert_eq!(condition.failing(), Some(why.clone()));
        // One that comes while the writer looks is not covered by what it finds.
        assert!(condition.suspect(error()));
        condition.works();
        assert_eq!(condition.failing(), Some(why));
        assert!(condition.take_suspicion().is_some());
        condition.works();
        assert_eq!(health(&condition), Health::Ready);
    }

    #[test]
    fn no_more_bad_records_are_remembered_than_there_is_room_for() {
        let condition = condition();
        let most = limits::STORE_BAD_RECORDS as u64;
        for row in 1..=most + 2 {
            bad(&condition, row);
        }
        assert_eq!(condition.bad_rows().len(), limits::STORE_BAD_RECORDS);
        assert!(damage(&condition).contains("more than"));
        condition.mended(&condition.bad_rows());
        assert_eq!(health(&condition), Health::Ready);
    }
}
