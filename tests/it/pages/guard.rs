//! Clicks that were meant for something else.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

/// Moves everything down and clicks a button in the same instant, as if the card had jumped under
/// the pointer.
const JUMP_AND_CLICK: &str = "
    const space = document.createElement('div');
    space.textContent = 'in between';
    document.getElementById('main').prepend(space);
    const button = document.querySelector(arguments[0]);
    button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
    return document.querySelector('.card').dataset.state";

#[tokio::test]
async fn a_click_on_what_has_just_moved_decides_nothing() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    // A card that has just appeared takes no click: it is looked for and clicked in one instant.
    let clicked = "
        window.clicked = null;
        new MutationObserver((changes, observer) => {
            const button = document.querySelector('.card .approve');
            if (!button) return;
            observer.disconnect();
            button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
            window.clicked = document.querySelector('.card').dataset.state;
        }).observe(document.getElementById('waiting'), { childList: true, subtree: true });";
    browser.run(clicked, json!([])).await;
    let id = daemon.ask("Deploy?").await;
    let state = browser.until("the click", "return window.clicked").await;
    assert_eq!(state, "pending");
    browser
        .says(".card .status", "had only just come here")
        .await;
    for button in [".card .approve", ".card .deny"] {
        let state = browser.run(JUMP_AND_CLICK, json!([button])).await;
        assert_eq!(state, "pending", "{button}");
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // The very same click counts once it holds still.
    let click = "const button = document.querySelector('.card .approve');
                 button?.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
                 return document.querySelector('.card').dataset.state !== 'pending'";
    browser.until("the click to count", click).await;
    browser.card_is(&id, "approved").await;
}

#[tokio::test]
async fn a_decision_is_for_what_was_on_the_screen() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&id, "pending").await;
    // The call names the version that the page shows.
    let spy = "
        const send = window.fetch;
        window.sent = null;
        window.fetch = (url, options) => {
            if (String(url).endsWith('/decision')) window.sent = JSON.parse(options.body);
            return send(url, options);
        };";
    browser.run(spy, json!([])).await;
    browser.decide(&id, "deny").await;
    browser.card_is(&id, "denied").await;
    let sent = browser.run("return window.sent", json!([])).await;
    assert_eq!(sent, json!({"verdict": "deny", "version": 1}));
}
