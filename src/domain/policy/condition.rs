//! To which asks a rule applies.
//!
//! Who asks is known, and about which topics they may ask is bound by their token. Fields and
//! commands are what the asker says. So these are compared loosely, and what is too long to be
//! looked through counts as meant: a rule that applies once too often only asks for more.

use std::fmt;

use wildmatch::WildMatch;

use super::super::command::Command;
use super::super::request::{Ask, Principal};
use super::super::rights::TopicPattern;
use crate::limits;

/// A pattern of texts: each `*` stands for any characters, none included, and each `?` for one.
#[derive(Clone)]
pub struct Glob {
    text: String,
    exact: WildMatch,
    loose: WildMatch,
}

/// The text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern has 1 to {most} characters, {actual} were given", most = limits::GLOB_CHARS)]
pub struct BadGlob {
    actual: usize,
}

impl Glob {
    /// Checks a pattern.
    ///
    /// # Errors
    /// Empty, or more than [`limits::GLOB_CHARS`] characters.
    pub fn new(text: &str) -> Result<Self, BadGlob> {
        let actual = text.chars().count();
        if actual == 0 || actual > limits::GLOB_CHARS {
            return Err(BadGlob { actual });
        }
        Ok(Self {
            text: text.to_owned(),
            exact: WildMatch::new(text),
            loose: WildMatch::new_case_insensitive(text),
        })
    }

    fn is(&self, text: &str) -> bool {
        self.exact.matches(text)
    }

    /// Whether it stands for the text, whatever the case of its letters and the space around it.
    fn is_about(&self, text: &str) -> bool {
        self.loose.matches(text) || self.loose.matches(text.trim())
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The conditions of a rule, which all have to hold. One without patterns always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The topic is one of these.
    pub topics: Vec<TopicPattern>,
    /// The requester's name is one of these.
    pub requesters: Vec<Glob>,
    /// For each of these there is a field of that name whose value is one of these.
    pub fields: Vec<(String, Vec<Glob>)>,
    /// The command is one of these.
    pub commands: Vec<Glob>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// On the topic.
    Topic(&'a [TopicPattern]),
    /// On who asks.
    Requester(&'a [Glob]),
    /// On the field of this name.
    Field(&'a str, &'a [Glob]),
    /// On the command.
    Command(&'a [Glob]),
}

impl Conditions {
    /// Whether they hold for every ask.
    pub fn are_none(&self) -> bool {
        self.each().next().is_none()
    }

    /// Whether they hold for this ask of `requester`.
    pub fn hold(&self, ask: &Ask, requester: &Principal) -> bool {
        self.each().all(|condition| condition.holds(ask, requester))
    }

    /// The first that is about what the asker says and nothing else binds: with it, whoever asks
    /// chooses whether the rule applies.
    pub fn chosen_by_the_asker(&self) -> Option<&'static str> {
        if !self.fields.is_empty() {
            return Some("fields");
        }
        (!self.commands.is_empty()).then_some("command")
    }

    /// All of them.
    pub fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let topics = (!self.topics.is_empty()).then_some(Condition::Topic(&self.topics));
        let requesters =
            (!self.requesters.is_empty()).then_some(Condition::Requester(&self.requesters));
        let fields = self.fields.iter();
        let fields = fields.map(|(name, values)| Condition::Field(name, values));
        let commands = (!self.commands.is_empty()).then_some(Condition::Command(&self.commands));
        topics
            .into_iter()
            .chain(requesters)
            .chain(fields)
            .chain(commands)
    }
}

impl Condition<'_> {
    /// Whether it holds for this ask of `requester`.
    pub fn holds(self, ask: &Ask, requester: &Principal) -> bool {
        match self {
            Self::Topic(patterns) => patterns.iter().any(|pattern| pattern.covers(&ask.topic)),
            Self::Requester(globs) => globs.iter().any(|glob| glob.is(requester.as_str())),
            Self::Field(name, globs) => ask.fields.iter().any(|field| {
                is_same_name(field.name(), name)
                    && globs.iter().any(|glob| glob.is_about(field.value()))
            }),
            Self::Command(globs) => ask.command.as_ref().is_some_and(|command| {
                let Some(lines) = lines(command) else {
                    return true;
                };
                let is_about = |glob: &Glob| lines.iter().any(|line| glob.is_about(line));
                globs.iter().any(is_about)
            }),
        }
    }
}

impl fmt::Display for Condition<'_> {
    /// Such as `topic is deploy/prod* or deploy/eu*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let either = |globs: &[Glob]| {
            let texts: Vec<_> = globs.iter().map(|glob| glob.text.as_str()).collect();
            texts.join(" or ")
        };
        match self {
            Self::Topic(patterns) => {
                let texts: Vec<_> = patterns.iter().map(TopicPattern::as_str).collect();
                write!(f, "topic is {}", texts.join(" or "))
            }
            Self::Requester(globs) => write!(f, "requester is {}", either(globs)),
            Self::Field(name, globs) => write!(f, "field {name} is {}", either(globs)),
            Self::Command(globs) => write!(f, "command is {}", either(globs)),
        }
    }
}

fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// A command in the ways in which somebody would write it: its arguments joined by single spaces,
/// with the program as it was named, by its path, and by its name alone. `None` when it is longer
/// than [`limits::COMMAND_MATCHED`] bytes.
fn lines(command: &Command) -> Option<Vec<String>> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (named, rest) = command.argv.split_first()?;
    let rest: usize = rest.iter().map(|argument| argument.len() + 1).sum();
    if named.len().max(command.program.len()) + rest > limits::COMMAND_MATCHED {
        return None;
    }
    let programs = [
        named.clone(),
        name(named),
        command.program.clone(),
        name(&command.program),
    ];
    let line = |program| {
        let mut words = command.argv.clone();
        if let Some(first) = words.first_mut() {
            *first = program;
        }
        words.join(" ")
    };
    let mut lines: Vec<_> = programs.into_iter().map(line).collect();
    lines.dedup();
    Some(lines)
}

#[cfg(test)]
mod tests;
