//! What was measured, as one line of JSON.

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::Value;

/// Writes the figures to standard output.
pub(crate) fn write(figures: &Value) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{figures}").context("cannot write the figures")
}

/// Says to standard error why there are none.
pub(crate) fn complain(error: &anyhow::Error) {
    // Who has closed standard error hears nothing, and there is nowhere else to say so.
    drop(writeln!(std::io::stderr(), "load: {error:#}"));
}
