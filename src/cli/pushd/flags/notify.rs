//! The flags of `pushd --notify`.

use std::time::Duration;

use clap::Args;

use super::at_least_one;
use crate::cli::flags::duration;
use crate::hook::Hook;
use crate::limits;
use crate::notices::{Reminders, Terms};

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// A command that is told what happens.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct NotifyFlags {
    /// Run this by sh -c for each new request and each outcome, such as './to-chat.sh'
    ///
    /// It gets one line of JSON on standard input: `event` (asked, settled or reminder) and
    /// `request` as the API shows it, and the variables PUSHD_EVENT, PUSHD_REQUEST_ID, _TITLE,
    /// _TOPIC, _STATUS, _REQUESTER, _ADDRESS, _VERSION, _CREATED_AT, _EXPIRES_AT,
    /// _APPROVALS_NEEDED and _PAGE. What is in them was written by whoever asked: put
    /// them in quotes. Nobody who asks or answers waits for it, and its output goes to the log.
    /// A restart tells nothing again.
    #[arg(long, value_name = "COMMAND", env = "PUSHD_NOTIFY")]
    notify: Option<String>,

    /// Runs of the command of --notify at the same time
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_NOTIFY_JOBS",
        default_value_t = limits::NOTIFY_JOBS,
        value_parser = jobs
    )]
    notify_jobs: usize,

    /// How long one of them may take; then it is killed, with all that it has started
    #[arg(
        long,
        value_name = "TIME",
        env = "PUSHD_NOTIFY_TIMEOUT",
        default_value = "30s",
        value_parser = notify_timeout
    )]
    notify_timeout: Duration,

    /// Run the command of --notify again for a request that is pending for this long, and so on
    #[arg(
        long,
        value_name = "TIME",
        env = "PUSHD_REMIND_AFTER",
        requires = "notify",
        value_parser = remind_after
    )]
    remind_after: Option<Duration>,

    /// How many reminders a request has at most
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_REMIND_TIMES",
        default_value_t = limits::REMIND_TIMES,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::REMIND_TIMES_MAX))
    )]
    remind_times: u32,
}

impl NotifyFlags {
    /// What is told, if anything is.
    pub(in crate::cli::pushd) fn terms(&self, public_url: Option<&str>) -> Option<Terms> {
        let command = self.notify.clone()?;
        Some(Terms {
            hook: Hook::new(command, self.notify_timeout),
            jobs: self.notify_jobs,
            reminders: self.remind_after.map(|after| Reminders {
                after,
                times: self.remind_times,
            }),
            public_url: public_url.map(str::to_owned),
        })
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match at_least_one(text)? {
        jobs if jobs <= limits::NOTIFY_JOBS_MAX => Ok(jobs),
        _ => Err(format!("at most {}", limits::NOTIFY_JOBS_MAX)),
    }
}

fn notify_timeout(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > limits::NOTIFY_TIME_MAX {
        let most = humantime::format_duration(limits::NOTIFY_TIME_MAX);
        return Err(format!("at most {most}"));
    }
    Ok(time)
}

fn remind_after(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < limits::REMIND_AFTER_MIN {
        let least = humantime::format_duration(limits::REMIND_AFTER_MIN);
        return Err(format!("at least {least}"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_times_are_bounded() {
        assert_eq!(jobs("64"), Ok(64));
        for bad in ["0", "65", "-1", "x"] {
            assert!(jobs(bad).is_err(), "{bad}");
        }
        assert_eq!(notify_timeout("30s"), Ok(limits::NOTIFY_TIME));
        assert!(notify_timeout("11m").is_err());
        assert!(remind_after("900ms").is_err());
    }
}
