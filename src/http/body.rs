//! The body of a call, read whole and bounded in bytes and in time.

use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use headers::{ContentLength, HeaderMapExt};
use warp::http::{HeaderMap, header};

use super::{Kind, Problem};
use crate::burden::{Carrier, Load};
use crate::limits::Arrival;

/// A body on its way.
pub(crate) type BodyStream =
    Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync + 'static>>;

/// The body that a filter of warp gives.
pub(crate) fn boxed<S, B>(body: S) -> BodyStream
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
    B: Buf,
{
    Box::pin(body.map(|part| part.map(|mut part| part.copy_to_bytes(part.remaining()))))
}

/// Whether these headers announce a body that is not empty (RFC 9112 section 6).
pub(crate) fn is_announced(headers: &HeaderMap) -> bool {
    let length: Option<ContentLength> = headers.typed_get();
    length.map_or(headers.contains_key(header::TRANSFER_ENCODING), |length| {
        length.0 > 0
    })
}

/// The body, if there is one: by HTTP/2 it may come without having been announced (RFC 9113 section
/// 8.1.1). Dropping the future loses what has come of it.
///
/// # Errors
/// Nothing has come in the time for it, not even its end.
pub(crate) async fn coming(
    body: BodyStream,
    headers: &HeaderMap,
    arrival: Arrival,
) -> Result<Option<BodyStream>, Problem> {
    if is_announced(headers) {
        return Ok(Some(body));
    }
    let mut body = body.peekable();
    let peeking = tokio::time::timeout(arrival.body_time, Pin::new(&mut body).peek());
    let comes = peeking.await.map(|part| part.is_some());
    let comes = comes.map_err(|_| too_slow(arrival))?;
    Ok(comes.then(|| Box::pin(body) as BodyStream))
}

/// How many bytes a body may have that comes under these headers.
pub(crate) fn most(headers: &HeaderMap, arrival: Arrival) -> usize {
    let length: Option<ContentLength> = headers.typed_get();
    let length = length.and_then(|length| usize::try_from(length.0).ok());
    length.unwrap_or(usize::MAX).min(arrival.body_bytes)
}

/// The body, read whole; what is there of it counts as a load of `carrier` until it is. Dropping
/// the future leaves the body half read.
///
/// # Errors
/// It has more bytes than `arrival` says, takes longer, or breaks off.
pub(crate) async fn whole(
    body: &mut BodyStream,
    headers: &HeaderMap,
    arrival: Arrival,
    carrier: &Carrier,
) -> Result<BytesMut, Problem> {
    let most = arrival.body_bytes;
    // Before anything is read, so that a client that waits for `100 Continue` keeps its body.
    let length: Option<ContentLength> = headers.typed_get();
    if length.is_some_and(|length| length.0 > most as u64) {
        return Err(too_large(most));
    }
    let collecting = collect(body, most, carrier.hold(0));
    let whole = tokio::time::timeout(arrival.body_time, collecting).await;
    whole.unwrap_or_else(|_| Err(too_slow(arrival)))
}

async fn collect(body: &mut BodyStream, most: usize, mut load: Load) -> Result<BytesMut, Problem> {
    let mut whole = BytesMut::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| {
            Problem::new(Kind::InvalidBody, format!("the body broke off: {error}"))
        })?;
        if whole.len() + part.len() > most {
            return Err(too_large(most));
        }
        load.grow(part.len());
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

fn too_slow(arrival: Arrival) -> Problem {
    let time = humantime::format_duration(arrival.body_time);
    let detail = format!("the body did not come within {time}, the limit; send it again");
    Problem::new(Kind::BodyTimeout, detail)
}

fn too_large(most: usize) -> Problem {
    let detail = format!("the body is larger than {most} bytes, the limit; send less");
    Problem::new(Kind::BodyTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn of(parts: &[&'static str]) -> BodyStream {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from(*part))).collect();
        Box::pin(stream::iter(parts))
    }

    /// HTTP/2 says by the end of the stream what HTTP/1.1 says by headers.
    #[tokio::test]
    async fn a_body_that_was_not_announced_is_there_all_the_same() {
        let (headers, arrival) = (HeaderMap::new(), Arrival::default());
        let mut body = coming(of(&["on", "e"]), &headers, arrival)
            .await
            .unwrap()
            .unwrap();
        let carrier = crate::burden::Burden::new(usize::MAX).carrier();
        let read = whole(&mut body, &headers, arrival, &carrier).await.unwrap();
        assert_eq!(&read[..], b"one");
        let none = coming(of(&[]), &headers, arrival).await.unwrap();
        assert!(none.is_none());
    }
}
