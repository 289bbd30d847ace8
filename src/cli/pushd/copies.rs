//! `pushd backup` and `pushd restore`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;

use super::flags::{BackupFlags, RestoreFlags, StoreFlag, StoreFlags};
use super::{Failure, OrExit as _, default_database};
use crate::cli::exit;
use crate::clock::{Clock as _, SystemClock};
use crate::store::sqlite::{self, BackupError, RestoreError, Summary};

/// Copies the database to a file.
pub(super) fn back_up(flags: BackupFlags) -> Result<(), Failure> {
    let database = database(flags.store)?;
    let now = SystemClock::new().now();
    let done = sqlite::backup(&database, &flags.file, flags.force, now);
    let summary = done.map_err(|error| {
        let code = match &error {
            BackupError::Database(_)
            | BackupError::Missing { .. }
            | BackupError::Replaced { .. } => exit::CONFIGURATION,
            BackupError::Exists { .. }
            | BackupError::Target { .. }
            | BackupError::InUse { .. }
            | BackupError::Write { .. } => exit::CANNOT_CREATE,
        };
        Failure(code, error.into())
    })?;
    let what = in_words(&summary);
    tell(&format!(
        "{}: {what}\n{}",
        flags.file.display(),
        warning(&summary)
    ));
    Ok(())
}

/// Puts a backup in the place of the database.
pub(super) fn put_back(flags: RestoreFlags) -> Result<(), Failure> {
    let database = database(flags.store)?;
    let now = SystemClock::new().now();
    let done = sqlite::restore(&database, &flags.file, now).map_err(|error| {
        let code = match &error {
            RestoreError::Backup { .. } => exit::BAD_DATA,
            RestoreError::Database(_) | RestoreError::Failed { .. } => exit::CONFIGURATION,
        };
        Failure(code, error.into())
    })?;
    let (path, what) = (database.display(), in_words(&done.summary));
    let kept = match &done.kept {
        Some(kept) => format!(
            "the database that was there is kept as {}\n",
            kept.display()
        ),
        None => "there was no database before\n".to_owned(),
    };
    let overdue = match done.summary.overdue {
        0 => String::new(),
        overdue => {
            format!("{overdue} of the pending ones are past their time and expire at the start\n")
        }
    };
    tell(&format!(
        "{path}: {what}\n{kept}{overdue}{}",
        warning(&done.summary)
    ));
    Ok(())
}

fn in_words(summary: &Summary) -> String {
    let Summary {
        requests,
        pending,
        head,
        ..
    } = summary;
    let history = summary
        .history
        .map(|history| format!(" of history {history}"))
        .unwrap_or_default();
    format!("{requests} requests, {pending} of them pending, up to event {head}{history}")
}

fn warning(summary: &Summary) -> String {
    match summary.unreadable {
        0 => String::new(),
        bad => format!(
            "warning: the records of {bad} requests cannot be read, here as in the original; \
             a daemon leaves them out and is not ready\n"
        ),
    }
}

/// The database that a command is about.
pub(super) fn database(flags: StoreFlags) -> Result<PathBuf, Failure> {
    match flags.store {
        Some(StoreFlag::Sqlite(path)) => Ok(path),
        Some(StoreFlag::Memory) => Err(anyhow!(
            "--store memory: nothing of it is kept; name a database with --store sqlite:PATH"
        ))
        .or_exit(exit::USAGE),
        Some(StoreFlag::Nats(_)) => Err(anyhow!(
            "--store nats://...: this command is for SQLite; NATS keeps copies by itself, and `nats \
             stream backup` makes one"
        ))
        .or_exit(exit::USAGE),
        None => default_database().or_exit(exit::CONFIGURATION),
    }
}

/// What was done is done, so that nobody can be told of it is no failure.
fn tell(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}
