//! What a question looks like: rows made of values.
//!
//! What the asker claims is in a frame. What the daemon knows stands outside of it, next to the
//! prompt, where no length of a claim can push it away.

mod command;
mod terms;

use std::time::Duration;

pub(super) use self::terms::{conditions, takes_votes, votes, votes_of, votes_row};

use self::command::command_rows;
use super::daemon_clock::{spell, spell_time};
use crate::domain::{Timestamp, Verdict};
use crate::limits;
use crate::terminal::locale::Charset;
use crate::terminal::measure::{columns, cut, wrap};
use crate::terminal::printable::{visible_in, visible_lines};
use crate::terminal::row::{Frame, Row};
use crate::terminal::style::{Ink, Look};
use crate::wire::{DecisionView, Party, RequestView, Status};

/// The prompt; an answer is typed behind it.
pub(super) const PROMPT: &str = "Approve? [y/n/s/d/q] ";
/// The prompt after a yes to a request with a match code.
pub(super) const CODE_PROMPT: &str = "Type the six digits that the requester shows: ";
/// The prompt after a yes to a request that needs a reason.
pub(super) const REASON_PROMPT: &str = "Why? ";
/// Rows after the facts: one for trouble and feedback, one for how many others wait.
pub(super) const STATUS_ROWS: usize = 2;
/// Rows of the details that are shown however small the screen is.
const LEAST_ROWS: usize = 3;
/// The name of the fact that changes with each vote.
const VOTES: &str = "votes";

/// What the rows have to fit into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// How the terminal is written to.
    pub(super) look: Look,
    /// Columns of a row.
    pub(super) width: usize,
    /// Rows that are on the screen together.
    pub(super) height: usize,
}

/// A question, ready to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// All rows, the status rows last.
    pub(super) rows: Vec<Row>,
    /// Which of them tells the time.
    pub(super) time: usize,
    /// Which tells the votes so far, if several are needed.
    pub(super) votes: Option<usize>,
    /// Which is the first status row.
    pub(super) status: usize,
    /// Whether some of what an approval would let run is not on the screen.
    pub(super) hides_command: bool,
}

/// The rows of a question. `now` is the daemon's time, if it is known.
pub(super) fn question(view: &RequestView, now: Option<Timestamp>, room: Room) -> Question {
    let (facts, votes) = facts(view, now, room);
    // Head, "asker says", blank before the facts, prompt.
    let fixed = 4 + facts.len() + STATUS_ROWS;
    let mut rows = vec![head(Ink::Strong, "Approval asked", room)];
    rows.push(label("The asker says", room));
    let (claim, is_cut) = claim(view, room, room.height.saturating_sub(fixed));
    rows.extend(claim);
    rows.push(label("The daemon knows", room));
    let votes = votes.map(|index| rows.len() + index);
    rows.extend(facts);
    let time = rows.len() - 1;
    let status = rows.len();
    rows.extend(std::iter::repeat_n(Row::new(), STATUS_ROWS));
    // The first rows of a question that is higher than the screen have scrolled away.
    let is_too_long = view.command.is_some() && rows.len() > room.height;
    Question {
        hides_command: is_cut || is_too_long,
        rows,
        time,
        votes,
        status,
    }
}

/// A row that says how much of a part is not shown.
fn more(hidden: usize, of: &str, room: Room) -> Row {
    let more = room.look.ellipsis();
    let text = format!("  {more} {hidden} more lines of {of}; d shows them all");
    Row::new()
        .and(Ink::Trouble, text)
        .cut(room.width, room.look.ellipsis())
}

/// The first row of a question, or of what is left of it.
pub(super) fn head(ink: Ink, text: &str, room: Room) -> Row {
    let line = room.look.charset.pick("━━━━", "====");
    Row::new()
        .and(Ink::Faint, format!("{line} "))
        .and(ink, text)
        .and(Ink::Faint, format!(" {line}"))
        .cut(room.width, room.look.ellipsis())
}

