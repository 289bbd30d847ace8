//! Who answers, and what we are to them: TLS, clocks, versions, the token and its roles.

use std::time::Duration;

use super::report::Report;
use crate::cli::config::Origins;
use crate::cli::exit;
use crate::cli::requester::outcome::refused;
use crate::client::{CallError, Client, Look};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{Role, Timestamp};
use crate::limits;
use crate::wire::{MeView, ProblemView, rfc3339};

const OURS: &str = env!("CARGO_PKG_VERSION");

/// Looks whether a daemon answers, by TLS if it was asked for, and whether it is ready.
pub(super) async fn answers(report: &mut Report, client: &Client) -> bool {
    let look = match client.look().await {
        Ok(look) => look,
        Err(error) => {
            let (check, remedy) = match &error {
                CallError::Untrusted { .. } => ("tls", TLS_REMEDY),
                CallError::Transient { .. }
                | CallError::Refused { .. }
                | CallError::NotPushd { .. } => ("daemon", "see the daemon's log"),
            };
            report.fail(check, exit::UNAVAILABLE, error.to_string(), remedy);
            return false;
        }
    };
    let now = SystemClock::new().now();
    if client.base().as_url().scheme() == "https" {
        certificate(report, look.certificate_until, now);
    }
    if let Some(date) = look.date {
        clock(report, date, now);
    }
    ready(report, look)
}

const TLS_REMEDY: &str = "name the authority's certificate as --ca-cert, write the name that is in \
                          the daemon's certificate in --url, or set this machine's clock right";

fn certificate(report: &mut Report, until: Option<Timestamp>, now: Timestamp) {
    let Some(until) = until else {
        return report.ok("tls", "the daemon's certificate holds");
    };
    let words = format!("the daemon's certificate holds until {}", rfc3339(until));
    if until.since(now) > limits::CERTIFICATE_NEWS {
        report.ok("tls", words);
    } else {
        let remedy = "have it renewed: the daemon takes the new one without a restart";
        report.warn("tls", words, remedy);
    }
}

/// Dates are cut to the second and take their time to come, so a little means nothing.
fn clock(report: &mut Report, theirs: Timestamp, ours: Timestamp) {
    let (behind, ahead) = (theirs.since(ours), ours.since(theirs));
    let apart = behind.max(ahead);
    if apart <= limits::DATE_SLACK + limits::CLOCK_DIFFERENCE {
        return report.ok("clock", "this machine's and the daemon's agree");
    }
    let side = if behind > ahead { "behind" } else { "ahead of" };
    let apart = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    report.warn(
        "clock",
        format!("this machine's is {apart} {side} the daemon's"),
        "set both right; deadlines go by the daemon's, certificates by this machine's",
    );
}

fn ready(report: &mut Report, look: Look) -> bool {
    match look.ready {
        Ok(()) => {
            report.ok("daemon", "it answers and is ready");
            true
        }
        Err(error @ CallError::NotPushd { .. }) => {
            let words = format!("what answers there is no pushd: {error}");
            let remedy = "correct --url: host, port, and the path if a proxy has one for it";
            report.fail("daemon", exit::UNAVAILABLE, words, remedy);
            false
        }
        Err(CallError::Refused {
            status, problem, ..
        }) => {
            refusal(report, "daemon", status, &problem);
            false
        }
        Err(error @ (CallError::Transient { .. } | CallError::Untrusted { .. })) => {
            let words = format!("it is not ready: {error}");
            report.fail("daemon", exit::UNAVAILABLE, words, "see the daemon's log");
            false
        }
    }
}

/// Looks who we are to the daemon, and whether we may ask; answers what it says of us.
pub(super) async fn look(
    report: &mut Report,
    client: &Client,
    origins: &Origins,
) -> Option<MeView> {
    let me = me(report, client, origins).await?;
    version(report, &me);
    let name = &me.party.principal;
    match (&origins.token, me.known) {
        (Some(holder), false) => report.warn(
            "token",
            format!("there is one in {holder}, and the daemon knows nobody"),
            "start the daemon with --tokens, or leave the token out",
        ),
        (Some(holder), true) => report.ok("token", format!("{holder} has the one of {name}")),
        (None, true) => report.ok("token", format!("none, and none is needed: you are {name}")),
        (None, false) => report.ok("token", "none, and none is needed: the daemon knows nobody"),
    }
    roles(report, &me);
    Some(me)
}

async fn me(report: &mut Report, client: &Client, origins: &Origins) -> Option<MeView> {
    match client.me().await {
        Ok(answer) => return Some(answer.value),
        Err(CallError::Refused {
            status: 401,
            problem,
            ..
        }) => unknown(report, origins, &problem),
        Err(CallError::Refused {
            status, problem, ..
        }) => refusal(report, "daemon", status, &problem),
        Err(error) => {
            let remedy = "see the daemon's log, and that of a proxy before it";
            report.fail("daemon", exit::UNAVAILABLE, error.to_string(), remedy);
        }
    }
    None
}

fn version(report: &mut Report, me: &MeView) {
    let theirs = &me.daemon;
    if theirs == OURS {
        report.ok("version", format!("{OURS}, as the daemon's"));
    } else {
        report.warn(
            "version",
            format!("this is {OURS}, the daemon is {theirs}"),
            "install the same on both sides; what one does not know it refuses",
        );
    }
}

fn roles(report: &mut Report, me: &MeView) {
    let (roles, topics) = (me.roles.join(", "), me.topics.join(", "));
    if me.roles.iter().any(|role| role == Role::Requester.as_str()) {
        report.ok("rights", format!("may ask about {topics}; roles: {roles}"));
    } else {
        let name = &me.party.principal;
        report.fail(
            "rights",
            exit::NOT_PERMITTED,
            format!("{name} may not ask; its roles are: {roles}"),
            format!("have it made anew: pushd token create --name {name} --role requester"),
        );
    }
}

/// The daemon wants to know who calls.
fn unknown(report: &mut Report, origins: &Origins, problem: &ProblemView) {
    let words = match &origins.token {
        None => "the daemon wants a token, and there is none".to_owned(),
        Some(holder) => format!(
            "the daemon does not take the one in {holder}: {}",
            problem.detail
        ),
    };
    let remedy = "have one made (pushd token create --name NAME --role requester) and name its \
                  file as --token-file";
    report.fail("token", exit::NOT_PERMITTED, words, remedy);
}

fn refusal(report: &mut Report, check: &'static str, status: u16, problem: &ProblemView) {
    let (code, error) = refused(status, problem);
    let remedy = match status {
        421 => "start the daemon with --allow-host and this name, or use one that it answers to",
        400 => "write https:// in --url where the daemon speaks TLS",
        _ => "see the daemon's log, and that of a proxy before it",
    };
    report.fail(check, code, format!("{error:#}"), remedy);
}
