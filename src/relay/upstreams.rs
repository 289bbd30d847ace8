//! The daemons behind a relay, in the order in which they are tried.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use warp::http::{HeaderMap, Method};

use crate::client::{Authorities, DaemonUrl, TransportError, relaying};
use crate::http::{Kind, Problem};
use crate::limits;

/// The daemons.
#[derive(Debug)]
pub struct Upstreams {
    list: Vec<Upstream>,
    /// The one that has answered last: all calls go there until it fails, or is not ready.
    preferred: AtomicUsize,
    demand_tokens: bool,
}

/// Daemons that trust everybody who reaches them, and so everybody who reaches the relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--upstream {0}: it answers without a token, so whoever reaches this relay could approve \
     anything; start that daemon with --tokens FILE, have the relay listen on 127.0.0.1 without --trust-proxy, or give it \
     --trust-everybody-on-the-network if that is what you want"
)]
pub struct Trusting(pub String);

/// One daemon.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) url: DaemonUrl,
    client: reqwest::Client,
    ready: AtomicBool,
    seen: AtomicBool,
    asks_for_tokens: AtomicU8,
}

/// Whether a daemon asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Asks {
    /// Nobody has looked yet.
    Unknown,
    /// It does.
    Tokens,
    /// It does not.
    Nobody,
}

impl Upstreams {
    /// Calls go to these; with `demand_tokens` to none of them that was not seen to ask for tokens.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn new(
        urls: Vec<DaemonUrl>,
        authorities: Option<&Authorities>,
        demand_tokens: bool,
    ) -> Result<Self, TransportError> {
        // What is silent while connecting is known not to have had the call before it is the next
        // one's turn.
        let connect = match urls.len() {
            ..=1 => limits::CONNECT_TIME,
            _ => limits::TURN_CONNECT_TIME,
        };
        let list = urls.into_iter().map(|url| {
            Ok(Upstream {
                client: relaying(url.as_url(), authorities, connect)?,
                url,
                ready: AtomicBool::new(false),
                seen: AtomicBool::new(false),
                asks_for_tokens: AtomicU8::new(Asks::Unknown as u8),
            })
        });
        Ok(Self {
            list: list.collect::<Result<_, _>>()?,
            preferred: AtomicUsize::new(0),
            demand_tokens,
        })
    }

    /// Whether calls go to daemons alone that ask for tokens.
    pub(super) const fn demand_tokens(&self) -> bool {
        self.demand_tokens
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Upstream] {
        &self.list
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// How many were ready, and may be called, when they were last looked at.
    pub(super) fn ready(&self) -> usize {
        let ready = self
            .list
            .iter()
            .filter(|upstream| upstream.ready.load(Ordering::Relaxed) && self.may_call(upstream));
        ready.count()
    }

    /// Those that may be called, with their places: those first that were ready when they were last
    /// looked at, as one that hangs takes its time from the others; and among them the one that has
    /// answered last.
    pub(super) fn in_order(&self) -> Vec<(usize, &Upstream)> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (before, after) = self.list.split_at(first.min(self.list.len()));
        let places = (first..).zip(after).chain(before.iter().enumerate());
        let (mut ready, others): (Vec<_>, Vec<_>) = places
            .filter(|(_, upstream)| self.may_call(upstream))
            .partition(|(_, upstream)| upstream.ready.load(Ordering::Relaxed));
        ready.extend(others);
        ready
    }

    /// The one at this place has answered.
    pub(super) fn prefer(&self, place: usize) {
        self.preferred.store(place, Ordering::Relaxed);
    }

    /// The first of them that was seen to trust everybody, where that is not to be.
    pub(super) fn trusting(&self) -> Option<Trusting> {
        let mut all = self.list.iter().filter(|_| self.demand_tokens);
        let found = all.find(|upstream| upstream.asks() == Asks::Nobody)?;
        Some(Trusting(found.url.to_string()))
    }

    /// What a caller is told when no daemon has answered. Which daemons there are is none of its
    /// business.
    pub(super) fn nobody(&self) -> Problem {
        if self.trusting().is_some() && self.list.iter().all(|upstream| !self.may_call(upstream)) {
            let detail = "this relay passes nothing on: the daemon behind it trusts everybody who \
                          reaches it; the relay's log says more";
            return Problem::new(Kind::UpstreamTrustsEverybody, detail);
        }
        let detail = "the daemon behind this relay does not answer at the moment; nothing is known \
                      of what has become of the request; try again";
        Problem::new(Kind::UpstreamUnavailable, detail)
    }

    fn may_call(&self, upstream: &Upstream) -> bool {
        !self.demand_tokens || upstream.asks() == Asks::Tokens
    }
}

