//! Many open streams of one topic, and whether each of them has every event, once and in order.
//!
//! One buffer serves all of them, and of what comes only the numbers of events are looked at, so that
//! reading a delivery costs little beside the system's own part.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use anyhow::bail;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::body::Body;
use crate::held::OPENING;
use crate::peer::Server;
use crate::stream;
use crate::titles::{Numbers, Titles};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;
/// Time for what was published to reach everybody.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// Open streams that are being read.
#[derive(Debug)]
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    reading: JoinSet<()>,
}

/// What has come to all streams together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Come {
    pub(crate) deliveries: u64,
    pub(crate) bytes: u64,
    /// Calls of the system that brought them.
    pub(crate) reads: u64,
    /// When the last of them came.
    pub(crate) last: Instant,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    reached: Notify,
}

#[derive(Debug)]
struct State {
    buffer: Vec<u8>,
    come: Come,
    /// Deliveries at which somebody wants to be told.
    wanted: u64,
    /// The order in which each stream had its events, as a number that differs with it.
    orders: Vec<u64>,
    trouble: Option<String>,
}

impl Crowd {
    /// Opens so many streams of a topic, of at most `publishers` publishers.
    ///
    /// # Errors
    /// One is not opened.
    pub(crate) async fn open(
        servers: &[Server],
        topic: &str,
        count: usize,
        publishers: usize,
    ) -> anyhow::Result<Self> {
        let state = State {
            buffer: vec![0; READ_BYTES],
            come: Come {
                deliveries: 0,
                bytes: 0,
                reads: 0,
                last: Instant::now(),
            },
            wanted: u64::MAX,
            orders: vec![0; count],
            trouble: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            reached: Notify::new(),
        });
        let places = Arc::new(Semaphore::new(OPENING));
        let topic: Arc<str> = topic.into();
        let mut opening = JoinSet::new();
        for (number, server) in servers.iter().copied().cycle().take(count).enumerate() {
            let (places, topic) = (Arc::clone(&places), Arc::clone(&topic));
            opening.spawn(async move {
                let _place = places.acquire().await?;
                let (connection, head) = stream::open(server, &topic).await?;
                let (socket, begun) = connection.into_parts();
                anyhow::Ok((Member::new(number, head.chunked, publishers), socket, begun))
            });
        }
        let mut reading = JoinSet::new();
        while let Some(opened) = opening.join_next().await {
            let (mut member, mut socket, begun) = opened??;
            let shared = Arc::clone(&shared);
            reading.spawn(async move {
                shared.state().take(&mut member, &begun);
                poll_fn(|context| shared.poll_read(context, &mut socket, &mut member)).await;
            });
        }
        Ok(Self { shared, reading })
    }

    /// Waits until so many deliveries were made to all streams together.
    ///
    /// # Errors
    /// They are not within a minute, or one was lost, or came twice or out of order.
    pub(crate) async fn reach(&self, deliveries: u64) -> anyhow::Result<Come> {
        let reached = async {
            loop {
                let told = self.shared.reached.notified();
                {
                    let mut state = self.shared.state();
                    if let Some(trouble) = &state.trouble {
                        bail!("{trouble}");
                    }
                    if state.come.deliveries >= deliveries {
                        return Ok(state.come);
                    }
                    state.wanted = deliveries;
                }
                told.await;
            }
        };
        if let Ok(come) = timeout(PATIENCE, reached).await {
            return come;
        }
        let come = self.shared.state().come.deliveries;
        bail!("{come} of {deliveries} deliveries came within {PATIENCE:?}");
    }

    /// Ends all streams; answers in how many different orders they had the events.
    pub(crate) fn close(self) -> usize {
        drop(self.reading);
        let state = self.shared.state();
        state.orders.iter().collect::<BTreeSet<_>>().len()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has come to a stream; ready once it has ended.
    fn poll_read(
        &self,
        context: &mut Context<'_>,
        socket: &mut TcpStream,
        member: &mut Member,
    ) -> Poll<()> {
        loop {
            let mut state = self.state();
            let mut buffer = std::mem::take(&mut state.buffer);
            let mut into = ReadBuf::new(&mut buffer);
            let read = Pin::new(&mut *socket).poll_read(context, &mut into);
            let length = into.filled().len();
            if read.is_ready() {
                state.take(member, &buffer[..length]);
            }
            state.buffer = buffer;
            let outcome = ready!(read).and_then(|()| match length {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            });
            if let Err(error) = outcome {
                state.trouble = Some(format!("stream {} has ended: {error}", member.number));
            }
            if state.trouble.is_some() || state.come.deliveries >= state.wanted {
                self.reached.notify_one();
            }
            if state.trouble.is_some() {
                return Poll::Ready(());
            }
        }
    }
}

