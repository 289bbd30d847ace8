//! What was found: told line by line, or at the end as one line of JSON.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::exit;
use crate::terminal::printable::visible;

/// How well it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It may matter, and an ask comes through all the same.
    Warn,
    /// No ask comes through.
    Fail,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// All findings as a line for programs.
#[derive(Serialize)]
struct All<'a> {
    findings: &'a [Finding],
    exit_code: u8,
}

/// What was found so far.
#[derive(Debug)]
pub(super) struct Report {
    as_json: bool,
    quiet: bool,
    findings: Vec<Finding>,
    code: u8,
    unheard: bool,
}

impl Report {
    /// Nothing was found yet.
    pub(super) const fn new(as_json: bool, quiet: bool) -> Self {
        Self {
            as_json,
            quiet,
            findings: Vec::new(),
            code: exit::SUCCESS,
            unheard: false,
        }
    }

    /// A step is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Level::Ok, detail.into(), None);
    }

    /// A step may be in the way.
    pub(super) fn warn(
        &mut self,
        check: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Level::Warn, detail.into(), Some(remedy.into()));
    }

    /// A step is why nothing comes through; an ask would leave with `code`.
    pub(super) fn fail(
        &mut self,
        check: &'static str,
        code: u8,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.code == exit::SUCCESS {
            self.code = code;
        }
        self.add(check, Level::Fail, detail.into(), Some(remedy.into()));
    }

    fn add(&mut self, check: &'static str, level: Level, detail: String, remedy: Option<String>) {
        let finding = Finding {
            check,
            level,
            detail,
            remedy,
        };
        let is_untold = self.as_json || self.quiet && level == Level::Ok;
        if !is_untold {
            let lines = lines(&finding);
            self.print(&lines);
        }
        self.findings.push(finding);
    }

    /// Tells what is still untold; answers the exit code. What nobody could read is no success.
    pub(super) fn end(mut self) -> u8 {
        if self.as_json {
            let all = All {
                findings: &self.findings,
                exit_code: self.code,
            };
            let line = serde_json::to_string(&all).expect("it has text keys");
            self.print(&format!("{line}\n"));
        }
        match self.code {
            exit::SUCCESS if self.unheard => exit::INTERNAL,
            code => code,
        }
    }

    fn print(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.unheard |= printed.is_err();
    }
}

/// A finding for people. What others wrote, such as a proxy or a daemon, is made visible.
fn lines(finding: &Finding) -> String {
    let (level, check) = (finding.level.word(), finding.check);
    let detail = visible(&finding.detail);
    let remedy = finding.remedy.as_deref().map(visible);
    let remedy = remedy.map(|remedy| format!("{:16}try: {remedy}\n", ""));
    format!(
        "{level:<5} {check:<9} {detail}\n{}",
        remedy.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fails_gives_the_code() {
        let mut report = Report::new(true, false);
        report.ok("url", "fine");
        report.warn("proxy", "hm", "do");
        assert_eq!(report.code, exit::SUCCESS);
        report.fail("tls", exit::UNAVAILABLE, "bad", "do");
        report.fail("token", exit::NOT_PERMITTED, "bad", "do");
        assert_eq!(report.code, exit::UNAVAILABLE);
    }

    #[test]
    fn a_line_says_how_it_is_and_what_to_try_and_cannot_drive_the_terminal() {
        let finding = Finding {
            check: "daemon",
            level: Level::Fail,
            detail: "it says \u{1b}[2J".to_owned(),
            remedy: Some("do that".to_owned()),
        };
        let text = lines(&finding);
        assert!(text.starts_with("fail  daemon    it says "), "{text}");
        assert!(text.ends_with("\n                try: do that\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