impl Upstream {
    /// A call to it; `None` when its path would become another one on the way, as `/v1/../metrics`
    /// does.
    pub(super) fn call(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
    ) -> Option<reqwest::RequestBuilder> {
        let url = self.url.join(target);
        let path = target.split('?').next().unwrap_or_default();
        let prefix = self.url.as_url().path().trim_end_matches('/');
        if url.path().strip_prefix(prefix) != Some(path) {
            return None;
        }
        Some(
            self.client
                .request(method.clone(), url)
                .headers(headers.clone()),
        )
    }

    /// Notes what was seen of it, or why it is not ready.
    pub(super) fn seen(&self, ready: Result<(), String>, asks: Asks) {
        let was_ready = self.ready.swap(ready.is_ok(), Ordering::Relaxed);
        let was_seen = self.seen.swap(true, Ordering::Relaxed);
        match ready {
            Ok(()) if !was_ready => tracing::info!(url = %self.url, "a daemon is ready"),
            Err(why) if was_ready || !was_seen => {
                tracing::warn!(url = %self.url, why, "a daemon is not ready");
            }
            Ok(()) | Err(_) => {}
        }
        // One that cannot be reached may come back as another, so nothing is known of it then.
        self.asks_for_tokens.store(asks as u8, Ordering::Relaxed);
    }

    /// Whether it asks for tokens, as was last seen.
    pub(super) fn asks(&self) -> Asks {
        match self.asks_for_tokens.load(Ordering::Relaxed) {
            it if it == Asks::Tokens as u8 => Asks::Tokens,
            it if it == Asks::Nobody as u8 => Asks::Nobody,
            _ => Asks::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(demand_tokens: bool) -> Upstreams {
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2/below"];
        let urls = urls.map(|url| url.parse().unwrap()).to_vec();
        Upstreams::new(urls, None, demand_tokens).unwrap()
    }

    #[test]
    fn the_one_that_answered_last_comes_first() {
        let two = two(false);
        let order = |two: &Upstreams| {
            let order = two.in_order();
            order.iter().map(|(place, _)| *place).collect::<Vec<_>>()
        };
        assert_eq!(order(&two), [0, 1]);
        two.prefer(1);
        assert_eq!(order(&two), [1, 0]);
        // Whoever is ready goes before one that is not.
        two.list[0].seen(Ok(()), Asks::Unknown);
        assert_eq!(order(&two), [0, 1]);
        two.list[1].seen(Ok(()), Asks::Unknown);
        assert_eq!(order(&two), [1, 0]);
    }

    #[test]
    fn where_tokens_are_demanded_only_those_count_that_were_seen_to_ask_for_them() {
        let two = two(true);
        assert_eq!(two.in_order().len(), 0);
        assert_eq!(two.nobody().kind, Kind::UpstreamUnavailable);
        two.list[0].seen(Ok(()), Asks::Nobody);
        assert_eq!(two.in_order().len(), 0);
        assert_eq!(two.nobody().kind, Kind::UpstreamTrustsEverybody);
        two.list[1].seen(Ok(()), Asks::Tokens);
        let order = two.in_order();
        assert_eq!(
            order.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
            [1]
        );
        assert_eq!(two.ready(), 1);
        two.list[1].seen(Err(String::new()), Asks::Unknown);
        assert_eq!(two.in_order().len(), 0);
    }

    #[test]
    fn a_path_is_passed_on_exactly_or_not_at_all() {
        let two = two(false);
        let called = |target: &str| {
            let call = two.list[1].call(&Method::GET, target, &HeaderMap::new());
            call.map(|call| call.build().unwrap().url().to_string())
        };
        let url = |rest: &str| Some(format!("http://127.0.0.1:2/below{rest}"));
        assert_eq!(called("/v1/me?x=1%20"), url("/v1/me?x=1%20"));
        assert_eq!(called("/r/%41"), url("/r/%41"));
        assert_eq!(called("/"), url("/"));
        for bad in [
            "/v1/../metrics",
            "/v1/%2e%2e/metrics",
            "/v1/x\\..\\..\\metrics",
            "/r/.",
        ] {
            assert_eq!(called(bad), None, "{bad}");
        }
    }
}
