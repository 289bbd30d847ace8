//! Text that does not fit its place.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

/// A key by the name of the driver's protocol.
const END: &str = "\u{e010}";
const TAB: &str = "\u{e004}";

/// What decides may stand at the end of a text, so nothing is hidden without a sign.
#[tokio::test]
async fn what_does_not_fit_says_that_there_is_more_and_the_keyboard_reaches_it() {
    let daemon = setup().start();
    let lines = |count: usize| "line\n".repeat(count) + "the end";
    let asked = json!({"title": "Deploy?", "details": lines(200), "fields": [
        {"name": "short", "value": "one line"},
        {"name": "targets", "value": lines(100)},
    ]});
    let id = daemon.asking(&asked).await.id();
    let browser = Browser::start().await;
    browser.resize(390, 844).await;
    for path in ["/".to_owned(), format!("/r/{id}")] {
        browser.open(&format!("{}{path}", daemon.url())).await;
        browser.card_is(&id, "pending").await;
        // Everything that can scroll in the card, and what is said under it.
        let all = "
            const isLonger = (it) => it.scrollHeight > it.clientHeight + 1
                && getComputedStyle(it).overflowY !== 'visible';
            const found = [...document.querySelectorAll('.card *')].filter(isLonger);
            return found.map((it) => [it.getAttribute('aria-label'), it.tabIndex,
                getComputedStyle(it.nextElementSibling).visibility, it.nextElementSibling.innerText])";
        let more = "More below: scroll to read all of it";
        let expected = json!([
            ["targets", 0, "visible", more],
            ["Details, 201 lines", 0, "visible", more]
        ]);
        crate::until::until("both to say that there is more", async || {
            (browser.run(all, json!([])).await == expected).then_some(())
        })
        .await;
        // The one that fits says nothing, and is no stop for the keyboard.
        let short = "const [short] = document.querySelectorAll('.fields .value');
            return [short.tabIndex, short.nextElementSibling.checkVisibility()]";
        assert_eq!(browser.run(short, json!([])).await, json!([-1, false]));
        let buttons = "return document.querySelector('.card .approve').getBoundingClientRect().top";
        for (n, name) in ["targets", "Details, 201 lines"].into_iter().enumerate() {
            if n == 0 {
                browser
                    .run("document.querySelector('.card .title').focus()", json!([]))
                    .await;
            }
            browser.key(TAB).await;
            let focused = "return document.activeElement.getAttribute('aria-label')";
            assert_eq!(browser.run(focused, json!([])).await, name);
            let before = browser.run(buttons, json!([])).await;
            browser.key(END).await;
            // At the end the sign goes, and nothing moves for it.
            let read = "const sign = document.activeElement.nextElementSibling;
                return getComputedStyle(sign).visibility === 'hidden'";
            browser.until("the end to be reached", read).await;
            assert_eq!(browser.run(buttons, json!([])).await, before);
        }
    }
    browser.is_content().await;
}
