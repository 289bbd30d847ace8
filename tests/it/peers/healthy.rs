//! A client that does nothing wrong, and must not notice those that do.

use std::time::Duration;

use tokio::time::Instant;

use crate::daemon::Daemon;
use crate::stream::Stream;
use crate::until::soon;

/// Three connections, opened once: the requester's, the approver's calls and its stream.
#[derive(Debug)]
pub(super) struct Healthy<'a> {
    daemon: &'a Daemon,
    stream: Stream,
    number: u32,
}

impl<'a> Healthy<'a> {
    pub(super) async fn new(daemon: &'a Daemon) -> Self {
        let mut healthy = Self {
            daemon,
            stream: daemon.listen("?topic=healthy").await,
            number: 0,
        };
        healthy.stream.beginning().await;
        // So that its connections and the store's are open.
        healthy.approval().await;
        healthy
    }

    /// One whole approval: asked, heard on the stream, approved, and answered to a poll that is
    /// held meanwhile. Answers how long it took.
    pub(super) async fn approval(&mut self) -> Duration {
        self.number += 1;
        let title = format!("healthy {}", self.number);
        let begun = Instant::now();
        let asked = self
            .daemon
            .asking(&serde_json::json!({"title": title, "topic": "healthy"}))
            .await;
        assert_eq!(asked.status, 201, "{asked:?}");
        let id = asked.id();
        let poll = self.daemon.get(&format!("/v1/requests/{id}?wait=60"));
        let poll = poll.spawn();
        let heard = self.stream.event().await;
        assert_eq!(heard.data["title"], title.as_str());
        self.daemon.approve(&id).await;
        let answered = soon("the answer", poll).await.unwrap();
        assert_eq!(answered.json()["status"], "approved");
        let heard = self.stream.event().await;
        assert_eq!(heard.data["status"], "approved");
        begun.elapsed()
    }

    /// So many approvals, one after the other, each by a deadline.
    pub(super) async fn approvals(&mut self, count: usize) -> Vec<Duration> {
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(self.approval().await);
        }
        times
    }
}

/// The words for a set of times.
pub(super) fn in_words(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    )
}
