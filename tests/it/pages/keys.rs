//! Keys: they decide where the focus has been for a while, and nowhere else.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::until::until;

/// Keys by the names of the driver's protocol.
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";

/// Presses Enter until the button takes it: for half a second after the focus has come, or the
/// button to its place, it does not.
async fn enter_until_taken(browser: &Browser, id: &str) {
    until("the key to be taken", async || {
        browser.key(ENTER).await;
        (browser.card(id).await != "pending").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_keyboard_alone_decides_and_no_single_key_approves() {
    let daemon = setup().start();
    let id = daemon.ask("By keyboard?").await;
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&id, "pending").await;
    // From the reason, where Enter decides nothing, by way of Deny to Approve.
    browser.type_into(&format!("#reason-{id}"), "read it").await;
    browser.key(ENTER).await;
    for key in ["y", "a", " "] {
        browser.key(key).await;
    }
    assert_eq!(browser.card(&id).await, "pending");
    browser.key(TAB).await;
    browser.key(TAB).await;
    let focused = "return document.activeElement.className";
    assert_eq!(browser.run(focused, json!([])).await, "approve");
    let named = "const labels = document.activeElement.getAttribute('aria-labelledby').split(' ');
                 return labels.map((id) => document.getElementById(id).textContent).join(' ')";
    assert_eq!(browser.run(named, json!([])).await, "Approve By keyboard?");
    // A key that was held down already when the focus came here is no answer.
    let repeated = "return document.activeElement.dispatchEvent(
        new KeyboardEvent('keydown', { key: 'Enter', repeat: true, cancelable: true }))";
    assert_eq!(
        browser.run(repeated, json!([])).await,
        false,
        "it is kept from pressing"
    );
    enter_until_taken(&browser, &id).await;
    browser.card_is(&id, "approved").await;
    // The focus has not fallen to the top of the page, nor onto another button.
    assert_eq!(browser.run(focused, json!([])).await, "outcome");
    assert_eq!(
        daemon.read(&id).await["decisions"][0]["reason"],
        "read itya"
    );
}

/// A key that was meant for what had the focus before decides nothing, whatever moved the focus.
#[tokio::test]
async fn a_key_that_comes_with_the_focus_decides_nothing() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::at(&daemon, &format!("/r/{id}")).await;
    browser.card_is(&id, "pending").await;
    browser.rests(700).await;
    // The focus jumps onto a button, and the very next thing is a key on it: the browser makes a
    // click of it that counts no presses. So it is for a press without any focus.
    let press = "
        const [verdict, focuses] = arguments;
        const button = document.querySelector(`.card .${verdict}`);
        document.activeElement.blur();
        if (focuses) button.focus();
        button.click();
        return [document.querySelector('.card').dataset.state, document.querySelector('.status').innerText,
                document.activeElement === button]";
    let said = "The focus had only just come here, so the key does not count. Press it again.";
    for verdict in ["approve", "deny"] {
        for focuses in [true, false] {
            let pressed = browser.run(press, json!([verdict, focuses])).await;
            assert_eq!(
                pressed,
                json!(["pending", said, true]),
                "{verdict} {focuses}"
            );
        }
    }
    // So it is when the whole window gets the focus again, as after a dialogue of another program.
    browser.rests(700).await;
    let window = "
        const button = document.querySelector('.card .deny');
        button.focus();
        window.dispatchEvent(new FocusEvent('focus'));
        button.click();
        return document.querySelector('.card').dataset.state";
    assert_eq!(browser.run(window, json!([])).await, "pending");
    // And when the button comes to another place under a focus that was there.
    browser.rests(700).await;
    let moves = "
        const space = document.createElement('div');
        space.textContent = 'in between';
        document.getElementById('main').prepend(space);
        document.querySelector('.card .deny').click();
        return document.querySelector('.card').dataset.state";
    assert_eq!(browser.run(moves, json!([])).await, "pending");
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // The same key counts once all has been still for a while.
    enter_until_taken(&browser, &id).await;
    browser.card_is(&id, "denied").await;
}

/// Whoever sends a link to a page must not say where its focus is.
#[tokio::test]
async fn a_link_puts_the_focus_on_no_button() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let browser = Browser::start().await;
    for path in ["/".to_owned(), format!("/r/{id}")] {
        for name in ["approve", "deny"] {
            browser.open("about:blank").await;
            let link = format!("{}{path}#{name}-{id}", daemon.url());
            browser.open(&link).await;
            browser.card_is(&id, "pending").await;
            // The address was read before there was a card, so it is read again.
            let again =
                "const { hash } = location; location.hash = ''; location.hash = hash; return hash";
            assert_eq!(browser.run(again, json!([])).await, format!("#{name}-{id}"));
            browser.rests(700).await;
            let focused = "return document.activeElement.tagName";
            assert_eq!(browser.run(focused, json!([])).await, "BODY", "{link}");
            browser.key(ENTER).await;
            browser.key(" ").await;
            assert_eq!(browser.card(&id).await, "pending", "{link}");
        }
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
}
