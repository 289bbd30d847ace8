//! `requester`: asks, waits, and leaves with the answer as its exit code.
//!
//! `ask` gets the request acknowledged, `wait` polls until it is final, `withdraw` cancels it
//! after a signal. What an answer means is decided in `judge`, whether an approval still counts in
//! `freshness`, and how it all ends in `outcome`, all without input or output.
//! Other processes come back to a request by `rejoin`, `status` and `cancel`.

mod args;
mod ask;
mod cancel;
mod daemon_time;
mod details;
mod doctor;
mod flow;
mod freshness;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod interrupt;
mod judge;
mod nobody;
mod outcome;
mod page;
mod printing;
mod reach;
mod rejoin;
#[cfg(test)]
mod script;
mod status;
mod title;
mod votes;
mod wait;
mod withdraw;
mod wrap;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Context;
use clap::CommandFactory as _;

use self::args::{AskFlags, Command, CommonFlags, Known, Requester, WaitFlags};
use self::flow::{Plan, Stay};
use self::freshness::Freshness;
use self::interrupt::Signals;
use self::outcome::End;
use self::printing::Printing;
use self::reach::Reach;
use self::wait::Waits;
use self::wrap::Wrapped;
use super::config::Daemon;
use super::flags::unparsed;
use super::{exit, handbook};
use crate::client::Client;
use crate::domain::{MatchCode, Title};
use crate::terminal::spinner::{Mood, Progress};
use crate::wire::AskBody;

/// What the program calls itself, to people and to daemons.
const PROGRAM: &str = "requester";

/// The whole program: reads the command line, carries it out, and gives the exit code.
///
/// It must not be called from within a runtime.
pub fn main() -> u8 {
    // A panic has been told by its hook already; it must not look like an answer.
    let line: Vec<_> = std::env::args_os().collect();
    catch_unwind(AssertUnwindSafe(|| {
        handbook::print(Requester::command, &line)
            .unwrap_or_else(|| args::read(line).map_or_else(|error| unparsed(&error), run))
    }))
    .unwrap_or(exit::INTERNAL)
}

fn run(line: Requester) -> u8 {
    let common = line.common;
    let daemon = match (line.daemon.resolve(), &line.command) {
        (Ok(daemon), _) => daemon,
        (Err(error), Some(Command::Doctor)) => return doctor::run(Err(error), &common),
        (Err(error), _) => return early(&common, End::failed(exit::CONFIGURATION, error)),
    };
    match line.command {
        None => match plan(line.ask, &line.waiting, &common, daemon.names()) {
            Ok((plan, command)) => ask(daemon, &common, &plan, command),
            Err(end) => early(&common, end),
        },
        Some(Command::Doctor) => doctor::run(Ok(daemon), &common),
        Some(Command::Known(command)) => carry_out(command, daemon, &common),
    }
}

fn ask(daemon: Daemon, common: &CommonFlags, plan: &Plan, command: Option<Wrapped>) -> u8 {
    let title = &plan.ask.title;
    let printing = Printing::of_ask(common, plan);
    let course = async |client: &Client, signals: &mut Signals, progress: &Progress| {
        if let Some(code) = &plan.ask.match_code {
            progress.match_code(&code.spelled());
        }
        let end = flow::run(client, plan, signals, progress).await;
        match command {
            Some(command) => wrap::go_on(client, command, plan.stay, end, signals, progress).await,
            None => end,
        }
    };
    conduct(daemon, common, title, printing, course)
}

/// What comes back to a request by its id.
fn carry_out(command: Known, daemon: Daemon, common: &CommonFlags) -> u8 {
    let id = match command {
        Known::Wait { id, .. } | Known::Status { id, .. } | Known::Cancel { id } => id,
    };
    let reach = Reach {
        daemon: daemon.names(),
        id,
        patience: common.connect_timeout,
    };
    let course = async |client: &Client, signals: &mut Signals, progress: &Progress| match command {
        Known::Wait { waiting, .. } => {
            let how = Waits::for_known(&reach, &waiting);
            let freshness = Freshness::of_found(waiting.using.use_within);
            rejoin::run(client, &reach, &how, freshness, signals, progress).await
        }
        Known::Status { using, .. } => {
            let freshness = Freshness::of_found(using.use_within);
            status::run(client, &reach, freshness, signals, progress).await
        }
        Known::Cancel { .. } => cancel::run(client, &reach, signals, progress).await,
    };
    // The title is not known yet.
    let title = format!("request {id}");
    conduct(daemon, common, &title, Printing::of_known(common), course)
}

