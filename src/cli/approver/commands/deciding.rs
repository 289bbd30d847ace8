//! `approver approve ID`, `approver deny ID` and `approver take-back ID`.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Error, anyhow};

use super::paper::{json, printed};
use super::{Failure, trouble};
use crate::cli::approver::answer::parse_code;
use crate::cli::approver::args::DecideFlags;
use crate::cli::approver::decide::{Cause, Deciding, Outcome, Progress};
use crate::cli::approver::question::{Room, one_line, outcome, party, votes_of};
use crate::cli::approver::tell;
use crate::cli::exit;
use crate::client::{CallError, Client};
use crate::domain::{Channel, MatchCode, RequestId, Verdict};
use crate::terminal::lines::Typed;
use crate::terminal::locale::Charset;
use crate::terminal::printable::visible;
use crate::terminal::row::{Frame, Row};
use crate::terminal::style::{Ink, Look};
use crate::terminal::tty::Tty;
use crate::wire::{DecisionBody, RequestView, Status};

/// The code of the refusal to approve without the match code.
const CODE_REQUIRED: &str = "match_code_required";
/// The code of the refusal to decide without a reason.
const REASON_REQUIRED: &str = "reason_required";

pub(super) async fn run(
    client: Client,
    id: RequestId,
    verdict: Verdict,
    match_code: Option<MatchCode>,
    flags: DecideFlags,
) -> Result<u8, Failure> {
    let client = by_a_person_if_there_is_one(client);
    let mut body = DecisionBody {
        verdict,
        reason: flags.reason.map(|reason| reason.as_str().to_owned()),
        version: flags.version,
        match_code,
    };
    let mut end = decide(&client, id, body.clone()).await;
    if is_refused_for(&end, CODE_REQUIRED) && body.match_code.is_none() {
        // The same question has to be answered that is shown now.
        let view = client.read(id, None).await;
        let view = view.map_err(|error| trouble::call(&client, &error))?.value;
        let code = ask_code(&view)
            .await
            .map_err(|error| (exit::USAGE, error))?;
        body.match_code = Some(code);
        body.version = body.version.or(Some(view.version));
        end = decide(&client, id, body).await;
    }
    let (code, view) = match end {
        Outcome::Counted(view) => {
            tell(&counted(verdict, &view));
            (exit::SUCCESS, Some(view))
        }
        Outcome::TooLate(view) => (exit::DENIED, too_late(id, view)),
        Outcome::WrongCode {
            view: Some(view), ..
        } if view.status == Status::Denied => {
            tell("that was not the match code, for the last time: the request is denied");
            (exit::DENIED, Some(view))
        }
        end @ (Outcome::Changed(_)
        | Outcome::WrongCode { .. }
        | Outcome::Gone
        | Outcome::Failed { .. }) => return Err(failed(id, end)),
    };
    print_result(view.as_deref(), flags.json, code)
}

/// A decision that a person types comes from a terminal; else it is a program's.
fn by_a_person_if_there_is_one(client: Client) -> Client {
    if std::io::stdin().is_terminal() {
        client.by_way_of(Channel::Terminal)
    } else {
        client
    }
}

/// Tells the daemon, again and again if need be.
async fn decide(client: &Client, id: RequestId, body: DecisionBody) -> Outcome {
    let mut deciding = Deciding::new(client.clone(), id, body);
    let mut told = None;
    loop {
        match deciding.next().await {
            Progress::Done(outcome) => return outcome,
            Progress::Again { why, .. } => {
                if told.as_ref() != Some(&why) {
                    tell(&format!("not decided yet, trying again: {why}"));
                }
                told = Some(why);
            }
        }
    }
}

fn is_refused_for(outcome: &Outcome, reason: &str) -> bool {
    matches!(
        outcome,
        Outcome::Failed { cause: Cause::Refused { code, .. }, .. } if code == reason
    )
}

/// Has a person type the match code, below the question that it is for.
async fn ask_code(view: &RequestView) -> Result<MatchCode, Error> {
    let mut tty = Tty::open().map_err(|error| {
        Error::new(error).context(
            "the request asks for the six digits that the requester shows; give them with \
             --match-code",
        )
    })?;
    let room = Room {
        look: Look::of_process(),
        width: tty.size().map_or(80, |(_, columns)| columns).max(20) - 1,
        height: 24,
    };
    let title = one_line(&view.title, room.look.charset);
    let frame = Frame::new(room.look, room.width);
    let rows = frame.rows("", Ink::Strong, &title);
    let rows: String = rows.iter().map(|row| row.paint(room.look) + "\n").collect();
    let asker = party(&view.requester, room.look.charset);
    tty.throw_away_input()?;
    let prompt = format!("{asker} asks:\n{rows}Type the six digits that the requester shows: ");
    tty.write(&prompt).await?;
    let typed = tty.read().await.context("the terminal is gone")?;
    let code = match &typed {
        Typed::Line(line) => parse_code(line),
        Typed::End | Typed::Unreadable => None,
    };
    code.ok_or_else(|| anyhow!("those are not six digits; nothing was decided"))
}

