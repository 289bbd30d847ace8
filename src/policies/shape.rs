//! The tables of a policy file, as TOML has them. Every value knows its place, for errors.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_spanned::Spanned;
use toml_edit::Datetime;

use crate::domain::Day;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tables {
    /// Who is in which group.
    #[serde(default)]
    pub(super) groups: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    /// The rules.
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleTable>>,
}

/// One rule: its name, its conditions, and what it demands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTable {
    pub(super) name: Spanned<String>,

    #[serde(default)]
    pub(super) topic: Option<Spanned<Texts>>,
    #[serde(default)]
    pub(super) requester: Option<Spanned<Texts>>,
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Spanned<Texts>>,
    #[serde(default)]
    pub(super) command: Option<Spanned<Texts>>,

    #[serde(default)]
    pub(super) approvals: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) approvers: Option<Spanned<Texts>>,
    #[serde(default)]
    pub(super) from_each: BTreeMap<String, Spanned<u32>>,
    #[serde(default)]
    pub(super) denials: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) match_code: bool,
    #[serde(default)]
    pub(super) longest_expiry: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) reason: bool,
    #[serde(default)]
    pub(super) self_approval: bool,
    #[serde(default)]
    pub(super) freeze: Vec<Spanned<FreezeTable>>,
}

/// A freeze: once, or every week if it has days.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeTable {
    #[serde(default)]
    pub(super) days: Option<Vec<Day>>,
    #[serde(default)]
    pub(super) from: Option<Moment>,
    #[serde(default)]
    pub(super) until: Option<Moment>,
    #[serde(default)]
    pub(super) zone: Option<String>,
}

/// A time, with quotes or without.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a time, like 2026-12-24T00:00:00Z, or \"18:00\""
)]
pub(super) enum Moment {
    Time(Datetime),
    Text(String),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// One text, or a list of them.
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}
