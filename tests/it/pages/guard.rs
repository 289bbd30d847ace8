//! Clicks that were meant for something else.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::front::{BAD_GATEWAY, Front, Way};

/// Moves everything down and clicks a button in the same instant, as if the card had jumped under
/// the pointer.
const JUMP_AND_CLICK: &str = "
    const space = document.createElement('div');
    space.textContent = 'in between';
    document.getElementById('main').prepend(space);
    const button = document.querySelector(arguments[0]);
    button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
    return document.querySelector('.card').dataset.state";

#[tokio::test]
async fn a_click_on_what_has_just_moved_decides_nothing() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    // A card that has just appeared takes no click: it is looked for and clicked in one instant.
    let clicked = "
        window.clicked = null;
        new MutationObserver((changes, observer) => {
            const button = document.querySelector('.card .approve');
            if (!button) return;
            observer.disconnect();
            button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
            window.clicked = document.querySelector('.card').dataset.state;
        }).observe(document.getElementById('waiting'), { childList: true, subtree: true });";
    browser.run(clicked, json!([])).await;
    let id = daemon.ask("Deploy?").await;
    let state = browser.until("the click", "return window.clicked").await;
    assert_eq!(state, "pending");
    browser
        .says(".card .status", "had only just come here")
        .await;
    // It has held still for long enough before it jumps, so that only the jump can be the reason.
    for button in [".card .approve", ".card .deny"] {
        browser.rests(700).await;
        let state = browser.run(JUMP_AND_CLICK, json!([button])).await;
        assert_eq!(state, "pending", "{button}");
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // So it is when the pointer comes from elsewhere, such as from a window above that was closed
    // between two clicks.
    browser.rests(700).await;
    let enters = "
        const enter = new PointerEvent('pointerenter', { pointerType: 'mouse' });
        document.documentElement.dispatchEvent(enter);
        const button = document.querySelector('.card .approve');
        button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
        return document.querySelector('.card').dataset.state";
    assert_eq!(browser.run(enters, json!([])).await, "pending");
    // The very same click counts once it holds still.
    let click = "const button = document.querySelector('.card .approve');
                 button?.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
                 return document.querySelector('.card').dataset.state !== 'pending'";
    browser.until("the click to count", click).await;
    browser.card_is(&id, "approved").await;
}

/// The pill lies on the cards: a second tap that was meant for it must not reach a button below.
/// Nor may it hold up any other button, or whoever asks and cancels in a loop could hold up all.
#[tokio::test]
async fn a_click_on_what_the_pill_has_just_covered_decides_nothing() {
    let daemon = setup().start();
    let first = daemon.ask("First?").await;
    let old = daemon.ask("Old?").await;
    let browser = Browser::start().await;
    browser.resize(390, 420).await;
    browser.open(&daemon.url()).await;
    browser.card_is(&old, "pending").await;
    browser.is_live().await;
    let place = "
        const [from] = arguments;
        const button = () => document.querySelector('.card .approve').getBoundingClientRect();
        scrollBy({ top: button().top + button().height / 2 - from, behavior: 'instant' });
        return Math.round(button().top + button().height / 2);";
    // The click comes in the instant in which the pill comes or goes; nothing else has moved.
    let clicks = "
        window.clicks = [];
        const place = () => document.querySelector('.card .approve')?.getBoundingClientRect().top;
        const before = place();
        window.watch?.disconnect();
        window.watch = new MutationObserver(() => {
            const button = document.querySelector('.card .approve');
            const still = place() === before;
            button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }));
            const { state } = document.querySelector('.card').dataset;
            window.clicks.push([document.getElementById('below').hidden, state, still]);
        });
        window.watch.observe(document.getElementById('below'), { attributeFilter: ['hidden'] });";
    assert_eq!(browser.run(place, json!([384])).await, 384);
    browser.run(clicks, json!([])).await;
    browser.rests(700).await;
    let second = daemon.ask("Second?").await;
    browser.says("#below", "1 new question below").await;
    browser.rests(700).await;
    daemon.approve(&second).await;
    let both = "return window.clicks.length === 2 && window.clicks";
    let clicked = browser.until("the pill to come and go", both).await;
    assert_eq!(
        clicked,
        json!([[false, "pending", true], [true, "pending", true]])
    );
    assert_eq!(daemon.read(&first).await["status"], "pending");
    // The same click counts where the pill does not lie.
    assert_eq!(browser.run(place, json!([200])).await, 200);
    browser.run(clicks, json!([])).await;
    browser.rests(700).await;
    daemon.ask("Third?").await;
    let one = "return window.clicks.length === 1 && window.clicks";
    let clicked = browser.until("the pill to come", one).await;
    assert_eq!(clicked, json!([[false, "sending", true]]));
    browser.card_is(&first, "approved").await;
}

