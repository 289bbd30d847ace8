//! The head of a call, on its way past warp.
//!
//! warp keeps what it is given of a call until the answer is there, and an answer may be held back
//! for a minute. Whatever came over the wire also lies in the transport's buffer, which cannot be
//! used again before nobody has a part of it. So warp gets what a resource is found by, the path,
//! and a handler takes the rest, as a copy that it can let go before it waits.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::body::Body;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, HeaderValue, Request, Uri};
use warp::{Filter, Rejection};

use super::{Peer, Response, WayBack};

/// What comes with a call beside its method, its path and its body.
pub(crate) struct Head {
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// What stands behind the `?`; nothing when there is none.
    pub(crate) query: String,
    /// Where it comes from.
    pub(crate) peer: Peer,
    /// Where its answer goes; `None` where the transport does not say.
    pub(crate) way_back: Option<WayBack>,
}

/// A head that waits to be taken, once.
#[derive(Clone)]
struct Waiting(Arc<Mutex<Option<Box<Head>>>>);

/// Takes the head of a call. A call has one when it comes by [`Routes`], and it can be taken once.
pub(crate) fn head() -> impl Filter<Extract = (Box<Head>,), Error = Rejection> + Clone {
    warp::ext::get().and_then(|Waiting(head): Waiting| {
        let head = head.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::future::ready(head.ok_or_else(warp::reject::reject))
    })
}

/// What is served: from a call to its answer.
#[derive(Clone)]
pub struct Routes(BoxedFilter<(Response,)>);

impl Routes {
    /// Routes of this filter, which answers every call.
    pub(crate) const fn new(filter: BoxedFilter<(Response,)>) -> Self {
        Self(filter)
    }

    /// Answers a call from `peer`. Dropping the future ends the call.
    pub fn answer<B>(
        &self,
        call: Request<B>,
        peer: Peer,
        way_back: Option<WayBack>,
    ) -> impl Future<Output = Response> + Send + use<B>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + Sync
            + 'static,
    {
        let (mut parts, body) = call.into_parts();
        let head = Box::new(Head {
            headers: copied(std::mem::take(&mut parts.headers)),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            peer,
            way_back,
        });
        parts.uri = path(&parts.uri);
        let waiting = Waiting(Arc::new(Mutex::new(Some(head))));
        parts.extensions.insert(waiting);
        let service = TowerToHyperService::new(warp::service(self.0.clone()));
        let answer = service.call(Request::from_parts(parts, body));
        answer.map(|answered| match answered {
            Ok(answer) => answer,
            Err(never) => match never {},
        })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routes")
    }
}

/// These headers without a part of the buffer that they were read into.
fn copied(mut headers: HeaderMap) -> HeaderMap {
    for value in headers.values_mut() {
        let mut copy = HeaderValue::from_bytes(value.as_bytes())
            .expect("what was a value of a header is one again");
        copy.set_sensitive(value.is_sensitive());
        *value = copy;
    }
    headers
}

/// The path, likewise.
fn path(uri: &Uri) -> Uri {
    let path = Bytes::copy_from_slice(uri.path().as_bytes());
    Uri::from_maybe_shared(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_buffer_is_kept() {
        let buffer = Bytes::from(b"/v1/requests?limit=1 marten \xff".to_vec());
        let mut headers = HeaderMap::new();
        for (from, to) in [(21, 27), (28, 29)] {
            let value = HeaderValue::from_maybe_shared(buffer.slice(from..to)).unwrap();
            headers.append("x-value", value);
        }
        let uri = Uri::from_maybe_shared(buffer.slice(..20)).unwrap();
        assert!(!buffer.is_unique());
        let (headers, path) = (copied(headers), path(&uri));
        drop(uri);
        assert!(buffer.is_unique());
        assert_eq!(path, "/v1/requests");
        let values: Vec<_> = headers.get_all("x-value").iter().collect();
        assert_eq!(values, [&b"marten"[..], b"\xff"]);
    }

    #[test]
    fn every_kind_of_target_has_a_path() {
        for (sent, expected) in [
            ("https://pushd.example:1/a%20b?c", "/a%20b"),
            ("/?c", "/"),
            ("*", "*"),
            ("pushd.example:443", "/"),
        ] {
            assert_eq!(path(&sent.parse().unwrap()), expected, "{sent}");
        }
    }
}