/// Carries something out with a client of the daemon, and tells how it has ended.
fn conduct(
    daemon: Daemon,
    common: &CommonFlags,
    title: &str,
    printing: Printing,
    course: impl AsyncFnOnce(&Client, &mut Signals, &Progress) -> End,
) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime.context("cannot start") {
        Ok(runtime) => runtime,
        Err(error) => return early(common, End::internal(error)),
    };
    let code = runtime.block_on(async {
        let progress = Progress::on_stderr(PROGRAM, title, common.quiet);
        let end = match (daemon.client(PROGRAM), Signals::listen()) {
            (Ok(client), Ok(mut signals)) => {
                let course = course(&client, &mut signals, &progress);
                let end = telling_changes(&client, &progress, course).await;
                // It may have come with the very last answer.
                client
                    .take_change()
                    .iter()
                    .for_each(|words| progress.say(words));
                end
            }
            (Err(error), _) => End::failed(exit::CONFIGURATION, error.into()),
            (_, Err(error)) => End::internal(error.into()),
        };
        finish(&progress, printing, end)
    });
    // A look-up of the daemon's name cannot be taken back. Dropping the runtime would wait for it,
    // with a name server that is silent for long after everything was said.
    runtime.shutdown_background();
    code
}

/// Tells on the way when another of the daemon's addresses is in use.
async fn telling_changes(
    client: &Client,
    progress: &Progress,
    course: impl Future<Output = End>,
) -> End {
    let mut course = std::pin::pin!(course);
    loop {
        tokio::select! {
            biased;
            end = &mut course => return end,
            words = client.changed() => progress.say(&words),
        }
    }
}

/// An end before anything has begun.
fn early(common: &CommonFlags, end: End) -> u8 {
    let progress = Progress::on_stderr(PROGRAM, "", common.quiet);
    finish(&progress, Printing::of_known(common), end)
}

/// Everything that is known before the daemon is.
fn plan(
    flags: AskFlags,
    waiting: &WaitFlags,
    common: &CommonFlags,
    daemon: String,
) -> Result<(Plan, Option<Wrapped>), End> {
    wrap::check(&flags, waiting, common)?;
    let lease_secs = flags.lease_secs();
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
    if flags.from.len() > crate::limits::FROM {
        let (count, most) = (flags.from.len(), crate::limits::FROM);
        let error = anyhow::anyhow!("--from has {count} names, at most {most} are taken");
        return Err(End::failed(exit::USAGE, error));
    }
    let use_within = waiting.using.use_within;
    let named = flags.key.is_some();
    let key = match flags.key {
        Some(key) => key,
        None => random_key().map_err(End::internal)?,
    };
    let nonce = random_key().map_err(End::internal)?;
    let (command, shown) = Wrapped::prepare(flags.wrap, nonce)?.unzip();
    let title = flags.message.as_ref().map(Title::as_str);
    let fields: Vec<_> = flags.fields.iter().map(Into::into).collect();
    let from: Vec<_> = flags.from.iter().map(ToString::to_string).collect();
    let ask = AskBody {
        title: match (title, &shown) {
            (Some(title), _) => title.to_owned(),
            (None, Some(command)) => wrap::title(command),
            (None, None) => title::default_title(),
        },
        details: details.filter(|details| !details.is_empty()),
        fields: (!fields.is_empty()).then_some(fields),
        topic: flags.topic.map(|topic| topic.as_str().to_owned()),
        expires_in_secs: flags.expires.map(|expires| expires.as_secs()),
        match_code,
        command: shown.as_ref().map(Into::into),
        // What an older daemon need not know is not said to it.
        need: flags.need.filter(|&need| need > 1),
        from: (!from.is_empty()).then_some(from),
        lease_secs,
        use_within_secs: use_within
            .filter(|&within| within != crate::limits::USE_WITHIN.1)
            .map(|within| within.as_secs()),
    };
    let plan = Plan {
        ask,
        page: flags.qr,
        daemon,
        key,
        named,
        stay: match waiting.wait_at_most {
            _ if flags.detach => Stay::ForTheId,
            Some(wait) => Stay::AtMost(wait),
            None => Stay::ForTheAnswer,
        },
        timeout: waiting.timeout,
        connect_timeout: common.connect_timeout,
        use_within,
        lease_wanted: flags.lease.is_some(),
        fail_if_nobody: flags.fail_if_nobody,
    };
    Ok((plan, command))
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
fn finish(progress: &Progress, printing: Printing, end: End) -> u8 {
    let told = end.told();
    if told.is_error {
        progress.fail(&told.words);
    } else {
        progress.end(mood(told.code), &told.words);
    }
    match told.request {
        Some(request) => printing.print(progress, &request, told.code),
        None => told.code,
    }
}

/// The mood in which an end is told: a success, a no, or neither.
const fn mood(code: u8) -> Mood {
    match code {
        exit::SUCCESS => Mood::Good,
        exit::DENIED => Mood::Bad,
        _ => Mood::Neutral,
    }
}
