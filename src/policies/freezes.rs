//! What the table of one freeze says.

use super::shape::{FreezeTable, Moment};
use crate::domain::{DayTime, Freeze, Timestamp, Weekly};

/// A freeze, or what is wrong with it.
pub(super) fn freeze(table: &FreezeTable) -> Result<Freeze, String> {
    let Some(days) = &table.days else {
        return once(table);
    };
    if days.is_empty() {
        return Err("days: an empty list is no day of the week".to_owned());
    }
    let zone = table.zone.as_ref().ok_or(
        "a freeze of every week needs the zone whose clocks it goes by, like \
         zone = \"Europe/Berlin\"",
    )?;
    let time = |moment: Option<&Moment>, default| match moment {
        None => Ok(default),
        // What TOML writes without quotes has seconds.
        Some(moment) => {
            let text = moment.to_string();
            let text = text
                .strip_suffix(":00")
                .filter(|rest| rest.len() == 5)
                .unwrap_or(&text);
            text.parse::<DayTime>().map_err(|error| error.to_string())
        }
    };
    let from = time(table.from.as_ref(), DayTime::FIRST)?;
    if from == DayTime::LAST {
        return Err("from: 24:00 is 00:00 of the next day; write it so".to_owned());
    }
    Ok(Freeze::Weekly(Weekly {
        days: days.iter().copied().collect(),
        from,
        until: time(table.until.as_ref(), DayTime::LAST)?,
        zone: zone.parse().map_err(|error| format!("zone: {error}"))?,
    }))
}

fn once(table: &FreezeTable) -> Result<Freeze, String> {
    let (Some(from), Some(until)) = (&table.from, &table.until) else {
        return Err(
            "it needs from and until for a freeze that comes once, or days for one of every week"
                .to_owned(),
        );
    };
    if table.zone.is_some() {
        return Err("zone is for a freeze with days; a moment has its offset with it".to_owned());
    }
    let (from, until) = (moment("from", from)?, moment("until", until)?);
    if until <= from {
        return Err("until is not later than from".to_owned());
    }
    Ok(Freeze::Once { from, until })
}

/// A moment with its offset (RFC 3339): one without would be another on each machine.
fn moment(key: &str, moment: &Moment) -> Result<Timestamp, String> {
    let parsed: Result<jiff::Timestamp, _> = moment.to_string().parse();
    let parsed = parsed.map_err(|_| {
        format!(
            "{key}: {moment} is no moment; write it with its offset, like 2026-12-24T00:00:00Z, or \
             give it days for every week"
        )
    })?;
    Ok(Timestamp::from_millis(parsed.as_millisecond()))
}
