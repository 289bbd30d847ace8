//! `approver show ID`: all that is known of one request.

use super::paper::{Paper, UNBOUNDED, json, printed};
use super::{Failure, trouble};
use crate::cli::approver::daemon_clock::spell;
use crate::cli::approver::question::{
    Room, conditions, fact_row, one_line, outcome, party, takes_votes, votes_row, whole,
};
use crate::cli::exit;
use crate::client::Client;
use crate::domain::{RequestId, Timestamp};
use crate::terminal::row::{Frame, Row};
use crate::terminal::style::Ink;
use crate::wire::{RequestView, Status, StepView, rfc3339};

pub(super) async fn run(client: &Client, id: RequestId, as_json: bool) -> Result<u8, Failure> {
    let answer = client.read(id, None).await.map_err(|error| {
        if error.is_not_found() {
            trouble::unknown(id)
        } else {
            trouble::call(client, &error)
        }
    })?;
    if as_json {
        printed(json(&answer.value))?;
    } else {
        let paper = Paper::of_process();
        printed(paper.rows(&rows(&answer.value, answer.date, paper.room())))?;
    }
    Ok(exit::SUCCESS)
}

/// The whole request, in rows. `now` is the daemon's time.
fn rows(view: &RequestView, now: Option<Timestamp>, room: Room) -> Vec<Row> {
    let label = |text: &str| Row::new().and(Ink::Label, text);
    let mut rows = whole(view, room);
    rows.push(label("The daemon knows"));
    rows.extend(facts(view, now, room));
    if view.status != Status::Pending {
        rows.extend(outcome(view, room));
    }
    let history = view.history.as_deref().unwrap_or_default();
    if !history.is_empty() {
        rows.push(label("What happened"));
        rows.extend(history.iter().flat_map(|step| step_rows(step, room)));
    }
    rows
}

/// What the daemon knows, whole: a terminal breaks what is too wide.
fn facts(view: &RequestView, now: Option<Timestamp>, room: Room) -> Vec<Row> {
    let charset = room.look.charset;
    let room = Room {
        width: UNBOUNDED,
        ..room
    };
    let fact = |name: &str, text: String| fact_row(name, text, room);
    let mut rows = vec![
        fact("request", view.id.to_string()),
        fact("status", view.status.as_str().to_owned()),
        fact("version", view.version.to_string()),
        fact("asked by", party(&view.requester, charset)),
        fact("asked at", rfc3339(view.created_at)),
    ];
    let until = rfc3339(view.expires_at);
    let until = match now {
        Some(now) if view.status == Status::Pending => {
            format!("{until}, {} left", spell(view.expires_at.since(now)))
        }
        Some(_) | None => until,
    };
    rows.push(fact("until", until));
    if takes_votes(view) {
        rows.push(votes_row(view, room));
    }
    let conditions = conditions(view, charset).into_iter();
    rows.extend(conditions.map(|(name, text)| fact(name, text)));
    if let Some(secs) = view.lease_secs {
        let text = format!("cancelled when its asker is gone for {secs} s");
        rows.push(fact("lease", text));
    }
    if let Some(at) = view.consumed_at {
        rows.push(fact("used at", rfc3339(at)));
    }
    rows
}

fn step_rows(step: &StepView, room: Room) -> Vec<Row> {
    let charset = room.look.charset;
    let what = one_line(&step.what.replace('_', " "), charset);
    let by = step.by.as_ref().map_or_else(String::new, |by| {
        let way = by.channel.as_ref().map_or_else(String::new, |channel| {
            format!(" ({})", one_line(channel, charset))
        });
        format!(" by {}{way}", party(by, charset))
    });
    let text = format!("{}  {what}{by}", rfc3339(step.at));
    let mut rows = vec![
        Row::new()
            .and(Ink::Plain, format!("    {text}"))
            .cut(room.width, room.look.ellipsis()),
    ];
    if let Some(reason) = step.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let frame = Frame::new(room.look, room.width);
        rows.extend(frame.rows("reason: ", Ink::Plain, &one_line(reason, charset)));
    }
    rows
}
