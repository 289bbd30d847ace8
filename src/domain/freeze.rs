//! Times in which nothing is approved.

mod weekly;

use serde::{Deserialize, Serialize};

pub use self::weekly::{BadDayTime, BadZone, Day, DayTime, Weekly, Zone};

use super::time::Timestamp;
use crate::limits;

/// A time in which approvals are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Freeze {
    /// Once.
    Once {
        /// The first moment in it.
        from: Timestamp,
        /// The first moment after it.
        until: Timestamp,
    },
    /// Every week.
    Weekly(Weekly),
}

impl Freeze {
    /// Until when approvals are not taken, if `now` is in it.
    pub fn holds(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= now && now < *until).then_some(*until),
            Self::Weekly(weekly) => weekly.holds(now),
        }
    }
}

/// When the first moment comes at which none of these holds; `None` when none holds `now`. One that
/// begins as another ends goes on with it, up to [`limits::FREEZE_STEPS`] times.
pub fn thaw(freezes: &[Freeze], now: Timestamp) -> Option<Timestamp> {
    let mut until = None;
    for _ in 0..limits::FREEZE_STEPS {
        let at = until.unwrap_or(now);
        let holding = freezes.iter().filter_map(|freeze| freeze.holds(at));
        let Some(end) = holding.max() else { break };
        until = Some(end);
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(from: i64, until: i64) -> Freeze {
        Freeze::Once {
            from: Timestamp::from_millis(from),
            until: Timestamp::from_millis(until),
        }
    }

    #[test]
    fn a_freeze_holds_from_its_first_moment_to_the_last_before_its_end() {
        let freeze = once(10, 20);
        let holds = |at| freeze.holds(Timestamp::from_millis(at)).is_some();
        assert_eq!([9, 10, 19, 20].map(holds), [false, true, true, false]);
        assert!(once(5, 5).holds(Timestamp::from_millis(5)).is_none());
    }

    #[test]
    fn freezes_that_meet_end_together() {
        let freezes = [once(20, 30), once(10, 20), once(40, 50), once(12, 15)];
        let thaw = |at| thaw(&freezes, Timestamp::from_millis(at)).map(Timestamp::as_millis);
        assert_eq!(thaw(9), None);
        assert_eq!(thaw(13), Some(30));
        assert_eq!(thaw(29), Some(30));
        assert_eq!(thaw(30), None);
        assert_eq!(thaw(40), Some(50));
    }
}
