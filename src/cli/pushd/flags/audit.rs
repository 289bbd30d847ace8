//! The command line of `pushd audit`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::StoreFlags;
use super::token::topics;
use crate::cli::flags::duration;
use crate::domain::{Timestamp, TopicPattern};

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// What there is to do with the record of who allowed what.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli::pushd) enum Audit {
    /// Write each step of each request as a line of JSON, the oldest first
    ///
    /// It reads the database beside a running daemon or without one, and never writes to it. Each
    /// line says when, what, of which request, by whom, from where and by which channel, why, and
    /// how the request stands now. Requests that retention has purged are not in it.
    ///
    /// Exit codes: 0 done, also when the reader of the output goes away, 64 wrong command line,
    /// 65 some records cannot be read and are missing, 73 the output cannot be written, 78 the
    /// database cannot be read.
    Export(ExportFlags),
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// The flags of `pushd audit export`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli::pushd) struct ExportFlags {
    /// Steps from this time on: RFC 3339, such as 2026-03-14T09:00:00Z, or a time ago, such as 7d
    #[arg(long, value_name = "TIME", env = "PUSHD_AUDIT_SINCE", value_parser = moment)]
    pub(in crate::cli::pushd) since: Option<Moment>,

    /// Steps up to this time, in the same way
    #[arg(long, value_name = "TIME", env = "PUSHD_AUDIT_UNTIL", value_parser = moment)]
    pub(in crate::cli::pushd) until: Option<Moment>,

    /// Only of requests with such a topic; * stands for any characters, as in 'deploy*'
    #[arg(long, value_name = "PATTERN", env = "PUSHD_AUDIT_TOPIC", value_parser = topics)]
    pub(in crate::cli::pushd) topic: Option<TopicPattern>,

    /// Only what this principal did
    #[arg(long, value_name = "NAME", env = "PUSHD_AUDIT_PRINCIPAL")]
    pub(in crate::cli::pushd) principal: Option<String>,

    #[command(flatten)]
    pub(in crate::cli::pushd) store: StoreFlags,
}

/// A point in time, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::pushd) enum Moment {
    /// This one.
    At(Timestamp),
    /// So long before the command was given.
    Ago(Duration),
}

impl Moment {
    /// The point in time that it is at `now`.
    pub(in crate::cli::pushd) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.before(ago),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment::At(Timestamp::from_millis(at.as_millisecond())));
    }
    let ago = duration(text).map(Moment::Ago);
    ago.map_err(|_| "write a time like 2026-03-14T09:00:00Z, or how long ago, like 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let at = |text| moment(text).map(|moment| moment.at(now).as_millis());
        assert_eq!(at("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(at("2023-11-14T23:13:20.5+01:00"), Ok(1_700_000_000_500));
        assert_eq!(at("1h 1s"), Ok(1_700_000_000_000 - 3_601_000));
        for bad in ["", "yesterday", "2023-11-14", "7", "0s"] {
            assert!(moment(bad).unwrap_err().contains("like 7d"), "{bad}");
        }
    }
}
