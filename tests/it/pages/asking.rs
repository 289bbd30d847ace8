//! The page that asks.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::until::until;

#[tokio::test]
async fn a_form_asks_once_whatever_happens_and_shows_the_outcome() {
    let daemon = setup().start();
    // The first ask arrives and its answer is lost; the second meets a proxy without a backend.
    let asks = std::sync::atomic::AtomicUsize::new(0);
    let front = Front::before(&daemon, move |_, line| {
        if !line.starts_with("POST /v1/requests ") {
            return Way::Through;
        }
        match asks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Way::AnswerLost,
            1 => BAD_GATEWAY,
            _ => Way::Through,
        }
    })
    .await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/ask", front.url())).await;
    browser
        .until(
            "the page to work",
            "return document.getElementById('title').maxLength === 200",
        )
        .await;
    browser.type_into("#title", "Deploy from a form?").await;
    browser.type_into("#details", "one\ntwo").await;
    browser.press_on("#add-field").await;
    browser
        .type_into("#fields input[name=name]", "service")
        .await;
    browser.type_into("#fields input[name=value]", "shop").await;
    browser.type_into("#topic", "deploy/prod").await;
    browser.press_on("#ask [type=submit]").await;
    let id = daemon.the_pending_one().await;
    browser.says("#asked-link", &id).await;
    let request = daemon.read(&id).await;
    assert_eq!(request["title"], "Deploy from a form?");
    assert_eq!(request["details"], "one\ntwo");
    assert_eq!(request["topic"], "deploy/prod");
    assert_eq!(
        request["fields"],
        json!([{"name": "service", "value": "shop"}])
    );
    browser.says("#polls", "Poll 1").await;
    browser.says("#progress", "59 min left").await;

    // The daemon goes and comes back, and so does the page: it is the same request.
    let daemon = daemon.crash_and_restart();
    let reload = "location.reload(); return true";
    browser.run(reload, json!([])).await;
    browser.says("#asked-link", &id).await;
    daemon.waiters_are(1).await;
    let deny = json!({"verdict": "deny", "reason": "frozen"});
    assert_eq!(daemon.deciding(&id, &deny).await.status, 200);
    browser.says("#outcome", "Denied by local").await;
    browser.says("#given", "frozen").await;
    assert_eq!(daemon.requests().await.len(), 1, "it was asked once");

    // Another one, which is withdrawn.
    browser.press_on("#again").await;
    browser.type_into("#title", "Never mind?").await;
    browser.press_on("#ask [type=submit]").await;
    let id = daemon.the_pending_one().await;
    browser.says("#asked-link", &id).await;
    browser.press_on("#cancel").await;
    browser.says("#outcome", "Cancelled by its requester").await;
    assert_eq!(daemon.read(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn what_the_daemon_refuses_is_told_and_can_be_mended() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/ask").await;
    browser
        .until(
            "the page to work",
            "return document.getElementById('title').maxLength === 200",
        )
        .await;
    browser.type_into("#title", "Too much?").await;
    let much = "document.getElementById('details').value = 'x'.repeat(70000)";
    browser.run(much, json!([])).await;
    browser.press_on("#ask [type=submit]").await;
    browser.says("#refused", "at most 65536 are taken").await;
    browser
        .run("document.getElementById('details').value = ''", json!([]))
        .await;
    browser.press_on("#ask [type=submit]").await;
    let id = daemon.the_pending_one().await;
    browser.says("#asked-link", &id).await;
    daemon.approve(&id).await;
    browser.says("#outcome", "Approved by local").await;
    until("no poll to be held", async || {
        (daemon.metric("pushd_waiters").await == 0).then_some(())
    })
    .await;
}
