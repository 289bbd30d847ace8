//! One call, taken apart as far as all handlers need it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BytesMut};
use futures_util::Stream;
use headers::HeaderMapExt;
use headers_accept::Accept;
use mediatype::{MediaType, MediaTypeBuf, Name, ReadParams};
use serde::de::DeserializeOwned;
use warp::http::{HeaderMap, Method, header};

use super::body::{self, BodyStream};
use super::params::Query;
use super::{Api, Head, Kind, Problem, Remote};
use crate::approvals::classic::SharedReceiver;
use crate::burden::Carrier;
use crate::domain::{Channel, RequestId};
use crate::limits::Arrival;
use crate::wire;
use crate::wire::strict::Object;

/// What the transport knows of a call.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who is at the other end.
    pub remote: Remote,
    /// Whether TLS keeps others from reading and changing what is said.
    pub secure: bool,
    /// The host that the call names: `:authority` of HTTP/2 or `Host` of HTTP/1.1.
    pub host: Option<String>,
    /// Where what is held for the connection is counted.
    pub carrier: Carrier,
}

/// What becomes of the answer to a call, as far as the transport knows.
#[derive(Clone)]
pub struct WayBack(pub SharedReceiver);

/// One call.
pub(super) struct Call {
    /// What handlers may use.
    pub(super) api: Arc<Api>,
    /// Where it comes from.
    pub(super) peer: Peer,
    /// Its method.
    pub(super) method: Method,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Where its answer goes; `None` where the transport does not say.
    pub(super) way_back: Option<WayBack>,
    query: String,
    body: BodyStream,
    unread: Arc<AtomicBool>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Puts together what the filters extracted.
    pub(super) fn new<S, B>(api: Arc<Api>, head: Box<Head>, method: Method, body: S) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
        B: Buf,
    {
        let Head {
            headers,
            query,
            peer,
            way_back,
        } = *head;
        let unread = body::is_announced(&headers);
        Self {
            api,
            peer,
            method,
            headers,
            way_back,
            query,
            body: body::boxed(body),
            unread: Arc::new(AtomicBool::new(unread)),
        }
    }

