//! The inbox, two browsers and a terminal at once.

use rustix::process::Signal;
use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::programs::{Requester, approver};

#[tokio::test]
async fn a_card_appears_and_its_buttons_end_the_requester() {
    let daemon = setup().start();
    let (one, other) = tokio::join!(Browser::at(&daemon, "/"), Browser::at(&daemon, "/"));
    one.is_live().await;
    other.is_live().await;
    one.says("#nothing", "Nothing waits for you.").await;
    let terminal = approver(&daemon.url());

    // Yes in one browser: everybody else learns it without asking.
    let requester = Requester::start(&daemon.url(), &["-m", "Deploy?", "-f", "service=shop"]);
    let id = daemon.the_pending_one().await;
    let text = one.card_is(&id, "pending").await;
    for words in ["Deploy?", "service", "shop", "local from 127.0.0.1", &id] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // On a busy machine the page hears the daemon's time late, and is behind it by that much: what
    // has just been asked has its whole hour left then, until the next second.
    one.says(&format!(".card[data-id='{id}']"), "59 min left")
        .await;
    other.card_is(&id, "pending").await;
    terminal.wait_for("Deploy?");
    let title = "return document.title";
    assert_eq!(one.run(title, json!([])).await, "(1) pushd");
    one.decide(&id, "approve").await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let text = other.card_is(&id, "approved").await;
    assert!(text.contains("Approved by local from 127.0.0.1"), "{text}");
    terminal.wait_for("No longer asked");
    let buttons = "return document.querySelectorAll('.card button').length";
    assert_eq!(
        other.run(buttons, json!([])).await,
        0,
        "nothing is left to press"
    );
    one.says("#recent", "Deploy?").await;

    // No in the other one, with a reason.
    let requester = Requester::start(&daemon.url(), &["-m", "Drop users?"]);
    let id = daemon.the_pending_one().await;
    other.card_is(&id, "pending").await;
    other
        .type_into(&format!("#reason-{id}"), "frozen until Monday")
        .await;
    other.decide(&id, "deny").await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(left.stderr.contains("frozen until Monday"), "{left:?}");
    let text = one.card_is(&id, "denied").await;
    assert!(text.contains("Denied by local"), "{text}");
    assert!(text.contains("frozen until Monday"), "{text}");

    // Yes in the terminal.
    terminal.wait_for("No longer asked");
    let requester = Requester::start(&daemon.url(), &["-m", "Restart?"]);
    let id = daemon.the_pending_one().await;
    one.card_is(&id, "pending").await;
    terminal.wait_for("Restart?");
    terminal.answer("y");
    assert_eq!(requester.left().await.code, Some(0));
    one.card_is(&id, "approved").await;
    other.card_is(&id, "approved").await;

    // Nobody's: withdrawn, and out of time.
    let requester = Requester::start(&daemon.url(), &["-m", "Withdrawn?"]);
    let id = daemon.the_pending_one().await;
    one.card_is(&id, "pending").await;
    requester.told("asked").await;
    requester.signal(Signal::INT);
    let text = one.card_is(&id, "cancelled").await;
    assert!(text.contains("Cancelled by its requester"), "{text}");
    let late = Requester::start(&daemon.url(), &["-m", "Late?", "--expires", "8s"]);
    let id = daemon.the_pending_one().await;
    one.card_is(&id, "pending").await;
    let text = one.card_is(&id, "expired").await;
    assert!(text.contains("its time is over"), "{text}");
    assert_eq!(late.left().await.code, Some(124));
    one.until(
        "the title to count none",
        "return document.title === 'pushd'",
    )
    .await;
    one.is_content().await;
    other.is_content().await;
}

