//! A command as it travels: in an ask, and in the public view.

use serde::{Deserialize, Serialize};

use super::strict;
use crate::domain;

/// A command, exactly as it will be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The arguments; the first is the program as it was named.
    pub argv: Vec<String>,
    /// The file that is the program.
    pub program: String,
    /// Where it is run.
    pub directory: String,
    /// As which user of that machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// On which machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The variables of its environment that matter for the decision.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub environment: Option<Vec<Variable>>,
    /// What its standard input is, if that was fixed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::object"
    )]
    pub stdin: Option<Content>,
    /// The files that must not change before it is run.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub files: Option<Vec<BoundFile>>,
}

/// A variable of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What some bytes are, without the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Their SHA-256 (FIPS 180-4), as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How many they are.
    #[serde(deserialize_with = "strict::number")]
    pub bytes: u64,
}

/// A file with what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundFile {
    /// Its path, as it was named.
    pub path: String,
    /// The SHA-256 of what is in it, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How many bytes are in it.
    #[serde(deserialize_with = "strict::number")]
    pub bytes: u64,
}

/// What the list is, if there is anything in it.
fn some<T, U: From<T>>(list: Vec<T>) -> Option<Vec<U>> {
    (!list.is_empty()).then(|| list.into_iter().map(U::from).collect())
}

/// What is in the list, if there is one.
fn all<T, U: From<T>>(list: Option<Vec<T>>) -> Vec<U> {
    list.into_iter().flatten().map(U::from).collect()
}

impl From<domain::Command> for Command {
    fn from(command: domain::Command) -> Self {
        Self {
            argv: command.argv,
            program: command.program,
            directory: command.directory,
            user: command.user,
            host: command.host,
            environment: some(command.environment),
            stdin: command.stdin.map(Content::from),
            files: some(command.files),
        }
    }
}

impl From<Command> for domain::Command {
    fn from(command: Command) -> Self {
        Self {
            argv: command.argv,
            program: command.program,
            directory: command.directory,
            user: command.user,
            host: command.host,
            environment: all(command.environment),
            stdin: command.stdin.map(domain::Content::from),
            files: all(command.files),
        }
    }
}

macro_rules! same {
    ($name:ident { $($member:ident),+ }) => {
        impl From<domain::$name> for $name {
            fn from(domain::$name { $($member),+ }: domain::$name) -> Self {
                Self { $($member),+ }
            }
        }

        impl From<$name> for domain::$name {
            fn from($name { $($member),+ }: $name) -> Self {
                Self { $($member),+ }
            }
        }
    };
}

same!(Variable { name, value });
same!(Content { sha256, bytes });
same!(BoundFile {
    path,
    sha256,
    bytes
});