fn label(text: &str, room: Room) -> Row {
    Row::new()
        .and(Ink::Label, text)
        .cut(room.width, room.look.ellipsis())
}

/// What the asker claims, in at most so many rows where that is possible: the title whole, then
/// fields and details, cut with a count. The answer is also whether the command was cut.
fn claim(view: &RequestView, room: Room, height: usize) -> (Vec<Row>, bool) {
    let frame = Frame::new(room.look, room.width);
    let title = one_line(&view.title, room.look.charset);
    let mut rows = frame.rows("", Ink::Strong, &title);
    rows.push(topic_row(view, room));
    let mut left = height.saturating_sub(rows.len() + 2).max(2 * LEAST_ROWS);
    let mut is_cut = false;
    if let Some(command) = &view.command {
        // What an approval lets run matters more than what is said about it.
        let command = command_rows(command, room);
        let most = left.saturating_sub(LEAST_ROWS).max(LEAST_ROWS);
        let all = command.len();
        let shown = cut_rows(&mut rows, command, most, "the command", room);
        is_cut = shown <= all;
        left = left.saturating_sub(shown).max(LEAST_ROWS);
    }
    let details = details_rows(&view.details, room);
    let wanted = details.len().min(limits::DETAILS_LINES);
    let for_fields = left.saturating_sub(wanted.min(LEAST_ROWS.max(left / 2)));
    let fields = fields_rows(view, room, Some(limits::FIELD_ROWS));
    let shown_fields = cut_rows(
        &mut rows,
        fields,
        for_fields.min(limits::FIELDS_ROWS),
        "fields",
        room,
    );
    let for_details = left
        .saturating_sub(shown_fields)
        .clamp(LEAST_ROWS, limits::DETAILS_LINES);
    cut_rows(&mut rows, details, for_details, "details", room);
    (rows, is_cut)
}

/// The topic, which the asker chooses, in one row.
fn topic_row(view: &RequestView, room: Room) -> Row {
    let topic = one_line(&view.topic, room.look.charset);
    // Cut first, so that a frame of this width needs one row.
    let topic = cut(&topic, room.width.saturating_sub(12), room.look.ellipsis());
    let rows = Frame::new(room.look, room.width).rows("topic: ", Ink::Plain, &topic);
    rows.into_iter().next().unwrap_or_default()
}

/// Adds a blank framed row and as many of the rows as may be shown, and says how many are not.
fn cut_rows(rows: &mut Vec<Row>, part: Vec<Row>, most: usize, of: &str, room: Room) -> usize {
    if part.is_empty() {
        return 0;
    }
    let hidden = part.len().saturating_sub(most.max(1));
    // A count instead of a single row would save nothing.
    let hidden = if hidden == 1 { 0 } else { hidden };
    let shown = part.len() - hidden;
    rows.extend(Frame::new(room.look, room.width).rows("", Ink::Plain, ""));
    rows.extend(part.into_iter().take(shown));
    if hidden > 0 {
        rows.push(more(hidden, of, room));
    }
    shown + 1
}

/// The fields, their values in one column; each value in at most `most` rows.
fn fields_rows(view: &RequestView, room: Room, most: Option<usize>) -> Vec<Row> {
    let frame = Frame::new(room.look, room.width);
    let charset = room.look.charset;
    let names: Vec<String> = view
        .fields
        .iter()
        .map(|field| one_line(&field.name, charset))
        .collect();
    let widest = names
        .iter()
        .map(|name| columns(name))
        .max()
        .unwrap_or(0)
        .min(room.width / 3);
    let mut rows = Vec::new();
    for (name, field) in names.iter().zip(&view.fields) {
        let gap = widest.saturating_sub(columns(name)) + 2;
        let name = format!("{name}{}", " ".repeat(gap));
        // A name that leaves no room for its value has rows of its own.
        let (before, indent) = if columns(&name) > room.width / 2 {
            (frame.rows("", Ink::Label, &name), "  ".to_owned())
        } else {
            (Vec::new(), name)
        };
        rows.extend(before);
        let mut value = Vec::new();
        for (n, line) in visible_lines(&field.value, charset).iter().enumerate() {
            let blank = " ".repeat(columns(&indent));
            value.extend(frame.rows(if n == 0 { &indent } else { &blank }, Ink::Plain, line));
        }
        let hidden = most.map_or(0, |most| value.len().saturating_sub(most));
        let hidden = if hidden == 1 { 0 } else { hidden };
        let shown = value.len() - hidden;
        rows.extend(value.into_iter().take(shown));
        if hidden > 0 {
            rows.push(more(hidden, "this field", room));
        }
    }
    rows
}

