//! The tokens file: TOML, one table for each principal, made for people and for configuration
//! management. It holds hashes of tokens and no secret.
//!
//! ```toml
//! # Comments stay, whoever edits it.
//! [alice]
//! roles = ["approver"]
//! topics = ["deploy*"]
//! token = "sha256:ad322a30a6b52766ae17e411231b39b3e3157a68688ecc6d556101b588dda7a2"
//! created = 2026-11-25T08:00:00Z
//! expires = 2027-02-23T08:00:00Z
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml_edit::Datetime;

use super::token::TokenHash;
use crate::domain::{Principal, Rights, Role, Timestamp, TopicPattern};
use crate::limits;
use crate::trusted::{self, ReadError};

/// Why a tokens file is refused as a whole; the message names the file, the place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read, or is not to be trusted.
    #[error(transparent)]
    Unread(#[from] ReadError),
    /// What is in it is wrong.
    #[error("the tokens file {}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// The place and what is wrong there.
        reason: String,
    },
}

/// One principal of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) rights: Rights,
    pub(super) hash: TokenHash,
    pub(super) created: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

/// Reads the text of a file that nobody else may write.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    Ok(trusted::read("tokens file", path, limits::TOKENS_BYTES)?)
}

/// What the text says.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Record>, FileError> {
    let wrong = |reason: String| FileError::Content {
        path: path.to_owned(),
        reason,
    };
    let tables: BTreeMap<String, Table> =
        toml_edit::de::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut records: Vec<Record> = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        let about = |what: &dyn std::fmt::Display| wrong(format!("[{name}]: {what}"));
        let principal = Principal::checked(&name).map_err(|error| about(&error))?;
        if table.roles.is_empty() || table.topics.is_empty() {
            return Err(about(&"roles and topics need an entry each"));
        }
        let (topics, most) = (table.topics.len(), limits::TOKEN_TOPICS);
        if topics > most {
            return Err(about(&format_args!(
                "has {topics} topics, at most {most} are taken"
            )));
        }
        if let Some(other) = records.iter().find(|other| other.hash == table.token) {
            let other = other.rights.principal.as_str();
            return Err(about(&format_args!(
                "its token is that of [{other}] as well"
            )));
        }
        let mut roles = table.roles;
        roles.sort_unstable();
        roles.dedup();
        records.push(Record {
            rights: Rights {
                principal,
                is_known: true,
                roles,
                topics: table.topics,
            },
            hash: table.token,
            created: table.created,
            expires: table.expires,
        });
    }
    Ok(records)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    roles: Vec<Role>,
    #[serde(deserialize_with = "patterns")]
    topics: Vec<TopicPattern>,
    token: TokenHash,
    #[serde(default, deserialize_with = "moment")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    expires: Option<Timestamp>,
}

fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TopicPattern>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let pattern = |text: &String| {
        TopicPattern::new(text)
            .map_err(|error| serde::de::Error::custom(format!("the topic {text:?} {error}")))
    };
    texts.iter().map(pattern).collect()
}

/// A TOML date-time with its offset: one without would mean another moment on each machine.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let at = Datetime::deserialize(deserializer)?;
    let parsed: Result<jiff::Timestamp, _> = at.to_string().parse();
    let parsed = parsed.map_err(|_| {
        serde::de::Error::custom(format!(
            "{at} is no moment; write it with its offset, like 2026-11-25T08:00:00Z"
        ))
    })?;
    Ok(Some(Timestamp::from_millis(parsed.as_millisecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn parsed(text: &str) -> Result<Vec<Record>, String> {
        parse(Path::new("tokens.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_says_who_may_do_what_and_until_when() {
        let text = format!(
            "# the team\n[\"alice@example.org\"]\nroles = [\"approver\", \"requester\"]\n\
             topics = [\"deploy*\", \"login\"]\ntoken = \"{}\"\nexpires = 2027-01-01T01:00:00+01:00\n",
            hash('a')
        );
        let [alice] = &parsed(&text).unwrap()[..] else {
            panic!("one entry")
        };
        assert_eq!(alice.rights.principal.as_str(), "alice@example.org");
        assert_eq!(alice.rights.roles, [Role::Requester, Role::Approver]);
        assert_eq!(
            alice.expires,
            Some(Timestamp::from_millis(1_798_761_600_000))
        );
        assert!(alice.rights.is_known);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let entry = |what: &str| format!("[ci]\nroles = [\"requester\"]\ntopics = [\"*\"]\n{what}");
        let token = format!("token = \"{}\"\n", hash('a'));
        let doubled = format!(
            "{}{}",
            entry(&token),
            entry(&token).replace("[ci]", "[ci2]")
        );
        for (text, wanted) in [
            (entry(""), "missing field `token`"),
            (entry("token = \"pushd_secret\"\n"), "64 hexadecimal digits"),
            (entry(&token).replace("requester", "boss"), "boss"),
            (entry(&token).replace("\"*\"", "\"a b\""), "\"a b\""),
            (
                entry(&token).replace("[ci]", "[local]"),
                "pushd uses itself",
            ),
            (entry(&token).replace("[ci]", "[\"unix:me\"]"), "':'"),
            (entry(&token).replace("[\"*\"]", "[]"), "need an entry"),
            (
                entry(&token).replace("\"*\"", &"\"a*\",".repeat(65)),
                "has 65 topics, at most 64",
            ),
            (entry(&format!("{token}expires = 2027-01-01\n")), "offset"),
            (
                entry(&format!("{token}role = \"x\"\n")),
                "unknown field `role`",
            ),
            (doubled, "[ci2]: its token is that of [ci]"),
            ("[ci]\n[ci]\n".to_owned(), "line 2"),
        ] {
            let error = parsed(&text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
            assert!(error.contains("tokens.toml"), "{error}");
        }
    }
}
