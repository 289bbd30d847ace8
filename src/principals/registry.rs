//! All principals of a tokens file, kept as the file says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::file::{FileError, Record, parse, read};
use super::token::Token;
use super::{By, Grant, TokenHash};
use crate::clock::Clock;
use crate::domain::{Principal, Rights, Role, Timestamp, Topic};
use crate::limits;
use crate::metrics::Metrics;
use crate::watched::Watched;

/// Who is known by which token, as the file last said it.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    // A std lock: it is held for a look through the list, never over an await or a read of the disk.
    known: RwLock<Vec<Known>>,
}

/// One principal, and its grants in use.
#[derive(Clone, Debug)]
struct Known {
    hash: TokenHash,
    rights: Arc<Rights>,
    expires: Option<Timestamp>,
    ended: CancellationToken,
}

impl Known {
    fn new(record: Record) -> Self {
        Self {
            hash: record.hash,
            rights: Arc::new(record.rights),
            expires: record.expires,
            ended: CancellationToken::new(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.expires == other.expires && self.rights == other.rights
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// Nobody stands behind a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It was never made, or is revoked.
    #[error("this token is not known here: it was revoked, or made for another daemon")]
    Token,
    /// Its time is over.
    #[error("this token has expired; have a new one made")]
    Expired,
}

impl Registry {
    /// Reads the file; answers with what tells of its changes from here on.
    ///
    /// # Errors
    /// It cannot be read, others can write it, or what is in it is wrong.
    pub fn open(path: &Path) -> Result<(Arc<Self>, Watched), FileError> {
        let watched = Watched::new(vec![path.to_owned()]);
        let records = parse(path, &read(path)?)?;
        let registry = Self {
            path: path.to_owned(),
            known: RwLock::new(records.into_iter().map(Known::new).collect()),
        };
        Ok((Arc::new(registry), watched))
    }

    /// How many principals there are.
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// What the principal of this name may do now, by a token that is good; `None` when there is
    /// none.
    pub fn rights_of(&self, who: &Principal, now: Timestamp) -> Option<Rights> {
        let known = self.known();
        let is_theirs = |one: &&Known| one.rights.principal == *who && !one.has_expired(now);
        known
            .iter()
            .find(is_theirs)
            .map(|one| (*one.rights).clone())
    }

    /// Who may approve requests about this topic now, by a token that is good.
    pub fn approvers_of(&self, topic: &Topic, now: Timestamp) -> BTreeSet<Principal> {
        let known = self.known();
        let may = |one: &&Known| {
            let rights = &one.rights;
            !one.has_expired(now) && rights.has(Role::Approver) && rights.covers(topic)
        };
        let approvers = known.iter().filter(may);
        approvers.map(|one| one.rights.principal.clone()).collect()
    }

    /// Who stands behind a token.
    ///
    /// Every hash is compared, each in constant time, so that time tells nothing.
    ///
    /// # Errors
    /// Nobody does.
    pub fn find(self: &Arc<Self>, token: &Token, now: Timestamp) -> Result<Grant, Unknown> {
        self.find_hash(token.hash(), now)
    }

    pub(super) fn find_hash(
        self: &Arc<Self>,
        hash: TokenHash,
        now: Timestamp,
    ) -> Result<Grant, Unknown> {
        let known = self.known();
        let mut found = None;
        for one in known.iter() {
            if one.hash == hash {
                found = Some(one);
            }
        }
        let found = found.ok_or(Unknown::Token)?;
        if found.has_expired(now) {
            return Err(Unknown::Expired);
        }
        Ok(Grant {
            rights: Arc::clone(&found.rights),
            by: Some(By {
                registry: Arc::clone(self),
                hash,
                ended: found.ended.clone(),
            }),
        })
    }

    /// Follows the file, for as long as it is polled: a token that is added, changed, revoked or
    /// expires is so within a second. A file that is wrong changes nothing, which is logged.
    pub async fn keep(&self, mut watched: Watched, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
        // Side by side, so that a file system that is slow to answer is not asked anew each time.
        let following = async {
            loop {
                watched.changed().await;
                self.read_again(&metrics).await;
            }
        };
        let expiring = async {
            loop {
                sleep(limits::GRANT_LOOK).await;
                self.end_expired(clock.now());
            }
        };
        tokio::join!(following, expiring);
    }

    async fn read_again(&self, metrics: &Metrics) {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || parse(&path, &read(&path)?)).await;
        match reading {
            Ok(Ok(records)) => {
                metrics.tokens_file_good.set(1);
                let (count, ended) = self.replace(records);
                if let Some(ended) = ended {
                    tracing::info!(principals = count, ended, "the tokens file was read again");
                }
            }
            Ok(Err(error)) => {
                metrics.tokens_file_good.set(0);
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the tokens stay as they were");
            }
            Err(error) => tracing::error!(%error, "the tokens stay as they were"),
        }
    }

    /// Puts these in the place of those that are known, and ends the grants of all that are gone
    /// or others; answers how many there are, and how many were ended if anything has changed.
    fn replace(&self, records: Vec<Record>) -> (usize, Option<usize>) {
        let mut next: Vec<_> = records.into_iter().map(Known::new).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for one in &mut next {
            if let Some(same) = known.iter().find(|other| other.is_same(one)) {
                one.clone_from(same);
            }
        }
        let stays = |one: &Known| next.iter().any(|other| other.is_same(one));
        let gone: Vec<_> = known.iter().filter(|one| !stays(one)).cloned().collect();
        let changed = !gone.is_empty() || next.len() != known.len();
        let count = next.len();
        *known = next;
        drop(known);
        // Only now, so that whoever is woken by it finds what is valid from now on.
        for one in &gone {
            one.ended.cancel();
        }
        (count, changed.then_some(gone.len()))
    }

    fn end_expired(&self, now: Timestamp) {
        let known = self.known();
        for one in known.iter().filter(|one| one.has_expired(now)) {
            one.ended.cancel();
        }
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Vec<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::ManualClock;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn entry(name: &str, token: &Token, more: &str) -> String {
        let hash = token.hash();
        format!("[{name}]\nroles = [\"approver\"]\ntopics = [\"*\"]\ntoken = \"{hash}\"\n{more}")
    }

    fn open(text: &str) -> (tempfile::TempDir, PathBuf, Arc<Registry>, Watched) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        fs::write(&path, text).unwrap();
        let (registry, watched) = Registry::open(&path).unwrap();
        (folder, path, registry, watched)
    }

    #[test]
    fn a_token_is_known_until_it_expires_and_no_longer() {
        let (alice, bob) = (Token::random().unwrap(), Token::random().unwrap());
        let expires = "expires = 2027-01-15T08:00:00Z\n";
        let (_folder, _, registry, _) = open(&entry("alice", &alice, expires));
        let before = Timestamp::from_millis(NOW.as_millis() - 1);
        let grant = registry.find(&alice, before).unwrap();
        assert_eq!(grant.rights.principal.as_str(), "alice");
        assert_eq!(registry.find(&alice, NOW).unwrap_err(), Unknown::Expired);
        assert_eq!(registry.find(&bob, NOW).unwrap_err(), Unknown::Token);
        registry.end_expired(before);
        assert!(!grant.has_ended());
        registry.end_expired(NOW);
        assert!(grant.has_ended());
    }

    #[tokio::test]
    async fn what_the_file_no_longer_says_ends_and_what_it_still_says_goes_on() {
        let [alice, bob, carol] = [(); 3].map(|()| Token::random().unwrap());
        let (alices, bobs) = (entry("alice", &alice, ""), entry("bob", &bob, ""));
        let (_folder, path, registry, watched) = open(&format!("{alices}{bobs}"));
        let grants = [&alice, &bob].map(|token| registry.find(token, NOW).unwrap());
        let (clock, metrics) = (Arc::new(ManualClock::at(NOW)), Arc::new(Metrics::default()));
        let keeping = registry.keep(watched, clock, Arc::clone(&metrics));
        let story = async {
            let carols = entry("carol", &carol, "");
            let less = bobs.replace("approver", "observer");
            fs::write(&path, format!("{alices}{less}{carols}")).unwrap();
            grants[1].ended().await;
            assert!(!grants[0].has_ended());
            let rights = registry.find(&bob, NOW).unwrap().rights;
            assert!(!rights.has(crate::domain::Role::Approver));
            assert!(registry.find(&carol, NOW).is_ok());
            // A file that is wrong changes nothing.
            fs::write(&path, "[alice\n").unwrap();
            while metrics.tokens_file_good.get() == 1 {
                sleep(limits::FILE_LOOK / 4).await;
            }
            assert!(!grants[0].has_ended() && registry.find(&carol, NOW).is_ok());
            fs::write(&path, "").unwrap();
            grants[0].ended().await;
            assert_eq!(registry.find(&alice, NOW).unwrap_err(), Unknown::Token);
        };
        tokio::select! {
            () = keeping => unreachable!("it has no end"),
            () = story => {}
        }
    }
}
