//! The body of an answer, counted for as long as any of it is held.
//!
//! A transport takes whatever it is given and keeps it until it can be written. So it is given small
//! pieces, each with its load, and the rest is kept where it can be thrown away.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::burden::{Carrier, Kept, Load, Piece};
use crate::limits;

/// A body whose bytes count as loads of its connection.
pub(super) struct Carried<B> {
    body: B,
    carrier: Carrier,
    // What the body has given and the transport has not asked for.
    kept: Option<Kept>,
    // Bytes in that.
    left: u64,
}

/// Why a body has broken off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken<E> {
    /// The connection has to go.
    #[error("the peer is too slow")]
    Cut,
    /// The body itself.
    #[error(transparent)]
    Body(#[from] E),
}

impl<B: Body<Data = Bytes> + Unpin> Carried<B> {
    /// Counts `body` for the connection of `carrier`.
    pub(super) fn new(body: B, carrier: Carrier) -> Self {
        let mut this = Self {
            body,
            carrier,
            kept: None,
            left: 0,
        };
        // What is there as a whole has a length, and counts from now on. A stream is not there
        // yet, and costs nothing while there is nothing to tell.
        if this.body.size_hint().exact().is_some_and(|bytes| bytes > 0) {
            let mut nobody = Context::from_waker(Waker::noop());
            if let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut this.body).poll_frame(&mut nobody)
                && let Ok(bytes) = frame.into_data()
            {
                this.keep(bytes);
            }
        }
        this
    }

    fn keep(&mut self, bytes: Bytes) {
        self.left = bytes.len() as u64;
        self.kept = Some(self.carrier.keep(bytes));
    }

    /// The next piece of what is kept.
    fn piece(&mut self, kept: Kept) -> Result<Bytes, Broken<B::Error>> {
        let (piece, rest) = kept.take(limits::PIECE_BYTES);
        self.kept = rest;
        let (bytes, load) = match piece {
            Piece::Some(bytes) => {
                let load = self.carrier.hold(bytes.len());
                (bytes, load)
            }
            Piece::Rest(bytes, load) => (bytes, load),
            Piece::Cut => return Err(Broken::Cut),
        };
        self.left -= bytes.len() as u64;
        Ok(written(bytes, load))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Carried<B> {
    type Data = Bytes;
    type Error = Broken<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(kept) = self.kept.take() {
                return Poll::Ready(Some(self.piece(kept).map(Frame::data)));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(bytes) if bytes.len() <= limits::PIECE_BYTES => {
                    let load = self.carrier.hold_all(&bytes);
                    return Poll::Ready(Some(Ok(Frame::data(written(bytes, load)))));
                }
                Ok(bytes) => self.keep(bytes),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(self.left + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(self.left + upper);
        }
        hint
    }
}

/// A piece on its way, which holds its load until it has been written or thrown away.
struct Written {
    bytes: Bytes,
    _load: Load,
}

/// These bytes, which hold this load.
fn written(bytes: Bytes, load: Load) -> Bytes {
    Bytes::from_owner(Written { bytes, _load: load })
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;
    use crate::burden::Burden;
    use crate::limits;

    #[tokio::test]
    async fn a_whole_body_counts_from_its_beginning_until_its_bytes_are_gone() {
        let burden = Burden::new(usize::MAX);
        let mut body = Carried::new(Full::new(Bytes::from(vec![7; 1000])), burden.carrier());
        assert_eq!(burden.bytes(), 1000 + limits::LOAD_OVERHEAD);
        assert_eq!(body.size_hint().exact(), Some(1000));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(body.is_end_stream() && body.frame().await.is_none());
        drop(body);
        let rest = piece.slice(999..);
        drop(piece);
        assert_eq!(burden.bytes(), 1000 + limits::LOAD_OVERHEAD);
        drop(rest);
        assert_eq!(burden.bytes(), 0);
    }

    #[tokio::test]
    async fn a_large_body_comes_in_pieces_and_whole() {
        let text: Vec<_> = (0..=u8::MAX).cycle().take(100_000).collect();
        let burden = Burden::new(usize::MAX);
        let mut body = Carried::new(Full::new(Bytes::from(text.clone())), burden.carrier());
        assert_eq!(body.size_hint().exact(), Some(100_000));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), limits::PIECE_BYTES);
        assert_eq!(body.size_hint().exact(), Some(100_000 - first.len() as u64));
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!([first, rest].concat(), text);
        assert_eq!(burden.bytes(), 0);
    }

    #[tokio::test]
    async fn a_stream_counts_by_its_pieces_and_what_is_shared_once() {
        let burden = Burden::new(usize::MAX);
        let shared = Bytes::from(vec![7; 1000]);
        let pieces = [shared.clone(), Bytes::from(vec![8; 500])];
        let frames = pieces.map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece)));
        let stream = StreamBody::new(futures_util::stream::iter(frames));
        let mut body = Carried::new(stream, burden.carrier());
        assert_eq!(burden.bytes(), 0);
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(burden.bytes(), 1000 + limits::LOAD_OVERHEAD);
        let again = burden.carrier().keep(shared);
        assert_eq!(burden.bytes(), 1000 + 2 * limits::LOAD_OVERHEAD);
        drop(again);
        let second = body.frame().await.unwrap().unwrap();
        assert_eq!(burden.bytes(), 1500 + 2 * limits::LOAD_OVERHEAD);
        drop((first, second));
        assert_eq!(burden.bytes(), 0);
    }
}
