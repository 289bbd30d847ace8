//! `approver`: shows one pending request after the other on the terminal, and tells the daemon
//! what the person says; or has a policy command say it; or does one thing, as a command.
//!
//! `session` is the loop with a terminal, `headless` the one without. What waits is kept in
//! `inbox`, what a question looks like is in `question`, what a line means in `answer`, all
//! without input or output. `policy` runs the command that judges, and `commands` has the rest.

mod answer;
mod answering;
mod args;
mod commands;
mod daemon_clock;
mod decide;
mod end;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headless;
mod inbox;

mod link;
mod pager;
mod policy;
mod question;
#[cfg(test)]
mod samples;
mod session;
mod signals;
mod tally;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Error};

use self::args::Approver;
use super::exit;
use super::flags::parse;
use crate::terminal::printable::visible;

/// The whole program: reads the command line, does what it says, and gives the exit code.
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
        Ok(runtime) => {
            let end = runtime.block_on(act(line));
            // A look-up of the daemon's name cannot be taken back, and is not waited for.
            runtime.shutdown_background();
            end
        }
        Err(error) => Err((exit::INTERNAL, error)),
    };
    end.unwrap_or_else(|(code, error)| {
        complain(&error);
        code
    })
}

async fn act(line: Approver) -> Result<u8, (u8, Error)> {
    let configuration = |error: Error| (exit::CONFIGURATION, error);
    let daemon = line.daemon.resolve().map_err(configuration)?;
    let client = daemon.client("approver");
    let client = client.map_err(|error| configuration(error.into()))?;
    match line.command {
        Some(command) => commands::run(client, command).await,
        None => answering::run(client, line.answering).await,
    }
}

/// Says something on standard error, in one line, whoever's words are in it.
fn tell(text: &str) {
    // When standard error takes nothing, the exit code has to say it alone.
    let (Ok(()) | Err(_)) = writeln!(io::stderr(), "approver: {}", visible(text));
}

/// Says what is wrong. Its lines are ours: what others have said is one line of it at most, because
/// it was made visible before.
fn complain(error: &Error) {
    let text = format!("{error:#}");
    let mut lines = text.lines();
    tell(lines.next().unwrap_or_default());
    for line in lines {
        let (Ok(()) | Err(_)) = writeln!(io::stderr(), "{}", visible(line));
    }
}
