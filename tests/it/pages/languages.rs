//! The pages in the reader's language.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

#[tokio::test]
async fn the_browsers_preference_chooses_the_language() {
    let daemon = setup().start();
    let id = daemon.ask("部署？").await;
    let browser = Browser::start().await;
    let still = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.devtools("Emulation.setEmulatedMedia", still).await;
    for (preference, language, approve) in [
        ("en-GB,zh-CN", "en", "Approve"),
        ("zh-CN,en", "zh-Hans", "批准"),
        ("zh-TW,zh-CN", "zh-Hant", "核准"),
        ("zh-Hant-HK", "zh-Hant", "核准"),
        ("zh-Hans-TW", "zh-Hans", "批准"),
        ("fr,zh-HK,en", "zh-Hant", "核准"),
        ("fr,de", "en", "Approve"),
    ] {
        let agent = json!({"userAgent": "test", "acceptLanguage": preference});
        browser
            .devtools("Emulation.setUserAgentOverride", agent)
            .await;
        browser.open(&daemon.url()).await;
        browser.card_is(&id, "pending").await;
        let shown = browser
            .run("return document.documentElement.lang", json!([]))
            .await;
        assert_eq!(shown, language, "{preference}");
        assert_eq!(
            browser.text(".card .approve").await,
            approve,
            "{preference}"
        );
        // No text of ours is missing: keys are lower-case words with dashes.
        let bare = "return [...document.querySelectorAll('[data-t]')].map((it) => it.textContent)
            .filter((text) => /^[a-z]+(-[a-z]+)+$/.test(text))";
        assert_eq!(
            browser.run(bare, json!([])).await,
            json!([]),
            "{preference}"
        );
        browser.screenshot(&format!("inbox-{language}")).await;
    }
    browser.is_content().await;
}
