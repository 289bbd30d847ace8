//! `requester doctor`: why nothing comes through, and what to do about it.
//!
//! It goes the way that an ask goes, step by step, and asks nobody for anything. Each step leaves
//! a finding; the first one that fails says with which code an ask would leave. Where the daemon
//! has several addresses, each of them is looked at, and whether one store stands behind all.

mod account;
mod environment;
mod network;
mod report;
mod store;

use anyhow::Context as _;

use self::report::Report;
use super::PROGRAM;
use super::args::CommonFlags;
use crate::cli::config::Daemon;
use crate::cli::exit;
use crate::client::DaemonUrl;
use crate::wire::MeView;

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
    environment::configuration(report, &daemon.origins);
    let are_several = daemon.urls.len() > 1;
    let mut found = Vec::new();
    for (url, daemon) in daemon.each() {
        report.begin(are_several.then(|| url.to_string()));
        if let Some(me) = look_at(report, daemon, &url).await {
            found.push((url, me));
        }
    }
    if are_several {
        report.begin_all();
        store::compare(report, &found);
    }
}

/// Looks at one address; answers who we are there, if that was told.
async fn look_at(report: &mut Report, daemon: Daemon, url: &DaemonUrl) -> Option<MeView> {
    environment::look(report, &daemon, url);
    let proxied = environment::proxied(url);
    if !proxied && !network::look(report, url).await {
        return None;
    }
    let origins = daemon.origins.clone();
    let client = match daemon.client(PROGRAM) {
        Ok(client) => client,
        Err(error) => {
            let error = anyhow::Error::from(error);
            let remedy = "name a PEM file with the authority's certificate as --ca-cert";
            report.fail("tls", exit::CONFIGURATION, format!("{error:#}"), remedy);
            return None;
        }
    };
    if !account::answers(report, &client).await {
        return None;
    }
    account::look(report, &client, &origins).await
}
