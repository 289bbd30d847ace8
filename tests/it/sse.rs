//! Our stream, read by clients that others have written to the HTML Standard, section 9.2.
//!
//! They all go through the same story, and none of it is told to them: they get the URL of the
//! stream, and reconnect and resume by themselves.

mod chromium;
mod curl;
mod node;
mod samples;
mod story;

use serde_json::Value;

use self::chromium::listen as listen_in_chromium;
use self::node::Node;
use self::story::{idles, lives_through_it};

/// One thing that an `EventSource` has told its page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    /// `open`, `error`, or the name of an event.
    name: String,
    /// `lastEventId` of the event.
    id: String,
    /// Its data.
    data: String,
}

impl Told {
    /// From the object that the listeners below make of it.
    fn from_json(told: &Value) -> Self {
        let part = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: part("name"),
            id: part("id"),
            data: part("data"),
        }
    }

    /// The data as JSON.
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// JavaScript that listens to the stream at `url` and hands each thing that it is told to `tell`.
const LISTEN: &str = "
    const source = new EventSource(url);
    for (const name of ['open', 'error', 'message', 'request', 'caught-up', 'reset']) {
        source.addEventListener(name, (event) =>
            tell({name, id: event.lastEventId || '', data: event.data || ''}));
    }
";

/// A program with an `EventSource`.
trait Listener {
    /// Whether an `id` without data moves it on, as the standard says (section 9.2.6, "dispatch the
    /// event": the last event ID is set before empty data ends the step).
    const COUNTS_BARE_IDS: bool;

    /// All that it has been told so far.
    async fn told(&self) -> Vec<Told>;

    /// Ends it.
    async fn quit(self);
}

#[tokio::test]
async fn clients_miss_nothing_and_start_over_when_they_are_told() {
    tokio::join!(
        lives_through_it(async |daemon| listen_in_chromium(daemon).await),
        lives_through_it(async |daemon| Node::listen(daemon)),
    );
}

#[tokio::test]
async fn clients_stay_connected_while_nothing_happens() {
    tokio::join!(
        idles(async |daemon| listen_in_chromium(daemon).await),
        idles(async |daemon| Node::listen(daemon)),
    );
}
