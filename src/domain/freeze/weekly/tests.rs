//! Fixed moments in a week, and in the nights in which clocks are set.

use super::*;

fn weekly(days: &[Day], from: &str, until: &str, zone: &str) -> Weekly {
    Weekly {
        days: days.iter().copied().collect(),
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        zone: zone.parse().unwrap(),
    }
}

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

/// Moments in order, each with whether it is frozen until then.
fn check(freeze: &Weekly, moments: &[(&str, Option<&str>)]) {
    for (moment, until) in moments {
        let until = until.map(at);
        assert_eq!(freeze.holds(at(moment)), until, "{moment} of {freeze:?}");
    }
}

#[test]
fn a_day_of_the_week_is_frozen_from_the_first_minute_to_the_last() {
    // 2026-11-27 is a Friday.
    let fridays = weekly(&[Day::Fri], "00:00", "24:00", "UTC");
    check(
        &fridays,
        &[
            ("2026-11-26T23:59:59.999Z", None),
            ("2026-11-27T00:00:00Z", Some("2026-11-28T00:00:00Z")),
            ("2026-11-27T23:59:59.999Z", Some("2026-11-28T00:00:00Z")),
            ("2026-11-28T00:00:00Z", None),
        ],
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
    let nights = weekly(&[Day::Fri], "18:00", "08:00", "Asia/Tokyo");
    check(
        &nights,
        &[
            // Friday morning in Tokyo: the night of Thursday is none of them.
            ("2026-11-26T22:00:00Z", None),
            ("2026-11-27T08:59:59Z", None),
            ("2026-11-27T09:00:00Z", Some("2026-11-27T23:00:00Z")),
            ("2026-11-27T22:59:59Z", Some("2026-11-27T23:00:00Z")),
            ("2026-11-27T23:00:00Z", None),
            // Saturday evening.
            ("2026-11-28T10:00:00Z", None),
        ],
    );
}

#[test]
fn the_same_time_twice_is_a_whole_day() {
    let days = weekly(&[Day::Mon], "09:00", "09:00", "UTC");
    check(
        &days,
        &[
            ("2026-11-23T08:59:00Z", None),
            ("2026-11-23T09:00:00Z", Some("2026-11-24T09:00:00Z")),
            ("2026-11-24T08:59:00Z", Some("2026-11-24T09:00:00Z")),
            ("2026-11-24T09:00:00Z", None),
        ],
    );
}

#[test]
fn the_clock_on_the_wall_counts_in_summer_and_in_winter() {
    let evenings = weekly(&Day::ALL, "18:00", "20:00", "Europe/Berlin");
    check(
        &evenings,
        &[
            ("2026-07-01T16:00:00Z", Some("2026-07-01T18:00:00Z")),
            ("2026-07-01T15:59:00Z", None),
            ("2026-12-01T17:00:00Z", Some("2026-12-01T19:00:00Z")),
            ("2026-12-01T16:59:00Z", None),
        ],
    );
}

/// In Berlin 02:00 on 2026-03-29, a Sunday, is 03:00 at once, and 03:00 on 2026-10-25 is 02:00 again.
#[test]
fn a_night_in_which_clocks_are_set_is_an_hour_shorter_or_longer() {
    let nights = weekly(&[Day::Sat], "22:00", "06:00", "Europe/Berlin");
    check(
        &nights,
        &[
            ("2026-03-28T20:59:59Z", None),
            ("2026-03-28T21:00:00Z", Some("2026-03-29T04:00:00Z")),
            ("2026-03-29T03:59:59Z", Some("2026-03-29T04:00:00Z")),
            ("2026-03-29T04:00:00Z", None),
            ("2026-10-24T20:00:00Z", Some("2026-10-25T05:00:00Z")),
            ("2026-10-25T04:59:59Z", Some("2026-10-25T05:00:00Z")),
            ("2026-10-25T05:00:00Z", None),
        ],
    );
}

#[test]
fn what_begins_or_ends_at_a_time_that_is_skipped_or_comes_twice_is_the_longer_one() {
    let begins = weekly(&[Day::Sun], "02:30", "04:00", "Europe/Berlin");
    check(
        &begins,
        &[
            // There is no 02:30 in spring: it begins as if the clocks had been set before.
            ("2026-03-29T00:29:59Z", None),
            ("2026-03-29T00:30:00Z", Some("2026-03-29T02:00:00Z")),
            // There are two in autumn: it begins with the first.
            ("2026-10-25T00:29:59Z", None),
            ("2026-10-25T00:30:00Z", Some("2026-10-25T03:00:00Z")),
            ("2026-10-25T01:10:00Z", Some("2026-10-25T03:00:00Z")),
        ],
    );
    let ends = weekly(&[Day::Sun], "01:00", "02:30", "Europe/Berlin");
    check(
        &ends,
        &[
            ("2026-03-29T00:00:00Z", Some("2026-03-29T01:30:00Z")),
            ("2026-03-29T01:30:00Z", None),
            // It ends with the second.
            ("2026-10-24T23:00:00Z", Some("2026-10-25T01:30:00Z")),
            ("2026-10-25T01:29:59Z", Some("2026-10-25T01:30:00Z")),
            ("2026-10-25T01:30:00Z", None),
        ],
    );
}

/// In Havana clocks were set at midnight, so that a day begins at 01:00, or its last hour comes twice.
#[test]
fn clocks_that_are_set_at_midnight_lose_no_day() {
    let sundays = weekly(&[Day::Sun], "00:00", "24:00", "America/Havana");
    check(
        &sundays,
        &[
            ("2024-03-10T03:59:59Z", None),
            ("2024-03-10T05:00:00Z", Some("2024-03-11T04:00:00Z")),
            ("2024-11-03T04:00:00Z", Some("2024-11-04T05:00:00Z")),
            ("2024-11-03T05:30:00Z", Some("2024-11-04T05:00:00Z")),
            ("2024-11-04T05:00:00Z", None),
        ],
    );
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let always = weekly(&Day::ALL, "00:00", "24:00", "Pacific/Auckland");
    for millis in [i64::MIN, i64::MAX, jiff::Timestamp::MAX.as_millisecond()] {
        let at = Timestamp::from_millis(millis);
        assert!(always.holds(at).is_none_or(|until| until > at));
    }
}

#[test]
fn times_of_a_day_and_zones_have_one_spelling() {
    for text in ["00:00", "09:05", "23:59", "24:00"] {
        assert_eq!(text.parse::<DayTime>().unwrap().to_string(), text);
    }
    for bad in [
        "", "9:00", "09:0", "24:01", "12:60", "+1:00", "12", "12:00:00", "ab:cd",
    ] {
        assert!(bad.parse::<DayTime>().is_err(), "{bad}");
    }
    assert_eq!(
        "europe/berlin".parse::<Zone>().unwrap().as_str(),
        "Europe/Berlin"
    );
    assert_eq!("UTC".parse::<Zone>().unwrap().as_str(), "UTC");
    for bad in [
        "",
        "Berlin",
        "CEST",
        "+01:00",
        "/etc/localtime",
        "Etc/Unknown",
    ] {
        assert!(bad.parse::<Zone>().is_err(), "{bad}");
    }
}

#[test]
fn it_is_kept_in_words() {
    let kept = weekly(&[Day::Sun, Day::Sat], "18:00", "24:00", "UTC");
    let text = r#"{"days":["sat","sun"],"from":"18:00","until":"24:00","zone":"UTC"}"#;
    assert_eq!(serde_json::to_string(&kept).unwrap(), text);
    assert_eq!(serde_json::from_str::<Weekly>(text).unwrap(), kept);
    let unknown = text.replace("UTC", "Mars/Base");
    let error = serde_json::from_str::<Weekly>(&unknown).unwrap_err();
    assert!(error.to_string().contains("Mars/Base"), "{error}");
}
