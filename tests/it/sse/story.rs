//! What every client has to live through.

use pushd::limits::KEEP_ALIVE;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Listener, Told};
use crate::daemon::{Daemon, setup};
use crate::until::until;

/// Text with all that could end a line, a field or an event early, and with what is more than one
/// byte or one UTF-16 unit.
const TRICKY: &str = "a\nb\rc\r\nd\n\ndata: e\n\nevent: request\nid: 0-0\n\n\u{b}\u{c}\u{85}\u{2028}\u{2029}\u{feff}\0 é部🚀\u{10ffff}";

/// A listener with a mark: what it was told before is done with.
struct Reader<L> {
    listener: L,
    done: usize,
}

impl<L: Listener> Reader<L> {
    /// Waits until it has been told so much more, and gives exactly that.
    async fn next(&mut self, wanted: &[&str]) -> Vec<Told> {
        let what = format!("the client to be told {wanted:?}");
        let new = until(&what, async || {
            let told = self.listener.told().await;
            let new = told.get(self.done..).unwrap_or_default();
            // A broken connection is reported as often as it is tried again in vain.
            let mut new: Vec<_> = new.to_vec();
            new.dedup_by(|one, other| one.name == "error" && other.name == "error");
            (new.len() >= wanted.len()).then_some((told.len(), new))
        })
        .await;
        self.done = new.0;
        let names: Vec<_> = new.1.iter().map(summary).collect();
        assert_eq!(names, wanted);
        new.1
    }
}

/// The name of an event, and title and status of the request in it.
fn summary(told: &Told) -> String {
    if told.name != "request" {
        return told.name.clone();
    }
    let view = told.json();
    let part = |name: &str| view[name].as_str().unwrap().to_owned();
    format!("{} {}", part("title"), part("status"))
}

async fn ask(daemon: &Daemon, title: &str) -> String {
    let members = json!({"title": title, "details": TRICKY});
    let reply = daemon.asking(&members).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.id()
}

/// The request as the stream shows it.
async fn view(daemon: &Daemon, id: &str) -> Value {
    let mut view = daemon.read(id).await;
    view.as_object_mut().unwrap().remove("history");
    view
}

/// What is pending, what happened during a crash, what happens, and the end of a history.
pub(super) async fn lives_through_it<L: Listener>(listen: impl AsyncFnOnce(&Daemon) -> L) {
    let daemon = setup().start();
    let pending = ask(&daemon, "pending").await;
    let settled = ask(&daemon, "settled").await;
    daemon.approve(&settled).await;
    let list = daemon.get("/v1/requests").await.json();
    let (history, _) = list["cursor"].as_str().unwrap().split_once('-').unwrap();
    let mut reader = Reader {
        listener: listen(&daemon).await,
        done: 0,
    };
    let told = reader.next(&["open", "pending pending", "caught-up"]).await;
    assert_eq!(told[1].json(), view(&daemon, &pending).await);
    assert_eq!(told[1].json()["details"], TRICKY);
    assert_eq!(told[1].id, format!("{history}-1"));
    assert_eq!(told[2].json()["event_id"], 3);

    // The id without data after `caught-up` has moved the client past what was settled before it
    // came, so it is told what it has missed, and nothing else.
    let daemon = daemon.crash_and_restart();
    let missed = ask(&daemon, "missed").await;
    daemon.approve(&missed).await;
    daemon.deciding(&pending, &json!({"verdict": "deny"})).await;
    let mut again = vec!["error", "open", "settled approved", "missed approved"];
    again.extend(["pending denied", "caught-up"]);
    again.retain(|told| !(L::COUNTS_BARE_IDS && *told == "settled approved"));
    let told = reader.next(&again).await;
    assert_eq!(told[told.len() - 3].id, format!("{history}-5"));
    let live = ask(&daemon, "live").await;
    let told = reader.next(&["live pending"]).await;
    assert_eq!(told[0].json(), view(&daemon, &live).await);

    // Another store at the same address, whose event ids mean nothing to the client's cursor.
    let address = daemon.address().to_string();
    drop(daemon);
    let daemon = setup().listen(&address).start();
    let other = ask(&daemon, "other").await;
    let told = reader
        .next(&["error", "open", "reset", "other pending", "caught-up"])
        .await;
    assert_eq!(told[3].json()["id"], other);
    daemon.approve(&other).await;
    reader.next(&["other approved"]).await;
    reader.listener.quit().await;
}

/// Waits, with a stream of our own that was opened later, until a keep-alive has come.
pub(super) async fn idles<L: Listener>(listen: impl AsyncFnOnce(&Daemon) -> L) {
    let daemon = setup().start();
    let mut reader = Reader {
        listener: listen(&daemon).await,
        done: 0,
    };
    reader.next(&["open", "caught-up"]).await;
    let mut later = daemon.get("/v1/events").open().await;
    let comes = async {
        let mut text = String::new();
        while !text.contains("\n\n: keep-alive\n\n") {
            let part = later.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&part).unwrap());
        }
    };
    timeout(3 * KEEP_ALIVE, comes).await.expect("a keep-alive");
    ask(&daemon, "live").await;
    // On the connection that it had: it was not told of another one.
    reader.next(&["live pending"]).await;
    reader.listener.quit().await;
}
