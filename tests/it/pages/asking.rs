//! The page that asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::until::until;

/// Opens the form and waits until it works.
async fn form(browser: &Browser, url: &str) {
    browser.open(&format!("{url}/ask")).await;
    let works = "return document.getElementById('title').maxLength === 200";
    browser.until("the page to work", works).await;
}

async fn ask(browser: &Browser, title: &str) {
    browser.type_into("#title", title).await;
    browser.press_on("#ask [type=submit]").await;
}

/// Presses a button until it takes that: for half a second after it has come to its place, it does
/// not.
async fn press_until(browser: &Browser, button: &str, taken: &str) {
    let taken = format!(
        "const form = document.getElementById('ask');
         const cancel = document.getElementById('cancel');
         return {taken}"
    );
    until(&format!("{button} to be taken"), async || {
        browser.press_on(button).await;
        (browser.run(&taken, json!([])).await == true).then_some(())
    })
    .await;
}

/// Whether a call asks.
fn is_ask(line: &str) -> bool {
    line.starts_with("POST /v1/requests ")
}

#[tokio::test]
async fn a_form_asks_once_whatever_happens_and_shows_the_outcome() {
    let daemon = setup().start();
    // The first ask arrives and its answer is lost; the second meets a proxy without a backend.
    let asks = AtomicUsize::new(0);
    let front = Front::before(&daemon, move |_, line| {
        if !is_ask(line) {
            return Way::Through;
        }
        match asks.fetch_add(1, Ordering::SeqCst) {
            0 => Way::AnswerLost,
            1 => BAD_GATEWAY,
            _ => Way::Through,
        }
    })
    .await;
    let browser = Browser::start().await;
    form(&browser, &front.url()).await;
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
    press_until(&browser, "#again", "!form.hidden").await;
    browser.type_into("#title", "Never mind?").await;
    browser.press_on("#ask [type=submit]").await;
    let id = daemon.the_pending_one().await;
    browser.says("#asked-link", &id).await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#outcome", "Cancelled by its requester").await;
    assert_eq!(daemon.read(&id).await["status"], "cancelled");
}

#[tokio::test]
async fn what_the_daemon_refuses_is_told_and_can_be_mended() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    form(&browser, &daemon.url()).await;
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

/// A cancellation whose answer is slow must not be sent again for what is asked next: it once read
/// which request it was for anew after each wait.
#[tokio::test]
async fn an_old_cancellation_never_reaches_the_next_request() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    form(&browser, &daemon.url()).await;
    // Cancellations go nowhere until the test lets them fail, as if the network were slow.
    let slow = "
        const send = window.fetch;
        window.cancelled = [];
        window.fail = null;
        window.fetch = (url, options) => {
            if (options?.method !== 'DELETE') return send(url, options);
            window.cancelled.push(String(url));
            if (window.cancelled.length > 1) return send(url, options);
            return new Promise((_, fail) => { window.fail = () => fail(new TypeError('cut')); });
        };";
    browser.run(slow, json!([])).await;
    ask(&browser, "First?").await;
    let first = daemon.the_pending_one().await;
    browser.says("#asked-link", &first).await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser
        .until("the cancellation to be sent", "return window.fail !== null")
        .await;
    let deny = json!({"verdict": "deny"});
    assert_eq!(daemon.deciding(&first, &deny).await.status, 200);
    browser.says("#outcome", "Denied by local").await;
    press_until(&browser, "#again", "!form.hidden").await;
    ask(&browser, "Second?").await;
    let second = daemon.the_pending_one().await;
    browser.says("#asked-link", &second).await;
    browser.run("window.fail()", json!([])).await;
    // Longer than the first pause after a failure.
    browser.rests(700).await;
    assert_eq!(
        browser.run("return window.cancelled", json!([])).await,
        json!([format!("/v1/requests/{first}")])
    );
    assert_eq!(daemon.read(&second).await["status"], "pending");
    browser.says("#progress", "left").await;
    // The button is the second one's own, and it works.
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#outcome", "Cancelled by its requester").await;
    assert_eq!(daemon.read(&second).await["status"], "cancelled");
}

#[tokio::test]
async fn what_is_stopped_while_it_is_sent_is_found_and_cancelled() {
    let daemon = setup().start();
    // The ask arrives, its answer is lost, and then there is no daemon to be had for a while.
    let asks = AtomicUsize::new(0);
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let front = Front::before(&daemon, move |_, line| {
        if !is_ask(line) {
            return Way::Through;
        }
        if asks.fetch_add(1, Ordering::SeqCst) == 0 {
            return Way::AnswerLost;
        }
        if is_away.load(Ordering::SeqCst) {
            BAD_GATEWAY
        } else {
            Way::Through
        }
    })
    .await;
    let browser = Browser::start().await;
    form(&browser, &front.url()).await;
    ask(&browser, "Never mind?").await;
    let id = daemon.the_pending_one().await;
    browser.says("#said", "attempt").await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#said", "Cancelling again").await;
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // A reload forgets neither the question nor that it is not wanted any more.
    browser.run("location.reload()", json!([])).await;
    browser.says("#said", "Cancelling again").await;
    away.store(false, Ordering::SeqCst);
    browser.says("#outcome", "Cancelled by its requester").await;
    assert_eq!(daemon.read(&id).await["status"], "cancelled");
    assert_eq!(daemon.requests().await.len(), 1, "it was asked once");
}

