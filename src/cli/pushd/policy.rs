//! `pushd policy check` and `explain`.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::flags::{CheckFlags, ExplainFlags, KnownFlag, PolicyCommand};
use super::{Failure, OrExit as _};
use crate::cli::exit;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{Ask, Rights};
use crate::http;
use crate::limits;
use crate::policies::{self, Chance, Explanation, TermsView};
use crate::principals;
use crate::terminal::printable::visible;
use crate::wire::AskBody;

/// Does what the command line says.
pub(super) fn run(command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check(flags) => check(&flags),
        PolicyCommand::Explain(flags) => explain(&flags),
    }
}

fn check(flags: &CheckFlags) -> Result<(), Failure> {
    let policy = policies::load(&flags.file).or_exit(exit::CONFIGURATION)?;
    let known = known(&flags.known)?;
    for warning in policies::warnings(&policy, known.as_deref()) {
        let line = format!("pushd: {}: {}\n", flags.file.display(), visible(&warning));
        drop(io::stderr().write_all(line.as_bytes()));
    }
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    let (rules, groups) = (policy.rules.len(), policy.groups.len());
    let (rules, groups) = (count(rules, "rule"), count(groups, "group"));
    show(&format!("{}: {rules}, {groups}\n", flags.file.display()))
}

fn explain(flags: &ExplainFlags) -> Result<(), Failure> {
    let policy = policies::load(&flags.policy).or_exit(exit::CONFIGURATION)?;
    let (known, now) = (known(&flags.known)?, SystemClock::new().now());
    let ask = ask(&flags.request).map_err(|error| Failure(exit::BAD_DATA, error))?;
    let told = policies::explain(&policy, &ask, &flags.requester, known.as_deref(), now);
    if flags.json {
        let json = serde_json::to_string(&told).expect("it is made of text, numbers and lists");
        return show(&format!("{json}\n"));
    }
    show(&in_words(&told))
}

/// Those who have a token that is good now.
fn known(flag: &KnownFlag) -> Result<Option<Vec<Rights>>, Failure> {
    let Some(path) = &flag.tokens else {
        return Ok(None);
    };
    let now = SystemClock::new().now();
    let rights = principals::rights(path, now).or_exit(exit::CONFIGURATION)?;
    Ok(Some(rights))
}

/// The ask in a file, checked as the daemon does it.
fn ask(path: &Path) -> anyhow::Result<Ask> {
    let name = path.display();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {name}"))?)
    };
    let mut text = Vec::new();
    let most = limits::BODY_BYTES as u64;
    let read = source.take(most + 1).read_to_end(&mut text);
    read.with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > most {
        return Err(anyhow!(
            "{name} has more than {most} bytes, which the daemon does not take"
        ));
    }
    let body: AskBody =
        serde_json::from_slice(&text).with_context(|| format!("{name} is no ask"))?;
    http::checked_ask(body).map_err(|problem| anyhow!("{name}: {}", problem.view().detail))
}

/// The results alone go to standard output.
fn show(text: &str) -> Result<(), Failure> {
    io::stdout()
        .write_all(text.as_bytes())
        .or_exit(exit::CANNOT_CREATE)
}

fn in_words(told: &Explanation) -> String {
    let mut lines = vec![format!(
        "{} asks about {}",
        visible(&told.requester),
        told.topic
    )];
    lines.push(String::new());
    lines.push("Rules".to_owned());
    if told.rules.is_empty() {
        lines.push("  there are none".to_owned());
    }
    for look in &told.rules {
        let applies = if look.applies { "applies" } else { "does not" };
        lines.push(format!("  {:<9} {}", applies, look.rule));
        if look.conditions.is_empty() {
            lines.push("              it has no conditions".to_owned());
        }
        for held in &look.conditions {
            let holds = if held.holds { "yes" } else { "no" };
            lines.push(format!(
                "              {holds:<3} {}",
                visible(&held.condition)
            ));
        }
    }
    lines.push(String::new());
    if let Some(refused) = &told.refused {
        lines.push(format!("Refused: {}", visible(refused)));
    }
    if let Some(terms) = &told.terms {
        lines.push("Terms".to_owned());
        lines.extend(
            terms_in_words(terms)
                .into_iter()
                .map(|line| format!("  {line}")),
        );
        lines.push(String::new());
        lines.push("Who could approve".to_owned());
        if told.people.is_empty() {
            lines.push("  every approver of the topic; --tokens names them".to_owned());
        }
        for person in &told.people {
            let may = match person.may_approve {
                Chance::Yes => "yes",
                Chance::No => "no",
                Chance::Unknown => "maybe",
            };
            let (name, because) = (visible(&person.name), visible(&person.because));
            lines.push(format!("  {may:<5} {name} {because}"));
        }
        if told.can_be_approved == Some(false) {
            lines.push(String::new());
            lines.push("NOT ENOUGH: these alone could not approve it".to_owned());
        }
    }
    lines.join("\n") + "\n"
}

fn terms_in_words(terms: &TermsView) -> Vec<String> {
    let mut lines = vec![format!("approvals  {}", terms.approvals_needed)];
    if let Some(approvers) = &terms.approvers {
        lines.push(format!("of         {}", approvers.join(", ")));
    }
    for panel in &terms.panels {
        let (approvals, group) = (panel.approvals, &panel.group);
        let members = panel.members.join(", ");
        lines.push(format!("among them {approvals} of @{group}: {members}"));
    }
    lines.push(format!("denials    {}", terms.denials_needed));
    let expiry = std::time::Duration::from_secs(terms.expires_in_secs);
    lines.push(format!(
        "expires    after {}",
        humantime::format_duration(expiry)
    ));
    for (is_so, line) in [
        (terms.match_code_required, "a match code is typed"),
        (terms.reason_required, "an approval needs a reason"),
        (terms.self_approval, "the requester's own approval counts"),
    ] {
        lines.extend(is_so.then(|| line.to_owned()));
    }
    for freeze in &terms.freezes {
        lines.push(format!("frozen     {freeze}"));
    }
    lines
}
