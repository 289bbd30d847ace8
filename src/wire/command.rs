//! A command as it travels: in an ask, and in the public view.

use serde::{Deserialize, Serialize};

use super::strict;
use crate::domain;

/// A command, exactly as it will be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(serialize = "S: AsRef<str> + Serialize"))]
pub struct Command<S = String> {
    /// The arguments; the first is the program as it was named.
    pub argv: Vec<S>,
    /// The file that is the program.
    pub program: S,
    /// Where it is run.
    pub directory: S,
    /// As which user of that machine.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub user: S,
    /// On which machine.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub host: S,
    /// The variables of its environment that matter for the decision.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub environment: Option<Vec<Variable<S>>>,
    /// What its standard input is, if that was fixed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::object"
    )]
    pub stdin: Option<Content<S>>,
    /// The files that must not change before it is run.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub files: Option<Vec<BoundFile<S>>>,
}

/// A variable of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable<S = String> {
    /// Its name.
    pub name: S,
    /// Its value.
    pub value: S,
}

/// What some bytes are, without the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content<S = String> {
    /// Their SHA-256 (FIPS 180-4), as 64 lower-case hexadecimal digits.
    pub sha256: S,
    /// How many they are.
    #[serde(deserialize_with = "strict::number")]
    pub bytes: u64,
}

/// A file with what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundFile<S = String> {
    /// Its path, as it was named.
    pub path: S,
    /// The SHA-256 of what is in it, as 64 lower-case hexadecimal digits.
    pub sha256: S,
    /// How many bytes are in it.
    #[serde(deserialize_with = "strict::number")]
    pub bytes: u64,
}

fn is_empty<S: AsRef<str>>(text: &S) -> bool {
    text.as_ref().is_empty()
}

/// What the list is, if there is anything in it.
fn some<'a, T, U: From<&'a T>>(list: &'a [T]) -> Option<Vec<U>> {
    (!list.is_empty()).then(|| list.iter().map(U::from).collect())
}

/// What is in the list, if there is one.
fn all<T, U: From<T>>(list: Option<Vec<T>>) -> Vec<U> {
    list.into_iter().flatten().map(U::from).collect()
}

impl<'a, S: From<&'a str>> From<&'a domain::Command> for Command<S> {
    fn from(command: &'a domain::Command) -> Self {
        Self {
            argv: command
                .argv
                .iter()
                .map(|text| text.as_str().into())
                .collect(),
            program: command.program.as_str().into(),
            directory: command.directory.as_str().into(),
            user: command.user.as_str().into(),
            host: command.host.as_str().into(),
            environment: some(&command.environment),
            stdin: command.stdin.as_ref().map(Content::from),
            files: some(&command.files),
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

impl<'a, S: From<&'a str>> From<&'a domain::Variable> for Variable<S> {
    fn from(variable: &'a domain::Variable) -> Self {
        Self {
            name: variable.name.as_str().into(),
            value: variable.value.as_str().into(),
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::Content> for Content<S> {
    fn from(content: &'a domain::Content) -> Self {
        Self {
            sha256: content.sha256.as_str().into(),
            bytes: content.bytes,
        }
    }
}

impl<'a, S: From<&'a str>> From<&'a domain::BoundFile> for BoundFile<S> {
    fn from(file: &'a domain::BoundFile) -> Self {
        Self {
            path: file.path.as_str().into(),
            sha256: file.sha256.as_str().into(),
            bytes: file.bytes,
        }
    }
}

macro_rules! same {
    ($name:ident { $($member:ident),+ }) => {
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
