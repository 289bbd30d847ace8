//! Times of the week, by the clock on a wall somewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::super::time::Timestamp;

/// The same hours on some days of each week, as the clocks in one time zone show them.
///
/// Where clocks are set forward or back at its very beginning or end, so that the time named is
/// skipped or comes twice, it is the longer one of the two that could be meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// The days on which it begins.
    pub days: BTreeSet<Day>,
    /// When it begins.
    pub from: DayTime,
    /// When it ends: on the next day, if that is not later than `from`.
    pub until: DayTime,
    /// Whose clocks.
    pub zone: Zone,
}

impl Weekly {
    /// Until when it holds, if `now` is in it.
    pub fn holds(&self, now: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let today = self.zone.rules.to_datetime(at).date();
        // It may have begun yesterday; the days around are for clocks that are set at midnight.
        let days = (-2..=1).filter_map(|n| today.checked_add(jiff::Span::new().days(n)).ok());
        days.filter(|day| self.days.contains(&Day::of(*day)))
            .filter_map(|day| self.begun_on(day))
            .filter(|(from, until)| *from <= now && now < *until)
            .map(|(_, until)| until)
            .max()
    }

    /// The first moment of the one that begins on this day, and the first after it; `None` at the
    /// end of time.
    fn begun_on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until <= self.from {
            day.tomorrow().ok()?
        } else {
            day
        };
        let rules = &self.zone.rules;
        let from = rules.to_ambiguous_timestamp(self.from.on(day)?);
        let until = rules.to_ambiguous_timestamp(self.until.on(last)?);
        let moment = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
        Some((moment(from.earlier().ok()?), moment(until.later().ok()?)))
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "their names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, as a week goes.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time on a clock, in whole minutes from 00:00 to 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayTime(i16);

/// The text is no time of a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of a day; write it like 18:00, from 00:00 to 24:00")]
pub struct BadDayTime(String);

impl DayTime {
    /// The first of a day.
    pub const FIRST: Self = Self(0);
    /// The end of a day, which is the first of the next.
    pub const LAST: Self = Self(24 * 60);

    fn on(self, day: Date) -> Option<DateTime> {
        if self == Self::LAST {
            return Some(day.tomorrow().ok()?.at(0, 0, 0, 0));
        }
        let (hour, minute) = (self.0 / 60, self.0 % 60);
        let hour = i8::try_from(hour).ok()?;
        let minute = i8::try_from(minute).ok()?;
        Some(day.at(hour, minute, 0, 0))
    }
}

impl FromStr for DayTime {
    type Err = BadDayTime;

    /// Two digits of hours and two of minutes, with a colon between them.
    fn from_str(text: &str) -> Result<Self, BadDayTime> {
        let bad = || BadDayTime(text.to_owned());
        let two = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit());
            is_number.then(|| digits.parse::<i16>().ok()).flatten()
        };
        let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
        let hours = two(hours).ok_or_else(bad)?;
        let minutes = two(minutes)
            .filter(|&minutes| minutes < 60)
            .ok_or_else(bad)?;
        let time = Self(hours * 60 + minutes);
        if time <= Self::LAST {
            Ok(time)
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for DayTime {
    type Error = BadDayTime;

    fn try_from(text: String) -> Result<Self, BadDayTime> {
        text.parse()
    }
}

impl From<DayTime> for String {
    fn from(time: DayTime) -> Self {
        time.to_string()
    }
}

/// A time zone by its name in the tz database (RFC 6557), with its rules as this program knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// There is no time zone of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone; write it like Europe/Berlin, America/New_York or UTC")]
pub struct BadZone(String);

impl Zone {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl FromStr for Zone {
    type Err = BadZone;

    fn from_str(text: &str) -> Result<Self, BadZone> {
        let bad = || BadZone(text.to_owned());
        // The database is part of the program: nothing is read from the machine.
        let rules = TimeZoneDatabase::bundled().get(text);
        let known = rules.ok().filter(|rules| !rules.is_unknown());
        let rules = known.ok_or_else(bad)?;
        let name = rules.iana_name().unwrap_or(text).to_owned();
        Ok(Self { name, rules })
    }
}

impl TryFrom<String> for Zone {
    type Error = BadZone;

    fn try_from(text: String) -> Result<Self, BadZone> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

#[cfg(test)]
mod tests;
