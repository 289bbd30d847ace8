//! Somebody who asks and cancels in a loop.

use pushd::limits;
use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

/// Settled cards stay to be read, but not without end: they would push what is pending out of view.
#[tokio::test]
async fn whoever_asks_and_cancels_in_a_loop_does_not_fill_the_page() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    let first = daemon.ask("First?").await;
    browser.card_is(&first, "pending").await;
    let watch = "
        window.most = 0;
        window.seen = new Set();
        new MutationObserver(() => {
            const cards = [...document.querySelectorAll('.card:not([data-state=pending])')];
            window.most = Math.max(window.most, cards.length);
            for (const { dataset } of cards) window.seen.add(dataset.id);
        }).observe(document.getElementById('waiting'), { childList: true, subtree: true, attributes: true });";
    browser.run(watch, json!([])).await;
    let loops = 3 * limits::PAGE_LINGERING;
    let mut last = String::new();
    for n in 0..loops {
        last = daemon.ask(&format!("Loop {n}?")).await;
        // Each has been a card, so that each could linger.
        browser.card_is(&last, "pending").await;
        daemon.delete(&format!("/v1/requests/{last}")).await;
    }
    let most = browser.run("return window.most", json!([])).await;
    let most = usize::try_from(most.as_u64().unwrap()).unwrap();
    // One more may be seen in the instant in which another one goes.
    assert!(
        most <= limits::PAGE_LINGERING + 1,
        "{most} settled cards at once"
    );
    let text = browser.card_is(&last, "cancelled").await;
    assert!(text.contains("Cancelled by its requester"), "{text}");
    assert_eq!(browser.card(&first).await, "pending");
    // In the end only what is pending is left.
    let left = "return document.querySelectorAll('.card').length === 1";
    browser.until("the settled ones to go", left).await;
    browser.decide(&first, "approve").await;
    browser.card_is(&first, "approved").await;
}
