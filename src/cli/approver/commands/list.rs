//! `approver list`: requests in a table, or as JSON lines.

use super::paper::{Paper, json, printed};
use super::{Failure, trouble};
use crate::cli::approver::args::{ALL, ListFlags};
use crate::cli::approver::daemon_clock::spell;
use crate::cli::approver::question::{Room, one_line, votes};
use crate::cli::approver::tell;
use crate::cli::exit;
use crate::client::Client;
use crate::domain::{Timestamp, Topic};
use crate::limits;
use crate::terminal::measure::{columns, cut};
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::wire::{RequestView, Status};

/// The widest that a column of strangers' text may be, the last one aside.
const WIDEST: usize = 24;

/// What was found.
#[derive(Debug, Default)]
struct Found {
    requests: Vec<RequestView>,
    /// Whether there are more.
    more: bool,
    /// The daemon's time.
    now: Option<Timestamp>,
}

pub(super) async fn run(client: &Client, flags: &ListFlags) -> Result<u8, Failure> {
    let found = find(client, flags).await?;
    let paper = Paper::of_process();
    if flags.json {
        for request in &found.requests {
            if printed(json(request))?.is_none() {
                return Ok(exit::SUCCESS);
            }
        }
    } else if !found.requests.is_empty() {
        let rows = table(&found.requests, found.now, paper.room());
        printed(paper.rows(&rows))?;
    } else if flags.status == "pending" {
        tell("no request waits for an answer");
    } else {
        tell("there is no such request");
    }
    if found.more {
        tell(&format!(
            "there are more, older than these {}; --limit N lists more",
            found.requests.len()
        ));
    }
    Ok(exit::SUCCESS)
}

/// The newest of each topic, put together.
async fn find(client: &Client, flags: &ListFlags) -> Result<Found, Failure> {
    let mut found = Found::default();
    let topics: Vec<Option<&str>> = match flags.topics.as_slice() {
        [] => vec![None],
        topics => topics.iter().map(Topic::as_str).map(Some).collect(),
    };
    for topic in topics {
        of_topic(client, flags, topic, &mut found).await?;
    }
    let place = |request: &RequestView| (request.created_at, request.id);
    found.requests.sort_by_key(place);
    // A topic may have been named twice.
    found.requests.dedup_by_key(|request| request.id);
    found.requests.reverse();
    found.more |= found.requests.len() > flags.limit;
    found.requests.truncate(flags.limit);
    Ok(found)
}

async fn of_topic(
    client: &Client,
    flags: &ListFlags,
    topic: Option<&str>,
    found: &mut Found,
) -> Result<(), Failure> {
    let status = (flags.status != ALL).then_some(flags.status.as_str());
    let (mut left, mut after) = (flags.limit, None::<String>);
    loop {
        let limit = left.min(limits::LIST_MAX);
        let page = client.list(status, topic, limit, after.as_deref()).await;
        let page = page.map_err(|error| trouble::call(client, &error))?;
        found.now = page.date.or(found.now);
        left = left.saturating_sub(page.value.requests.len());
        found.requests.extend(page.value.requests);
        match page.value.next {
            Some(_) if left == 0 => {
                found.more = true;
                return Ok(());
            }
            // A page that does not move on would be read for ever.
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            Some(_) | None => return Ok(()),
        }
    }
}

/// A row for each request, below a row with the names of the columns.
fn table(requests: &[RequestView], now: Option<Timestamp>, room: Room) -> Vec<Row> {
    let names = ["REQUEST", "STATUS", "ASKED", "VOTES", "BY", "TOPIC"];
    let mut lines = vec![names.map(str::to_owned)];
    lines.extend(requests.iter().map(|request| cells(request, now, room)));
    let widths: Vec<usize> = (0..names.len())
        .map(|n| {
            lines
                .iter()
                .map(|line| columns(&line[n]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let bar = room.look.charset.pick("│ ", "| ");
    let titles = requests
        .iter()
        .map(|request| one_line(&request.title, room.look.charset));
    let titles = std::iter::once("TITLE".to_owned()).chain(titles);
    lines
        .iter()
        .zip(titles)
        .enumerate()
        .map(|(n, (line, title))| {
            let mut row = Row::new();
            let ink = if n == 0 { Ink::Label } else { Ink::Plain };
            for (cell, width) in line.iter().zip(&widths) {
                let gap = " ".repeat(width.saturating_sub(columns(cell)) + 2);
                row = row.and(ink, format!("{cell}{gap}"));
            }
            // What a stranger has written stands behind a bar, which no row begins with.
            row.and(Ink::Faint, bar)
                .and(if n == 0 { ink } else { Ink::Strong }, title)
                .cut(room.width, room.look.ellipsis())
        })
        .collect()
}

fn cells(request: &RequestView, now: Option<Timestamp>, room: Room) -> [String; 6] {
    let short = |text: &str| {
        let text = one_line(text, room.look.charset);
        cut(&text, WIDEST, room.look.ellipsis())
    };
    let status = match (request.status, now) {
        (Status::Pending, Some(now)) => {
            format!("{} left", spell(request.expires_at.since(now)))
        }
        (status, _) => status.as_str().to_owned(),
    };
    let asked = now.map_or_else(
        || crate::wire::rfc3339(request.created_at),
        |now| format!("{} ago", spell(now.since(request.created_at))),
    );
    [
        request.id.to_string(),
        status,
        asked,
        votes(request),
        short(&request.requester.principal),
        short(&request.topic),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::approver::samples::{request, settled};
    use crate::terminal::locale::Charset;
    use crate::terminal::style::Look;

    fn texts(requests: &[RequestView], width: usize) -> Vec<String> {
        let look = Look {
            charset: Charset::Utf8,
            styled: false,
            cursor: false,
        };
        let room = Room {
            look,
            width,
            height: 10,
        };
        let now = Some(Timestamp::from_millis(1_700_000_061_000));
        let rows = table(requests, now, room);
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn a_request_is_one_row_whatever_its_texts_are() {
        let mut evil = *request(1);
        evil.title = "a\u{1b}[2J\u{202e}\u{2028}b │ c".to_owned();
        evil.topic = "t".repeat(64);
        let rows = texts(&[evil, *settled(2, 9, Status::Denied)], 200);
        assert_eq!(rows.len(), 3);
        assert!(rows[0].starts_with("REQUEST "), "{rows:?}");
        assert!(rows[1].contains("58 min left"), "{rows:?}");
        assert!(
            rows[1].ends_with("│ a\\u{1b}[2J\\u{202e}\\u{2028}b │ c"),
            "{rows:?}"
        );
        assert!(
            rows[2].contains("denied") && rows[2].ends_with("│ Deploy 2?"),
            "{rows:?}"
        );
        assert!(
            rows.iter().all(|row| !row.chars().any(char::is_control)),
            "{rows:?}"
        );
        // All titles begin in the same column.
        let at: Vec<_> = rows
            .iter()
            .map(|row| columns(row.split_once('│').unwrap().0))
            .collect();
        assert!(at.windows(2).all(|pair| pair[0] == pair[1]), "{rows:?}");
    }

    #[test]
    fn a_terminal_gets_rows_that_fit() {
        let mut wide = *request(1);
        wide.title = "部".repeat(200);
        let rows = texts(&[wide], 120);
        assert!(rows.iter().all(|row| columns(row) <= 120), "{rows:?}");
    }
}