fn counted(verdict: Verdict, view: &RequestView) -> String {
    let id = view.id;
    match (view.status, verdict) {
        (Status::Pending, _) => {
            let votes = votes_of(view, Charset::of_process());
            format!(
                "your {} of {id} counts, and it stays pending: {votes}",
                match verdict {
                    Verdict::Approve => "approval",
                    Verdict::Deny => "denial",
                }
            )
        }
        (status, _) => format!("{id} is {}", status.as_str()),
    }
}

/// Says what has won.
fn too_late(id: RequestId, view: Option<Box<RequestView>>) -> Option<Box<RequestView>> {
    let Some(view) = view else {
        tell(&format!("{id} was final before; nothing was decided"));
        return None;
    };
    let room = Room {
        look: Look {
            styled: false,
            ..Look::of_process()
        },
        width: 1 << 12,
        height: 24,
    };
    let won: Vec<String> = outcome(&view, room).iter().map(Row::text).collect();
    let won = won.join(" ");
    tell(&format!(
        "{id} was final before, and this does not count:{}",
        won.split_whitespace()
            .fold(String::new(), |text, word| text + " " + word)
    ));
    Some(view)
}

fn failed(id: RequestId, outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Gone => trouble::unknown(id),
        Outcome::Changed(view) => {
            let now =
                view.map_or_else(String::new, |view| format!(", it has {} now", view.version));
            let error = anyhow!(
                "{id} has no longer the version that was to be decided{now}; nothing was decided; \
                 look at it again with: approver show {id}"
            );
            (exit::TRY_LATER, error)
        }
        Outcome::WrongCode { left, .. } => {
            let left = match left {
                Some(1) => "one more try, then the request is denied".to_owned(),
                Some(left) => format!("{left} more tries, then the request is denied"),
                None => "after a few tries the request is denied".to_owned(),
            };
            let error = anyhow!("that is not the match code, so nothing was decided; {left}");
            (exit::NOT_PERMITTED, error)
        }
        Outcome::Failed { why, unsure, cause } => {
            let context = match &cause {
                _ if unsure => "not decided as far as known; the same again is safe",
                Cause::Refused { code, .. } if code == REASON_REQUIRED => {
                    "not decided; say why with -r REASON"
                }
                Cause::Trouble | Cause::Busy | Cause::Frozen { .. } | Cause::Refused { .. } => {
                    "not decided"
                }
            };
            (
                trouble::cause(&cause),
                anyhow!(visible(&why)).context(context),
            )
        }
        Outcome::Counted(_) | Outcome::TooLate(_) => {
            (exit::INTERNAL, anyhow!("an outcome was not told"))
        }
    }
}

pub(super) async fn take_back(
    client: &Client,
    id: RequestId,
    as_json: bool,
) -> Result<u8, Failure> {
    let client = by_a_person_if_there_is_one(client.clone());
    let (code, view) = match client.take_back(id).await {
        Ok(answer) => {
            tell(&format!(
                "no decision of yours counts for {id}; it stays pending"
            ));
            (exit::SUCCESS, Some(Box::new(answer.value)))
        }
        Err(CallError::Refused {
            status: 409,
            problem,
            ..
        }) if problem.code == "already_final" => (exit::DENIED, too_late(id, problem.request)),
        Err(error) if error.is_not_found() => return Err(trouble::unknown(id)),
        Err(error) => return Err(trouble::call(&client, &error)),
    };
    print_result(view.as_deref(), as_json, code)
}

/// Prints the request for a program that reads it. The decision stands, whether it can or not, so
/// the exit code is another only for a success.
fn print_result(view: Option<&RequestView>, as_json: bool, code: u8) -> Result<u8, Failure> {
    let Some(view) = view.filter(|_| as_json) else {
        return Ok(code);
    };
    match printed(json(view)) {
        Err(failure) if code == exit::SUCCESS => Err(failure),
        Ok(_) | Err(_) => Ok(code),
    }
}
