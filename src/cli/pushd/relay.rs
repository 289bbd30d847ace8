//! `pushd relay`: flags, what goes together, sockets, and winding down.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use super::flags::RelayFlags;
use super::signals::{Signals, obey};
use super::{Failure, OrExit, descriptors, following, grace, sockets, tls, vital};
use crate::cli::exit;
use crate::client::Authorities;
use crate::http::Proxies;
use crate::limits::{self, Arrival, connections_per_address};
use crate::metrics::Metrics;
use crate::relay::{Relay, Terms, Upstreams};
use crate::server::{Listener, PerAddress, Server};

/// Relays until a signal ends it.
pub(super) async fn run(flags: RelayFlags) -> Result<(), Failure> {
    check(&flags).or_exit(exit::CONFIGURATION)?;
    let metrics = Arc::new(Metrics::default());
    let tls = tls(&flags.tls, &metrics).or_exit(exit::CONFIGURATION)?;
    let upstreams = upstreams(&flags).or_exit(exit::CONFIGURATION)?;
    let drain = CancellationToken::new();
    let signals = Signals::new().or_exit(exit::INTERNAL)?;
    // It lives as long as the process: the second signal may come at any time.
    tokio::spawn(obey(signals, drain.clone()));
    let listeners: anyhow::Result<Vec<_>> = flags
        .listen
        .iter()
        .map(|address| Ok(Listener::Network(sockets::listen_at(*address)?)))
        .collect();
    let listeners = listeners.or_exit(exit::UNAVAILABLE)?;
    tokio::select! {
        biased;
        () = drain.cancelled() => return Ok(()),
        looked = upstreams.look_once() => looked.or_exit(exit::CONFIGURATION)?,
    }
    let connections = connections(&flags);
    let per_address = flags
        .max_connections_per_address
        .unwrap_or_else(|| connections_per_address(connections));
    let terms = Terms {
        arrival: Arrival {
            head_time: flags.arrival.head_time,
            body_time: flags.arrival.body_time,
            body_bytes: flags.arrival.max_body_bytes,
        },
        calls: flags.max_calls.unwrap_or(connections).min(connections),
        calls_per_address: per_address,
        classic: flags.classic,
        trusts_everybody: flags.trust_everybody_on_the_network,
    };
    let relay = Relay::new(upstreams, terms, Arc::clone(&metrics), drain.clone());
    let looking = Arc::clone(&relay);
    let looking = following(tls.clone(), async move { looking.look().await });
    tokio::spawn(vital(looking, drain.clone()));
    let server = Server::new(relay.routes(), metrics, connections, drain)
        .with_tls(tls)
        .with_per_address(PerAddress::beyond_loopback(per_address))
        .with_proxies(Proxies::new(&flags.trust_proxy))
        .with_head_time(flags.arrival.head_time);
    for listener in &listeners {
        if let Listener::Network(listener) = listener
            && let Ok(address) = listener.local_addr()
        {
            let version = env!("CARGO_PKG_VERSION");
            tracing::info!(%address, version, "relay listening");
        }
    }
    server.run(listeners, grace(flags.drain)).await;
    tracing::info!("ended");
    Ok(())
}

/// What does not go together.
fn check(flags: &RelayFlags) -> anyhow::Result<()> {
    if flags.has_too_many_upstreams() {
        let most = limits::RELAY_UPSTREAMS;
        return Err(anyhow!("--upstream: at most {most} daemons are taken"));
    }
    let Some(flag) = flags.wide() else {
        return Ok(());
    };
    if flags.classic && !flags.classic_lets_anybody_decide {
        return Err(anyhow!(
            "--classic with {flag}: the classic routes take a yes from anybody without \
             a login, so they are for this machine only; listen on 127.0.0.1 without --trust-proxy, leave --classic out, \
             or give --classic-lets-anybody-decide if that is what you want"
        ));
    }
    if flags.trust_everybody_on_the_network {
        tracing::warn!(
            flag,
            "everybody who reaches this address may do what the daemon lets this machine do"
        );
    } else if flags.listens_wide().is_some() && flags.tls.tls_cert.is_none() {
        tracing::warn!(flag, "tokens can be read on their way to it, without TLS");
    }
    Ok(())
}

fn upstreams(flags: &RelayFlags) -> anyhow::Result<Arc<Upstreams>> {
    let authorities = flags
        .ca_cert
        .as_deref()
        .map(Authorities::read)
        .transpose()?;
    for url in flags.upstream.iter().filter(|url| url.is_in_the_clear()) {
        tracing::warn!(%url, "tokens can be read on their way to the daemon, without TLS");
    }
    let demand_tokens = flags.wide().is_some() && !flags.trust_everybody_on_the_network;
    let upstreams = Upstreams::new(flags.upstream.clone(), authorities.as_ref(), demand_tokens);
    Ok(Arc::new(upstreams.context("--upstream")?))
}

/// How many connections callers may have: each of their calls has one more, to a daemon.
fn connections(flags: &RelayFlags) -> usize {
    let possible = (descriptors().saturating_sub(limits::RESERVED_DESCRIPTORS) / 2).max(16);
    let most = flags.max_connections.unwrap_or(possible);
    if most > possible {
        tracing::warn!(
            most,
            possible,
            "--max-connections is more than files may be open, so it is fewer"
        );
    }
    most.min(possible)
}
