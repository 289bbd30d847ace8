//! Pages while the daemon is away: they say so, and recover by themselves.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::until::until;

/// Ids of the cards and of what is listed as decided, each as often as it is shown.
const SHOWN: &str = "
    const ids = (css) => [...document.querySelectorAll(css)].map((it) => it.dataset.id).sort();
    return [ids('.card'), ids('#recent li')]";

#[tokio::test]
async fn pages_recover_from_a_crash_and_from_a_proxy_that_answers_502() {
    let mut daemon = setup().start();
    let outage = Arc::new(Outage::default());
    let proxy = Arc::clone(&outage);
    let front = Front::before(&daemon, move |_, _| proxy.way()).await;
    let first = daemon.ask("First").await;
    let second = daemon.ask("Second").await;
    let (inbox, single) = tokio::join!(Browser::start(), Browser::start());
    inbox.open(&front.url()).await;
    single.open(&format!("{}/r/{first}", front.url())).await;
    inbox.card_is(&second, "pending").await;
    single.card_is(&first, "pending").await;
    daemon.waiters_are(1).await;

    // A browser's EventSource gives up for good at the first 502.
    outage.may_begin.store(true, Ordering::SeqCst);
    daemon.crash();
    inbox.says("#banner", "The daemon cannot be heard").await;
    inbox.says("#banner", "Last contact at").await;
    inbox.says("#link", "Disconnected").await;
    single.says("#banner", "The daemon cannot be heard").await;
    single.says("#banner", "502").await;
    let daemon = daemon.restart();
    let third = daemon.ask("Third").await;
    daemon.approve(&second).await;
    daemon.approve(&first).await;
    // A decision that meets the proxy is sent until it arrives, and finds that it is too late.
    let again = "const said = document.querySelector(`.card[data-id='${arguments[0]}'] .status`);
                 return said.textContent.includes('502')";
    inbox.decide(&first, "deny").await;
    until("the decision to be in trouble", async || {
        (inbox.run(again, json!([first])).await == true).then_some(())
    })
    .await;
    // The proxy has a backend again when its ten seconds are over, and not before the pages were
    // looked at.
    outage.may_end.store(true, Ordering::SeqCst);
    until("the outage to be over", async || {
        outage.is_over().then_some(())
    })
    .await;
    let answered = front.calls().len();
    inbox.is_live().await;
    assert!(front.calls().len() > answered, "they recovered after it");
    inbox.card_is(&third, "pending").await;
    inbox.says("#recent", "Second").await;
    inbox.says("#recent", "First").await;
    let banner = "return document.getElementById('banner').hidden";
    inbox.until("the banner to go", banner).await;
    let text = single.card_is(&first, "approved").await;
    assert!(text.contains("Approved by local"), "{text}");
    single.until("the banner to go", banner).await;
    // Nothing is shown twice: settled cards leave, and what is listed is listed once.
    let expected = json!([[third], sorted(&[&first, &second])]);
    until("each request to be shown once", async || {
        let shown = inbox.run(SHOWN, json!([])).await;
        (shown == expected).then_some(())
    })
    .await;
    assert_eq!(daemon.read(&first).await["status"], "approved");
    inbox.is_content().await;
}

/// A proxy that answers 502 for ten seconds by its own clock, from the first call that meets it, and
/// for as long as the test looks.
#[derive(Default)]
struct Outage {
    may_begin: AtomicBool,
    may_end: AtomicBool,
    begun: OnceLock<Instant>,
}

impl Outage {
    const LENGTH: Duration = Duration::from_secs(10);

    fn way(&self) -> Way {
        if !self.may_begin.load(Ordering::SeqCst) {
            return Way::Through;
        }
        self.begun.get_or_init(Instant::now);
        if self.is_over() {
            Way::Through
        } else {
            BAD_GATEWAY
        }
    }

    fn is_over(&self) -> bool {
        let begun = self.begun.get();
        self.may_end.load(Ordering::SeqCst)
            && begun.is_some_and(|begun| begun.elapsed() >= Self::LENGTH)
    }
}

/// A browser's `EventSource` gives up for good at a 403 as well, and so would a page that takes a
/// refusal for the last word.
#[tokio::test]
async fn pages_that_are_refused_say_so_and_recover_when_they_are_not() {
    let daemon = setup().start();
    let out = Arc::new(AtomicBool::new(false));
    let is_out = Arc::clone(&out);
    let front = Front::before(&daemon, move |_, line| {
        if is_out.load(Ordering::SeqCst) && line.contains(" /v1/") {
            FORBIDDEN
        } else {
            Way::Through
        }
    })
    .await;
    let first = daemon.ask("First").await;
    let (inbox, single) = tokio::join!(Browser::start(), Browser::start());
    inbox.open(&front.url()).await;
    single.open(&format!("{}/r/{first}", front.url())).await;
    inbox.card_is(&first, "pending").await;
    single.card_is(&first, "pending").await;
    inbox.is_live().await;
    out.store(true, Ordering::SeqCst);
    let daemon = daemon.crash_and_restart();
    for page in [&inbox, &single] {
        page.says("#banner", "You may not do this: ana is no observer")
            .await;
        page.says("#link", "Disconnected").await;
    }
    let missed = daemon.ask("Missed").await;
    daemon.approve(&first).await;
    out.store(false, Ordering::SeqCst);
    inbox.card_is(&missed, "pending").await;
    inbox.says("#recent", "First").await;
    single.card_is(&first, "approved").await;
    inbox.is_content().await;
}

/// What a daemon says to somebody who may not see this.
const FORBIDDEN: Way = Way::Page(
    "403 Forbidden",
    "application/problem+json",
    r#"{"status":403,"code":"forbidden","detail":"ana is no observer; its roles are: requester"}"#,
);

fn sorted(ids: &[&str]) -> Vec<String> {
    let mut ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_browser_that_was_offline_catches_up_and_another_store_starts_over() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    let old = daemon.ask("Old").await;
    browser.card_is(&old, "pending").await;
    let network = |offline: bool| {
        let none = json!({"offline": offline, "latency": 0,
            "downloadThroughput": -1, "uploadThroughput": -1});
        browser.devtools("Network.emulateNetworkConditions", none)
    };
    browser.devtools("Network.enable", json!({})).await;
    // It cuts what is open at the latest when the daemon goes.
    network(true).await;
    let daemon = daemon.crash_and_restart();
    browser.says("#banner", "The daemon cannot be heard").await;
    let missed = daemon.ask("Missed").await;
    network(false).await;
    browser.card_is(&missed, "pending").await;
    browser.is_live().await;

    // Another store at the same address knows nothing of what is on the page.
    let address = daemon.address().to_string();
    drop(daemon);
    let daemon = setup().listen(&address).start();
    let other = daemon.ask("Other").await;
    browser.card_is(&other, "pending").await;
    browser.card_is(&missed, "gone").await;
    let shown = json!([[other], []]);
    until("only what the new store has to be shown", async || {
        (browser.run(SHOWN, json!([])).await == shown).then_some(())
    })
    .await;
    browser.decide(&other, "approve").await;
    browser.card_is(&other, "approved").await;
}
