//! Changes to the tokens file, which leave all else in it as it is: order, comments, spaces.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use toml_edit::{Array, Datetime, DocumentMut, Item, Table, value};

use super::file::{FileError, parse, read};
use super::token::{Token, TokenHash};
use crate::domain::{BadName, Principal, Rights, Role, Timestamp, TopicPattern};
use crate::wire;

/// What a new token is for.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is.
    pub name: String,
    /// What may be done with it.
    pub roles: Vec<Role>,
    /// On which topics.
    pub topics: Vec<TopicPattern>,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// An older token of the same name goes.
    pub replace: bool,
}

/// Why a tokens file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The name is none that a token may have.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The file is wrong already.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name has a token.
    #[error("{0} has a token already; --replace makes a new one in its place")]
    Exists(String),
    /// The name has no token.
    #[error("{name} has no token in {}; `pushd token list` shows who has", path.display())]
    Missing {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The system has no random bytes.
    #[error("no random bytes from the system")]
    Random(#[from] getrandom::Error),
    /// The file cannot be written.
    #[error("cannot write the tokens file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a change has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The file was not there before.
    Begun,
    /// There was a file.
    Changed,
}

/// One principal of a tokens file, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Whose token it is.
    pub name: String,
    /// What may be done with it.
    pub roles: Vec<Role>,
    /// On which topics.
    pub topics: Vec<String>,
    /// When it was made, if that is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "wire::rfc3339::option"
    )]
    pub created: Option<Timestamp>,
    /// When it expires, if it does.
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "wire::rfc3339::option"
    )]
    pub expires: Option<Timestamp>,
}

/// Makes a token, and the file when there is none. The token is nowhere but in the answer.
///
/// # Errors
/// The name is taken or wrong, or the file cannot be read or written.
pub fn create(path: &Path, new: &NewToken, now: Timestamp) -> Result<(Token, Edited), EditError> {
    Principal::checked(&new.name)?;
    let token = Token::random()?;
    let edited = change(path, |document| {
        let name = new.name.as_str();
        if document.contains_key(name) && !new.replace {
            return Err(EditError::Exists(name.to_owned()));
        }
        let mut table = entry(new, token.hash(), now);
        if let Some(before) = document.get(name).and_then(Item::as_table) {
            table.set_position(before.position());
            *table.decor_mut() = before.decor().clone();
        } else if document.is_empty() {
            // A file of comments alone: they stay above.
            let above = document.trailing().as_str().unwrap_or_default();
            let above = format!("{}\n\n", above.trim_end());
            table.decor_mut().set_prefix(above.trim_start());
            document.set_trailing("");
        }
        document.insert(name, Item::Table(table));
        Ok(())
    })?;
    Ok((token, edited))
}

/// Takes somebody's token out of the file.
///
/// # Errors
/// There is none, or the file cannot be read or written.
pub fn revoke(path: &Path, name: &str) -> Result<(), EditError> {
    // A file that is not there is no reason to make one.
    read(path)?;
    let gone = change(path, |document| {
        let gone = document.remove(name).ok_or_else(|| EditError::Missing {
            name: name.to_owned(),
            path: path.to_owned(),
        })?;
        keep_above(document, gone.as_table());
        Ok(())
    });
    gone.map(|_| ())
}

/// Keeps what stood above a table that is gone and is about the whole file. A comment right above
/// the table is about the table; one with an empty line below it is not.
fn keep_above(document: &mut DocumentMut, gone: Option<&Table>) {
    let prefix = gone.and_then(|gone| gone.decor().prefix()?.as_str());
    let Some((above, _)) = prefix.and_then(|prefix| prefix.rsplit_once("\n\n")) else {
        return;
    };
    let position = gone.and_then(Table::position);
    let mut tables: Vec<_> = document
        .iter_mut()
        .filter_map(|(_, item)| item.as_table_mut())
        .filter(|table| table.position() > position)
        .collect();
    tables.sort_by_key(|table| table.position());
    if let Some(next) = tables.first_mut() {
        let below = next.decor().prefix().and_then(|prefix| prefix.as_str());
        let below = below.unwrap_or_default().trim_start_matches('\n');
        let joined = format!("{above}\n\n{below}");
        next.decor_mut().set_prefix(joined);
    } else {
        let below = document.trailing().as_str().unwrap_or_default();
        let joined = format!("{above}\n{below}");
        document.set_trailing(joined);
    }
}

/// All who are in the file, by name.
///
/// # Errors
/// The file cannot be read, or is wrong.
pub fn list(path: &Path) -> Result<Vec<Entry>, FileError> {
    let records = parse(path, &read(path)?)?;
    let entry = |record: super::file::Record| Entry {
        name: record.rights.principal.as_str().to_owned(),
        roles: record.rights.roles,
        topics: record
            .rights
            .topics
            .iter()
            .map(|topic| topic.as_str().to_owned())
            .collect(),
        created: record.created,
        expires: record.expires,
    };
    Ok(records.into_iter().map(entry).collect())
}

/// What all who are in the file may do, by tokens that are good at this time.
///
/// # Errors
/// The file cannot be read, or is wrong.
pub fn rights(path: &Path, now: Timestamp) -> Result<Vec<Rights>, FileError> {
    let records = parse(path, &read(path)?)?.into_iter();
    let good = records.filter(|record| record.expires.is_none_or(|expires| now < expires));
    Ok(good.map(|record| record.rights).collect())
}

