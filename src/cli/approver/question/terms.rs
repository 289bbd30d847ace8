//! What it takes to decide a request, and who has decided so far: the daemon's words.

use super::{Room, fact_row, one_line};
use crate::domain::Verdict;
use crate::terminal::locale::Charset;
use crate::terminal::row::Row;
use crate::wire::{PanelView, RequestView};

/// Whether one decision may not be enough, so that the votes so far matter.
pub(in crate::cli::approver) fn takes_votes(view: &RequestView) -> bool {
    view.approvals_needed > 1 || view.denials_needed > 1 || !view.panels.is_empty()
}

/// The row that tells the votes so far, which change while it is shown.
pub(in crate::cli::approver) fn votes_row(view: &RequestView, room: Room) -> Row {
    fact_row(super::VOTES, votes_of(view, room.look.charset), room)
}

/// How many approvals there are of those that are needed, such as `1 of 2`.
pub(in crate::cli::approver) fn votes(view: &RequestView) -> String {
    let approvals = names(view, Verdict::Approve).count();
    format!("{approvals} of {}", view.approvals_needed)
}

/// The votes in words, with who gave them: `1 of 2 approvals: alice`.
pub(in crate::cli::approver) fn votes_of(view: &RequestView, charset: Charset) -> String {
    let told = |verdict, needed: u32, what: &str| {
        let names: Vec<_> = names(view, verdict)
            .map(|name| one_line(name, charset))
            .collect();
        let by = match names.as_slice() {
            [] => String::new(),
            names => format!(": {}", names.join(", ")),
        };
        format!("{} of {needed} {what}{by}", names.len())
    };
    let mut text = told(Verdict::Approve, view.approvals_needed, "approvals");
    let is_denied = names(view, Verdict::Deny).next().is_some();
    if view.denials_needed > 1 || is_denied {
        text.push_str("; ");
        text.push_str(&told(Verdict::Deny, view.denials_needed, "denials"));
    }
    text
}

/// Who has voted so.
fn names(view: &RequestView, verdict: Verdict) -> impl Iterator<Item = &str> {
    let votes = view.decisions.iter();
    votes
        .filter(move |vote| vote.verdict == verdict)
        .map(|vote| vote.approver.principal.as_str())
}

/// What else it takes: a code, a reason, certain people, another time; and by which rules. Each has
/// a name and a text.
pub(in crate::cli::approver) fn conditions(
    view: &RequestView,
    charset: Charset,
) -> Vec<(&'static str, String)> {
    let list = |texts: &[String]| {
        let texts: Vec<_> = texts.iter().map(|text| one_line(text, charset)).collect();
        texts.join(", ")
    };
    let mut facts = Vec::new();
    let mut fact = |name, text| facts.push((name, text));
    if view.match_code_required {
        let text = "a yes needs the six digits that the requester shows";
        fact("code", text.to_owned());
    }
    if view.reason_required {
        fact("reason", "a yes needs one".to_owned());
    }
    if let Some(approvers) = &view.approvers {
        fact(
            "from",
            format!("only a yes of these counts: {}", list(approvers)),
        );
    }
    for PanelView {
        group,
        approvals,
        members,
    } in &view.panels
    {
        let group = one_line(group, charset);
        fact(
            "panel",
            format!("{approvals} of {group}: {}", list(members)),
        );
    }
    for freeze in &view.freezes {
        fact("frozen", format!("no yes {}", one_line(freeze, charset)));
    }
    if !view.rules.is_empty() {
        fact("rules", list(&view.rules));
    }
    facts
}
