//! One request alone, on a phone.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::programs::Requester;
use crate::pty::Pty;
use crate::qr::decoded;
use crate::until::until;

/// Whether nothing of the page is wider than the window.
pub(super) const FITS: &str =
    "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";

#[tokio::test]
async fn a_phone_opens_the_link_sees_the_request_and_approves_it() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["-m", "Deploy?", "-d", "one\ntwo"]);
    let id = daemon.the_pending_one().await;
    let browser = Browser::start().await;
    browser.resize(360, 740).await;
    browser.open(&format!("{}/r/{id}", daemon.url())).await;
    let text = browser.card_is(&id, "pending").await;
    assert!(text.contains("Deploy?") && text.contains("two"), "{text}");
    until("the daemon to know that it was opened", async || {
        let request = daemon.read(&id).await;
        request["seen_by"][0]["by"]["principal"].as_str().map(drop)
    })
    .await;
    browser.resize(320, 568).await;
    assert_eq!(browser.run(FITS, json!([])).await, true);
    let height = "return document.querySelector('.approve').getBoundingClientRect().height";
    let height = browser.run(height, json!([])).await.as_f64().unwrap();
    assert!(height >= 48.0, "a thumb needs more than {height} px");
    browser.decide(&id, "approve").await;
    assert_eq!(requester.left().await.code, Some(0));
    browser.card_is(&id, "approved").await;
    browser.says("#done", "you can close the page").await;
    browser.says("title", "").await;
    browser
        .until(
            "the title to tell",
            "return document.title === 'Approved: Deploy? · pushd'",
        )
        .await;
    let steps =
        "return [...document.querySelectorAll('#steps li')].map((step) => step.dataset.what)";
    assert_eq!(
        browser.run(steps, json!([])).await,
        json!(["asked", "seen", "approved"])
    );
    // Nothing is left to wait for, so nothing is held.
    daemon.waiters_are(0).await;
    browser.is_content().await;
}

/// A title may say anything, such as the mark that a tab once had for what is approved.
#[tokio::test]
async fn no_title_makes_the_tab_of_a_pending_request_look_settled() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    for title in ["✓ Deploy?", "Approved: Deploy?", "Deploy? · pushd"] {
        let id = daemon.ask(title).await;
        browser.open(&format!("{}/r/{id}", daemon.url())).await;
        browser.card_is(&id, "pending").await;
        let tab = || browser.run("return document.title", json!([]));
        assert_eq!(tab().await, format!("Waiting: {title} · pushd"));
        daemon.deciding(&id, &json!({"verdict": "deny"})).await;
        browser.card_is(&id, "denied").await;
        assert_eq!(tab().await, format!("Denied: {title} · pushd"));
    }
}

/// The whole way of a phone: the code on the script's terminal, the link that it holds, the page.
#[tokio::test]
async fn a_phone_that_reads_the_code_on_the_terminal_can_approve() {
    let mut daemon = setup().start();
    let port = daemon.address().port();
    daemon.crash();
    let public = format!("--public-url http://pushd.example:{port}");
    let daemon = daemon.again().flags(&public).start();
    let (url, size) = (daemon.url(), (50, 100));
    let args = ["--url", &url, "-m", "Deploy?", "--qr"];
    let mut terminal = Pty::run_sized(env!("CARGO_BIN_EXE_requester"), &args, &[], size);
    let id = daemon.the_pending_one().await;
    terminal.wait_for(&format!("page: http://pushd.example:{port}/r/{id}"));
    let dark = 0;
    let codes = decoded(&terminal.bytes(), size, dark);
    let [link] = codes.as_slice() else {
        panic!("not one code: {codes:?}");
    };
    let browser = Browser::start_with(&["--host-resolver-rules=MAP pushd.example 127.0.0.1"]).await;
    browser.resize(360, 740).await;
    browser.open(link).await;
    browser.card_is(&id, "pending").await;
    terminal.wait_for("opened by local");
    browser.decide(&id, "approve").await;
    assert_eq!(terminal.exit_code(), 0);
}

#[tokio::test]
async fn what_happens_elsewhere_is_shown_and_a_hidden_page_holds_no_connection() {
    let daemon = setup().start();
    let id = daemon.ask("Decided elsewhere?").await;
    let browser = Browser::at(&daemon, &format!("/r/{id}")).await;
    let page = browser
        .run("return document.visibilityState", json!([]))
        .await;
    assert_eq!(page, "visible");
    browser.card_is(&id, "pending").await;
    daemon.waiters_are(1).await;
    let front = browser.new_tab().await;
    daemon.waiters_are(0).await;
    let deny = json!({"verdict": "deny", "reason": "not today"});
    assert_eq!(daemon.deciding(&id, &deny).await.status, 200);
    browser
        .open(&format!("{}/r/{}", daemon.url(), "a".repeat(26)))
        .await;
    browser.says("#missing", "There is no such request.").await;
    browser.close(&front).await;
    browser.go_to_first().await;
    let text = browser.card_is(&id, "denied").await;
    assert!(text.contains("not today"), "{text}");
}