impl State {
    /// Takes what has come to a stream.
    fn take(&mut self, member: &mut Member, bytes: &[u8]) {
        match member.take(bytes) {
            Ok(deliveries) => {
                self.come.deliveries += deliveries;
                self.come.bytes += bytes.len() as u64;
                self.come.reads += 1;
                self.come.last = Instant::now();
                self.orders[member.number] = member.order;
            }
            Err(trouble) => self.trouble = Some(format!("stream {}: {trouble}", member.number)),
        }
    }
}

/// The reader of one stream.
#[derive(Debug)]
struct Member {
    number: usize,
    body: Body,
    titles: Titles,
    /// The last turn of each publisher.
    turns: Vec<u32>,
    order: u64,
}

impl Member {
    fn new(number: usize, chunked: bool, publishers: usize) -> Self {
        Self {
            number,
            body: Body::new(chunked),
            titles: Titles::default(),
            turns: vec![0; publishers],
            order: 0,
        }
    }

    /// Takes the next bytes; answers how many events came with them.
    fn take(&mut self, mut bytes: &[u8]) -> Result<u64, String> {
        let (mut events, mut wrong) = (0, None);
        let Self {
            body,
            titles,
            turns,
            order,
            ..
        } = self;
        while let Some(run) = body.next(&mut bytes).map_err(|error| error.to_string())? {
            titles.push(run, &mut |Numbers { publisher, turn }| {
                let last = turns.get_mut(publisher as usize);
                match last {
                    Some(last) if turn == last.wrapping_add(1) => *last = turn,
                    Some(last) => {
                        wrong = Some(format!("turn {turn} of {publisher} came after {last}"));
                    }
                    None => wrong = Some(format!("there is no publisher {publisher}")),
                }
                *order = order
                    .wrapping_mul(31)
                    .wrapping_add(u64::from(publisher) + 1);
                events += 1;
            });
        }
        wrong.map_or(Ok(events), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(events: &[(u32, u32)]) -> (Result<u64, String>, u64) {
        let mut member = Member::new(0, false, 2);
        let events = events.iter();
        let lines =
            events.map(|(publisher, turn)| format!("{{\"title\":\"load {publisher}/{turn}\"}}\n"));
        let text = lines.collect::<Vec<_>>().concat();
        let taken = member.take(text.as_bytes());
        (taken, member.order)
    }

    #[test]
    fn a_lost_a_repeated_and_a_reordered_event_are_noticed() {
        assert_eq!(take(&[(0, 1), (1, 1), (0, 2)]).0, Ok(3));
        for wrong in [
            &[(0, 1), (0, 3)][..],
            &[(0, 1), (0, 1)],
            &[(0, 2), (0, 1)],
            &[(2, 1)],
        ] {
            assert!(take(wrong).0.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn two_orders_of_the_same_events_differ() {
        assert_ne!(take(&[(0, 1), (1, 1)]).1, take(&[(1, 1), (0, 1)]).1);
        assert_eq!(take(&[(0, 1), (1, 1)]).1, take(&[(0, 1), (1, 1)]).1);
    }
}
