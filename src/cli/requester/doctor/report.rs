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
    /// At which of several addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
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
    /// What the first failure of each address leads to; before them of what comes before.
    codes: Vec<u8>,
    url: Option<String>,
    unheard: bool,
}

impl Report {
    /// Nothing was found yet.
    pub(super) fn new(as_json: bool, quiet: bool) -> Self {
        Self {
            as_json,
            quiet,
            findings: Vec::new(),
            codes: vec![exit::SUCCESS],
            url: None,
            unheard: false,
        }
    }

    /// What follows is about one address of the daemon; of several it is named.
    pub(super) fn begin(&mut self, url: Option<String>) {
        self.url = url;
        self.codes.push(exit::SUCCESS);
    }

    /// What follows is about all of them.
    pub(super) fn begin_all(&mut self) {
        self.url = None;
    }

    /// The code that an ask would leave with: it goes on to the next address when one cannot be
    /// reached, and to nothing else.
    fn code(&self) -> u8 {
        let (before, each) = self.codes.split_first().expect("it begins with one");
        if *before != exit::SUCCESS || each.is_empty() {
            return *before;
        }
        let decided = each.iter().find(|&&code| code != exit::UNAVAILABLE);
        decided.copied().unwrap_or(exit::UNAVAILABLE)
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
        if let Some(first) = self
            .codes
            .last_mut()
            .filter(|first| **first == exit::SUCCESS)
        {
            *first = code;
        }
        self.add(check, Level::Fail, detail.into(), Some(remedy.into()));
    }

    fn add(&mut self, check: &'static str, level: Level, detail: String, remedy: Option<String>) {
        let finding = Finding {
            check,
            level,
            detail,
            remedy,
            url: self.url.clone(),
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
                exit_code: self.code(),
            };
            let line = serde_json::to_string(&all).expect("it has text keys");
            self.print(&format!("{line}\n"));
        }
        match self.code() {
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
        assert_eq!(report.code(), exit::SUCCESS);
        report.fail("tls", exit::UNAVAILABLE, "bad", "do");
        report.fail("token", exit::NOT_PERMITTED, "bad", "do");
        assert_eq!(report.code(), exit::UNAVAILABLE);
    }

    #[test]
    fn of_several_addresses_the_first_that_is_reached_gives_the_code() {
        for (codes, expected) in [
            ([exit::UNAVAILABLE, exit::SUCCESS], exit::SUCCESS),
            ([exit::SUCCESS, exit::NOT_PERMITTED], exit::SUCCESS),
            (
                [exit::UNAVAILABLE, exit::NOT_PERMITTED],
                exit::NOT_PERMITTED,
            ),
            ([exit::UNAVAILABLE; 2], exit::UNAVAILABLE),
        ] {
            let mut report = Report::new(true, false);
            for code in codes {
                report.begin(Some("http://h".to_owned()));
                report.ok("url", "fine");
                if code != exit::SUCCESS {
                    report.fail("connect", code, "bad", "do");
                }
            }
            assert_eq!(report.code(), expected);
        }
    }

    #[test]
    fn a_line_says_how_it_is_and_what_to_try_and_cannot_drive_the_terminal() {
        let finding = Finding {
            check: "daemon",
            level: Level::Fail,
            detail: "it says \u{1b}[2J".to_owned(),
            remedy: Some("do that".to_owned()),
            url: None,
        };
        let text = lines(&finding);
        assert!(text.starts_with("fail  daemon    it says "), "{text}");
        assert!(text.ends_with("\n                try: do that\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
