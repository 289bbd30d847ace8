//! The program without a command: who is there to answer, and how it ends.

use std::cell::Cell;
use std::io;

use anyhow::{Error, anyhow};

use super::args::AnsweringFlags;
use super::end::{End, ended};
use super::headless;
use super::policy::{Desk, Policy};
use super::session::Session;
use super::signals::{Ending, Redrawing};
use crate::cli::exit;
use crate::client::{Client, DaemonUrl};
use crate::domain::{Channel, Topic};
use crate::terminal::tty::{NoTerminal, Tty};

/// Answers what waits: by a person at the terminal, by the policy, or by both.
pub(super) async fn run(client: Client, flags: AnsweringFlags) -> Result<u8, (u8, Error)> {
    let url = client.names();
    let internal = |error: io::Error| (exit::INTERNAL, error.into());
    let topics: Vec<String> = flags
        .topics
        .iter()
        .map(Topic::as_str)
        .map(str::to_owned)
        .collect();
    let mut ending = Ending::listen().map_err(internal)?;
    let once = flags.once;
    let desk = flags.policy.map(|command| {
        let policy = Policy::new(command, flags.policy_timeout);
        let jobs = if once { 1 } else { flags.jobs };
        Desk::new(policy, jobs, client.clone().by_way_of(Channel::Policy))
    });
    let end = match (Tty::open(), desk) {
        (Ok(tty), desk) => {
            let redrawing = Redrawing::listen().map_err(internal)?;
            let paging = Cell::new(false);
            let client = client.by_way_of(Channel::Terminal);
            let mut session = Session::new(tty, redrawing, client, &topics, &paging);
            session.judge_by(desk);
            session.leave_after_one(once);
            let end = tokio::select! {
                biased;
                code = ending.next(&paging) => Err(code),
                end = session.run() => Ok(end),
            };
            session.leave().await;
            // The terminal is as it was before anything is printed below it.
            drop(session);
            end
        }
        (Err(_nobody), Some(desk)) => {
            let paging = Cell::new(false);
            tokio::select! {
                biased;
                code = ending.next(&paging) => Err(code),
                end = headless::run(client, &topics, desk, once) => Ok(end),
            }
        }
        (Err(error), None) => return Err((exit::USAGE, nobody(error, client.base()))),
    };
    match end {
        Err(code) => Ok(code),
        Ok(End::Left) if once => Ok(exit::PENDING),
        Ok(end) => ended(end, &url),
    }
}

/// There is nobody to ask: what can be done instead.
fn nobody(error: NoTerminal, url: &DaemonUrl) -> Error {
    let page = match url.socket() {
        Some(_) => String::new(),
        None => format!("\n  {} in a browser: a page for people", url.join("/")),
    };
    anyhow!(
        "{:#}; approver asks a person, on a terminal. Others answer by\n  \
         approver approve ID or approver deny ID: one request of those that approver list shows\n  \
         approver --policy COMMAND: a command judges each request{page}",
        Error::new(error)
    )
}