#[tokio::test]
async fn what_cannot_be_cancelled_in_time_is_said_to_be_there_perhaps() {
    let daemon = setup().start();
    let asks = AtomicUsize::new(0);
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let front = Front::before(&daemon, move |_, line| {
        if line.starts_with("GET ") || !is_away.load(Ordering::SeqCst) {
            return Way::Through;
        }
        if is_ask(line) && asks.fetch_add(1, Ordering::SeqCst) == 0 {
            return Way::AnswerLost;
        }
        BAD_GATEWAY
    })
    .await;
    let browser = Browser::start().await;
    form(&browser, &front.url()).await;
    // The page's own clock, which the test sets forward instead of waiting for half a minute.
    let clock = "
        const now = performance.now.bind(performance);
        window.ahead = 0;
        performance.now = () => now() + window.ahead;";
    browser.run(clock, json!([])).await;
    ask(&browser, "Deploy?").await;
    let id = daemon.the_pending_one().await;
    browser.says("#said", "attempt").await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#said", "Cancelling again").await;
    browser.run("window.ahead = 60000", json!([])).await;
    browser.says("#said", "may be there all the same").await;
    assert_eq!(browser.text("#outcome").await, "");
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // It can be tried again, once the daemon can be reached.
    away.store(false, Ordering::SeqCst);
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#outcome", "Cancelled by its requester").await;
    assert_eq!(daemon.read(&id).await["status"], "cancelled");
}

/// What has certainly not arrived needs no cancelling: the page says so at once.
#[tokio::test]
async fn what_never_arrived_is_stopped_and_nothing_more() {
    let daemon = setup().start();
    let full = Way::Page(
        "503 Service Unavailable",
        "application/problem+json",
        r#"{"status":503,"code":"too_many_pending","detail":"Too many requests wait."}"#,
    );
    let front = Front::before(
        &daemon,
        move |_, line| {
            if is_ask(line) { full } else { Way::Through }
        },
    )
    .await;
    let browser = Browser::start().await;
    form(&browser, &front.url()).await;
    ask(&browser, "Deploy?").await;
    browser.says("#said", "Too many requests wait.").await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    until("the form to be back", async || {
        (browser.text("#refused").await == "Stopped.").then_some(())
    })
    .await;
    assert_eq!(daemon.requests().await.len(), 0);
    // What was typed is still there, to be asked again.
    let title = "return document.getElementById('title').value";
    assert_eq!(browser.run(title, json!([])).await, "Deploy?");
    // After a reload nobody knows any more what has arrived before it.
    browser.press_on("#ask [type=submit]").await;
    browser.says("#said", "Too many requests wait.").await;
    browser.run("location.reload()", json!([])).await;
    browser.says("#said", "Too many requests wait.").await;
    press_until(
        &browser,
        "#cancel",
        "cancel.disabled || cancel.hidden || !form.hidden",
    )
    .await;
    browser.says("#said", "Cancelling again").await;
}

/// The buttons of this page take each other's places, so a double click would press both.
#[tokio::test]
async fn a_second_click_does_not_press_the_button_that_has_just_come() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    form(&browser, &daemon.url()).await;
    // The second click of two comes with whatever the first has brought.
    let clicks = "
        window.clicked = [];
        const click = (id) => {
            const button = document.getElementById(id);
            if (!button.checkVisibility() || window.clicked.includes(id)) return;
            window.clicked.push(id);
            button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 2 }));
        };
        new MutationObserver(() => {
            click('cancel');
            click('again');
        }).observe(document.getElementById('asked'), { attributeFilter: ['hidden'], subtree: true });";
    browser.run(clicks, json!([])).await;
    ask(&browser, "Deploy?").await;
    let id = daemon.the_pending_one().await;
    browser.says("#asked-link", &id).await;
    assert_eq!(daemon.read(&id).await["status"], "pending");
    let free = "return !document.getElementById('cancel').disabled";
    assert_eq!(browser.run(free, json!([])).await, true);
    daemon.approve(&id).await;
    browser.says("#outcome", "Approved by local").await;
    let clicked = "return window.clicked";
    assert_eq!(
        browser.run(clicked, json!([])).await,
        json!(["cancel", "again"])
    );
    assert_eq!(browser.text("#ask").await, "", "the outcome is still there");
    press_until(&browser, "#again", "!form.hidden").await;
}

#[tokio::test]
async fn a_hidden_form_holds_no_connection_and_its_tab_tells_the_outcome() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    form(&browser, &daemon.url()).await;
    ask(&browser, "✓ Deploy?").await;
    let id = daemon.the_pending_one().await;
    daemon.waiters_are(1).await;
    let title = "return document.title";
    assert_eq!(
        browser.run(title, json!([])).await,
        "Waiting: ✓ Deploy? · pushd"
    );
    let front = browser.new_tab().await;
    daemon.waiters_are(0).await;
    daemon.approve(&id).await;
    browser.close(&front).await;
    browser.go_to_first().await;
    browser.says("#outcome", "Approved by local").await;
    assert_eq!(
        browser.run(title, json!([])).await,
        "Approved: ✓ Deploy? · pushd"
    );
}