/// A card is seen a second after it has come, when somebody may just be about to press.
#[tokio::test]
async fn being_seen_moves_no_button() {
    let daemon = setup().start();
    // What the page says of it is lost; the test says it when it has looked.
    let front = Front::before(&daemon, |_, line| {
        if line.contains("/seen ") {
            BAD_GATEWAY
        } else {
            Way::Through
        }
    })
    .await;
    for page in ["/", "/r/"] {
        let id = daemon.ask("Deploy?").await;
        let path = page.replace("/r/", &format!("/r/{id}"));
        let browser = Browser::start().await;
        browser.open(&format!("{}{path}", front.url())).await;
        browser.card_is(&id, "pending").await;
        let facts = format!(".card[data-id='{id}'] .known");
        browser.says(&facts, "opened by\nnobody yet").await;
        let place = "const card = document.querySelector(`.card[data-id='${arguments[0]}']`);
                     return card.querySelector('.approve').offsetTop - card.offsetTop";
        let before = browser.run(place, json!([id])).await;
        let seen = daemon.post(&format!("/v1/requests/{id}/seen")).await;
        assert_eq!(seen.status, 204);
        browser.says(&facts, "opened by\nlocal").await;
        assert_eq!(browser.run(place, json!([id])).await, before, "{path}");
    }
}

/// What a daemon says that takes no decision of this one.
const NO: Way = Way::Page(
    "403 Forbidden",
    "application/problem+json",
    r#"{"status":403,"code":"forbidden","detail":"ana is no approver; its roles are: observer"}"#,
);

#[tokio::test]
async fn a_decision_that_fails_says_why_and_can_be_made_again() {
    let daemon = setup().start();
    let decisions = AtomicUsize::new(0);
    let front = Front::before(&daemon, move |_, line| {
        if !line.contains("/decision ") {
            return Way::Through;
        }
        match decisions.fetch_add(1, Ordering::SeqCst) {
            0 => NO,
            1 => Way::AnswerLost,
            2 => BAD_GATEWAY,
            _ => Way::Through,
        }
    })
    .await;
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::start().await;
    browser.open(&front.url()).await;
    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "failed").await;
    assert!(
        text.contains("Nothing was decided. You may not do this: ana is no approver"),
        "{text}"
    );
    // It counts although the answer is lost, and saying it again changes nothing.
    crate::until::until("the other try to be taken", async || {
        browser.press_on(".card .approve").await;
        (browser.card(&id).await != "failed").then_some(())
    })
    .await;
    browser.card_is(&id, "approved").await;
    // The refusal, the lost answer, the proxy, and the daemon: it is sent until it is answered.
    crate::until::until("the decision to be sent again", async || {
        let calls = front.calls();
        let sent = calls.iter().filter(|call| call.contains("/decision "));
        (sent.count() == 4).then_some(())
    })
    .await;
    let decided = daemon.read(&id).await;
    assert_eq!(
        decided["decisions"].as_array().unwrap().len(),
        1,
        "{decided}"
    );
    browser.is_content().await;
}

#[tokio::test]
async fn a_decision_is_for_what_was_on_the_screen() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&id, "pending").await;
    // The call names the version that the page shows.
    let spy = "
        const send = window.fetch;
        window.sent = null;
        window.fetch = (url, options) => {
            if (String(url).endsWith('/decision')) window.sent = JSON.parse(options.body);
            return send(url, options);
        };";
    browser.run(spy, json!([])).await;
    browser.decide(&id, "deny").await;
    browser.card_is(&id, "denied").await;
    let sent = browser.run("return window.sent", json!([])).await;
    assert_eq!(sent, json!({"verdict": "deny", "version": 1}));
}
