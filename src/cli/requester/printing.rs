//! What goes to standard output: one line at most, for a program or a script.

use std::io::Write as _;

use anyhow::Context as _;

use super::args::CommonFlags;
use super::flow::{Plan, Stay};
use crate::cli::exit;
use crate::terminal::spinner::Progress;
use crate::wire::RequestView;

/// What goes to standard output at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Printing {
    /// Nothing.
    Nothing,
    /// The request as JSON.
    Request,
    /// Its id, by which others wait for it.
    Id,
    /// Its id if it is left pending.
    IdOfPending,
}

impl Printing {
    /// What whoever asks is given.
    pub(super) const fn of_ask(common: &CommonFlags, plan: &Plan) -> Self {
        if common.json {
            Self::Request
        } else if matches!(plan.stay, Stay::ForTheId) {
            Self::Id
        } else if plan.ask.command.is_some() {
            // Standard output is the command's.
            Self::Nothing
        } else {
            Self::IdOfPending
        }
    }

    /// What whoever knows the id is given.
    pub(super) const fn of_known(common: &CommonFlags) -> Self {
        if common.json {
            Self::Request
        } else {
            Self::Nothing
        }
    }

    /// Prints what is wanted of a `request` that ends with `code`, and gives the code to leave
    /// with.
    ///
    /// An approval that its reader cannot have got is not one, since whoever asked for the result
    /// may need it to go on; and a request whose id is lost is not asked well.
    pub(super) fn print(self, progress: &Progress, request: &RequestView, code: u8) -> u8 {
        let printed = match self {
            Self::Nothing => Ok(()),
            Self::IdOfPending if code != exit::PENDING => Ok(()),
            Self::Id | Self::IdOfPending => line(request.id.to_string().into_bytes()),
            Self::Request => serde_json::to_vec(request)
                .map_err(Into::into)
                .and_then(line),
        };
        match printed.context("cannot write the result to standard output") {
            Ok(()) => code,
            Err(error) => {
                progress.fail(&format!("{error:#}"));
                match code {
                    exit::APPROVED | exit::PENDING => exit::INTERNAL,
                    code => code,
                }
            }
        }
    }
}

/// Writes a line as a whole.
fn line(mut bytes: Vec<u8>) -> anyhow::Result<()> {
    bytes.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&bytes)?;
    stdout.flush()?;
    Ok(())
}
