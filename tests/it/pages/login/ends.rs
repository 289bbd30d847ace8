//! Logins that end while pages are open.

use serde_json::json;

use super::{Browser, town};

#[tokio::test]
async fn a_token_that_is_revoked_takes_everything_from_all_tabs() {
    let (daemon, mut people) = town();
    people.create("dora", &["--role", "approver"]);
    let pending = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let settled = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let deny = json!({"verdict": "deny"});
    let reply = people.by("alice", daemon.deciding(&settled, &deny)).await;
    assert_eq!(reply.status, 200);
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("dora")).await;
    let mut tabs = Vec::new();
    for path in [
        "/",
        "/",
        &format!("/r/{pending}"),
        &format!("/r/{settled}"),
        "/ask",
    ] {
        tabs.push((browser.new_tab().await, path.to_owned()));
        browser.open(&format!("{}{path}", daemon.url())).await;
        browser.says(".tools .caller", "dora").await;
    }
    browser.go_to(&tabs[0].0).await;
    browser.card_is(&pending, "pending").await;
    people.revoke("dora");
    let asked = |path: &str| format!("/login?next={}", path.replace('/', "%2F"));
    browser.is_at(&asked("/")).await;
    browser.says("#login", "Your token").await;
    assert_eq!(browser.caller().await, "invalid_token");
    // The others learn it from this one, each keeps its way back, and none goes round in circles.
    for (tab, path) in &tabs {
        browser.go_to(tab).await;
        browser.is_at(&asked(path)).await;
        browser.says("#login", "Your token").await;
        let shown = browser
            .run("return document.documentElement.textContent", json!([]))
            .await;
        assert!(!shown.as_str().unwrap().contains("Deploy"), "{shown}");
        assert_eq!(
            browser.run("return history.length", json!([])).await,
            2,
            "{path}"
        );
    }
    // Whoever logs in again in one of them goes on in all.
    browser.give_token(people.token_of("alice")).await;
    for (tab, path) in &tabs {
        browser.go_to(tab).await;
        browser.is_at(path).await;
        browser.says(".tools .caller", "alice").await;
    }
    browser.is_content().await;
}

#[tokio::test]
async fn logging_out_logs_all_tabs_out_and_nothing_comes_back_by_going_back() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser.card_is(&id, "pending").await;
    // Windows, all of which stay in view: they hear of it without being looked at again.
    let single = browser.new_window().await;
    browser.open(&format!("{}/ask", daemon.url())).await;
    browser.open(&format!("{}/r/{id}", daemon.url())).await;
    browser.card_is(&id, "pending").await;
    browser.new_window().await;
    browser.open(&daemon.url()).await;
    browser.card_is(&id, "pending").await;
    browser.press_on(".tools .caller + button").await;
    browser.is_at("/login").await;
    browser.says("#login", "Your token").await;
    assert_eq!(browser.caller().await, "unauthenticated");
    browser.go_to(&single).await;
    browser.is_at(&format!("/login?next=%2Fr%2F{id}")).await;
    browser.run("history.back()", json!([])).await;
    browser.is_at("/login?next=%2Fask").await;
    browser.go_to_first().await;
    browser.is_at("/login?next=%2F").await;
    let cookies = browser.devtools("Network.getAllCookies", json!({})).await;
    assert_eq!(cookies["cookies"], json!([]));
    browser.is_content().await;
}

/// What a page shows and offers is for the one who was logged in when it came.
#[tokio::test]
async fn a_page_begins_anew_when_somebody_else_logs_in() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser.says(".tools .caller", "alice").await;
    browser.card_is(&id, "pending").await;
    browser.new_window().await;
    let link = format!("{}/login#token={}", daemon.url(), people.token_of("olga"));
    browser.open(&link).await;
    crate::until::until("the confirmation to be taken", async || {
        browser.press_on("#yes").await;
        let left = "return location.pathname === '/'";
        (browser.run(left, json!([])).await == true).then_some(())
    })
    .await;
    browser.go_to_first().await;
    browser.says(".tools .caller", "olga").await;
    browser
        .says(".card .may-not", "that takes an approver")
        .await;
    assert_eq!(browser.text(".card .approve").await, "");
}