fn details_rows(details: &str, room: Room) -> Vec<Row> {
    if details.is_empty() {
        return Vec::new();
    }
    let frame = Frame::new(room.look, room.width);
    let lines = visible_lines(details, room.look.charset);
    lines
        .iter()
        .flat_map(|line| frame.rows("", Ink::Plain, line))
        .collect()
}

/// All that the asker claims and what it takes to approve it, with nothing cut.
pub(super) fn whole(view: &RequestView, room: Room) -> Vec<Row> {
    let frame = Frame::new(room.look, room.width);
    let mut rows = vec![label("All that the asker says", room)];
    rows.extend(frame.rows("", Ink::Strong, &one_line(&view.title, room.look.charset)));
    let topic = one_line(&view.topic, room.look.charset);
    rows.extend(frame.rows("topic: ", Ink::Plain, &topic));
    let command = view.command.as_ref();
    for part in [
        command.map_or_else(Vec::new, |command| command_rows(command, room)),
        fields_rows(view, room, None),
        details_rows(&view.details, room),
    ] {
        if !part.is_empty() {
            rows.extend(frame.rows("", Ink::Plain, ""));
            rows.extend(part);
        }
    }
    rows.push(label("The daemon knows", room));
    rows.extend(
        lasting(view, room.look.charset)
            .into_iter()
            .flat_map(|(name, text)| fact_rows(name, &text, room)),
    );
    rows
}

/// What the daemon knows; the row with the times is the last one. The number is that of the row
/// with the votes.
fn facts(view: &RequestView, now: Option<Timestamp>, room: Room) -> (Vec<Row>, Option<usize>) {
    let facts = lasting(view, room.look.charset);
    let votes = facts.iter().position(|(name, _)| *name == VOTES);
    let rows = facts.into_iter();
    let mut rows: Vec<_> = rows
        .map(|(name, text)| fact_row(name, text, room))
        .collect();
    rows.push(time_row(view, now, room));
    (rows, votes)
}

/// What the daemon knows, except for the times, which go on.
fn lasting(view: &RequestView, charset: Charset) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("request", view.id.to_string()),
        ("asked by", party(&view.requester, charset)),
    ];
    if takes_votes(view) {
        facts.push((VOTES, votes_of(view, charset)));
    }
    facts.extend(conditions(view, charset));
    facts
}

/// The row that tells age and time left, which change while it is shown.
pub(super) fn time_row(view: &RequestView, now: Option<Timestamp>, room: Room) -> Row {
    fact_row("time", times(view, now), room)
}

fn times(view: &RequestView, now: Option<Timestamp>) -> String {
    let Some(now) = now else {
        let until = spell_time(view.expires_at, Duration::ZERO).unwrap_or_default();
        return format!("until {until}; the daemon's clock is not known yet");
    };
    let age = spell(now.since(view.created_at));
    let left = view.expires_at.since(now);
    let until = spell_time(view.expires_at, left).unwrap_or_default();
    if left.is_zero() {
        format!("asked {age} ago, its time is over ({until}); the daemon has not said so yet")
    } else {
        format!("asked {age} ago, {} left, until {until}", spell(left))
    }
}

pub(super) fn fact_row(name: &str, text: String, room: Room) -> Row {
    Row::new()
        .and(Ink::Faint, format!("    {name:<10}"))
        .and(Ink::Plain, text)
        .cut(room.width, room.look.ellipsis())
}

