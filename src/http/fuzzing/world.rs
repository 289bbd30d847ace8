//! A daemon's inside without sockets, with one pending request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warp::http::{self, HeaderMap, StatusCode};

use crate::approvals::{Approvals, Pump};
use crate::clock::ManualClock;
use crate::domain::{
    Ask, Caller, Details, Digest, HistoryId, Principal, Request, RequestId, Status, Timestamp,
    Title, Topic,
};
use crate::http::{AllowedHosts, Api, Peer, Trust, routes};
use crate::hub::Hub;
use crate::limits::{self, Limits};
use crate::metrics::Metrics;
use crate::store::Feed;
use crate::store::memory::MemoryStore;

/// Pieces of a stream that are read.
const PIECES: usize = 16;

pub(super) struct World {
    api: Api,
    /// The request that is pending.
    pub(super) id: RequestId,
}

/// A whole answer, or the beginning of a stream.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, if it is JSON.
    pub(super) json: Option<Value>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (limits, metrics) = (Limits::for_descriptors(1024), Arc::new(Metrics::default()));
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let store = Arc::new(MemoryStore::new(HistoryId::from_random(14), feed));
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let begun = Approvals::begin(store, pump, clock, limits, CancellationToken::new());
        let approvals = begun.await.expect("memory can be read");
        let id = RequestId::from_bytes([7; 16]);
        let by = Caller::named(Principal::LOCAL);
        approvals
            .ask(by, ask(), None, || id)
            .await
            .expect("there is room for one");
        let hosts = Arc::new(AllowedHosts::default());
        let api = Api {
            approvals,
            metrics,
            hosts,
            renderings: Arc::default(),
            trust: Trust::in_everybody(),
            classic: None,
            public_url: None,
        };
        Self { api, id }
    }

    pub(super) async fn status(&self) -> Status {
        let event = self.api.approvals.read(self.id).await;
        event.expect("nothing is forgotten").request.status
    }

    pub(super) async fn call(&self, request: http::Request<Whole>, peer: Peer) -> Answer {
        let response = routes(&self.api).answer(request, peer, None).await;
        let (head, mut body) = response.into_parts();
        let mut text = Vec::new();
        for _ in 0..PIECES {
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            // A stream that has told everything is left.
            match timeout(Duration::from_secs(1), next).await {
                Ok(Some(Ok(piece))) => text.extend(piece.into_data().unwrap_or_default()),
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
        Answer {
            status: head.status,
            headers: head.headers,
            json: serde_json::from_slice(&text).ok(),
        }
    }
}

fn ask() -> Ask {
    Ask {
        title: Title::new("Deploy?".to_owned()).expect("it is one line"),
        details: Details::new(String::new()).expect("it is short"),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: None,
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b""),
    }
}

/// A pending request.
pub(super) fn request(id: RequestId) -> Request {
    Request::asked(
        id,
        ask(),
        Caller::named(Principal::LOCAL),
        Timestamp::from_millis(0),
    )
}

/// A body that comes at once.
pub(super) struct Whole(Option<Bytes>);

impl Whole {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self((!bytes.is_empty()).then(|| bytes.into()))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}
