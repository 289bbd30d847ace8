//! How a wait looks: a spinner on a terminal, a line per change elsewhere, nothing if so wished.
//!
//! It writes to stderr only, and shows what it is told; it knows nothing of requests or daemons.
//! Whoever calls it may pass strangers' text: everything is made visible here. Where the locale is
//! not UTF-8 nothing but ASCII is written.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::Instant;

use super::locale::Charset;
use super::measure;
use super::printable::visible;
use super::style::{Ink, Look};
use crate::limits;

/// The wait as it is shown.
pub struct Progress {
    program: &'static str,
    look: Look,
    line: Arc<Mutex<Line>>,
    output: Output,
}

enum Output {
    Spinner(ProgressBar),
    Lines(Mutex<Box<dyn Write + Send>>),
    Quiet,
}

/// What the spinner's line says.
struct Line {
    look: Look,
    title: String,
    name: Option<String>,
    since: Instant,
    until: Option<Instant>,
    poll: u64,
    seen: Option<String>,
    votes: Option<String>,
    connected: Option<u64>,
    trouble: Option<String>,
    code: Option<String>,
}

/// The mood of a line that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// What was hoped for.
    Good,
    /// The opposite.
    Bad,
    /// Neither.
    Neutral,
}

impl Progress {
    /// A wait for `title`, shown on stderr as suits what stderr is; `quiet` shows nothing.
    ///
    /// Lines begin with the name of the `program`, as errors do even where there is a spinner.
    pub fn on_stderr(program: &'static str, title: &str, quiet: bool) -> Self {
        let look = Look::of_process();
        if quiet {
            Self::new(program, title, look, |_| Output::Quiet)
        } else if std::io::stderr().is_terminal() && look.cursor {
            let output = |line: &_| Output::Spinner(spinner(Arc::clone(line), look));
            Self::new(program, title, look, output)
        } else {
            Self::to_lines(program, title, Box::new(std::io::stderr()))
        }
    }

    /// A wait for `title`, told to `to` in one line for each change.
    pub fn to_lines(program: &'static str, title: &str, to: Box<dyn Write + Send>) -> Self {
        let output = |_: &_| Output::Lines(Mutex::new(to));
        Self::new(program, title, Look::of_process(), output)
    }

    fn new(
        program: &'static str,
        title: &str,
        look: Look,
        output: impl FnOnce(&Arc<Mutex<Line>>) -> Output,
    ) -> Self {
        let line = Arc::new(Mutex::new(Line::new(title, look)));
        let output = output(&line);
        Self {
            program,
            look,
            line,
            output,
        }
    }

    /// The question has got a name; the wait for its answer begins.
    pub fn named(&self, name: &str, until: Instant) {
        let words = {
            let mut line = self.line();
            line.name = Some(visible(name));
            line.until = Some(until);
            let left = left(until, Instant::now());
            format!("asked \"{}\" as {}, {left}", line.title, visible(name))
        };
        self.change(&words);
    }

    /// The question is one that was asked before, and has this name.
    pub fn joined(&self, title: &str, name: &str, until: Instant) {
        let words = {
            let mut line = self.line();
            line.title = visible(title);
            line.name = Some(visible(name));
            line.until = Some(until);
            let left = left(until, Instant::now());
            format!("waiting for \"{}\", {}, {left}", line.title, visible(name))
        };
        self.change(&words);
    }

    /// The wait ends at `until`.
    pub fn until(&self, until: Instant) {
        self.line().until = Some(until);
    }

    /// A poll begins, the `number`th.
    pub fn poll(&self, number: u64) {
        self.line().poll = number;
    }

    /// These people have opened the question: it is on their screens.
    pub fn seen(&self, by: &[&str]) {
        let seen = (!by.is_empty()).then(|| format!("opened by {}", visible(&by.join(", "))));
        let news = {
            let mut line = self.line();
            let news = seen.clone().filter(|_| line.seen != seen);
            line.seen = seen;
            news
        };
        if let Some(news) = news {
            self.change(&news);
        }
    }

    /// The votes so far, in words such as `1 of 2, alice`.
    pub fn votes(&self, words: &str) {
        let words = visible(words);
        let news = self.line().votes.replace(words.clone());
        if news.as_ref() != Some(&words) {
            self.change(&format!("votes so far: {words}"));
        }
    }

