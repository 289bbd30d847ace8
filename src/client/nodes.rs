//! The daemons that a client knows, and what it remembers of them. Calls and the stream share it, so
//! that they move on together.

use std::os::unix::fs::FileTypeExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use super::acquainted::Acquainted;
use super::error::CallError;
use super::failures::Failures;
use super::transport::{Authorities, Secret, TransportError, transport};
use super::turns::{Attempt, Turns};
use super::url::DaemonUrl;
use crate::domain::RequestId;
use crate::limits;

/// One daemon, by one address.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it is.
    pub(super) url: DaemonUrl,
    /// What carries our token, so it is for this origin alone.
    pub(super) http: reqwest::Client,
}

impl Node {
    /// An error below HTTP. What the system says of a Unix socket does not always tell what is
    /// wrong with it.
    pub(super) fn unreached(&self, error: &reqwest::Error) -> CallError {
        let trouble = CallError::transport(error);
        match (self.url.socket(), trouble) {
            (Some(path), trouble @ CallError::Transient { unsent: true, .. }) => {
                let is_socket = |file: std::fs::Metadata| file.file_type().is_socket();
                let what = match std::fs::metadata(path).map(is_socket) {
                    Ok(false) => "cannot connect: what is there is no socket".to_owned(),
                    Ok(true) | Err(_) => trouble.to_string(),
                };
                CallError::unsent(what)
            }
            (_, trouble) => trouble,
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Nodes {
    list: Vec<Node>,
    authorities: Option<Authorities>,
    program: &'static str,
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Debug)]
struct Book {
    turns: Turns,
    /// What was wrong with each when it failed last.
    whys: Vec<String>,
    acquainted: Acquainted,
    /// The change that nobody was told of yet; the latest is enough.
    change: Option<String>,
}

impl Nodes {
    /// The daemons at `urls`, of which there is one at least.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub(super) fn new(
        urls: Vec<DaemonUrl>,
        authorities: Option<Authorities>,
        token: Option<&Secret>,
        program: &'static str,
    ) -> Result<Self, TransportError> {
        let connect = match urls.len() {
            ..=1 => limits::CONNECT_TIME,
            _ => limits::TURN_CONNECT_TIME,
        };
        let list: Vec<_> = urls
            .into_iter()
            .map(|url| {
                let (at, socket) = (url.as_url(), url.socket());
                let http = transport(at, socket, authorities.as_ref(), token, connect, program)?;
                Ok(Node { url, http })
            })
            .collect::<Result<_, TransportError>>()?;
        let book = Book {
            turns: Turns::new(list.len()),
            whys: vec![String::new(); list.len()],
            acquainted: Acquainted::default(),
            change: None,
        };
        Ok(Self {
            list,
            authorities,
            program,
            book: Mutex::new(book),
            changed: Notify::new(),
        })
    }

    /// Whether there is another one to go on with.
    pub(super) const fn are_several(&self) -> bool {
        self.list.len() > 1
    }

    /// The one with this number, which [`Nodes::round`] gave.
    pub(super) fn get(&self, number: usize) -> &Node {
        &self.list[number]
    }

    /// The one whose turn it is.
    pub(super) fn current(&self) -> &Node {
        self.get(self.book().turns.current())
    }

    /// All addresses, for messages.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.list.iter().map(|node| node.url.to_string()).collect();
        names.join(" or ")
    }

    /// Whom to ask, one after the other until one answers.
    pub(super) fn round(&self) -> Vec<usize> {
        self.book().turns.round(Instant::now())
    }

    /// An attempt at this one begins.
    pub(super) fn attempt(&self, number: usize) -> Attempt {
        self.book().turns.attempt(number)
    }

    /// An attempt was answered, whatever the answer is.
    pub(super) fn answered(&self, attempt: Attempt) {
        let mut book = self.book();
        book.whys[attempt.node].clear();
        if let Some(before) = book.turns.answered(attempt) {
            let (before, why) = (&self.get(before).url, &book.whys[before]);
            let now = &self.get(attempt.node).url;
            book.change = Some(format!("going on with {now} ({before}: {why})"));
            self.changed.notify_one();
        }
    }

    /// An attempt has failed, so the next one is asked.
    pub(super) fn failed(&self, attempt: Attempt, error: &CallError) {
        let mut book = self.book();
        let hold = error.retry_after();
        book.turns.failed(attempt, hold, Instant::now());
        book.whys[attempt.node] = error.to_string();
    }

    /// What is wrong when nothing was heard for so long: with the one that was asked last, and with
    /// those that failed before it.
    pub(super) fn silent(&self, time: Duration) -> CallError {
        let silence = CallError::silent(time);
        if !self.are_several() {
            return silence;
        }
        let book = self.book();
        let words = self.list.iter().enumerate().filter_map(|(number, node)| {
            let why = match &*book.whys[number] {
                _ if number == book.turns.current() => silence.to_string(),
                "" => return None,
                why => why.to_owned(),
            };
            Some(format!("{}: {why}", node.url))
        });
        CallError::broken(words.collect::<Vec<_>>().join("; "))
    }

    /// It works, and does not know what another one may.
    pub(super) fn knows_nothing(&self, attempt: Attempt, error: &CallError) {
        self.book().whys[attempt.node] = error.to_string();
    }

    /// Adds those to the failures of a round that were left out of it because they want to be left
    /// alone; answers for how long at least.
    pub(super) fn left_out(&self, failures: &mut Failures) -> Option<Duration> {
        let now = Instant::now();
        let book = self.book();
        let mut shortest = None;
        for (number, node) in self.list.iter().enumerate() {
            if failures.has(number) {
                continue;
            }
            let left = book.turns.left(number, now).unwrap_or_default();
            shortest = Some(shortest.unwrap_or(left).min(left));
            failures.left_out(number, &node.url, &book.whys[number]);
        }
        shortest
    }

    /// A daemon has told of this request.
    pub(super) fn acquaint(&self, id: RequestId) {
        if self.are_several() {
            self.book().acquainted.add(id);
        }
    }

    /// Whether one has.
    pub(super) fn are_acquainted(&self, id: RequestId) -> bool {
        self.book().acquainted.has(id)
    }

    /// The change of the daemon that was not told yet.
    pub(super) fn take_change(&self) -> Option<String> {
        self.book().change.take()
    }

    /// The same, when there is one. Cancel safe.
    pub(super) async fn changed(&self) -> String {
        loop {
            if let Some(change) = self.take_change() {
                return change;
            }
            self.changed.notified().await;
        }
    }

    /// An HTTP client of the same program for another origin, where a daemon has sent us. It does
    /// not carry the token.
    pub(super) fn http_elsewhere(&self, url: &Url) -> Result<reqwest::Client, TransportError> {
        let connect = limits::CONNECT_TIME;
        transport(
            url,
            None,
            self.authorities.as_ref(),
            None,
            connect,
            self.program,
        )
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
