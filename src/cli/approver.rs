//! `approver`: shows one pending request after the other on the terminal, and tells the daemon
//! what the person says.
//!
//! `session` is the loop. What waits is kept in `inbox`, what a question looks like is in
//! `question`, what a line means in `answer`, all without input or output.

mod answer;
mod args;
mod daemon_clock;
mod decide;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inbox;
mod pager;
mod question;
#[cfg(test)]
mod samples;
mod session;
mod signals;
mod tally;

use std::cell::Cell;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Error, anyhow};

use self::args::Approver;
use self::session::{End, Session};
use self::signals::{Ending, Redrawing};
use super::exit;
use super::flags::parse;
use crate::client::DaemonUrl;
use crate::domain::Channel;
use crate::terminal::printable::visible;
use crate::terminal::tty::{NoTerminal, Tty};

/// The whole program: reads the command line, asks on the terminal, and gives the exit code.
///
/// It must not be called from within a runtime.
pub fn main() -> u8 {
    // A panic has been told by its hook, and the terminal restored while it unwound.
    catch_unwind(AssertUnwindSafe(|| parse().map_or_else(|code| code, run)))
        .unwrap_or(exit::INTERNAL)
}

fn run(line: Approver) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start");
    let end = match runtime {
        Ok(runtime) => runtime.block_on(ask(line)),
        Err(error) => Err((exit::INTERNAL, error)),
    };
    end.unwrap_or_else(|(code, error)| {
        complain(&error);
        code
    })
}

async fn ask(line: Approver) -> Result<u8, (u8, Error)> {
    let daemon = line.daemon.resolve();
    let daemon = daemon.map_err(|error| (exit::CONFIGURATION, error))?;
    let (url, curl) = (daemon.url.to_string(), curl(&daemon.url));
    let client = daemon.client("approver");
    let client = client.map_err(|error| (exit::CONFIGURATION, error.into()))?;
    let client = client.by_way_of(Channel::Terminal);
    let topics: Vec<String> = line
        .topics
        .iter()
        .map(|topic| topic.as_str().to_owned())
        .collect();
    let internal = |error: io::Error| (exit::INTERNAL, error.into());
    let mut ending = Ending::listen().map_err(internal)?;
    let redrawing = Redrawing::listen().map_err(internal)?;
    let tty = Tty::open().map_err(|error| (exit::USAGE, no_terminal(error, &curl)))?;
    let paging = Cell::new(false);
    let mut session = Session::new(tty, redrawing, client, &topics, &paging);
    let end = tokio::select! {
        biased;
        code = ending.next(&paging) => Ok(code),
        end = session.run() => Err(end),
    };
    session.leave().await;
    // The terminal is as it was before anything is printed below it.
    drop(session);
    match end {
        Ok(code) => Ok(code),
        Err(end) => code(end, &url),
    }
}

fn code(end: End, url: &str) -> Result<u8, (u8, Error)> {
    match end {
        End::Left => Ok(exit::SUCCESS),
        // There is nothing left to write the cause to.
        End::Hangup(_cause) => Ok(exit::HANGUP),
        End::Refused(why) => Err((
            exit::NOT_PERMITTED,
            anyhow!("{url} does not let us listen: {}", visible(&why)),
        )),
        End::NotPushd(why) => Err((
            exit::UNAVAILABLE,
            anyhow!(
                "what answers at {url} is not known to be a pushd: {}; check --url",
                visible(&why)
            ),
        )),
        End::Dismissed => Err((
            exit::UNAVAILABLE,
            anyhow!("the daemon at {url} takes no listeners at present"),
        )),
    }
}

/// The daemon's address as the last arguments of curl.
fn curl(url: &DaemonUrl) -> String {
    let call = url.join("/v1/requests/ID/decision");
    match url.socket() {
        Some(path) => format!("--unix-socket '{}' {call}", path.display()),
        None => call.to_string(),
    }
}

fn no_terminal(error: NoTerminal, curl: &str) -> Error {
    anyhow!(
        "{:#}; approver asks a person, on a terminal; a program decides with:\n  \
         curl -X POST -H 'content-type: application/json' -d '{{\"verdict\":\"approve\"}}' \
         {curl}",
        Error::new(error)
    )
}

/// Says what is wrong, on standard error. Its lines are ours: what others have said is one line
/// of it at most.
fn complain(error: &Error) {
    let text = format!("{error:#}");
    for (n, line) in text.lines().enumerate() {
        let start = if n == 0 { "approver: " } else { "" };
        // When standard error takes nothing, the exit code has to say it alone.
        let (Ok(()) | Err(_)) = writeln!(io::stderr(), "{start}{}", visible(line));
    }
}