/// The rows of a fact, broken where it is too wide. What follows the first has no name, so that no
/// text in it passes for a fact of its own.
fn fact_rows(name: &str, text: &str, room: Room) -> Vec<Row> {
    let start = format!("    {name:<10}");
    let indent = columns(&start);
    let lines = wrap(text, room.width.saturating_sub(indent).max(1));
    let starts = std::iter::once(start).chain(std::iter::repeat(" ".repeat(indent)));
    lines
        .into_iter()
        .zip(starts)
        .map(|(line, start)| Row::new().and(Ink::Faint, start).and(Ink::Plain, line))
        .collect()
}

/// The row below the facts that tells how many others wait, and what can be typed.
pub(super) fn count_row(others: usize, room: Room) -> Row {
    let waiting = match others {
        0 => "no other waits".to_owned(),
        1 => "1 other waits".to_owned(),
        n => format!("{n} others wait"),
    };
    let ink = if others == 0 { Ink::Faint } else { Ink::Strong };
    Row::new()
        .and(ink, waiting)
        .and(
            Ink::Faint,
            " - y yes, n no (n REASON), s skip, d details, q quit",
        )
        .cut(room.width, room.look.ellipsis())
}

/// Somebody, as the daemon knows them.
pub(super) fn party(party: &Party, charset: Charset) -> String {
    let name = one_line(&party.principal, charset);
    match &party.address {
        Some(address) => format!("{name} from {}", one_line(address, charset)),
        None => name,
    }
}

/// What became of a request: a sentence of ours, and the reason in a frame.
pub(super) fn outcome(view: &RequestView, room: Room) -> Vec<Row> {
    let (ink, text) = match view.status {
        Status::Approved => (Ink::Yes, "approved"),
        Status::Denied => (Ink::No, "denied"),
        Status::Expired => (Ink::Trouble, "expired: its time is over"),
        Status::Cancelled if view.lease_ended => (Ink::Trouble, "cancelled: its asker is gone"),
        Status::Cancelled => (Ink::Trouble, "cancelled by its requester"),
        Status::Pending => (Ink::Trouble, "pending still"),
        Status::Unknown => (
            Ink::Trouble,
            "settled in a way that this version does not know",
        ),
    };
    let charset = room.look.charset;
    let row = Row::new().and(ink, format!("  {text}"));
    let row = match deciding(view) {
        None if view.status == Status::Pending => {
            row.and(Ink::Plain, format!(": {}", votes_of(view, charset)))
        }
        None => row,
        Some(verdict) => {
            let by = votes_by(view, verdict).map(|vote| party(&vote.approver, charset));
            let by: Vec<_> = by.collect();
            match by.as_slice() {
                [] => row,
                by => row.and(Ink::Plain, format!(" by {}", by.join(", "))),
            }
        }
    };
    let mut rows = vec![row.cut(room.width, room.look.ellipsis())];
    if let Some(verdict) = deciding(view) {
        let reasons = votes_by(view, verdict).map(|vote| vote.reason.as_deref());
        rows.extend(reasons.flat_map(|reason| reason_rows(reason, room)));
    }
    rows
}

/// The verdict that made the request final.
const fn deciding(view: &RequestView) -> Option<Verdict> {
    match view.status {
        Status::Approved => Some(Verdict::Approve),
        Status::Denied => Some(Verdict::Deny),
        Status::Pending | Status::Expired | Status::Cancelled | Status::Unknown => None,
    }
}

fn votes_by(view: &RequestView, verdict: Verdict) -> impl Iterator<Item = &DecisionView> {
    let votes = view.decisions.iter();
    votes.filter(move |vote| vote.verdict == verdict)
}

fn reason_rows(reason: Option<&str>, room: Room) -> Vec<Row> {
    let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
        return Vec::new();
    };
    Frame::new(room.look, room.width).rows(
        "reason: ",
        Ink::Plain,
        &one_line(reason, room.look.charset),
    )
}

/// A stranger's text in one line.
pub(super) fn one_line(text: &str, charset: Charset) -> String {
    visible_in(text, charset)
}

#[cfg(test)]
mod tests;
