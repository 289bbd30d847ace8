//! Whether the daemon can be heard, and how often that is told: values only.

use tokio::time::Instant;

use crate::limits;

/// Whether the daemon can be heard, and what of it was told.
#[derive(Debug)]
pub(super) struct Link {
    is: Heard,
    told: Heard,
    /// How often it was told without a rest.
    in_a_row: u32,
    told_at: Option<Instant>,
}

/// Whether the daemon can be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There was no stream yet.
    New,
    /// There is one.
    Up,
    /// There is none, for this reason.
    Down(String),
    /// The daemon has no place for another stream, for this reason.
    Full(String),
}

impl Link {
    /// A link of which nothing is known yet.
    pub(super) const fn new() -> Self {
        Self {
            is: Heard::New,
            told: Heard::New,
            in_a_row: 0,
            told_at: None,
        }
    }

    /// Takes in how it is now.
    pub(super) fn is(&mut self, heard: Heard) {
        self.is = heard;
    }

    /// Takes in that there is no stream any more, and why.
    pub(super) fn is_cut(&mut self, why: String, at_limit: bool) {
        self.is = if at_limit {
            Heard::Full(why)
        } else {
            Heard::Down(why)
        };
    }

    /// Whether anything is known of the daemon yet.
    pub(super) fn is_known(&self) -> bool {
        self.is != Heard::New
    }

    /// When it is time to tell what was held back.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_untold().then(|| self.rested()).flatten()
    }

    /// What is to be told now, if anything. A link that comes and goes is told a few times, and
    /// from then on only at intervals.
    pub(super) fn news(&mut self, now: Instant) -> Option<Heard> {
        if !self.is_untold() {
            return None;
        }
        if self.rested().is_none_or(|rested| rested <= now) {
            self.in_a_row = 0;
        } else if self.in_a_row >= limits::LINK_NEWS {
            return None;
        }
        self.in_a_row += 1;
        self.told_at = Some(now);
        self.told = self.is.clone();
        Some(self.is.clone())
    }

    fn is_untold(&self) -> bool {
        // A first stream is nothing to talk about.
        self.is != self.told && !(self.told == Heard::New && self.is == Heard::Up)
    }

    fn rested(&self) -> Option<Instant> {
        Some(self.told_at? + limits::LINK_NEWS_TIME)
    }
}

/// What is told of it in a log; others' words are in it.
pub(super) fn words(heard: &Heard) -> Option<String> {
    match heard {
        Heard::Down(why) => Some(format!("no connection to the daemon, trying again: {why}")),
        Heard::Full(why) => Some(format!(
            "the daemon has no place for us now, trying again: {why}"
        )),
        Heard::Up => Some("connected again".to_owned()),
        Heard::New => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_flaps_is_told_a_few_times_and_then_at_intervals() {
        // A stream that ended at once, again and again, filled the screen.
        let mut link = Link::new();
        let start = Instant::now();
        let step = limits::LINK_NEWS_TIME / 100;
        let mut told = 0;
        for n in 0..300 {
            link.is = if n % 2 == 0 {
                Heard::Down("cut".to_owned())
            } else {
                Heard::Up
            };
            told += u32::from(link.news(start + step * n).is_some());
        }
        assert!(told <= 4 * limits::LINK_NEWS, "{told}");
        assert_eq!(link.is, Heard::Up);
        // What was held back is told in the end.
        link.told = Heard::Down("cut".to_owned());
        let due = link.due().unwrap();
        assert_eq!(link.news(due), Some(Heard::Up));
        assert_eq!((link.due(), link.news(due)), (None, None));
    }

    #[test]
    fn a_first_stream_is_no_news() {
        let mut link = Link::new();
        link.is = Heard::Up;
        assert_eq!((link.news(Instant::now()), link.due()), (None, None));
    }
}
