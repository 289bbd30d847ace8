//! What was decided here, for the goodbye.

use crate::domain::Verdict;
use crate::terminal::row::Row;
use crate::terminal::style::Ink;

/// How many decisions of this session count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    approved: usize,
    denied: usize,
}

impl Tally {
    /// Notes a decision.
    pub(super) const fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Approve => self.approved += 1,
            Verdict::Deny => self.denied += 1,
        }
    }

    /// The row that tells it.
    pub(super) fn row(self) -> Row {
        let all = self.approved + self.denied;
        let text = match all {
            0 => "Nothing was decided here.".to_owned(),
            _ => format!(
                "{all} decided here: {} approved, {} denied.",
                self.approved, self.denied
            ),
        };
        Row::new().and(Ink::Strong, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_by_kind() {
        let mut tally = Tally::default();
        assert_eq!(tally.row().text(), "Nothing was decided here.");
        tally.count(Verdict::Approve);
        tally.count(Verdict::Deny);
        tally.count(Verdict::Deny);
        assert_eq!(tally.row().text(), "3 decided here: 1 approved, 2 denied.");
    }
}
