//! Which topics there are of those that somebody's patterns cover.
//!
//! The index by topic has them in order, so they are found by a jump from each to the next; how
//! many requests there are of each does not matter.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use crate::domain::{Rights, Topic, TopicPattern};
use crate::limits;

/// The first topic from a text on.
pub(in crate::store::sqlite) const TOPICS: &str = "SELECT topic FROM requests INDEXED BY by_topic \
     WHERE filed = 1 AND topic >= ?1 ORDER BY topic";

/// The topics of filed requests that are covered; `None` when more than [`limits::LIST_TOPICS`] have to be looked at
/// to tell.
pub(super) fn covered(
    connection: &Connection,
    rights: &Rights,
) -> rusqlite::Result<Option<BTreeSet<Topic>>> {
    let mut found = BTreeSet::new();
    let mut next = connection.prepare_cached(TOPICS)?;
    let mut looks = 0;
    for beginning in beginnings(&rights.topics) {
        let mut from = beginning.to_owned();
        loop {
            let topic: Option<String> = next.query_row([&from], |row| row.get(0)).optional()?;
            let Some(topic) = topic.filter(|topic| topic.starts_with(beginning)) else {
                break;
            };
            looks += 1;
            if looks > limits::LIST_TOPICS {
                return Ok(None);
            }
            // Behind it and before all others: no topic has a character like this.
            from = format!("{topic}\u{1}");
            found.extend(Topic::new(topic).ok().filter(|topic| rights.covers(topic)));
        }
    }
    // These need not be looked for.
    for pattern in rights.topics.iter().filter(|pattern| pattern.is_plain()) {
        found.extend(Topic::new(pattern.as_str().to_owned()).ok());
    }
    Ok(Some(found))
}

/// The texts that the topics of the patterns begin with, none of them the beginning of another.
pub(in crate::store::sqlite) fn beginnings(patterns: &[TopicPattern]) -> Vec<&str> {
    let wild = patterns.iter().filter(|pattern| !pattern.is_plain());
    let all: BTreeSet<&str> = wild.map(TopicPattern::beginning).collect();
    let mut shortest: Vec<&str> = Vec::new();
    for beginning in all {
        // In order, whatever begins with the last one follows it.
        if !shortest
            .last()
            .is_some_and(|last| beginning.starts_with(last))
        {
            shortest.push(beginning);
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_is_looked_for_twice() {
        let patterns = ["b*", "a/*/x", "b/c*", "a/b*", "c", "a/*"];
        let patterns = patterns.map(|text| TopicPattern::new(text).unwrap());
        assert_eq!(beginnings(&patterns), ["a/", "b"]);
        let patterns = ["deploy*", "*"].map(|text| TopicPattern::new(text).unwrap());
        assert_eq!(beginnings(&patterns), [""]);
    }
}
