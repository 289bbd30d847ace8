//! `requester`: asks, waits, and leaves with the answer as its exit code.
//!
//! `ask` gets the request acknowledged, `wait` polls until it is final, `withdraw` cancels it
//! after a signal. What an answer means is decided in `judge`, and how it all ends in
//! `outcome`, both without input or output.

mod args;
mod ask;
mod daemon_time;
mod details;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod interrupt;
mod judge;
mod outcome;
mod page;
#[cfg(test)]
mod script;
mod title;
mod wait;
mod withdraw;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Context;

use self::args::{AskFlags, Requester};
use self::flow::Plan;
use self::interrupt::Signals;
use self::outcome::End;
use super::exit;
use super::flags::parse;
use crate::client::DaemonUrl;
use crate::domain::{MatchCode, Title};
use crate::terminal::spinner::{Mood, Progress};
use crate::wire::{AskBody, RequestView};

/// What the program calls itself, to people and to daemons.
const PROGRAM: &str = "requester";

/// The whole program: reads the command line, asks and waits, and gives the exit code.
///
/// It must not be called from within a runtime.
pub fn main() -> u8 {
    // A panic has been told by its hook already; it must not look like an answer.
    catch_unwind(AssertUnwindSafe(|| parse().map_or_else(|code| code, run)))
        .unwrap_or(exit::INTERNAL)
}

fn run(line: Requester) -> u8 {
    let (json, quiet) = (line.ask.json, line.ask.quiet);
    let daemon = match line.daemon.resolve() {
        Ok(daemon) => daemon,
        Err(error) => {
            let end = End::failed(exit::CONFIGURATION, error);
            return finish(&Progress::on_stderr(PROGRAM, "", quiet), json, end);
        }
    };
    let plan = match plan(line.ask, &daemon.url) {
        Ok(plan) => plan,
        Err(end) => return finish(&Progress::on_stderr(PROGRAM, "", quiet), json, end),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime.context("cannot start") {
        Ok(runtime) => runtime,
        Err(error) => {
            return finish(
                &Progress::on_stderr(PROGRAM, "", quiet),
                json,
                End::internal(error),
            );
        }
    };
    let code = runtime.block_on(async {
        let progress = Progress::on_stderr(PROGRAM, &plan.ask.title, quiet);
        if let Some(code) = &plan.ask.match_code {
            progress.match_code(&code.spelled());
        }
        let end = match (daemon.client(PROGRAM), Signals::listen()) {
            (Ok(client), Ok(mut signals)) => {
                flow::run(&client, &plan, &mut signals, &progress).await
            }
            (Err(error), _) => End::failed(exit::CONFIGURATION, error.into()),
            (_, Err(error)) => End::internal(error.into()),
        };
        finish(&progress, json, end)
    });
    // A look-up of the daemon's name cannot be taken back. Dropping the runtime would wait for it,
    // with a name server that is silent for long after everything was said.
    runtime.shutdown_background();
    code
}

/// Everything that is known before the daemon is.
fn plan(flags: AskFlags, daemon: &DaemonUrl) -> Result<Plan, End> {
    let details = flags.details.map(details::Source::read).transpose();
    let details = details.map_err(|error| End::failed(exit::USAGE, error))?;
    if flags.fields.len() > crate::limits::FIELDS {
        let (count, most) = (flags.fields.len(), crate::limits::FIELDS);
        let error = anyhow::anyhow!("--field is given {count} times, at most {most} are taken");
        return Err(End::failed(exit::USAGE, error));
    }
    if flags.matched && flags.key.is_some() {
        let error = anyhow::anyhow!(
            "--match and --key do not go together: each run draws another match code, and the same \
             key has to stand for the same ask; leave one of them out"
        );
        return Err(End::failed(exit::USAGE, error));
    }
    let match_code = flags.matched.then(random_code).transpose();
    let match_code = match_code.map_err(End::internal)?;
    let key = match flags.key {
        Some(key) => key,
        None => random_key().map_err(End::internal)?,
    };
    let title = flags.message.as_ref().map(Title::as_str);
    let fields: Vec<_> = flags.fields.iter().map(Into::into).collect();
    let ask = AskBody {
        title: title.map_or_else(title::default_title, str::to_owned),
        details: details.filter(|details| !details.is_empty()),
        fields: (!fields.is_empty()).then_some(fields),
        topic: flags.topic.map(|topic| topic.as_str().to_owned()),
        expires_in_secs: flags.expires.map(|expires| expires.as_secs()),
        match_code,
        ..AskBody::default()
    };
    Ok(Plan {
        ask,
        page_of: flags.qr.then(|| daemon.clone()),
        daemon: daemon.to_string(),
        key,
        timeout: flags.timeout,
        connect_timeout: flags.connect_timeout,
    })
}

/// A key that nobody else draws: 128 random bits.
fn random_key() -> anyhow::Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).context("the system gives no random bits for the key")?;
    Ok(data_encoding::HEXLOWER.encode(&bits))
}

/// Six digits that nobody can foresee.
fn random_code() -> anyhow::Result<MatchCode> {
    MatchCode::random(getrandom::u32).context("the system gives no random bits for the match code")
}

/// Tells how it ended, and gives the exit code.
fn finish(progress: &Progress, json: bool, end: End) -> u8 {
    match end {
        End::Settled(request) => {
            let code = outcome::code(&request);
            progress.end(mood(code), &outcome::words(&request));
            printed(progress, json, Some(&request), code)
        }
        End::Interrupted {
            signal,
            words,
            request,
        } => {
            progress.end(Mood::Neutral, &words);
            printed(progress, json, request.as_deref(), signal.code())
        }
        End::Failed { code, error } => {
            progress.fail(&format!("{error:#}"));
            code
        }
    }
}

const fn mood(code: u8) -> Mood {
    match code {
        exit::APPROVED => Mood::Good,
        exit::DENIED => Mood::Bad,
        _ => Mood::Neutral,
    }
}

/// Prints the result for a program that reads it. An approval that its reader cannot have got is
/// not one: whoever asked for the result may need it to go on.
fn printed(progress: &Progress, json: bool, request: Option<&RequestView>, code: u8) -> u8 {
    let Some(request) = request.filter(|_| json) else {
        return code;
    };
    match print(request).context("cannot write the result to standard output") {
        Ok(()) => code,
        Err(error) => {
            progress.fail(&format!("{error:#}"));
            if code == exit::APPROVED {
                exit::INTERNAL
            } else {
                code
            }
        }
    }
}

fn print(request: &RequestView) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()?;
    Ok(())
}