fn entry(new: &NewToken, hash: TokenHash, now: Timestamp) -> Table {
    let array = |texts: &mut dyn Iterator<Item = &str>| value(texts.collect::<Array>());
    let mut table = Table::new();
    table.insert(
        "roles",
        array(&mut new.roles.iter().map(|role| role.as_str())),
    );
    table.insert(
        "topics",
        array(&mut new.topics.iter().map(TopicPattern::as_str)),
    );
    table.insert("token", value(hash.to_string()));
    table.insert("created", value(moment(now)));
    if let Some(expires) = new.expires {
        table.insert("expires", value(moment(expires)));
    }
    table
}

fn moment(at: Timestamp) -> Datetime {
    let whole = jiff::Timestamp::from_second(at.as_millis().div_euclid(1000));
    let text = whole.unwrap_or(jiff::Timestamp::MAX).to_string();
    text.parse().expect("RFC 3339 is what TOML has")
}

/// Reads the file, has it changed, and puts the changed one in its place in one step, so that no
/// daemon ever reads half of it. Others who change it in the same way wait.
fn change(
    path: &Path,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), EditError>,
) -> Result<Edited, EditError> {
    let failed = |source| EditError::Write {
        path: path.to_owned(),
        source,
    };
    // The file may be a link, which stays one.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match real.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    // A file beside it is locked and not the file itself, which is another one afterwards; and
    // nobody else can open it, who could then hold the lock for ever.
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(format!(".{name}.lock")))
        .map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (text, mode) = match fs::metadata(&real) {
        Ok(about) => (read(&real)?, Some(about.permissions().mode() & 0o777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (BEGINNING.to_owned(), None),
        Err(error) => return Err(failed(error)),
    };
    // What is wrong in it is told before anything is written over it.
    parse(path, &text)?;
    let mut document: DocumentMut = text.parse().expect("it has just been parsed");
    edit(&mut document)?;
    let text = document.to_string();
    parse(path, &text)?;
    write(&real, &folder, &text, mode.unwrap_or(0o600)).map_err(failed)?;
    drop(lock);
    Ok(if mode.is_some() {
        Edited::Changed
    } else {
        Edited::Begun
    })
}

const BEGINNING: &str = "\
# Who may talk to pushd: one table for each person or program. Only hashes of tokens are here.
# `pushd token create` adds to it and `pushd token revoke` takes away; you may edit it as well.
# A running daemon follows it within a second.
";

fn write(path: &Path, folder: &Path, text: &str, mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if let Ok(before) = fs::metadata(path) {
            use std::os::unix::fs::{MetadataExt, fchown};
            // A daemon that runs as another user has to go on reading it.
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn new(name: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            roles: vec![Role::Approver],
            topics: vec![TopicPattern::new("deploy*").unwrap()],
            expires: None,
            replace: false,
        }
    }

    #[test]
    fn tokens_come_and_go_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let (alice, edited) = create(&path, &new("alice"), NOW).unwrap();
        assert_eq!(edited, Edited::Begun);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mut text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(alice.expose()), "{text}");
        text.push_str("\n# the deploy robot\n");
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        create(&path, &new("bob@x"), NOW).unwrap();
        let again = create(&path, &new("alice"), NOW).unwrap_err();
        assert!(again.to_string().contains("--replace"), "{again}");
        let (other, _) = create(
            &path,
            &NewToken {
                replace: true,
                ..new("alice")
            },
            NOW,
        )
        .unwrap();
        assert_ne!(other, alice);
        let names: Vec<_> = list(&path)
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["alice", "bob@x"]);
        revoke(&path, "alice").unwrap();
        let missing = revoke(&path, "alice").unwrap_err().to_string();
        assert!(missing.contains("alice has no token"), "{missing}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# the deploy robot"), "{text}");
        assert!(text.starts_with("# Who may talk"), "{text}");
        assert!(text.contains("created = 2027-01-15T08:00:00Z"), "{text}");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "the file and its lock");
    }

    #[test]
    fn a_file_that_is_wrong_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        fs::write(&path, "[alice]\nroles = 1\n").unwrap();
        let error = create(&path, &new("bob"), NOW).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "[alice]\nroles = 1\n");
        assert!(revoke(&folder.path().join("none"), "alice").is_err());
        assert!(!folder.path().join("none").exists());
        assert!(matches!(
            create(&path, &new("local"), NOW),
            Err(EditError::Name(_))
        ));
    }

    /// Found by review: the folder itself was locked, which everybody may who can look into it, and
    /// so nobody's token could be revoked.
    #[test]
    fn who_locks_the_folder_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let stranger = File::open(folder.path()).unwrap();
        stranger.lock().unwrap();
        create(&path, &new("alice"), NOW).unwrap();
        revoke(&path, "alice").unwrap();
        let lock = fs::metadata(folder.path().join(".tokens.toml.lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn changes_at_the_same_time_are_all_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || create(path, &new(&format!("ci-{n}")), NOW).unwrap());
            }
        });
        assert_eq!(list(&path).unwrap().len(), 8);
    }
}
