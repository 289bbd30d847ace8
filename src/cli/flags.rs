//! What the command lines have in common.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser};

use super::{exit, handbook};
use crate::client::DaemonUrls;
use crate::domain::Topic;

/// Which daemon to talk to, and as whom.
#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "these comments are the help text"
)]
#[derive(Args, Clone, Debug)]
pub struct DaemonFlags {
    /// Where the daemon is: http://HOST:PORT, https://HOST:PORT or unix:PATH; several, if several
    /// daemons share a store [default: http://127.0.0.1:8888]
    ///
    /// Several are given by repeating the flag, or with commas or spaces between them. The first one
    /// that works is used until it fails, then the next one; nothing is asked twice. The token goes
    /// to each of them.
    #[arg(long, env = "PUSHD_URL", value_name = "URL", global = true)]
    pub url: Vec<DaemonUrls>,

    /// A file with the token that says who we are; nobody else may be able to read it
    ///
    /// PUSHD_TOKEN may hold the token itself. There is no flag for it, because others see flags in
    /// the list of processes.
    #[arg(long, env = "PUSHD_TOKEN_FILE", value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Which daemon of ~/.config/pushd/config.toml [default: default, if it is there]
    ///
    /// The file has a table for each: `[prod]` with `url`, or `urls` for several, `token_file` or
    /// `token`, and `ca_cert`.
    /// Flags and variables go before it; its token goes to its own URLs alone. A profile that is
    /// named and has a token does not go with PUSHD_TOKEN or PUSHD_TOKEN_FILE. Nobody else may be
    /// able to read the file.
    #[arg(long, env = "PUSHD_PROFILE", value_name = "NAME", global = true)]
    pub profile: Option<String>,

    /// Certificates (PEM) of the authorities to trust, IN PLACE OF the system's
    ///
    /// For a daemon whose certificate is of a private authority. Nothing turns the check of the
    /// certificate off.
    #[arg(long, env = "PUSHD_CA_CERT", value_name = "FILE", global = true)]
    pub ca_cert: Option<PathBuf>,
}

/// Reads the process's command line and environment.
///
/// # Errors
/// The exit code to leave with, after clap has said why: [`exit::SUCCESS`] for `--help` and
/// `--version`, [`exit::USAGE`] for everything else, and never clap's 2.
pub fn parse<T: Parser>() -> Result<T, u8> {
    let line: Vec<_> = std::env::args_os().collect();
    if let Some(code) = handbook::print(T::command, &line) {
        return Err(code);
    }
    read(line).map_err(|error| unparsed(&error))
}

fn read<T: Parser>(line: Vec<OsString>) -> Result<T, clap::Error> {
    let mut command = handbook::flagged(T::command());
    let matches = command.try_get_matches_from_mut(line)?;
    handbook::misplaced(&matches)
        .map_err(|words| command.error(ErrorKind::ArgumentConflict, words))?;
    T::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Prints what clap says of a command line that is not carried out, and gives the exit code.
pub fn unparsed(error: &clap::Error) -> u8 {
    // With nowhere to print to, the exit code still tells.
    drop(error.print());
    if error.use_stderr() {
        exit::USAGE
    } else {
        exit::SUCCESS
    }
}

/// Reads a duration such as `90s`, `10m` or `1h 30m`; it is longer than nothing.
///
/// # Errors
/// What is wrong with the text, for clap to print next to the flag.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, like 30s, 10m or 2h"))?;
    if duration.is_zero() {
        return Err("must be longer than nothing".to_owned());
    }
    Ok(duration)
}

/// Reads a topic.
///
/// # Errors
/// What is wrong with the text, for clap to print next to the flag.
pub fn topic(text: &str) -> Result<Topic, String> {
    Topic::new(text.to_owned()).map_err(|error| format!("a topic {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_is_not_zero() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        for bad in ["", "5", "0s", "-5s", "s", "five", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("5").unwrap_err().contains("30s"));
    }
}
