//! What the end of a policy means.

use crate::domain::text::is_line_break;
use crate::domain::{Reason, Verdict};
use crate::hook::{End, Output};
use crate::limits;

/// The exit status that approves.
const APPROVE: i32 = 0;
/// The exit status that denies.
const DENY: i32 = 1;
/// The exit status that leaves it open.
const OPEN: i32 = 3;

/// What a policy thinks of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::approver) enum Opinion {
    /// A verdict, and why.
    Verdict(Verdict, Option<String>),
    /// None, as it says itself, and why.
    Open(Option<String>),
    /// None, because something went wrong.
    Trouble(String),
}

/// The opinion of a policy that has ended so, and has printed this on standard output.
pub(super) fn opinion(end: End, stdout: &Output) -> Opinion {
    let reason = || reason(&stdout.first_line());
    match end {
        End::Exited(APPROVE) => Opinion::Verdict(Verdict::Approve, reason()),
        End::Exited(DENY) => Opinion::Verdict(Verdict::Deny, reason()),
        End::Exited(OPEN) => Opinion::Open(reason()),
        End::Exited(status @ 126..=127) => Opinion::Trouble(format!(
            "it cannot be run: the shell says {status}; check --policy"
        )),
        End::Exited(_) => Opinion::Trouble(format!("{end}, which is neither 0, 1 nor 3")),
        End::Signalled(_) | End::OutOfTime(_) | End::TooMuch => Opinion::Trouble(end.to_string()),
    }
}

/// A first line, as a reason that is not too long: what is too long is cut, and a line break of
/// another kind becomes a space.
fn reason(line: &str) -> Option<String> {
    let line: String = line
        .chars()
        .map(|c| if is_line_break(c) { ' ' } else { c })
        .collect();
    let mut reason: String = line.chars().take(limits::REASON_CHARS).collect();
    if reason.len() < line.len() {
        reason.pop();
        reason.push('…');
    }
    let reason = Reason::new(reason).expect("it is one line, and short enough");
    reason.map(|reason| reason.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_statuses_mean_something() {
        let why = || Some("frozen".to_owned());
        for (status, opinion_) in [
            (0, Opinion::Verdict(Verdict::Approve, why())),
            (1, Opinion::Verdict(Verdict::Deny, why())),
            (3, Opinion::Open(why())),
        ] {
            let stdout = Output::of(b"frozen\nmore");
            assert_eq!(opinion(End::Exited(status), &stdout), opinion_);
        }
    }

    #[test]
    fn a_reason_is_the_first_line_made_fit() {
        let long = "é".repeat(600);
        for (stdout, expected) in [
            (&b""[..], None),
            (b"\nsecond", None),
            (b"  spaces \r\n", Some("spaces".to_owned())),
            (b"a\xffb", Some("a\u{fffd}b".to_owned())),
            ("a\u{2028}b\rc".as_bytes(), Some("a b c".to_owned())),
            (long.as_bytes(), Some("é".repeat(499) + "…")),
        ] {
            let line = Output::of(stdout).first_line();
            assert_eq!(reason(&line), expected, "{stdout:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_a_clean_end_with_0_approves(number: i32, way in 0..4, stdout: Vec<u8>) {
            let end = match way {
                0 => End::Exited(number),
                1 => End::Signalled(number),
                2 => End::OutOfTime(limits::POLICY_TIME_DEFAULT),
                _ => End::TooMuch,
            };
            let opinion = opinion(end, &Output::of(&stdout));
            let approves = matches!(opinion, Opinion::Verdict(Verdict::Approve, _));
            prop_assert_eq!(approves, end == End::Exited(0));
        }
    }
}
