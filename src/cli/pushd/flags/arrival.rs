//! The flags about how a call may arrive.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use crate::cli::flags::duration;
use crate::limits;

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// How long the parts of a call may take to arrive, and how much it may be.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct ArrivalFlags {
    /// How long the head of a call may take to arrive, and a new connection to send its first
    ///
    /// A connection that is idle for so long is closed, so a reverse proxy has to let go of its
    /// idle connections sooner.
    #[arg(
        long,
        value_name = "TIME",
        env = "PUSHD_HEAD_TIME",
        default_value = "10s",
        value_parser = head_time
    )]
    pub(in crate::cli::pushd) head_time: Duration,

    /// How long the body of a call may take to arrive
    #[arg(
        long,
        value_name = "TIME",
        env = "PUSHD_BODY_TIME",
        default_value = "20s",
        value_parser = body_time
    )]
    pub(in crate::cli::pushd) body_time: Duration,

    /// Bytes in the body of a call at most
    ///
    /// The largest ask has 512 KiB when every character of it is escaped; with less, the largest
    /// details are refused.
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_MAX_BODY_BYTES",
        default_value_t = limits::BODY_BYTES,
        value_parser = body_bytes
    )]
    pub(in crate::cli::pushd) max_body_bytes: usize,
}

fn head_time(text: &str) -> Result<Duration, String> {
    time_within(
        text,
        limits::HEAD_TIME_MIN..=limits::HEAD_TIME_MAX,
        "so that those who say nothing do not keep the places of others",
    )
}

fn body_time(text: &str) -> Result<Duration, String> {
    time_within(
        text,
        limits::BODY_TIME_MIN..=limits::BODY_TIME_MAX,
        "because what arrives more slowly is cut anyway",
    )
}

fn time_within(
    text: &str,
    range: RangeInclusive<Duration>,
    why_no_longer: &str,
) -> Result<Duration, String> {
    let time = duration(text)?;
    let shown = humantime::format_duration;
    let (least, most) = (shown(*range.start()), shown(*range.end()));
    if time < *range.start() {
        return Err(format!("at least {least}, for peers on a slow line"));
    }
    if time > *range.end() {
        return Err(format!("at most {most}, {why_no_longer}"));
    }
    Ok(time)
}

fn body_bytes(text: &str) -> Result<usize, String> {
    let (least, most) = (limits::BODY_BYTES_MIN, limits::BODY_BYTES_MAX);
    let bytes = text.parse();
    let bytes: usize =
        bytes.map_err(|_| format!("write a number of bytes, like {}", limits::BODY_BYTES))?;
    if bytes < least {
        return Err(format!("at least {least}, the longest decision"));
    }
    if bytes > most {
        return Err(format!(
            "at most {most}, so that a few calls do not take the room of all"
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::limits::Arrival;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arrival: ArrivalFlags,
    }

    #[test]
    fn without_flags_they_are_as_the_limits_name_them() {
        let flags = Line::parse_from(["pushd"]).arrival;
        let said = Arrival {
            head_time: flags.head_time,
            body_time: flags.body_time,
            body_bytes: flags.max_body_bytes,
        };
        assert_eq!(said, Arrival::default());
    }

    #[test]
    fn their_bounds_are_theirs() {
        assert_eq!(head_time("1s"), Ok(limits::HEAD_TIME_MIN));
        assert_eq!(head_time("10m"), Ok(limits::HEAD_TIME_MAX));
        assert_eq!(body_time("1s"), Ok(limits::BODY_TIME_MIN));
        assert_eq!(body_time("2m"), Ok(limits::BODY_TIME_MAX));
        assert_eq!(body_bytes("8192"), Ok(limits::BODY_BYTES_MIN));
        assert_eq!(body_bytes("4194304"), Ok(limits::BODY_BYTES_MAX));
        for (parsed, bound) in [
            (head_time("999ms").map(|_| ()), "at least 1s"),
            (head_time("601s").map(|_| ()), "at most 10m"),
            (body_time("999ms").map(|_| ()), "at least 1s"),
            (body_time("121s").map(|_| ()), "at most 2m"),
            (body_bytes("8191").map(|_| ()), "at least 8192"),
            (body_bytes("4194305").map(|_| ()), "at most 4194304"),
            (body_bytes("512K").map(|_| ()), "like 524288"),
        ] {
            let error = parsed.unwrap_err();
            assert!(error.contains(bound), "{error}");
        }
    }
}
