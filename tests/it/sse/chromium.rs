//! The `EventSource` of a browser.

use serde_json::json;

use super::{LISTEN, Listener, Told};
use crate::browser::Browser;
use crate::daemon::Daemon;

impl Listener for Browser {
    const COUNTS_BARE_IDS: bool = true;

    async fn told(&self) -> Vec<Told> {
        let told = self.run("return told", json!([])).await;
        told.as_array()
            .unwrap()
            .iter()
            .map(Told::from_json)
            .collect()
    }

    async fn quit(self) {
        Self::quit(self).await;
    }
}

/// A page of the daemon's own origin that listens. It is one without scripts of its own: a browser
/// makes a document of any text.
pub(super) async fn listen(daemon: &Daemon) -> Browser {
    let browser = Browser::start().await;
    browser.open(&format!("{}/livez", daemon.url())).await;
    let script = format!(
        "const url = arguments[0]; window.told = []; const tell = (it) => told.push(it); {LISTEN}"
    );
    browser.run(&script, json!(["/v1/events"])).await;
    let opened = "return told.length > 0";
    browser.until("the page to be told something", opened).await;
    browser
}
