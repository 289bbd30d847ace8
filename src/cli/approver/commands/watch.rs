//! `approver watch`: the stream, printed line by line.

use std::io;

use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::Failure;
use super::paper::{Paper, json, printed};
use crate::cli::approver::args::WatchFlags;
use crate::cli::approver::end::{End, ended};
use crate::cli::approver::link::{Heard, Link, words};
use crate::cli::approver::question::{one_line, party};
use crate::cli::approver::tell;
use crate::cli::exit;
use crate::client::{Client, EventStream, StreamEvent};
use crate::terminal::row::Row;
use crate::terminal::style::Ink;
use crate::wire::{MarkView, RequestView, Status, event};

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a, T> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
}

pub(super) async fn run(client: Client, flags: &WatchFlags) -> Result<u8, Failure> {
    let url = client.names();
    let topics: Vec<String> = flags
        .topics
        .iter()
        .map(|topic| topic.as_str().to_owned())
        .collect();
    let mut stream = EventStream::new(client, &topics);
    let mut link = Link::new();
    // The first stream begins with nothing, so there is nothing to drop.
    let mut is_first = true;
    loop {
        tell_link(&mut link);
        let event = tokio::select! {
            event = stream.next() => event,
            () = sleep_until(link.due().unwrap_or_else(Instant::now)), if link.due().is_some() => {
                continue;
            }
        };
        let result = match event {
            StreamEvent::Connected { resumed, .. } => {
                link.is(Heard::Up);
                if resumed || std::mem::take(&mut is_first) {
                    Ok(())
                } else {
                    mark(flags, event::RESET, None)
                }
            }
            StreamEvent::Request(view) if flags.once && view.status != Status::Pending => Ok(()),
            StreamEvent::Request(view) => {
                let result = request(flags, &view);
                if flags.once {
                    printed(result)?;
                    return Ok(exit::SUCCESS);
                }
                result
            }
            StreamEvent::CaughtUp(data) => mark(flags, event::CAUGHT_UP, Some(&data)),
            StreamEvent::Reset(data) => mark(flags, event::RESET, Some(&data)),
            StreamEvent::Cut {
                why, foreign: true, ..
            } if !link.is_known() => {
                return ended(End::NotPushd(why), &url);
            }
            StreamEvent::Cut { why, at_limit, .. } => {
                link.is_cut(why, at_limit);
                Ok(())
            }
            StreamEvent::Moved(words) => {
                tell(&words);
                Ok(())
            }
            StreamEvent::Skipped { why } => {
                tell(&format!("something was left out: {why}"));
                Ok(())
            }
            StreamEvent::Ended => return ended(End::Dismissed, &url),
            StreamEvent::Refused { why } => return ended(End::Refused(why), &url),
        };
        if printed(result)?.is_none() {
            return Ok(exit::SUCCESS);
        }
    }
}

fn tell_link(link: &mut Link) {
    if let Some(heard) = link.news(Instant::now())
        && let Some(text) = words(&heard)
    {
        tell(&text);
    }
}

fn mark(flags: &WatchFlags, name: &str, data: Option<&MarkView>) -> io::Result<()> {
    if flags.once || !flags.json {
        return Ok(());
    }
    json(&Line { event: name, data })
}

fn request(flags: &WatchFlags, view: &RequestView) -> io::Result<()> {
    if flags.json {
        let (event, data) = (event::REQUEST, Some(view));
        return json(&Line { event, data });
    }
    let paper = Paper::of_process();
    let room = paper.room();
    let charset = room.look.charset;
    let ours = format!(
        "{:<9}  {}  by {}  {}  ",
        view.status.as_str(),
        view.id,
        party(&view.requester, charset),
        one_line(&view.topic, charset)
    );
    let row = Row::new()
        .and(Ink::Plain, ours)
        .and(Ink::Faint, charset.pick("│ ", "| "))
        .and(Ink::Strong, one_line(&view.title, charset));
    paper.rows(&[row])
}
