//! The daemon's log: structured, to stderr.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::flags::LogFormat;

/// Begins to log.
///
/// # Errors
/// `filter` is not a filter.
pub(super) fn begin(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let parsed = EnvFilter::try_new(filter);
    let filter = parsed.with_context(|| {
        format!("--log {filter:?}: write error, warn, info, debug or trace, or a tracing filter")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written, because the log's disk is full or its reader has gone, is
        // lost. Telling of that on the same stderr would fail as well, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && console::colors_enabled_stderr();
            builder.with_ansi(colours).with_target(false).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