/// A card is there within a second. The machine may be busy with other tests, so of several cards
/// the quickest counts.
#[tokio::test]
async fn a_card_appears_within_a_second_of_the_ask() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    // When each card came, by the clock of the machine, which is the daemon's as well.
    let watch = "
        window.came = {};
        new MutationObserver(() => {
            for (const { dataset } of document.querySelectorAll('.card')) {
                window.came[dataset.id] ??= Date.now();
            }
        }).observe(document.getElementById('waiting'), { childList: true });";
    browser.run(watch, json!([])).await;
    let mut quickest = f64::INFINITY;
    for n in 0..5 {
        let requester = Requester::start(&daemon.url(), &["-m", &format!("Deploy {n}?")]);
        let id = daemon.the_pending_one().await;
        browser.card_is(&id, "pending").await;
        let took = "const [id, asked] = arguments; return window.came[id] - Date.parse(asked)";
        let asked = daemon.read(&id).await["created_at"].clone();
        let took = browser.run(took, json!([id, asked])).await;
        quickest = quickest.min(took.as_f64().unwrap());
        daemon.approve(&id).await;
        assert_eq!(requester.left().await.code, Some(0));
    }
    assert!(quickest < 1000.0, "the quickest took {quickest} ms");
}

#[tokio::test]
async fn what_was_decided_before_is_listed_and_what_is_pending_is_told_as_seen() {
    let daemon = setup().start();
    let decided = daemon.ask("Decided before").await;
    daemon.approve(&decided).await;
    let pending = daemon.ask("Still pending").await;
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&pending, "pending").await;
    browser.says("#recent", "Decided before").await;
    // The title is a stranger's, and so stands in a frame; what became of it does not.
    let framed =
        "return [...document.querySelectorAll('#recent .frame')].map((it) => it.innerText)";
    assert_eq!(
        browser.run(framed, json!([])).await,
        json!(["Decided before"])
    );
    crate::until::until("the daemon to know who has seen it", async || {
        let request = daemon.read(&pending).await;
        (request["seen_by"][0]["by"]["principal"] == "local").then_some(())
    })
    .await;
    assert_eq!(daemon.read(&decided).await["seen_by"], json!([]));
    browser
        .says(&format!(".card[data-id='{pending}']"), "opened by\nlocal")
        .await;
    // Being seen is not a change of the question: it can be decided as it stands.
    browser.decide(&pending, "approve").await;
    browser.card_is(&pending, "approved").await;
}

#[tokio::test]
async fn what_was_asked_first_stands_first_even_if_it_was_seen_since() {
    let daemon = setup().start();
    let first = daemon.ask("First?").await;
    let second = daemon.ask("Second?").await;
    daemon.post(&format!("/v1/requests/{first}/seen")).await;
    let third = daemon.ask("Third?").await;
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&third, "pending").await;
    let order = "return [...document.querySelectorAll('.card')].map((card) => card.dataset.id)";
    let order = browser.run(order, json!([])).await;
    assert_eq!(order, json!([first, second, third]));
}

#[tokio::test]
async fn what_comes_out_of_view_is_announced_and_moves_nothing() {
    let daemon = setup().start();
    let first = daemon.ask("First?").await;
    let old = daemon.ask("Old?").await;
    let browser = Browser::start().await;
    browser.resize(390, 420).await;
    browser.open(&daemon.url()).await;
    browser.card_is(&first, "pending").await;
    browser.card_is(&old, "pending").await;
    browser.is_live().await;
    browser.says(".card", "opened by\nlocal").await;
    // What waits already is no news, in view or not.
    assert_eq!(browser.text("#below").await, "");
    let place = "return document.querySelector('.card .approve').getBoundingClientRect().top";
    let before = browser.run(place, json!([])).await;
    let second = daemon.ask("Second?").await;
    let third = daemon.ask("Third?").await;
    browser.says("#below", "2 new questions below").await;
    assert_eq!(
        browser.run(place, json!([])).await,
        before,
        "the first card has moved"
    );
    let announced = "return document.getElementById('news').textContent";
    let announced = browser.run(announced, json!([])).await;
    assert_eq!(announced, "New request: Second?");
    browser.press_on("#below").await;
    let focused = "return document.activeElement.id";
    assert_eq!(
        browser.run(focused, json!([])).await,
        format!("title-{second}")
    );
    browser.says("#below", "1 new question below").await;
    daemon.approve(&third).await;
    browser
        .until(
            "nothing new to be left",
            "return document.getElementById('below').hidden",
        )
        .await;
}
