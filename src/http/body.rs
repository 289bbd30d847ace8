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
    whole.unwrap_or_else(|_| {
        let time = humantime::format_duration(arrival.body_time);
        let detail = format!("the body did not come within {time}, the limit; send it again");
        Err(Problem::new(Kind::BodyTimeout, detail))
    })
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

fn too_large(most: usize) -> Problem {
    let detail = format!("the body is larger than {most} bytes, the limit; send less");
    Problem::new(Kind::BodyTooLarge, detail)
}