    /// Whether a body was announced that nobody has read to its end.
    ///
    /// The transport then closes the connection after the answer, which has to say so: a client
    /// would send its next call on it, and that would be lost.
    pub(super) fn unread(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.unread)
    }

    /// By which way the caller has come, as it says itself; who says nothing, or two things, comes
    /// by the API.
    pub(super) fn channel(&self) -> Channel {
        let mut claims = self.headers.get_all(wire::header::CHANNEL).iter();
        match (claims.next(), claims.next()) {
            (Some(claim), None) => claim.to_str().map_or(Channel::Api, Channel::claimed),
            (None | Some(_), _) => Channel::Api,
        }
    }

    /// The parameters after the `?`, all of which have to be among `known`.
    ///
    /// # Errors
    /// [`Kind::InvalidQuery`] when one is unknown, given twice or not UTF-8.
    pub(super) fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        Query::parse(&self.query, known)
    }

    /// The parameters after the `?`, whatever their names: the demonstration's pages may add some,
    /// such as one that keeps caches away.
    pub(super) fn any_query(&self) -> Query {
        Query::of_any(self.query.as_bytes())
    }

    /// A header as text; `None` when it is absent.
    ///
    /// # Errors
    /// [`Kind::InvalidHeader`] when it is there twice, or holds other than printable ASCII.
    pub(super) fn text_header(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let bad = |why: &str| Problem::new(Kind::InvalidHeader, format!("{name}: {why}"));
        if values.next().is_some() {
            return Err(bad("it is there twice; send it once"));
        }
        value
            .to_str()
            .map(Some)
            .map_err(|_| bad("only printable ASCII characters are taken"))
    }

    /// The media type to answer with (RFC 9110 section 12.5.1): the caller's favourite among
    /// `offers`, the first of them when it has none.
    ///
    /// # Errors
    /// [`Kind::NotAcceptable`] when the caller takes none of them.
    pub(super) fn negotiate(
        &self,
        offers: &'static [MediaType<'static>],
    ) -> Result<usize, Problem> {
        // An empty header names no preference either (RFC 9110 section 12.5.1).
        let mut values = self.headers.get_all(header::ACCEPT).iter();
        if values.all(|value| value.as_bytes().trim_ascii().is_empty()) {
            return Ok(0);
        }
        let accept: Option<Accept> = self.headers.typed_get();
        let chosen = accept.as_ref().and_then(|accept| {
            // Whoever names a parameter, such as the charset, gets the type all the same.
            accept.negotiate(offers).or_else(|| {
                accept
                    .media_types()
                    .filter(|wanted| !is_refused(wanted))
                    .find_map(|wanted| {
                        offers
                            .iter()
                            .find(|offer| offer.essence() == wanted.essence())
                    })
            })
        });
        chosen
            .and_then(|chosen| offers.iter().position(|offer| offer == chosen))
            .ok_or_else(|| {
                let offers: Vec<_> = offers.iter().map(ToString::to_string).collect();
                let detail = format!("Accept names none of {}", offers.join(", "));
                Problem::new(Kind::NotAcceptable, detail)
            })
    }

    /// The JSON body, read whole.
    ///
    /// # Errors
    /// Another content type, a content coding, too large, too slow, not JSON, or members that do
    /// not fit; each with its own kind.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.expect_media(mediatype::names::JSON)?;
        let bytes = self.bytes(usize::MAX).await?;
        // Only what is wrong has to be told where.
        if let Ok(Object(value)) = serde_json::from_slice(&bytes) {
            return Ok(value);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let parsed = serde_path_to_error::deserialize(&mut deserializer);
        let Object(value) = parsed.map_err(|error| {
            let path = error.path().to_string();
            invalid_json(error.inner(), &path)
        })?;
        deserializer
            .end()
            .map_err(|error| invalid_json(&error, "."))?;
        Ok(value)
    }

    /// Checks that the body is declared as `application/` and this, in UTF-8 and without a coding.
    ///
    /// # Errors
    /// [`Kind::UnsupportedMediaType`].
    pub(super) fn expect_media(&self, subtype: Name<'static>) -> Result<(), Problem> {
        let expected = MediaType::new(mediatype::names::APPLICATION, subtype);
        let unsupported = |detail: String| Err(Problem::new(Kind::UnsupportedMediaType, detail));
        let mut codings = self.headers.get_all(header::CONTENT_ENCODING).iter();
        if let Some(coding) = codings.find(|coding| *coding != "identity") {
            return unsupported(format!(
                "Content-Encoding {coding:?}: send the body as it is"
            ));
        }
        let remedy = || format!("send the body with Content-Type: {expected}");
        let mut types = self.headers.get_all(header::CONTENT_TYPE).iter();
        let Some(value) = types.next() else {
            return unsupported(format!("there is no Content-Type; {}", remedy()));
        };
        if types.next().is_some() {
            return unsupported(format!("there are two Content-Types; {}", remedy()));
        }
        let plain = value.as_bytes().strip_prefix(b"application/");
        if plain == Some(subtype.as_str().as_bytes()) {
            return Ok(());
        }
        let text = value.to_str().unwrap_or("(not ASCII)");
        let is_expected = MediaType::parse(text).is_ok_and(|media| {
            let utf8 = media.get_param(mediatype::names::CHARSET);
            media.essence() == expected
                && utf8.is_none_or(|charset| charset.unquoted_str().eq_ignore_ascii_case("utf-8"))
        });
        if is_expected {
            Ok(())
        } else {
            unsupported(format!("Content-Type {text:?}: {}", remedy()))
        }
    }

    /// The body, read whole; at most `most` bytes of it, and never more than
    /// [`Arrival::body_bytes`](crate::limits::Arrival::body_bytes).
    ///
    /// # Errors
    /// Too large, or too slow.
    pub(super) async fn bytes(&mut self, most: usize) -> Result<BytesMut, Problem> {
        let arrival = self.api.approvals.limits().arrival;
        let arrival = Arrival {
            body_bytes: most.min(arrival.body_bytes),
            ..arrival
        };
        let carrier = &self.peer.carrier;
        let whole = body::whole(&mut self.body, &self.headers, arrival, carrier).await?;
        self.unread.store(false, Ordering::Relaxed);
        Ok(whole)
    }
}

/// Whether a media range has the weight 0 (RFC 9110 section 12.4.2).
fn is_refused(range: &MediaTypeBuf) -> bool {
    let weight = range.get_param(mediatype::names::Q);
    weight.is_some_and(|weight| {
        weight
            .as_str()
            .parse()
            .is_ok_and(|weight: f32| weight == 0.0)
    })
}

fn invalid_json(error: &serde_json::Error, path: &str) -> Problem {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data if path == "." => Problem::new(Kind::InvalidMember, error.to_string()),
        Category::Data => Problem::new(Kind::InvalidMember, format!("{path}: {error}")),
        Category::Io | Category::Syntax | Category::Eof => Problem::new(
            Kind::InvalidJson,
            format!("the body is not JSON in UTF-8: {error}"),
        ),
    }
}

/// The request that a path names. Text that is no id names no request either.
///
/// # Errors
/// [`Kind::NotFound`].
pub(super) fn request_id(text: &str) -> Result<RequestId, Problem> {
    text.parse().map_err(|error| {
        Problem::new(
            Kind::NotFound,
            format!("there is no request by that name: {error}"),
        )
    })
}