    /// So many people are there who may decide.
    pub fn connected(&self, count: u64) {
        self.line().connected = Some(count);
        match count {
            0 => self.change("nobody is connected who may approve"),
            1 => self.change("1 approver is connected"),
            count => self.change(&format!("{count} approvers are connected")),
        }
    }

    /// Something is wrong that may pass.
    pub fn trouble(&self, what: &str) {
        let what: String = visible(what).chars().take(limits::ERROR_CHARS).collect();
        let news = self.line().trouble.replace(what.clone()).is_none();
        if news {
            self.change(&format!("trouble: {what}; trying on"));
        }
    }

    /// Nothing is wrong any more.
    pub fn well(&self) {
        if self.line().trouble.take().is_some() {
            self.change("the trouble is over");
        }
    }

    /// Says something that is more than a change of state, and stays.
    pub fn say(&self, words: &str) {
        let words = visible(words);
        match &self.output {
            Output::Spinner(bar) => bar.suspend(|| write_line(&mut std::io::stderr(), &words)),
            Output::Lines(_) => self.change(&words),
            Output::Quiet => {}
        }
    }

    /// Shows the match code that whoever approves has to type: in a line that stays, and in that of
    /// the spinner, however much else is said. It is shown to those who want quiet as well, because
    /// nobody could approve without it.
    pub fn match_code(&self, code: &str) {
        self.line().code = Some(code.to_owned());
        let words =
            format!("Match code: {code} - whoever approves has to type it; tell it to nobody else");
        match &self.output {
            Output::Spinner(bar) => {
                let words = self.look.paint(Ink::Strong, &words);
                bar.suspend(|| write_line(&mut std::io::stderr(), &words));
            }
            Output::Lines(_) => self.change(&words),
            Output::Quiet => write_line(
                &mut std::io::stderr(),
                &format!("{}: {words}", self.program),
            ),
        }
    }

    /// Shows a picture that stays: rows of ours, with what the terminal takes for colours in them.
    pub fn picture(&self, rows: &[String]) {
        let rows = rows.join("\n");
        match &self.output {
            Output::Spinner(bar) => bar.suspend(|| write_line(&mut std::io::stderr(), &rows)),
            Output::Lines(to) => {
                let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                write_line(&mut *to, &rows);
            }
            Output::Quiet => {}
        }
    }

    /// The room for a picture, in rows and columns; `None` where nobody would look at one.
    pub fn room(&self) -> Option<(usize, usize)> {
        if let Output::Quiet = self.output {
            return None;
        }
        let (rows, columns) = console::Term::stderr().size_checked()?;
        Some((rows.into(), columns.into()))
    }

    /// How the terminal is written to.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// Ends the wait, and says how.
    pub fn end(&self, mood: Mood, words: &str) {
        let words = visible(words);
        match &self.output {
            Output::Spinner(bar) => {
                bar.finish_and_clear();
                write_line(&mut std::io::stderr(), &decorated(mood, &words, self.look));
            }
            Output::Lines(_) => self.change(&words),
            Output::Quiet => {}
        }
    }

    /// Ends the wait with an error, which is also shown to those who want quiet.
    pub fn fail(&self, error: &str) {
        if let Output::Spinner(bar) = &self.output {
            bar.finish_and_clear();
        }
        let error: String = visible(error).chars().take(limits::ERROR_CHARS).collect();
        if let Output::Lines(_) = &self.output {
            self.change(&error);
        } else {
            write_line(
                &mut std::io::stderr(),
                &format!("{}: {error}", self.program),
            );
        }
    }

