//! The form that takes a token.

use serde_json::json;

use super::{Browser, town};
use crate::until::until;

#[tokio::test]
async fn somebody_logs_in_and_decides_under_their_own_name() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let browser = Browser::at(&daemon, &format!("/r/{id}")).await;
    // The page has nothing for nobody, and the way back is kept.
    browser.is_at(&format!("/login?next=%2Fr%2F{id}")).await;
    browser.give_token(people.token_of("alice")).await;
    browser.is_at(&format!("/r/{id}")).await;
    browser.says(".tools .caller", "alice").await;
    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "approved").await;
    assert!(text.contains("Approved by alice"), "{text}");
    let call = daemon.get(&format!("/v1/requests/{id}"));
    let request = people.by("ci", call).await.json();
    let decision = &request["decisions"][0];
    assert_eq!(decision["approver"]["principal"], "alice", "{request}");

    // Whoever is logged in is told so, and asked for nothing.
    browser.open(&format!("{}/login", daemon.url())).await;
    browser.says("#inside", "You are logged in as alice.").await;
    browser.says("#rights", "Roles: approver. Topics: *.").await;
    assert_eq!(browser.text("#login").await, "");
    browser.press_on("#on").await;
    browser.is_at("/").await;
    // The token is nowhere but in the cookie, which no script can read.
    let kept =
        "return JSON.stringify([document.cookie, localStorage, sessionStorage, location.href,
        document.documentElement.outerHTML, history.state])";
    let kept = browser.run(kept, json!([])).await;
    assert!(!kept.as_str().unwrap().contains("pushd_"), "{kept}");
    assert!(!daemon.log().contains("pushd_"), "{}", daemon.log());
    browser.is_content().await;
}

#[tokio::test]
async fn a_token_that_does_not_count_is_refused_in_words_and_can_be_typed_again() {
    let (daemon, mut people) = town();
    let expired = people.create("eve", &["--role", "approver", "--expires", "1s"]);
    until("the token to expire", async || {
        let reply = people.by("eve", daemon.get("/v1/me")).await;
        (reply.status == 401).then_some(())
    })
    .await;
    let browser = Browser::at(&daemon, "/login").await;
    let stranger = format!("pushd_{}", "a".repeat(52));
    for (token, words) in [
        ("nonsense", "Not logged in: a token is"),
        (&stranger, "Not logged in: this token is not known here"),
        (&expired, "Not logged in: this token has expired"),
    ] {
        browser.give_token(token).await;
        browser.says("#said", words).await;
        assert!(!browser.text("#said").await.contains(token), "{words}");
        let ready = "return !document.querySelector('#login [type=submit]').disabled
            && document.activeElement.id === 'token' && getSelection().toString().length >= 0";
        browser.until("the form to be ready", ready).await;
        let clear = "document.getElementById('token').value = ''";
        browser.run(clear, json!([])).await;
        assert_eq!(browser.caller().await, "unauthenticated");
    }
    // By the keyboard alone: the focus is in the field, and Enter sends.
    let token = json!({ "text": people.token_of("alice") });
    browser.devtools("Input.insertText", token).await;
    browser.key("\u{e007}").await;
    browser.is_at("/").await;
    assert_eq!(browser.caller().await, "alice");
}

/// A link of a stranger's may have any text in `next`.
#[tokio::test]
async fn a_login_leads_to_a_page_of_ours_and_nowhere_else() {
    let (daemon, people) = town();
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    for (next, path) in [
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/r/../../evil", "/"),
        ("/%2f/evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/login?next=/ask", "/"),
        ("/v1/requests", "/"),
        ("/ask?x#y", "/"),
        ("/ask\n", "/"),
        ("/ask", "/ask"),
        ("/r/abc234", "/r/abc234"),
    ] {
        let query = next.bytes().map(|byte| format!("%{byte:02x}"));
        let query: String = query.collect();
        let url = format!("{}/login?next={query}", daemon.url());
        browser.open(&url).await;
        browser.says("#inside", "You are logged in as alice").await;
        browser.press_on("#on").await;
        browser
            .until("the next page", "return location.pathname !== '/login'")
            .await;
        let href = browser.run("return location.href", json!([])).await;
        assert_eq!(href, format!("{}{path}", daemon.url()), "{next:?}");
    }
}

#[tokio::test]
async fn where_nobody_is_known_nobody_logs_in_or_out() {
    let daemon = crate::daemon::setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::at(&daemon, "/login").await;
    browser.says("#inside", "knows no tokens").await;
    assert_eq!(browser.text("#login").await, "");
    assert_eq!(browser.text("#out").await, "");
    browser.press_on("#on").await;
    browser.card_is(&id, "pending").await;
    assert_eq!(browser.text(".tools .caller").await, "");
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
    browser.is_content().await;
}
