//! The demonstration's story in a real browser: A polls from one window, D answers in another.

use serde_json::{Value, json};

use super::{classic, pages};
use crate::browser::Browser;
use crate::until::until;

/// Waits until the page says this.
async fn says(browser: &Browser, state: &str) {
    let script = format!("return document.getElementById('state').textContent === '{state}'");
    browser
        .until(&format!("the page to say {state:?}"), &script)
        .await;
}

async fn click(browser: &Browser, button: &str) {
    let script = "document.getElementById(arguments[0]).click()";
    browser.run(script, json!([button])).await;
}

/// Clicks until the answer counts: a question that follows another one is too young for it at
/// first, and nobody clicks as fast as this test.
async fn decide(browser: &Browser, word: &str) {
    until("an answer that counts", async || {
        let forget = "document.getElementById('state').textContent = ''";
        browser.run(forget, json!([])).await;
        click(browser, word).await;
        let said = "return document.getElementById('state').textContent || null";
        let said = browser.until("an answer", said).await;
        (said == "200").then_some(())
    })
    .await;
}

/// Opens D's page, waits until it has heard of the question, and answers it.
async fn answer(browser: &Browser, url: &str, word: &str) {
    browser.open(url).await;
    let shown = "return !document.getElementById('ask').hidden";
    browser.until("D to hear of the question", shown).await;
    decide(browser, word).await;
}

#[tokio::test]
async fn the_demonstrations_pages_work_unchanged() {
    let daemon = classic();
    let ((_a_server, a_url), (d_server, d_url)) =
        tokio::join!(pages::of_a(&daemon), pages::of_d(&daemon));
    let (a, d) = tokio::join!(Browser::start(), Browser::start());

    // A resends twice, D comes later than A, and says yes.
    a.open(&a_url).await;
    click(&a, "go").await;
    let id = daemon.question().await;
    says(&a, "sent 3").await;
    assert_eq!(daemon.question().await, id, "resends ask nothing");
    answer(&d, &d_url, "yes").await;
    says(&a, "yes").await;
    assert_eq!(daemon.read(&id).await["status"], "approved");

    // D is there before A, and says no.
    d.open(&d_url).await;
    click(&a, "go").await;
    let shown = "return !document.getElementById('ask').hidden";
    d.until("D to hear of the question", shown).await;
    decide(&d, "no").await;
    says(&a, "no").await;

    // The answer comes between two polls.
    click(&a, "go").await;
    daemon.waiters_are(1).await;
    a.run("window.stop()", json!([])).await;
    daemon.waiters_are(0).await;
    answer(&d, &d_url, "yes").await;
    click(&a, "go").await;
    says(&a, "yes").await;

    // Nothing else was asked, and D's page has listened once each time.
    assert_eq!(daemon.all_pending().await, Vec::<Value>::new());
    let calls = d_server.calls();
    let count = |path: &str| calls.iter().filter(|line| line.contains(path)).count();
    assert_eq!(count("/ensure"), 3, "{calls:?}");
}
