//! The pages, as a person has them in a browser.
//!
//! Each test is a story with real programs: a browser, a daemon, `requester`, and where it matters
//! `approver` in a terminal. Pictures land in `target/screenshots`, to be looked at.

mod asking;
mod commands;
mod files;
mod foreign;
mod guard;
mod hostile;
mod inbox;
mod keys;
mod knowing;
mod languages;
mod lingering;
mod login;
mod looks;
mod matching;
mod notices;
mod relayed;
mod scrolling;
mod single;
mod tabs;
mod terms;
mod trouble;
mod votes;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::daemon::Daemon;
use crate::until::until;

/// Why a browser may complain: the daemon was away, or said no.
const EXPECTED: [&str; 7] = [
    "ERR_",
    "status of 401",
    "status of 403",
    "status of 404",
    "status of 409",
    "status of 502",
    "status of 503",
];

impl Browser {
    /// Starts one and opens a page of the daemon.
    async fn at(daemon: &Daemon, path: &str) -> Self {
        let browser = Self::start().await;
        browser.open(&format!("{}{path}", daemon.url())).await;
        browser
    }

    /// Waits until the inbox has heard all that is pending.
    async fn is_live(&self) {
        let live = "return document.getElementById('link').dataset.state === 'live'";
        self.until("the page to be live", live).await;
    }

    /// What the card of a request shows: `pending`, `approved`, and so on; null without a card.
    async fn card(&self, id: &str) -> Value {
        let card = "const card = document.querySelector(`.card[data-id='${arguments[0]}']`);
                    return card && card.dataset.state";
        self.run(card, json!([id])).await
    }

    /// Waits until the card of a request is in this state; answers its text.
    async fn card_is(&self, id: &str, state: &str) -> String {
        until(&format!("the card of {id} to be {state}"), async || {
            (self.card(id).await == state).then_some(())
        })
        .await;
        let text = "return document.querySelector(`.card[data-id='${arguments[0]}']`).innerText";
        let text = self.run(text, json!([id])).await;
        text.as_str().unwrap().to_owned()
    }

    /// Presses a button on the card of a request until it takes it: for half a second after the
    /// card has come to its place, it does not.
    async fn decide(&self, id: &str, verdict: &str) {
        self.card_is(id, "pending").await;
        let button = format!(".card[data-id='{id}'] .{verdict}");
        until(&format!("{verdict} to be taken"), async || {
            self.press_on(&button).await;
            (self.card(id).await != "pending").then_some(())
        })
        .await;
    }

    /// Presses what the selector finds, in its middle, after bringing it into view.
    async fn press_on(&self, selector: &str) {
        let middle = "
            const found = document.querySelector(arguments[0]);
            if (!found) return null;
            const of = () => found.getBoundingClientRect();
            if (of().top < 0 || of().bottom > innerHeight) {
                found.scrollIntoView({ block: 'center', behavior: 'instant' });
            }
            return [of().left + of().width / 2, of().top + of().height / 2];";
        let middle = self.run(middle, json!([selector])).await;
        if let (Some(x), Some(y)) = (middle[0].as_f64(), middle[1].as_f64()) {
            self.press(x, y).await;
        }
    }

    /// Waits until so many milliseconds have gone by on the page's own clock, for what must happen
    /// late or not at all.
    async fn rests(&self, milliseconds: u32) {
        let since = self.run("return performance.now()", json!([])).await;
        let over = format!("return performance.now() - {since} > {milliseconds}");
        self.until("time to go by", &over).await;
    }

    /// Types into what the selector finds.
    async fn type_into(&self, selector: &str, text: &str) {
        let focus = "document.querySelector(arguments[0]).focus()";
        self.run(focus, json!([selector])).await;
        self.devtools("Input.insertText", json!({ "text": text }))
            .await;
    }

    /// Text of what the selector finds, empty when it is not shown.
    async fn text(&self, selector: &str) -> String {
        let text = "const found = document.querySelector(arguments[0]);
                    return found?.checkVisibility() ? found.innerText : ''";
        let text = self.run(text, json!([selector])).await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until what the selector finds has this text in it.
    async fn says(&self, selector: &str, text: &str) {
        until(&format!("{selector} to say {text:?}"), async || {
            self.text(selector).await.contains(text).then_some(())
        })
        .await;
    }

    /// Makes the window as wide and as high as this, in pixels of the page.
    async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// Nothing was complained about but what the story itself brings about.
    async fn is_content(&self) {
        let complaints = self.complaints().await;
        let unexpected: Vec<_> = complaints
            .iter()
            .filter(|complaint| !EXPECTED.iter().any(|expected| complaint.contains(expected)))
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}
