//! A call as it is passed on, as often as it takes.

use std::time::Duration;

use bytes::Bytes;
use url::form_urlencoded;
use warp::http::{HeaderMap, HeaderValue, Method};

use super::errand::Errand;
use super::room::{Full, Held};
use super::{Incoming, Relay, headers};
use crate::burden::Carrier;
use crate::http::{Kind, Peer, Problem, asked_wait, body};
use crate::wire::header;

/// A call that has arrived whole.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) errand: Errand,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How long it asks to wait; `None` when it does not.
    pub(super) wait: Option<Duration>,
    /// The idempotency key is the relay's.
    pub(super) has_our_key: bool,
    /// Where what is held of its answer is counted.
    pub(super) carrier: Carrier,
    query: String,
    _room: Option<Held>,
}

impl Outgoing {
    /// Takes the rest of a call in.
    ///
    /// # Errors
    /// The body is too large, too slow, or there is no room to keep it; or the call is not to be
    /// passed on.
    pub(super) async fn of(relay: &Relay, call: Incoming, errand: Errand) -> Result<Self, Problem> {
        let mut passed = headers::to_daemon(&call.headers, &call.peer, &relay.name)?;
        let is_strange = !call.peer.remote.is_local() && !relay.terms.trusts_everybody;
        if relay.upstreams.demand_tokens() || is_strange {
            passed.insert(header::RELAYED, HeaderValue::from_static("1"));
        }
        let (arrival, carrier) = (relay.terms.arrival, &call.peer.carrier);
        let (mut whole, mut room) = (Bytes::new(), None);
        if let Some(mut body) = body::coming(call.body, &call.headers, arrival).await? {
            // Its room is taken before it is read, so that what arrives has one.
            let most = body::most(&call.headers, arrival);
            let mut held = room_for(relay, &call.peer, most)?;
            let read = body::whole(&mut body, &call.headers, arrival, carrier).await?;
            whole = read.freeze();
            held.shrink(whole.len());
            room = Some(held);
        }
        let may_wait = matches!(errand, Errand::Poll | Errand::Ask);
        let wait = asked_wait(&call.query, &call.headers).filter(|_| may_wait);
        let mut has_our_key = false;
        if errand == Errand::Ask && !passed.contains_key(header::IDEMPOTENCY_KEY) {
            passed.insert(header::IDEMPOTENCY_KEY, fresh_key()?);
            has_our_key = true;
        }
        Ok(Self {
            errand,
            method: call.method,
            path: call.path,
            query: call.query,
            headers: passed,
            body: whole,
            wait: wait.filter(|wait| !wait.is_zero()),
            has_our_key,
            carrier: call.peer.carrier,
            _room: room,
        })
    }

    /// A call without headers and body.
    #[cfg(test)]
    pub(super) fn sample(
        errand: Errand,
        method: Method,
        wait: Option<Duration>,
        carrier: Carrier,
    ) -> Self {
        Self {
            errand,
            method,
            path: "/v1/requests/a".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            wait,
            has_our_key: false,
            carrier,
            query: String::new(),
            _room: None,
        }
    }

    /// Path and query, waiting for `left` instead of what was asked for; `None` leaves it at that.
    pub(super) fn target(&self, left: Option<Duration>) -> String {
        let Self { path, query, .. } = self;
        let Some(left) = left else {
            return match query.as_str() {
                "" => path.clone(),
                query => format!("{path}?{query}"),
            };
        };
        // It goes before the header that may have asked for the wait.
        let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "wait");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others);
        query.append_pair("wait", &left.as_secs().to_string());
        format!("{path}?{}", query.finish())
    }
}

fn room_for(relay: &Relay, peer: &Peer, bytes: usize) -> Result<Held, Problem> {
    let room = relay.bodies.take(peer.remote.ip(), bytes);
    room.map_err(|full| match full {
        Full::All => {
            let detail = "this relay keeps as many bodies of calls as it has room for; try again";
            Problem::new(Kind::TooManyConnections, detail)
        }
        Full::OfAddress => {
            let detail = "this relay keeps as many bodies of calls from your address as one may \
                          have; end some calls, or try again";
            Problem::new(Kind::TooManyConnectionsOfAddress, detail)
        }
    })
}

/// A key for an ask that has none, so that it may be sent again. Nobody else can guess it.
fn fresh_key() -> Result<HeaderValue, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes from the system");
        Problem::new(Kind::Internal, "the relay has no source of random bytes")
    })?;
    let key = format!("relay-{}", data_encoding::HEXLOWER.encode(&bytes));
    Ok(HeaderValue::try_from(key).expect("it is letters and digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polling(query: &str) -> Outgoing {
        let carrier = crate::burden::Burden::new(usize::MAX).carrier();
        Outgoing {
            query: query.to_owned(),
            ..Outgoing::sample(Errand::Poll, Method::GET, None, carrier)
        }
    }

    #[test]
    fn a_call_goes_on_as_it_came_and_later_with_what_is_left_of_its_wait() {
        let call = polling("wait=30s&x=%41");
        assert_eq!(call.target(None), "/v1/requests/a?wait=30s&x=%41");
        let left = Some(Duration::from_millis(12_900));
        assert_eq!(call.target(left), "/v1/requests/a?x=A&wait=12");
        assert_eq!(polling("").target(left), "/v1/requests/a?wait=12");
        assert_eq!(polling("").target(None), "/v1/requests/a");
    }
}
