//! Many tabs of one browser, which has six connections.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

#[tokio::test]
async fn eight_tabs_share_one_stream_and_a_decision_goes_through() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let other = daemon.ask("Another?").await;
    let single = format!("/r/{other}");
    let browser = Browser::start().await;
    let mut tabs = Vec::new();
    for path in ["/", "/", &single, &single, "/ask", &single, "/", "/"] {
        tabs.push(browser.new_tab().await);
        browser.open(&format!("{}{path}", daemon.url())).await;
        if path == "/" {
            browser.card_is(&id, "pending").await;
            browser.is_live().await;
        }
    }
    daemon.subscribers_are(1).await;
    daemon.waiters_are(0).await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
    browser.go_to(&tabs[2]).await;
    browser.card_is(&other, "pending").await;
    browser.decide(&other, "deny").await;
    browser.card_is(&other, "denied").await;

    // The tab in front leads. When it is closed, another one takes over and misses nothing.
    browser.go_to(&tabs[7]).await;
    browser.says("#recent", "Another?").await;
    browser.close(&tabs[7]).await;
    browser.go_to(&tabs[0]).await;
    let third = daemon.ask("Third?").await;
    browser.card_is(&third, "pending").await;
    daemon.subscribers_are(1).await;
    browser.go_to(&tabs[6]).await;
    browser.card_is(&third, "pending").await;
    daemon.subscribers_are(1).await;
    // A window that comes when all is decided learns that from the one that leads.
    daemon.approve(&third).await;
    browser.new_window().await;
    browser.open(&daemon.url()).await;
    browser.says("#nothing", "Nothing waits for you.").await;
    browser.says("#recent", "Third?").await;
    daemon.subscribers_are(1).await;
    let count = "return document.getElementById('count').textContent";
    assert_eq!(browser.run(count, json!([])).await, "0");
    browser.is_content().await;
}

/// The same with windows that are all in view, each of which holds a poll as long as it may.
#[tokio::test]
async fn eight_pages_in_view_let_a_decision_through() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::start().await;
    let mut last = String::new();
    for _ in 0..8 {
        last = browser.new_window().await;
        browser.open(&format!("{}/r/{id}", daemon.url())).await;
    }
    let state = browser
        .run("return document.visibilityState", json!([]))
        .await;
    assert_eq!(state, "visible");
    browser.go_to(&last).await;
    browser.card_is(&id, "pending").await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
    daemon.waiters_are(0).await;
}

/// Without TLS a browser keeps much from a page that is not of this machine (no secure context), and
/// the inbox needs none of it.
#[tokio::test]
async fn tabs_on_plain_http_of_another_machine_share_one_stream_too() {
    let daemon = setup().flags("--allow-host pushd.example").start();
    let url = format!("http://pushd.example:{}", daemon.address().port());
    let browser = Browser::start_with(&["--host-resolver-rules=MAP pushd.example 127.0.0.1"]).await;
    let id = daemon.ask("Deploy?").await;
    for _ in 0..3 {
        browser.new_tab().await;
        browser.open(&url).await;
        browser.card_is(&id, "pending").await;
        browser.is_live().await;
    }
    assert_eq!(
        browser.run("return isSecureContext", json!([])).await,
        false
    );
    daemon.subscribers_are(1).await;
    // There is no notification to be had, but the button is there for the sound.
    browser.press_on("#notify").await;
    browser.says("#notify", "Alerts on").await;
    let second = daemon.ask("Second?").await;
    browser.card_is(&second, "pending").await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
}
