//! Modules for the pages that are made of tables of ours.

use std::fmt::Write as _;
use std::time::Duration;

use crate::characters::{Class, class};
use crate::limits;

/// `characters.js`: the class of every character, for `visible.js`.
///
/// One run of equal characters is a letter for their class and their count to the base 36.
pub(super) fn characters() -> String {
    let mut runs = String::new();
    let mut run = (Class::Hidden, 0_u32);
    for code in 0..=u32::from(char::MAX) {
        // A surrogate alone is no character, and never shown as one.
        let next = char::from_u32(code).map_or(Class::Hidden, class);
        if next == run.0 {
            run.1 += 1;
        } else {
            push_run(&mut runs, run);
            run = (next, 1);
        }
    }
    push_run(&mut runs, run);
    format!(
        "// Which characters may be shown as themselves, made by the daemon from its own table:\n\
         // H hidden, M mark, L letter, S symbol, P plain, V selector, and a count to the base 36.\n\
         export const RUNS = \"{runs}\";\n\
         // Marks that one letter may carry.\n\
         export const MARKS = {};\n",
        limits::MARKS
    )
}

fn push_run(runs: &mut String, (class, count): (Class, u32)) {
    if count == 0 {
        return;
    }
    runs.push(match class {
        Class::Hidden => 'H',
        Class::Mark => 'M',
        Class::Letter => 'L',
        Class::Symbol => 'S',
        Class::Plain => 'P',
        Class::Selector => 'V',
    });
    let mut digits = Vec::new();
    let mut rest = count;
    while rest > 0 {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
    }
    runs.extend(digits.into_iter().rev());
}

/// `limits.js`: the bounds by which the pages go; times are milliseconds unless a name says else.
pub(super) fn limits() -> String {
    let mut text = String::from("// Bounds, made by the daemon from its own (src/limits.rs).\n");
    let numbers = [
        ("TITLE_CHARS", limits::TITLE_CHARS),
        ("TOPIC_CHARS", limits::TOPIC_CHARS),
        ("REASON_CHARS", limits::REASON_CHARS),
        ("FIELDS", limits::FIELDS),
        ("FIELD_NAME_CHARS", limits::FIELD_NAME_CHARS),
        ("FIELD_VALUE_CHARS", limits::FIELD_VALUE_CHARS),
        ("HOLDERS", limits::HOLDERS),
        ("DIGEST_DIGITS", limits::DIGEST_DIGITS),
        ("PAGE_CARDS", limits::PAGE_CARDS),
        ("PAGE_LINGERING", limits::PAGE_LINGERING),
        ("PAGE_NOTES", limits::PAGE_NOTES),
        ("PAGE_RECENT", limits::PAGE_RECENT),
        ("PAGE_REQUESTS", limits::PAGE_REQUESTS),
        ("PAGE_TEXT", limits::PAGE_TEXT),
        ("PAGE_LOST", limits::PAGE_LOST),
        ("PAGE_LIST_PAGES", limits::PAGE_LIST_PAGES),
        ("PAGE_LOOK_REQUESTS", limits::PAGE_LOOK_REQUESTS),
    ];
    let times = [
        ("CALL_TIME", limits::CALL_TIME),
        ("DECIDE_TIME", limits::DECIDE_TIME),
        ("DATE_SLACK", limits::DATE_SLACK),
        ("POLL_HASTE", limits::POLL_HASTE),
        ("CLICK_GUARD", limits::CLICK_GUARD),
        ("SEEN_TIME", limits::SEEN_TIME),
        ("BANNER_TIME", limits::BANNER_TIME),
        ("PAGE_LINGER", limits::PAGE_LINGER),
        ("PAGE_LOOK", limits::PAGE_LOOK),
        ("PAGE_LOOK_GRACE", limits::PAGE_LOOK_GRACE),
        ("TAB_ANSWER", limits::TAB_ANSWER),
        ("TAB_LOOK", limits::TAB_LOOK),
        ("ROOM_TIME", limits::ROOM_TIME),
        ("HOLD_TIME", limits::HOLD_TIME),
        ("LOOK_TIME", limits::LOOK_TIME),
    ];
    let pauses = [
        ("ALERT_PAUSE", limits::ALERT_PAUSE),
        ("BACKOFF", limits::BACKOFF),
        ("STREAM_BACKOFF", limits::PAGE_RECONNECT),
    ];
    let millis = |time: Duration| time.as_millis();
    for (name, number) in numbers {
        constant(&mut text, name, number);
    }
    for (name, time) in times {
        constant(&mut text, name, millis(time));
    }
    for (name, (base, most)) in pauses {
        constant(
            &mut text,
            name,
            format!("[{}, {}]", millis(base), millis(most)),
        );
    }
    constant(&mut text, "POLL_SECS", limits::POLL_DEFAULT.as_secs());
    text
}

fn constant(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "export const {name} = {value};").expect("a String takes all that is written");
}
