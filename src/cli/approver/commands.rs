//! The commands: each makes its calls, prints, and leaves with an exit code. None needs a terminal.
//!
//! They catch no signals. What was on its way when one ends them may count or not, as with any
//! program.

mod deciding;
mod list;
mod paper;
mod show;
mod trouble;
mod watch;

use anyhow::Error;

use super::args::Subcommand;
use super::tell;
use crate::client::Client;
use crate::domain::Verdict;

/// Why a command has not done its work, with its exit code.
type Failure = (u8, Error);

/// Carries a command out; answers its exit code. On the way it is told when another of the daemon's
/// addresses is in use.
pub(super) async fn run(client: Client, command: Subcommand) -> Result<u8, Failure> {
    let mut course = std::pin::pin!(carry_out(client.clone(), command));
    loop {
        let words = tokio::select! {
            biased;
            end = &mut course => {
                // It may have come with the very last answer.
                client.take_change().iter().for_each(|words| tell(words));
                return end;
            }
            words = client.changed() => words,
        };
        tell(&words);
    }
}

async fn carry_out(client: Client, command: Subcommand) -> Result<u8, Failure> {
    match command {
        Subcommand::List(flags) => list::run(&client, &flags).await,
        Subcommand::Show { id, json } => show::run(&client, id, json).await,
        Subcommand::Approve(flags) => {
            deciding::run(
                client,
                flags.id,
                Verdict::Approve,
                flags.match_code,
                flags.common,
            )
            .await
        }
        Subcommand::Deny(flags) => {
            deciding::run(client, flags.id, Verdict::Deny, None, flags.common).await
        }
        Subcommand::TakeBack { id, json } => deciding::take_back(&client, id, json).await,
        Subcommand::Watch(flags) => watch::run(client, &flags).await,
    }
}
