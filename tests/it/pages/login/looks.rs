//! How the login page looks, for eyes and for programs that read it aloud.

use serde_json::json;

use super::super::looks::{axe, look};
use super::{Browser, town};

#[tokio::test]
async fn nothing_serious_is_wrong_with_logging_in_and_out() {
    let (daemon, mut people) = town();
    let long = "somebody.with.a.long.name@a-long-name-of-a-company.example";
    people.create(long, &["--role", "approver,requester,observer,admin"]);
    daemon.asked_by(&people, "ci", "deploy/prod").await;
    let axe = axe();
    let browser = Browser::start().await;
    let mut found = Vec::new();
    for name in [
        "form",
        "refused",
        "confirm",
        "inside",
        "inbox",
        "may-not",
        "may-not-ask",
    ] {
        browser.theme("light").await;
        match name {
            "form" => {
                browser.open(&format!("{}/login", daemon.url())).await;
                browser.says("#login", "Your token").await;
            }
            "refused" => {
                browser.give_token("nonsense").await;
                browser.says("#said", "Not logged in").await;
            }
            "confirm" => {
                let token = people.token_of("alice").to_owned();
                browser.log_in(&daemon, &token).await;
                let link = format!("{}/login#token={}", daemon.url(), people.token_of(long));
                browser.open(&link).await;
                browser.says("#instead", "alice").await;
            }
            "inside" => {
                browser.log_out_and_in(&daemon, people.token_of(long)).await;
                browser.open(&format!("{}/login", daemon.url())).await;
                browser.says("#inside", "You are logged in").await;
            }
            "inbox" => {
                browser.open(&daemon.url()).await;
                browser.says(".tools .caller", "somebody").await;
                browser.says(".card .approve", "Approve").await;
            }
            "may-not" => {
                browser
                    .log_out_and_in(&daemon, people.token_of("olga"))
                    .await;
                browser.says(".card .may-not", "takes an approver").await;
            }
            _ => {
                browser.open(&format!("{}/ask", daemon.url())).await;
                browser.says("#may-not", "takes a requester").await;
            }
        }
        for theme in ["light", "dark"] {
            browser.theme(theme).await;
            found.extend(look(&browser, &axe, &format!("login-{name}-{theme}")).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

impl Browser {
    async fn log_out_and_in(&self, daemon: &super::Daemon, token: &str) {
        self.devtools("Network.clearBrowserCookies", json!({}))
            .await;
        self.log_in(daemon, token).await;
    }
}

#[tokio::test]
async fn the_login_page_speaks_three_languages_and_says_what_to_do_without_javascript() {
    let (daemon, _) = town();
    let browser = Browser::start().await;
    for (preference, words) in [
        ("en", "Your token"),
        ("zh-CN", "您的令牌"),
        ("zh-TW", "您的權杖"),
    ] {
        let agent = json!({"userAgent": "test", "acceptLanguage": preference});
        browser
            .devtools("Emulation.setUserAgentOverride", agent)
            .await;
        browser.open(&format!("{}/login", daemon.url())).await;
        browser.says("#login", words).await;
        browser.screenshot(&format!("login-{preference}")).await;
    }
    let off = json!({"value": true});
    browser
        .devtools("Emulation.setScriptExecutionDisabled", off)
        .await;
    browser.open(&format!("{}/login", daemon.url())).await;
    let text = browser.text(".notice").await;
    assert!(
        text.contains("needs JavaScript") && text.contains("curl"),
        "{text}"
    );
    assert_eq!(browser.text("main").await, "");
}
