//! Who am I, is it alive, is it ready, what does it count, what does it offer.

use warp::Reply;
use warp::http::{HeaderValue, header};

use super::requests::json;
use super::{Call, Handled, Kind, Problem, Response};
use crate::approvals::{Access, Approvals};
use crate::metrics::Readings;
use crate::store::Health;
use crate::wire::{MeView, Party, media};

/// The OpenAPI 3.1 document of this contract.
pub const OPENAPI: &str = include_str!("../../docs/openapi.json");

/// `GET /v1/me`.
pub(super) fn me(call: &Call) -> Handled {
    call.query(&[])?;
    Ok(json(&me_view(call, &call.access()?)))
}

/// Who calls, and what they may do.
pub(super) fn me_view(call: &Call, access: &Access) -> MeView {
    let rights = access.rights();
    let words = |text: &str| text.to_owned();
    MeView {
        party: Party {
            // It is for the history, and nobody needs to hear what they have just said.
            channel: None,
            ..access.caller().into()
        },
        known: rights.is_known,
        roles: rights
            .roles
            .iter()
            .map(|role| words(role.as_str()))
            .collect(),
        topics: rights
            .topics
            .iter()
            .map(|topic| words(topic.as_str()))
            .collect(),
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        history: call.api.approvals.history().to_string(),
        public_url: call.api.public_url.as_deref().map(str::to_owned),
    }
}

/// `GET /livez`: the process answers.
pub(super) fn live() -> Response {
    word("live")
}

/// `GET /readyz`: asks and decisions are taken.
pub(super) fn ready(call: &Call) -> Handled {
    readiness(&call.api.approvals).map(|()| word("ready"))
}

/// Whether asks and decisions are taken, and why not. Being full is no reason: that passes with
/// the next one who leaves, and nobody is helped by a daemon that gets no calls at all.
fn readiness(approvals: &Approvals) -> Result<(), Problem> {
    if approvals.drain().is_cancelled() {
        return Err(Problem::new(Kind::Draining, "this daemon is shutting down"));
    }
    if let Some(behind) = approvals.behind() {
        let detail = format!(
            "this machine's clock is {behind:?} behind the times in the store; set the clock right"
        );
        return Err(Problem::new(Kind::ClockBehind, detail));
    }
    match &*approvals.health().borrow() {
        Health::Ready => Ok(()),
        Health::Damaged(_) => {
            let detail = "some requests in the store cannot be read; the daemon's log says which";
            Err(Problem::new(Kind::StoreUnavailable, detail))
        }
        Health::Failing(_) => {
            let detail = "the store cannot do its work; the daemon's log says why";
            Err(Problem::new(Kind::StoreUnavailable, detail))
        }
    }
}

/// `GET /metrics`: OpenMetrics text.
pub(super) async fn metrics(call: Box<Call>) -> Handled {
    call.access()?.may_read_figures()?;
    let (approvals, hub) = (&call.api.approvals, call.api.approvals.hub());
    let (leases, leases_running) = approvals.leases().counts();
    let text = call.api.metrics.text(Readings {
        ready: readiness(approvals).is_ok(),
        waiters: hub.waiters.count(),
        subscribers: hub.tail.subscribers(),
        behind: hub.tail.behind(),
        // Left out when the store does not say, rather than told wrong.
        pending: approvals.pending().await.ok(),
        leases,
        leases_running,
        head: hub.tail.head().0,
        most: approvals.limits(),
    });
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(typed(text, media))
}

/// `GET /openapi.json`.
pub(super) fn openapi() -> Response {
    typed(OPENAPI, media::JSON)
}

fn word(word: &'static str) -> Response {
    typed(format!("{word}\n"), media::TEXT)
}

fn typed(body: impl Reply, media: &'static str) -> Response {
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty};
    use tokio_util::sync::CancellationToken;
    use warp::http::Request;

    use crate::approvals::{Approvals, Pump};
    use crate::burden::Burden;
    use crate::clock::ManualClock;
    use crate::domain::{HistoryId, Timestamp};
    use crate::http::{AllowedHosts, Api, Peer, Remote, Trust, routes};
    use crate::hub::Hub;
    use crate::limits::Limits;
    use crate::metrics::Metrics;
    use crate::store::faulty::FaultyStore;
    use crate::store::memory::MemoryStore;
    use crate::store::{Feed, Health};

    #[tokio::test]
    async fn ready_is_said_only_while_the_store_can_do_all_its_work() {
        let limits = Limits::for_descriptors(1024);
        let metrics = Arc::new(Metrics::default());
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let memory = MemoryStore::new(HistoryId::from_random(7), feed);
        let store = FaultyStore::new(Arc::new(memory));
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let (shared, drain) = (Arc::clone(&store) as _, CancellationToken::new());
        let approvals = Approvals::begin(shared, pump, clock, limits, drain).await;
        let routes = routes(&Api {
            approvals: approvals.unwrap(),
            metrics,
            hosts: Arc::new(AllowedHosts::new(&[])),
            renderings: Arc::default(),
            trust: Trust::in_everybody(),
            classic: None,
            public_url: None,
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        for (health, status, words) in [
            (Health::Ready, 200, "ready"),
            (Health::Damaged("secret".to_owned()), 503, "cannot be read"),
            (
                Health::Failing("secret".to_owned()),
                503,
                "cannot do its work",
            ),
            (Health::Ready, 200, "ready"),
        ] {
            store.tell_health(health);
            let peer = Peer {
                remote: Remote::Network {
                    remote: address,
                    local: address,
                },
                secure: false,
                host: None,
                carrier: Burden::new(usize::MAX).carrier(),
            };
            let call = Request::get("/readyz").body(Empty::<Bytes>::new()).unwrap();
            let answer = routes.answer(call, peer, None).await;
            assert_eq!(answer.status(), status);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains(words) && !text.contains("secret"), "{text}");
        }
    }
}
