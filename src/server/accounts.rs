//! Who the users of this machine are: names and groups, as its user database has them.
//!
//! The kernel says by which number somebody connects (`SO_PEERCRED`); this says which name and
//! which rights belong to it. The database may be on another machine, so it is asked away from the
//! accept loop, by few at a time, and its answers count for a while.

mod memory;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use nix::unistd::{Group, Uid, User};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::memory::Memory;
use crate::domain::{Principal, Rights};
use crate::http::UnixUser;
use crate::limits;
use crate::principals::Users;

/// The accounts of this machine.
#[derive(Debug)]
pub struct Accounts {
    approvers: Arc<Approvers>,
    /// By number.
    users: Memory<u32, UnixUser>,
    /// Which number a name has; `None` for a name that there is not.
    numbers: Memory<String, Option<u32>>,
    number_of: NumberOf,
    questions: Arc<Semaphore>,
}

/// Asks the database for the number of a name. It blocks for as long as the database takes.
type NumberOf = fn(&str) -> io::Result<Option<u32>>;

/// Who may decide.
#[derive(Debug, Default)]
struct Approvers {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

/// An approver was named who is not there.
#[derive(Debug, thiserror::Error)]
pub enum ApproverError {
    /// Neither a user nor a group.
    #[error("this machine has neither a group nor a user by the name {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The database does not answer.
    #[error("this machine's user database does not say who {name:?} is")]
    Silent {
        /// The name.
        name: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl Accounts {
    /// The accounts, of which the members of these groups and these users may decide. A name that
    /// is both stands for both.
    ///
    /// It asks the user database, and blocks until that has answered.
    ///
    /// # Errors
    /// A name is not there.
    pub fn new(approvers: &[String]) -> Result<Self, ApproverError> {
        let mut found = Approvers::default();
        for name in approvers {
            let silent = |errno: nix::Error| ApproverError::Silent {
                name: name.clone(),
                cause: errno.into(),
            };
            let group = Group::from_name(name).map_err(silent)?;
            let user = User::from_name(name).map_err(silent)?;
            if group.is_none() && user.is_none() {
                return Err(ApproverError::Unknown { name: name.clone() });
            }
            found.groups.extend(group.map(|group| group.gid.as_raw()));
            found.users.extend(user.map(|user| user.uid.as_raw()));
        }
        Ok(Self {
            approvers: Arc::new(found),
            users: Memory::default(),
            numbers: Memory::default(),
            number_of,
            questions: Arc::new(Semaphore::new(limits::ACCOUNT_QUESTIONS)),
        })
    }

    /// The user with this number. Safe to drop at any time.
    ///
    /// # Errors
    /// The database fails, or does not answer within [`limits::ACCOUNT_TIME`]. Then nobody is
    /// known: under a stand-in name somebody could approve what they asked under their own.
    pub(super) async fn user(&self, uid: u32) -> io::Result<UnixUser> {
        let approvers = Arc::clone(&self.approvers);
        self.answer(&self.users, &uid, move || look_up(uid, &approvers))
            .await
    }

    /// The number of the account with this name.
    async fn number(&self, account: &str) -> io::Result<Option<u32>> {
        let (name, number_of) = (account.to_owned(), self.number_of);
        self.answer(&self.numbers, &name.clone(), move || number_of(&name))
            .await
    }

    /// What is remembered of `key`, or else what the database says to `question`, as one of few
    /// that are asked of it at the same time.
    async fn answer<K, V>(
        &self,
        memory: &Memory<K, V>,
        key: &K,
        question: impl FnOnce() -> io::Result<V> + Send + 'static,
    ) -> io::Result<V>
    where
        K: Eq + std::hash::Hash + Clone,
        V: Clone + Send + 'static,
    {
        if let Some(known) = memory.get(key) {
            return Ok(known);
        }
        let asking = async {
            let permit = Arc::clone(&self.questions).acquire_owned().await;
            // Whoever was before us may have asked the same.
            if let Some(known) = memory.get(key) {
                return Ok(known);
            }
            let answer = spawn_blocking(move || {
                // It holds a thread for as long as the database takes, whoever still waits for it.
                let _permit = permit;
                question()
            });
            let answer = answer.await.map_err(io::Error::other)??;
            memory.put(key, &answer);
            Ok(answer)
        };
        timeout(limits::ACCOUNT_TIME, asking)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[async_trait]
impl Users for Accounts {
    async fn rights(&self, account: &str) -> io::Result<Rights> {
        let uid = match account.strip_prefix(NUMBERED) {
            // No name of an account: it stands for one that has no name that could be shown.
            Some(number) => number.parse().ok(),
            None => self.number(account).await?,
        };
        // Who has no such name any more decides nothing.
        let Some(uid) = uid else {
            return Ok(nobody(account).rights());
        };
        let user = self.user(uid).await?;
        // Two accounts may have one number; it is one of them that has voted.
        let is_same = user.name.strip_prefix(Principal::UNIX) == Some(account);
        Ok(if is_same { user } else { nobody(account) }.rights())
    }

    fn have_approvers(&self) -> bool {
        // A group may be empty; who is in it is not looked for.
        !self.approvers.users.is_empty() || !self.approvers.groups.is_empty()
    }
}

fn number_of(account: &str) -> io::Result<Option<u32>> {
    let found = User::from_name(account)?;
    Ok(found.map(|user| user.uid.as_raw()))
}

/// What the names begin with that we give to accounts without one; their number follows.
const NUMBERED: &str = "uid-";

fn nobody(account: &str) -> UnixUser {
    UnixUser {
        name: format!("{}{account}", Principal::UNIX),
        approver: false,
    }
}

fn look_up(uid: u32, approvers: &Approvers) -> io::Result<UnixUser> {
    let Some(account) = User::from_uid(Uid::from_raw(uid))? else {
        // A user database that is away may say so as well, and then this is somebody's second
        // name; so it never decides.
        return Ok(UnixUser {
            name: principal(uid, None),
            approver: false,
        });
    };
    let mut approver = approvers.users.contains(&uid);
    if !approver && !approvers.groups.is_empty() {
        approver = groups(&account)?
            .iter()
            .any(|group| approvers.groups.contains(group));
    }
    Ok(UnixUser {
        name: principal(uid, Some(&account.name)),
        approver,
    })
}

/// All groups of an account, its own and those that list it.
#[cfg(not(target_vendor = "apple"))]
fn groups(account: &User) -> io::Result<Vec<u32>> {
    let name = std::ffi::CString::new(account.name.as_str())?;
    let groups = nix::unistd::getgrouplist(&name, account.gid)?;
    Ok(groups.iter().map(|group| group.as_raw()).collect())
}

/// The group of an account alone: what else there is has no safe name on this system.
#[cfg(target_vendor = "apple")]
fn groups(account: &User) -> io::Result<Vec<u32>> {
    Ok(vec![account.gid.as_raw()])
}

/// The principal of an account. A name that is unlike names of accounts, or that looks like one
/// of ours for accounts without one, gives way to the number.
fn principal(uid: u32, name: Option<&str>) -> String {
    let fits = |name: &&str| {
        let mut characters = name.chars();
        (1..=limits::ACCOUNT_CHARS).contains(&name.len())
            && !name.starts_with(NUMBERED)
            && characters.all(|c| c.is_ascii_alphanumeric() || "._-@+".contains(c))
    };
    name.filter(fits).map_or_else(
        || format!("{}{NUMBERED}{uid}", Principal::UNIX),
        |name| format!("{}{name}", Principal::UNIX),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures_util::future::join_all;

    use super::*;
    use crate::domain::Role;

    #[test]
    fn a_principal_is_the_name_of_the_account_or_its_number() {
        for (name, expected) in [
            (Some("ana"), "unix:ana"),
            (Some("ana.m@corp"), "unix:ana.m@corp"),
            (None, "unix:uid-1234"),
            (Some(""), "unix:uid-1234"),
            (Some("a b"), "unix:uid-1234"),
            (Some("ana\u{202e}"), "unix:uid-1234"),
            // It would be taken for the account with the number 0 that has no name.
            (Some("uid-0"), "unix:uid-1234"),
        ] {
            assert_eq!(principal(1234, name), expected);
        }
        let long = "a".repeat(limits::ACCOUNT_CHARS + 1);
        assert_eq!(principal(1234, Some(&long)), "unix:uid-1234");
    }

    #[tokio::test]
    async fn an_approver_is_named_or_in_a_group_that_is() {
        for (named, uid, expected) in [
            (vec!["root".to_owned()], 0, true),
            (vec![], 0, false),
            (vec!["nogroup".to_owned()], 65534, true),
            (vec!["nogroup".to_owned()], 0, false),
            (vec!["daemon".to_owned(), "nobody".to_owned()], 65534, true),
            (vec!["root".to_owned()], 3_999_999_999, false),
            // The user `sync`, whose number is that of a group which is not theirs.
            (vec!["adm".to_owned()], 4, false),
        ] {
            let accounts = Accounts::new(&named).unwrap();
            let user = accounts.user(uid).await.unwrap();
            assert_eq!(user.approver, expected, "{named:?} {user:?}");
        }
    }

    /// Not only the group that an account has for itself: a team is a group that lists its members.
    #[cfg(not(target_vendor = "apple"))]
    #[tokio::test]
    async fn whoever_a_group_lists_is_in_it() {
        let groups = std::fs::read_to_string("/etc/group").unwrap();
        let listed = groups.lines().find_map(|line| {
            let (group, members) = (line.split(':').next()?, line.rsplit(':').next()?);
            let user = User::from_name(members.split(',').next()?).ok()??;
            let own = Group::from_name(group).ok()??.gid == user.gid;
            (!own).then(|| (group.to_owned(), user.uid.as_raw()))
        });
        // A machine may have no such group, and a test makes none.
        let Some((group, uid)) = listed else { return };
        let accounts = Accounts::new(std::slice::from_ref(&group)).unwrap();
        assert!(accounts.user(uid).await.unwrap().approver, "{group} {uid}");
    }

    #[tokio::test]
    async fn each_account_is_remembered_as_itself() {
        let accounts = Accounts::new(&["root".to_owned()]).unwrap();
        for _ in 0..2 {
            let [root, nobody] = [0, 65534].map(|uid| accounts.user(uid));
            let (root, nobody) = (root.await.unwrap(), nobody.await.unwrap());
            assert_eq!((&*root.name, root.approver), ("unix:root", true));
            assert_eq!((&*nobody.name, nobody.approver), ("unix:nobody", false));
        }
    }

    #[test]
    fn an_approver_who_is_not_there_is_named() {
        let error = Accounts::new(&["root".to_owned(), "no such name".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("no such name"), "{error}");
    }

    /// An account without a name, or with one that is not taken as it is, has voted under its
    /// number; no account has that for its name, so asking for it by name let every vote fall.
    #[tokio::test]
    async fn who_is_known_by_a_number_is_found_by_it() {
        let odd = UnixUser {
            name: "unix:uid-1234".to_owned(),
            approver: true,
        };
        let by_name = |_: &str| -> io::Result<Option<u32>> { Err(io::Error::other("by name")) };
        let accounts = Accounts {
            number_of: by_name,
            ..Accounts::new(&[]).unwrap()
        };
        accounts.users.put(&1234, &odd);
        let decides = async |name| accounts.rights(name).await.unwrap().has(Role::Approver);
        assert!(decides("uid-1234").await);
        // The account has been given a name meanwhile, or the number is written in another way.
        let named = UnixUser {
            name: "unix:ana".to_owned(),
            ..odd
        };
        accounts.users.put(&4321, &named);
        for other in ["uid-4321", "uid-+1234", "uid-01234", "uid-", "uid-x"] {
            assert!(!decides(other).await, "{other}");
        }
    }

    #[tokio::test]
    async fn the_number_of_a_name_is_asked_for_once_in_a_while() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let accounts = Accounts {
            number_of: |name| {
                ASKED.fetch_add(1, Ordering::SeqCst);
                Ok((name == "root").then_some(0))
            },
            ..Accounts::new(&["root".to_owned()]).unwrap()
        };
        for _ in 0..3 {
            assert!(accounts.rights("root").await.unwrap().has(Role::Approver));
            assert!(!accounts.rights("gone").await.unwrap().has(Role::Approver));
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    }

    /// Each vote asked on a thread of its own; with a database that hung, they took every thread
    /// there was, and the store could not read any more.
    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_holds_no_more_threads_than_its_questions() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static ANSWERS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
        let accounts = Accounts {
            number_of: |_| {
                STARTED.fetch_add(1, Ordering::SeqCst);
                let (answers, changed) = &ANSWERS;
                drop(changed.wait_while(answers.lock().unwrap(), |answers| !*answers));
                Ok(None)
            },
            ..Accounts::new(&[]).unwrap()
        };
        let names: Vec<_> = (0..5 * limits::ACCOUNT_QUESTIONS)
            .map(|n| format!("user-{n}"))
            .collect();
        // Until they have all given up: a clock that is paused goes on when nothing else can.
        let asked = join_all(names.iter().map(|name| accounts.rights(name)));
        tokio::pin!(asked);
        let outcomes = loop {
            tokio::select! {
                outcomes = &mut asked => break outcomes,
                () = tokio::task::yield_now() => {
                    if STARTED.load(Ordering::SeqCst) >= limits::ACCOUNT_QUESTIONS {
                        tokio::time::advance(limits::ACCOUNT_TIME).await;
                    }
                }
            }
        };
        *ANSWERS.0.lock().unwrap() = true;
        ANSWERS.1.notify_all();
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(STARTED.load(Ordering::SeqCst), limits::ACCOUNT_QUESTIONS);
    }
}
