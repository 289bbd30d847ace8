//! How the daemon is reached, whoever asks: for those who wonder why a call fails.

use reqwest::Response;
use reqwest::tls::TlsInfo;
use tokio::time::timeout;

use super::answer::{date, word};
use super::calls::Client;
use super::error::CallError;
use crate::certificate::validity;
use crate::domain::Timestamp;
use crate::limits;

/// What somebody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Their time when they did, to the second; `None` when they do not tell.
    pub date: Option<Timestamp>,
    /// When their certificate expires; `None` without TLS, or when it does not say.
    pub certificate_until: Option<Timestamp>,
    /// Whether they are a daemon that takes asks and decisions now.
    pub ready: Result<(), CallError>,
}

impl Client {
    /// Looks whether somebody answers at the address in use, and whether it is a daemon that is ready. Whoever calls may
    /// do so, with any token and by any host name.
    ///
    /// # Errors
    /// Nobody answers, or not by the TLS that was asked for; see [`CallError`].
    pub async fn look(&self) -> Result<Look, CallError> {
        let limit = limits::CALL_TIME;
        let silent = |_| CallError::silent(limit);
        let node = self.nodes().current();
        let sent = node.http.get(node.url.join("/readyz")).send();
        let response = timeout(limit, sent).await.map_err(silent)?;
        let response = response.map_err(|error| node.unreached(&error))?;
        Ok(Look {
            date: date(response.headers()),
            certificate_until: certificate_until(&response),
            ready: match timeout(limit, word(response, "ready")).await {
                Ok(ready) => ready,
                Err(elapsed) => Err(silent(elapsed)),
            },
        })
    }
}

fn certificate_until(response: &Response) -> Option<Timestamp> {
    let tls = response.extensions().get::<TlsInfo>()?;
    let (_, until) = validity(tls.peer_certificate()?)?;
    Some(until)
}
