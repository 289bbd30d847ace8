//! `pushd audit export`: who asked and who allowed what, as JSON lines.

mod steps;

use std::io::{self, Write};

use anyhow::anyhow;
use serde::Serialize as _;

use self::steps::{Line, Steps};
use super::copies::database;
use super::flags::ExportFlags;
use super::{Failure, OrExit as _};
use crate::characters::{Class, class};
use crate::cli::exit;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{Timestamp, Topic, TopicPattern};
use crate::store::sqlite::{Audit, Audited};
use crate::wire::{AuditView, StepView};

/// Writes every step that is asked for to standard output, the oldest first.
pub(super) fn export(flags: ExportFlags) -> Result<(), Failure> {
    let wanted = Wanted::of(&flags, SystemClock::new().now());
    let database = database(flags.store)?;
    let audit = Audit::open(&database, wanted.since, wanted.until);
    let mut audit = audit.or_exit(exit::CONFIGURATION)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut steps, mut unreadable) = (Steps::default(), 0_usize);
    loop {
        let batch = audit.batch().or_exit(exit::CONFIGURATION)?;
        let is_last = batch.is_empty();
        for found in batch {
            unreadable += usize::from(found.request.is_err());
            if let Err(error) = take(&mut steps, &found, &wanted, &mut out) {
                return given_up(&error, unreadable);
            }
        }
        let told = if is_last {
            tell(&mut steps, None, &mut out)
        } else {
            Ok(())
        };
        // Whoever follows it sees each batch when it is there.
        if let Err(error) = told.and_then(|()| out.flush()) {
            return given_up(&error, unreadable);
        }
        if is_last {
            return whole(unreadable);
        }
    }
}

/// Takes in one request, after telling what is older than it.
fn take(
    steps: &mut Steps,
    found: &Audited,
    wanted: &Wanted,
    out: &mut impl Write,
) -> io::Result<()> {
    tell(steps, Some(found.created_at), out)?;
    match &found.request {
        Ok(request) if wanted.topic(&request.topic) => {
            steps.add(request, |step| wanted.step(step));
        }
        Ok(_) => {}
        // With nowhere to print to, the exit code still tells.
        Err(error) => drop(writeln!(
            io::stderr(),
            "pushd: event {}: {error}",
            found.event
        )),
    }
    Ok(())
}

fn tell(steps: &mut Steps, before: Option<Timestamp>, out: &mut impl Write) -> io::Result<()> {
    while let Some(line) = steps.next(before) {
        write_line(&line, out)?;
    }
    Ok(())
}

fn write_line(line: &Line, out: &mut impl Write) -> io::Result<()> {
    let view = AuditView {
        step: &line.step,
        of: &line.of,
    };
    view.serialize(&mut serde_json::Serializer::with_formatter(
        &mut *out, Visible,
    ))?;
    out.write_all(b"\n")
}

/// Whoever reads it may go away when they have enough; that is no fault.
fn given_up(error: &io::Error, unreadable: usize) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return whole(unreadable);
    }
    let error = anyhow!("{error}").context("cannot write to standard output");
    Err(error).or_exit(exit::CANNOT_CREATE)
}

fn whole(unreadable: usize) -> Result<(), Failure> {
    match unreadable {
        0 => Ok(()),
        bad => Err(anyhow!(
            "{bad} requests are missing in this export, because their records cannot be read"
        ))
        .or_exit(exit::BAD_DATA),
    }
}

/// Which steps are asked for.
struct Wanted {
    since: Timestamp,
    until: Timestamp,
    topic: Option<TopicPattern>,
    principal: Option<String>,
}

impl Wanted {
    fn of(flags: &ExportFlags, now: Timestamp) -> Self {
        Self {
            since: flags
                .since
                .map_or(Timestamp::from_millis(i64::MIN), |since| since.at(now)),
            // Not the present: a daemon whose clock was set back is ahead of ours.
            until: flags
                .until
                .map_or(Timestamp::from_millis(i64::MAX), |until| until.at(now)),
            topic: flags.topic.clone(),
            principal: flags.principal.clone(),
        }
    }

    fn topic(&self, topic: &Topic) -> bool {
        self.topic
            .as_ref()
            .is_none_or(|pattern| pattern.covers(topic))
    }

    fn step(&self, step: &StepView) -> bool {
        let by = step.by.as_ref().map(|by| by.principal.as_str());
        (self.since..=self.until).contains(&step.at)
            && self
                .principal
                .as_deref()
                .is_none_or(|name| by == Some(name))
    }
}

/// JSON whose texts a terminal can show: what could drive it, or hide, is escaped.
struct Visible;

impl serde_json::ser::Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            let is_shown = c == ' ' || c.is_ascii_graphic() || class(c) != Class::Hidden;
            if is_shown {
                write!(writer, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_escaped_and_read_back_as_it_was() {
        let text = "a\u{1b}[2J\"\u{9b}\u{202e}部署 \u{e0041}é\u{7f}";
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Visible);
        text.serialize(&mut serializer).unwrap();
        let json = String::from_utf8(bytes).unwrap();
        assert!(
            json.contains("部署 ") && !json.contains(['\u{9b}', '\u{202e}', '\u{7f}']),
            "{json}"
        );
        assert!(json.is_ascii() || json.chars().all(|c| class(c) != Class::Hidden || c == ' '));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
