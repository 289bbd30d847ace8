//! The command that a requester runs once it is approved, as its approvers are shown it.
//!
//! The daemon runs nothing and believes nothing here: it carries what the requester says, checked
//! for its size, to those who decide.

use serde::{Deserialize, Serialize};

use crate::limits;

/// A command, exactly as it will be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The arguments; the first is the program as it was named.
    pub argv: Vec<String>,
    /// The file that is the program.
    pub program: String,
    /// Where it is run.
    pub directory: String,
    /// As which user of that machine.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// The variables of its environment that matter for the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
    /// What its standard input is, if that was fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Content>,
    /// The files that must not change before it is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<BoundFile>,
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
    pub bytes: u64,
}

/// Why a command is not taken; the message names the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There has to be something.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// More entries than the bound.
    #[error("{member} has {actual} entries, at most {most} are taken")]
    TooMany {
        /// Which list.
        member: &'static str,
        /// Entries that came.
        actual: usize,
        /// The bound.
        most: usize,
    },
    /// More text than the bound.
    #[error("has {actual} bytes of text, at most {most} are taken", most = limits::COMMAND_BYTES)]
    TooLong {
        /// Bytes that came.
        actual: usize,
    },
    /// No argument, path or variable can have it (POSIX.1-2024, exec).
    #[error("{0} has a NUL character in it, which no program can be given")]
    Nul(&'static str),
    /// Not a name that an environment can have.
    #[error("environment: {0:?} is no name of a variable")]
    VariableName(String),
    /// Not a digest.
    #[error("{0}: sha256 must be 64 lower-case hexadecimal digits")]
    Digest(&'static str),
}

impl Command {
    /// The command, if all of it is within its bounds.
    ///
    /// # Errors
    /// The first member that is not.
    pub fn checked(self) -> Result<Self, CommandError> {
        self.check_counts()?;
        self.check_texts()?;
        let stdin = self.stdin.iter().map(|stdin| ("stdin", &stdin.sha256));
        let files = self.files.iter().map(|file| ("files", &file.sha256));
        for (member, sha256) in stdin.chain(files) {
            let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            if sha256.len() != 64 || !sha256.bytes().all(is_hex) {
                return Err(CommandError::Digest(member));
            }
        }
        Ok(self)
    }

    fn check_counts(&self) -> Result<(), CommandError> {
        let counts = [
            ("argv", self.argv.len(), limits::COMMAND_ARGUMENTS),
            (
                "environment",
                self.environment.len(),
                limits::COMMAND_VARIABLES,
            ),
            ("files", self.files.len(), limits::COMMAND_FILES),
        ];
        for (member, actual, most) in counts {
            if actual > most {
                return Err(CommandError::TooMany {
                    member,
                    actual,
                    most,
                });
            }
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), CommandError> {
        if self.argv.is_empty() {
            return Err(CommandError::Empty("argv"));
        }
        for (member, text) in self.texts() {
            if text.contains('\0') {
                return Err(CommandError::Nul(member));
            }
        }
        let paths = self.files.iter().map(|file| ("files", &file.path));
        let needed = [("program", &self.program), ("directory", &self.directory)];
        for (member, text) in needed.into_iter().chain(paths) {
            if text.is_empty() {
                return Err(CommandError::Empty(member));
            }
        }
        for Variable { name, .. } in &self.environment {
            if name.is_empty() || name.contains('=') {
                return Err(CommandError::VariableName(name.clone()));
            }
        }
        let actual = self.text_bytes();
        if actual > limits::COMMAND_BYTES {
            return Err(CommandError::TooLong { actual });
        }
        Ok(())
    }

    /// Bytes of the texts in it.
    pub fn text_bytes(&self) -> usize {
        self.texts().map(|(_, text)| text.len()).sum()
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let argv = self.argv.iter().map(|text| ("argv", text.as_str()));
        let environment = self.environment.iter().flat_map(|variable| {
            [&variable.name, &variable.value].map(|text| ("environment", text.as_str()))
        });
        let files = self.files.iter().map(|file| ("files", file.path.as_str()));
        let others = [
            ("program", self.program.as_str()),
            ("directory", &self.directory),
            ("user", &self.user),
            ("host", &self.host),
        ];
        argv.chain(environment).chain(files).chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command {
            argv: vec![
                "sh".to_owned(),
                "-c".to_owned(),
                "exit\n7 \"\u{202e}".to_owned(),
            ],
            program: "/bin/sh".to_owned(),
            directory: "/".to_owned(),
            user: String::new(),
            host: String::new(),
            environment: vec![Variable {
                name: "A B".to_owned(),
                value: String::new(),
            }],
            stdin: Some(Content {
                sha256: "0a".repeat(32),
                bytes: 0,
            }),
            files: vec![BoundFile {
                path: "plan".to_owned(),
                sha256: "ff".repeat(32),
                bytes: 1,
            }],
        }
    }

    #[test]
    fn any_text_but_nul_is_taken_as_it_is() {
        assert_eq!(command().checked(), Ok(command()));
    }

    #[test]
    fn what_no_program_can_be_given_is_refused_by_the_name_of_its_member() {
        type Change = fn(&mut Command);
        let cases: [(Change, &str); 9] = [
            (|c| c.argv.clear(), "argv is empty"),
            (|c| c.argv.push("a\0".to_owned()), "argv has a NUL"),
            (|c| c.program.clear(), "program is empty"),
            (|c| c.directory.push('\0'), "directory has a NUL"),
            (|c| c.environment[0].name.push('='), "\"A B=\" is no name"),
            (|c| c.environment[0].name.clear(), "\"\" is no name"),
            (|c| c.files[0].path.clear(), "files is empty"),
            (|c| c.files[0].sha256.push('0'), "files: sha256"),
            (
                |c| {
                    c.stdin = Some(Content {
                        sha256: "0A".repeat(32),
                        bytes: 0,
                    });
                },
                "stdin: sha256",
            ),
        ];
        for (change, words) in cases {
            let mut changed = command();
            change(&mut changed);
            let error = changed.checked().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_bounds_are_on_entries_and_on_all_text_together() {
        let mut most = command();
        let room = limits::COMMAND_BYTES - most.text_bytes();
        most.argv.push("x".repeat(room));
        assert_eq!(most.clone().checked(), Ok(most.clone()));
        most.argv[0].push('x');
        let actual = limits::COMMAND_BYTES + 1;
        assert_eq!(most.checked(), Err(CommandError::TooLong { actual }));
        let mut many = command();
        many.argv = vec![String::new(); limits::COMMAND_ARGUMENTS];
        assert!(many.clone().checked().is_ok());
        many.argv.push(String::new());
        let error = many.checked().unwrap_err();
        assert!(
            error.to_string().contains("argv has 1025 entries"),
            "{error}"
        );
    }
}