    /// One line, where there is no spinner to show the change. `words` are visible already.
    fn change(&self, words: &str) {
        if let Output::Lines(to) = &self.output {
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            write_line(&mut *to, &format!("{}: {words}", self.program));
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes in one piece, so that lines of several processes do not mix. A stderr that is gone takes
/// no outcome with it: the exit code tells.
fn write_line(to: &mut dyn Write, words: &str) {
    drop(to.write_all(format!("{words}\n").as_bytes()));
    drop(to.flush());
}

fn spinner(line: Arc<Mutex<Line>>, look: Look) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let draw = move |_: &ProgressState, to: &mut dyn std::fmt::Write| {
        let columns = usize::from(console::Term::stderr().size().1);
        // The picture and a space go before; the last column stays free, or terminals wrap.
        let columns = columns.saturating_sub(3);
        let line = line.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_str(&line.compose(Instant::now(), columns))
            .expect("the bar collects its picture in a string");
    };
    let template = if look.styled {
        "{spinner:.cyan} {line}"
    } else {
        "{spinner} {line}"
    };
    let style = ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .with_key("line", draw);
    bar.set_style(match look.charset {
        Charset::Utf8 => style,
        Charset::Ascii => style.tick_chars(ASCII_TICKS),
    });
    bar.enable_steady_tick(limits::SPINNER_TICK);
    bar
}

/// The spinner's pictures where braille cannot be shown; the last is that of a spinner at rest.
const ASCII_TICKS: &str = r"|/-\ ";

fn decorated(mood: Mood, words: &str, look: Look) -> String {
    let (ink, sign) = match mood {
        Mood::Good => (Ink::Yes, look.charset.pick("✔", "+")),
        Mood::Bad => (Ink::No, look.charset.pick("✘", "x")),
        Mood::Neutral => (Ink::Trouble, look.charset.pick("●", "*")),
    };
    format!("{} {words}", look.paint(ink, sign))
}

impl Line {
    fn new(title: &str, look: Look) -> Self {
        Self {
            look,
            title: visible(title),
            name: None,
            since: Instant::now(),
            until: None,
            poll: 0,
            seen: None,
            votes: None,
            connected: None,
            trouble: None,
            code: None,
        }
    }

    /// The line at `now`, at most `columns` wide: the title gives way first.
    fn compose(&self, now: Instant, columns: usize) -> String {
        let mut parts = Vec::new();
        match &self.name {
            Some(name) => parts.push(name.chars().take(8).collect()),
            None => parts.push("asking".to_owned()),
        }
        if let Some(code) = &self.code {
            parts.push(format!("code {code}"));
        }
        parts.push(span(now.saturating_duration_since(self.since)));
        if let Some(until) = self.until {
            parts.push(left(until, now));
        }
        if self.poll > 0 {
            parts.push(format!("poll {}", self.poll));
        }
        if let Some(trouble) = &self.trouble {
            let trouble = self.cut(trouble, limits::TROUBLE_COLUMNS);
            parts.push(format!("trouble: {trouble}"));
        } else {
            parts.extend(self.votes.iter().chain(&self.seen).cloned());
            match self.connected {
                // Who was there at the ask says less than what they have done since.
                Some(_) | None if self.votes.is_some() || self.seen.is_some() => {}
                Some(0) => parts.push("nobody connected".to_owned()),
                Some(count) => parts.push(format!("{count} connected")),
                None => {}
            }
        }
        let point = self.look.charset.pick(" · ", " - ");
        let rest = format!("{point}{}", parts.join(point));
        let room = columns
            .saturating_sub(measure::columns(&rest))
            .max(limits::SPINNER_TITLE_COLUMNS);
        let title = self.cut(&self.title, room);
        self.cut(&format!("{title}{rest}"), columns)
    }

    /// The text in at most so many columns, with a sign where something was cut off.
    fn cut(&self, text: &str, columns: usize) -> String {
        measure::cut(text, columns, self.look.ellipsis())
    }
}

/// The time from `now` to `until`, rounded up: somebody who is given 2 s reads "2s left" first.
fn left(until: Instant, now: Instant) -> String {
    let left = until.saturating_duration_since(now);
    let left = span(left + Duration::from_millis(999));
    format!("{left} left")
}

/// A patience: as [`span`], but with its fraction where there is nothing else.
pub fn shown(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else {
        span(duration)
    }
}

/// A duration in its two largest units: `1h 2m`, `9m 48s`, `10m`.
pub fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, mins) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    let (large, small) = match (days, hours, mins) {
        (0, 0, 0) => return format!("{secs}s"),
        (0, 0, _) => ((mins, 'm'), (secs % 60, 's')),
        (0, _, _) => ((hours, 'h'), (mins, 'm')),
        _ => ((days, 'd'), (hours, 'h')),
    };
    match small {
        (0, _) => format!("{}{}", large.0, large.1),
        _ => format!("{}{} {}{}", large.0, large.1, small.0, small.1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(charset: Charset) -> Look {
        Look::from_env(charset, Some("xterm"), Some("1"))
    }

    fn waiting(title: &str) -> Line {
        let since = Instant::now();
        Line {
            name: Some("abcdefghijkl".to_owned()),
            until: Some(since + Duration::from_mins(10)),
            poll: 3,
            since,
            ..Line::new(title, look(Charset::Utf8))
        }
    }

    #[test]
    fn the_line_says_what_is_asked_how_long_and_which_poll() {
        let line = waiting("Deploy?");
        let now = line.since + Duration::from_millis(12_400);
        assert_eq!(
            line.compose(now, 100),
            "Deploy? · abcdefgh · 12s · 9m 48s left · poll 3"
        );
    }

    #[test]
    fn the_line_says_who_is_there_until_somebody_has_done_something() {
        let mut line = Line {
            connected: Some(2),
            ..waiting("Deploy?")
        };
        let shown = |line: &Line| line.compose(line.since, 100);
        assert!(shown(&line).ends_with("poll 3 · 2 connected"));
        line.connected = Some(0);
        assert!(shown(&line).ends_with("poll 3 · nobody connected"));
        line.seen = Some("opened by bob".to_owned());
        assert!(shown(&line).ends_with("poll 3 · opened by bob"));
        line.votes = Some("1 of 2, alice".to_owned());
        assert!(shown(&line).ends_with("poll 3 · 1 of 2, alice · opened by bob"));
    }

    #[test]
    fn the_title_gives_way_to_trouble() {
        let line = Line {
            trouble: Some("cannot connect".to_owned()),
            ..waiting(&"long ".repeat(40))
        };
        let shown = line.compose(line.since, 90);
        assert!(
            shown.ends_with("poll 3 · trouble: cannot connect"),
            "{shown}"
        );
        // A character that may be wide did not fit any more, at most.
        assert!((88..=90).contains(&measure::columns(&shown)), "{shown}");
    }

    // In `LC_ALL=C` the bytes of `✔` and of the braille dots are control codes to some terminals.
    #[test]
    fn where_the_locale_is_not_utf_8_all_is_ascii() {
        let line = Line {
            look: look(Charset::Ascii),
            trouble: Some("cannot connect ".repeat(9)),
            ..waiting(&"long ".repeat(40))
        };
        let shown = line.compose(line.since, 200);
        assert!(
            shown.is_ascii() && shown.contains("... - abcdefgh - 0s"),
            "{shown}"
        );
        assert!(ASCII_TICKS.is_ascii());
        for mood in [Mood::Good, Mood::Bad, Mood::Neutral] {
            let words = decorated(mood, "done", look(Charset::Ascii));
            assert!(words.is_ascii(), "{words}");
            assert!(!decorated(mood, "done", look(Charset::Utf8)).is_ascii());
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (secs, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (3600, "1h"),
            (3661, "1h 1m"),
            (30 * 86_400, "30d"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), shown);
        }
    }

    #[test]
    fn without_a_terminal_trouble_is_told_once_and_its_end_once() {
        let (to, lines) = recorder();
        let progress = Progress::to_lines("program", "a\nb\u{1b}[2J", to);
        progress.named("id", Instant::now());
        for number in 1..5 {
            progress.poll(number);
            progress.trouble("refused");
        }
        progress.well();
        progress.well();
        progress.seen(&["alice"]);
        progress.seen(&["alice"]);
        for votes in ["0 of 2", "1 of 2, alice", "1 of 2, alice", "0 of 2"] {
            progress.votes(votes);
        }
        progress.connected(0);
        progress.end(Mood::Good, "approved\u{1b}[0m");
        let lines = lines();
        assert_eq!(lines.lines().count(), 9, "{lines}");
        assert!(
            lines.lines().all(|line| line.starts_with("program: ")),
            "{lines}"
        );
        assert!(!lines.contains('\u{1b}'), "{lines}");
    }

    fn recorder() -> (Box<dyn Write + Send>, impl Fn() -> String) {
        #[derive(Clone, Default)]
        struct Recorder(Arc<Mutex<Vec<u8>>>);
        impl Write for Recorder {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let recorder = Recorder::default();
        let text = recorder.clone();
        (Box::new(recorder), move || {
            String::from_utf8(text.0.lock().unwrap().clone()).unwrap()
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_the_line_wider_than_the_terminal(
            title: String, trouble in prop::option::of(any::<String>()), columns in 0_usize..200,
            utf8: bool,
        ) {
            let charset = if utf8 { Charset::Utf8 } else { Charset::Ascii };
            let trouble = trouble.map(|text| visible(&text));
            let line = Line { look: look(charset), trouble, ..waiting(&title) };
            let shown = line.compose(line.since, columns);
            prop_assert!(measure::columns(&shown) <= columns, "{shown:?}");
            prop_assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}
