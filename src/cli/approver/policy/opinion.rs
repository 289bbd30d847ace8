//! What the end of a policy means.

use crate::domain::text::is_line_break;
use crate::domain::{Reason, Verdict};
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

/// How a policy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, with this exit status.
    Exited(i32),
    /// By a signal of this number.
    Signalled(i32),
}

/// The opinion of a policy that has ended so, and has printed this on standard output.
pub(super) fn opinion(ended: Ended, stdout: &[u8]) -> Opinion {
    let reason = reason(stdout);
    match ended {
        Ended::Exited(APPROVE) => Opinion::Verdict(Verdict::Approve, reason),
        Ended::Exited(DENY) => Opinion::Verdict(Verdict::Deny, reason),
        Ended::Exited(OPEN) => Opinion::Open(reason),
        Ended::Exited(status @ 126..=127) => Opinion::Trouble(format!(
            "it cannot be run: the shell says {status}; check --policy"
        )),
        Ended::Exited(status) => Opinion::Trouble(format!(
            "it ended with {status}, which is neither 0, 1 nor 3"
        )),
        Ended::Signalled(signal) => Opinion::Trouble(format!("signal {signal} ended it")),
    }
}

/// The first line, as a reason: one line of UTF-8 that is not too long.
///
/// What is no UTF-8 becomes U+FFFD, any other line break a space, and what is too long is cut.
fn reason(stdout: &[u8]) -> Option<String> {
    let line = stdout
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line: String = line
        .trim()
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
            assert_eq!(opinion(Ended::Exited(status), b"frozen\nmore"), opinion_);
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
            assert_eq!(reason(stdout), expected, "{stdout:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_a_clean_end_with_0_approves(ended: i32, signalled: bool, stdout: Vec<u8>) {
            let how = if signalled { Ended::Signalled(ended) } else { Ended::Exited(ended) };
            let approves = matches!(opinion(how, &stdout), Opinion::Verdict(Verdict::Approve, _));
            prop_assert_eq!(approves, ended == 0 && !signalled);
        }
    }
}
