//! `requester doctor`: why nothing comes through, and what to do about it.
//!
//! It goes the way that an ask goes, step by step, and asks nobody for anything. Each step leaves
//! a finding; the first one that fails says with which code an ask would leave.

mod account;
mod environment;
mod network;
mod report;

use anyhow::Context as _;

use self::report::Report;
use super::PROGRAM;
use super::args::CommonFlags;
use crate::cli::config::Daemon;
use crate::cli::exit;

/// Looks and tells; answers the exit code.
pub(super) fn run(daemon: anyhow::Result<Daemon>, common: &CommonFlags) -> u8 {
    let mut report = Report::new(common.json, common.quiet);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start");
    match (daemon, runtime) {
        (Ok(daemon), Ok(runtime)) => {
            runtime.block_on(look(&mut report, daemon));
            // It may be waiting for the look-up of a name, which cannot be taken back.
            runtime.shutdown_background();
        }
        (Err(error), _) => report.fail(
            "config",
            exit::CONFIGURATION,
            format!("{error:#}"),
            "mend what it names, or leave out the flag or variable that leads there",
        ),
        (_, Err(error)) => report.fail(
            "system",
            exit::INTERNAL,
            format!("{error:#}"),
            "give this process more memory or open files",
        ),
    }
    report.end()
}

async fn look(report: &mut Report, daemon: Daemon) {
    environment::look(report, &daemon);
    let url = daemon.url.clone();
    let proxied = environment::proxied(&url);
    if !proxied && !network::look(report, &url).await {
        return;
    }
    let origins = daemon.origins.clone();
    let client = match daemon.client(PROGRAM) {
        Ok(client) => client,
        Err(error) => {
            let error = anyhow::Error::from(error);
            let remedy = "name a PEM file with the authority's certificate as --ca-cert";
            report.fail("tls", exit::CONFIGURATION, format!("{error:#}"), remedy);
            return;
        }
    };
    if account::answers(report, &client).await {
        account::look(report, &client, &origins).await;
    }
}
