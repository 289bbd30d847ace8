//! One who waits, is cut off, and comes back.
//!
//! It does what `requester` does: after trouble it pauses, connects, and polls for a second first,
//! so that it soon knows whether it is heard. With several nodes it tries the next one after each
//! failure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use pushd::limits;
use tokio::time::{Instant, sleep, timeout};

use super::{Shared, Stage};
use crate::http::Connection;
use crate::policy::Pauses;

/// The longest poll, so that few end while the others come.
const POLL: Duration = limits::WAIT_MAX;

/// One waiter.
#[derive(Debug)]
pub(super) struct Waiter {
    id: String,
    node: usize,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    pauses: Pauses,
    /// Whether it lost the connection in the storm.
    pub(super) was_cut: bool,
    /// Since when it is held again.
    pub(super) held: Option<Instant>,
    /// When it tried to connect since then.
    pub(super) attempts: Vec<Instant>,
}

impl Waiter {
    /// Waits for this request at this node at first.
    pub(super) fn new(id: String, node: usize, shared: Arc<Shared>) -> Self {
        let pauses = shared.policy.pauses(shared.servers.len());
        Self {
            id,
            node,
            shared,
            connection: None,
            pauses,
            was_cut: false,
            held: None,
            attempts: Vec::new(),
        }
    }

    /// Waits until the run is over.
    ///
    /// # Errors
    /// There was trouble before the storm.
    pub(super) async fn run(mut self) -> anyhow::Result<Self> {
        let mut stage = self.shared.stage.clone();
        let over = async { drop(stage.wait_for(|stage| *stage == Stage::Over).await) };
        let outcome = tokio::select! {
            outcome = self.wait() => outcome,
            () = over => Ok(()),
        };
        outcome.map(|()| self)
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        self.calm().await?;
        self.was_cut = true;
        self.shared.counts.heard.fetch_sub(1, Relaxed);
        let mut wish = None;
        loop {
            sleep(self.pauses.next(wish.take())).await;
            if self.shared.servers.len() > 1 {
                self.node = (self.node + 1) % self.shared.servers.len();
                self.connection = None;
            }
            wish = self.until_trouble().await;
            if self.held.take().is_some() {
                self.shared.counts.heard.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Polls until the daemon is killed.
    async fn calm(&mut self) -> anyhow::Result<()> {
        let server = self.shared.servers[self.node];
        let poll = server.poll(&self.id, POLL.as_secs());
        let place = self.shared.opening.acquire().await?;
        let mut connection = Connection::open(server.address)
            .await
            .context("no connection at first")?;
        connection.send(&poll).await?;
        drop(place);
        self.shared.counts.heard.fetch_add(1, Relaxed);
        while let Ok(answer) = connection.answer().await {
            // Others took their time to come.
            answer.says("pending")?;
            connection.send(&poll).await?;
        }
        let stage = self.shared.stage.clone();
        let stage = *stage
            .clone()
            .wait_for(|stage| *stage != Stage::Calm)
            .await?;
        anyhow::ensure!(stage == Stage::Storm, "a poll was cut before the storm");
        Ok(())
    }

    /// Connects if need be, and polls until there is trouble, which is counted; answers how long
    /// the daemon wishes that it stays away.
    async fn until_trouble(&mut self) -> Option<Duration> {
        let shared = Arc::clone(&self.shared);
        let (server, counts) = (shared.servers[self.node], &shared.counts);
        let trouble = |count: &AtomicU64| {
            count.fetch_add(1, Relaxed);
            None
        };
        let kept = self.connection.take();
        let opened = match kept {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return trouble(&counts.refused);
            }
            Err(_) => return trouble(&counts.not_connected),
        };
        let mut wait = limits::POLL_AFTER_TROUBLE;
        loop {
            let poll = server.poll(&self.id, wait.as_secs());
            if connection.send(&poll).await.is_err() {
                return trouble(&counts.cut);
            }
            let answer = match timeout(wait + limits::POLL_GRACE, connection.answer()).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => return trouble(&counts.cut),
                Err(_) => return trouble(&counts.silent),
            };
            if answer.status != 200 {
                self.connection = Some(connection).filter(|_| !answer.closes);
                trouble(&counts.turned_away);
                return answer.retry_after;
            }
            if self.held.is_none() {
                // It was held for as long as it had asked for.
                self.held = Some(answer.at - wait);
                counts.heard.fetch_add(1, Relaxed);
                self.pauses = shared.policy.pauses(shared.servers.len());
            }
            wait = POLL;
        }
    }

    async fn connect(&mut self) -> io::Result<Connection> {
        self.attempts.push(Instant::now());
        self.shared.counts.attempts.fetch_add(1, Relaxed);
        Connection::open(self.shared.servers[self.node].address).await
    }
}
