//! A link, or its QR code, that brings a token to a phone.

use serde_json::json;

use super::{Browser, Daemon, People, town};
use crate::pty::Pty;
use crate::qr::decoded;

fn link(daemon: &Daemon, token: &str) -> String {
    format!("{}/login#token={token}", daemon.url())
}

#[tokio::test]
async fn a_phone_scans_the_code_of_a_new_token_and_is_logged_in_after_one_click() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let (url, file) = (daemon.url(), people.file.to_str().unwrap().to_owned());
    let args = [
        "token", "create", "--name", "dora", "--role", "approver", "--qr",
    ];
    let args = [&args[..], &["--public-url", &url, "--tokens", &file]].concat();
    let size = (50, 120);
    let terminal = Pty::run_sized(env!("CARGO_BIN_EXE_pushd"), &args, &[], size);
    terminal.wait_for("/login#token=");
    let mut terminal = terminal;
    assert_eq!(terminal.exit_code(), 0);
    let texts = decoded(&terminal.bytes(), size, 0);
    let [scanned] = &texts[..] else {
        panic!("{texts:?}")
    };
    let (page, token) = scanned.split_once("#token=").unwrap();
    assert_eq!(page, format!("{url}/login"));
    assert!(
        terminal.text().contains(token),
        "it is the token that was printed"
    );

    let phone = Browser::start().await;
    phone.resize(390, 844).await;
    phone.open(scanned).await;
    phone
        .says("#question", "Log in on this device as dora?")
        .await;
    phone.is_at("/login").await;
    confirm(&phone).await;
    phone.is_at("/").await;
    phone.decide(&id, "approve").await;
    let text = phone.card_is(&id, "approved").await;
    assert!(text.contains("Approved by dora"), "{text}");
    // Nor does the browser know any more what was typed, or scanned, to come here.
    let history = phone.devtools("Page.getNavigationHistory", json!({})).await;
    assert!(!history.to_string().contains("token="), "{history}");
    phone.is_content().await;
}

/// Presses the button that logs in, until it takes it: it has to have been in its place for a while.
async fn confirm(browser: &Browser) {
    crate::until::until("the confirmation to be taken", async || {
        browser.press_on("#yes").await;
        let left = "return location.pathname !== '/login'";
        (browser.run(left, json!([])).await == true).then_some(())
    })
    .await;
}

/// The addresses in the history of the tab.
async fn urls(browser: &Browser) -> Vec<String> {
    let history = browser
        .devtools("Page.getNavigationHistory", json!({}))
        .await;
    let entries = history["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["url"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_secret_of_a_link_leaves_address_and_history_before_anything_is_asked() {
    let (daemon, people) = town();
    let browser = Browser::start().await;
    // Everything that the page may fetch fails, so nothing but its first module can have run.
    let blocked = json!({"urls": ["*/assets/entering.js", "*/v1/*"]});
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.setBlockedURLs", blocked).await;
    browser.open(&link(&daemon, people.token_of("alice"))).await;
    browser.is_at("/login").await;
    for url in urls(&browser).await {
        assert!(!url.contains("token"), "{url}");
    }
    let none = json!({"urls": []});
    browser.devtools("Network.setBlockedURLs", none).await;

    // The same with a link that is opened in a tab that has the page already.
    browser.open(&format!("{}/login", daemon.url())).await;
    browser.says("#login", "Your token").await;
    let go = "location.hash = `#token=${arguments[0]}`";
    browser.run(go, json!([people.token_of("bob")])).await;
    browser
        .says("#question", "Log in on this device as bob?")
        .await;
    browser.is_at("/login").await;
    let kept = "return JSON.stringify([document.cookie, localStorage, sessionStorage,
        document.documentElement.outerHTML, history.state])";
    let kept = browser.run(kept, json!([])).await;
    let secret = people.token_of("bob");
    assert!(!kept.as_str().unwrap().contains(secret), "{kept}");
    for url in urls(&browser).await {
        assert!(!url.contains("token"), "{url}");
    }
}

/// Login CSRF: a stranger's link that logs one in as the stranger would have one's decisions made
/// in the stranger's name, and what one asks shown to them.
#[tokio::test]
async fn a_link_logs_nobody_in_by_itself_and_says_whose_token_it_brings() {
    let (daemon, mut people) = town();
    let mallory = people.create("mallory", &["--role", "approver"]);
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser.open(&link(&daemon, &mallory)).await;
    browser.says("#question", "as mallory?").await;
    browser
        .says("#instead", "You are logged in as alice so far")
        .await;
    assert_eq!(browser.caller().await, "alice");
    // A key or a click that was on its way when the page came does not count.
    browser.key("\u{e007}").await;
    browser
        .run("document.getElementById('yes').click()", json!([]))
        .await;
    browser.says("#said", "Press it again").await;
    assert_eq!(browser.caller().await, "alice");
    browser.press_on("#no").await;
    browser.says("#inside", "You are logged in as alice.").await;
    assert_eq!(browser.caller().await, "alice");
    let history = browser
        .devtools("Page.getNavigationHistory", json!({}))
        .await;
    assert!(!history.to_string().contains("token="), "{history}");

    people.revoke("mallory");
    let stranger = People::token_of(&people, "mallory");
    crate::until::until("the token to be revoked", async || {
        let reply = people.by("mallory", daemon.get("/v1/me")).await;
        (reply.status == 401).then_some(())
    })
    .await;
    browser.open("about:blank").await;
    browser.open(&link(&daemon, stranger)).await;
    browser
        .says("#said", "This link logs nobody in: this token is not known")
        .await;
    assert_eq!(browser.caller().await, "alice");
}
