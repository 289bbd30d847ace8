//! Looks at the daemons: who is ready, and who asks for tokens.
//!
//! A daemon that asks for none trusts whoever reaches it. Where a relay lets a network in, that
//! would be the network, so such a daemon gets no calls; and since it may be started anew without
//! tokens between two looks, each call says that it was relayed, and a daemon without tokens
//! refuses it then.

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use warp::http::header::HOST;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::upstreams::{Asks, Trusting, Upstream, Upstreams};
use crate::client::root;
use crate::limits;

impl Upstreams {
    /// Looks at all of them once.
    ///
    /// # Errors
    /// One trusts everybody, where that is not to be.
    pub async fn look_once(&self) -> Result<(), Trusting> {
        let looks = self
            .all()
            .iter()
            .map(|upstream| look(upstream, self.demand_tokens()));
        join_all(looks).await;
        self.trusting().map_or(Ok(()), Err)
    }

    /// Looks at all of them again and again, until `drain` is cancelled, and for ever after.
    pub(super) async fn look(&self, drain: &CancellationToken) {
        while !drain.is_cancelled() {
            sleep(limits::RELAY_LOOK).await;
            let before: Vec<_> = self.all().iter().map(Upstream::asks).collect();
            let told = self.look_once().await;
            let is_news = before.iter().all(|asks| *asks != Asks::Nobody);
            if let Err(error) = told
                && is_news
            {
                tracing::error!(%error, "nothing is passed on to a daemon");
            }
        }
        std::future::pending::<()>().await;
    }
}

async fn look(upstream: &Upstream, demand_tokens: bool) {
    let looking = async {
        let ready = match status(upstream, "/readyz").await {
            Ok(StatusCode::OK) => Ok(()),
            Ok(status) => Err(format!("/readyz answers {status}")),
            Err(error) => return (Err(error), Asks::Unknown),
        };
        if !demand_tokens {
            return (ready, Asks::Unknown);
        }
        let asks = match status(upstream, "/v1/me").await {
            Ok(StatusCode::UNAUTHORIZED) => Asks::Tokens,
            Ok(status) if status.is_success() => Asks::Nobody,
            Ok(_) | Err(_) => Asks::Unknown,
        };
        (ready, asks)
    };
    let time = limits::RELAY_LOOK_TIME;
    let seen = timeout(time, looking).await;
    let silent = || (Err(format!("no answer within {time:?}")), Asks::Unknown);
    let (ready, asks) = seen.unwrap_or_else(|_| silent());
    upstream.seen(ready, asks);
}

/// What it answers to somebody who has reached it and has no token.
///
/// # Errors
/// Why it does not answer.
async fn status(upstream: &Upstream, path: &str) -> Result<StatusCode, String> {
    // A name that every daemon answers to.
    let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
    let call = upstream.call(&Method::GET, path, &headers);
    let call = call.ok_or("its URL has a path that cannot be called")?;
    match call.send().await {
        // The body goes with the connection, unless it is there already.
        Ok(answer) => Ok(answer.status()),
        Err(error) => Err(root(&error)),
    }
}
