//! Who the users of this machine are: names and groups, as its user database has them.
//!
//! The kernel says by which number somebody connects (`SO_PEERCRED`); this says which name and
//! which rights belong to it. The database may be on another machine, so it is asked away from the
//! accept loop, by few at a time, and its answers count for a while.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nix::unistd::{Group, Uid, User};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::domain::{Principal, Rights};
use crate::http::UnixUser;
use crate::limits;
use crate::principals::Users;

/// The accounts of this machine.
#[derive(Debug)]
pub struct Accounts {
    approvers: Arc<Approvers>,
    known: Mutex<HashMap<u32, Known>>,
    questions: Arc<Semaphore>,
}

/// Who may decide.
#[derive(Debug, Default)]
struct Approvers {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

#[derive(Clone, Debug)]
struct Known {
    user: UnixUser,
    since: Instant,
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
            known: Mutex::default(),
            questions: Arc::new(Semaphore::new(limits::ACCOUNT_QUESTIONS)),
        })
    }

    /// The user with this number. Safe to drop at any time.
    ///
    /// # Errors
    /// The database fails, or does not answer within [`limits::ACCOUNT_TIME`]. Then nobody is
    /// known: under a stand-in name somebody could approve what they asked under their own.
    pub(super) async fn user(&self, uid: u32) -> io::Result<UnixUser> {
        if let Some(user) = self.remembered(uid) {
            return Ok(user);
        }
        let asking = async {
            let question = Arc::clone(&self.questions).acquire_owned().await;
            // Whoever was before us may have asked the same.
            if let Some(user) = self.remembered(uid) {
                return Ok(user);
            }
            let approvers = Arc::clone(&self.approvers);
            let answer = spawn_blocking(move || {
                // It holds a thread for as long as the database takes, whoever still waits for it.
                let _question = question;
                look_up(uid, &approvers)
            });
            let user = answer.await.map_err(io::Error::other)??;
            self.remember(uid, &user);
            Ok(user)
        };
        timeout(limits::ACCOUNT_TIME, asking)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn remembered(&self, uid: u32) -> Option<UnixUser> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&uid)?;
        (known.since.elapsed() < limits::ACCOUNT_KEEP).then(|| known.user.clone())
    }

    fn remember(&self, uid: u32, user: &UnixUser) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::ACCOUNTS {
            known.retain(|_, known| known.since.elapsed() < limits::ACCOUNT_KEEP);
        }
        // More than that in a few seconds are asked for again.
        if known.len() < limits::ACCOUNTS || known.contains_key(&uid) {
            let (user, since) = (user.clone(), Instant::now());
            known.insert(uid, Known { user, since });
        }
    }
}

#[async_trait]
impl Users for Accounts {
    async fn rights(&self, account: &str) -> io::Result<Rights> {
        let name = account.to_owned();
        let asking = spawn_blocking(move || User::from_name(&name));
        let found = timeout(limits::ACCOUNT_TIME, asking)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let uid = match found.map_err(io::Error::other)?? {
            Some(found) => found.uid.as_raw(),
            // Users without a name never decide, and neither does who has none any more.
            None => return Ok(nobody(account).rights()),
        };
        let user = self.user(uid).await?;
        // Two accounts may have one number; it is one of them that has voted.
        let is_same = user.name.strip_prefix(Principal::UNIX) == Some(account);
        Ok(if is_same { user } else { nobody(account) }.rights())
    }
}

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
            && !name.starts_with("uid-")
            && characters.all(|c| c.is_ascii_alphanumeric() || "._-@+".contains(c))
    };
    name.filter(fits).map_or_else(
        || format!("{}uid-{uid}", Principal::UNIX),
        |name| format!("{}{name}", Principal::UNIX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_counts_for_a_while() {
        let accounts = Accounts::new(&[]).unwrap();
        let user = accounts.user(0).await.unwrap();
        for uid in 0..2 * limits::ACCOUNTS {
            accounts.remember(u32::try_from(uid).unwrap(), &user);
        }
        assert_eq!(accounts.known.lock().unwrap().len(), limits::ACCOUNTS);
        assert_eq!(accounts.remembered(7), Some(user));
        let long_ago = Instant::now().checked_sub(limits::ACCOUNT_KEEP);
        accounts.known.lock().unwrap().get_mut(&7).unwrap().since = long_ago.unwrap();
        assert_eq!(accounts.remembered(7), None);
    }
}
