//! Notifications and the sound.

use std::time::Duration;

use pushd::limits;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::daemon::{Daemon, setup};

/// Notes what the page asks of the browser, which does it all the same. The window of a test may
/// have the focus or not, so the page is told that it has none.
const OBSERVE: &str = "
    window.notes = [];
    window.tones = 0;
    document.hasFocus = () => false;
    const Real = Notification;
    window.Notification = class extends Real {
        constructor(title, options) {
            super(title, options);
            window.notes.push({ title, body: options.body, open: true });
            this.mine = window.notes.at(-1);
        }
        close() {
            super.close();
            this.mine.open = false;
        }
    };
    const Tone = OscillatorNode;
    window.OscillatorNode = class extends Tone {
        start(at) {
            super.start(at);
            window.tones += 1;
        }
    };";

/// A browser that may notify, with the inbox open and its alerts turned on.
async fn alerted(daemon: &Daemon) -> Browser {
    let browser = Browser::start().await;
    let grant = json!({"origin": daemon.url(), "permissions": ["notifications"]});
    browser.devtools("Browser.grantPermissions", grant).await;
    let source = json!({ "source": OBSERVE });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    browser.open(&daemon.url()).await;
    browser.is_live().await;
    browser
}

/// Titles and texts of the notifications so far, and whether they are open.
async fn notes(browser: &Browser) -> Vec<(String, bool)> {
    let notes = browser.run("return window.notes", json!([])).await;
    let notes = notes.as_array().unwrap().iter();
    notes
        .map(|note| {
            assert_eq!(note["title"], "An approval is asked");
            let body = note["body"].as_str().unwrap().to_owned();
            (body, note["open"] == true)
        })
        .collect()
}

fn open(body: &str) -> (String, bool) {
    (body.to_owned(), true)
}

fn closed(body: &str) -> (String, bool) {
    (body.to_owned(), false)
}

async fn notes_are(browser: &Browser, expected: &[(String, bool)]) {
    crate::until::until(
        &format!("the notifications to be {expected:?}"),
        async || (notes(browser).await == expected).then_some(()),
    )
    .await;
}

async fn tones(browser: &Browser) -> Value {
    browser.run("return window.tones", json!([])).await
}

#[tokio::test]
async fn a_request_is_notified_and_sounds_once_somebody_wants_that() {
    let daemon = setup().start();
    let browser = alerted(&daemon).await;
    let quiet = daemon.ask("Quiet?").await;
    browser.card_is(&quiet, "pending").await;
    assert_eq!(notes(&browser).await, []);
    assert_eq!(tones(&browser).await, 0);
    // The pause that this one began.
    browser.rests(millis(limits::ALERT_PAUSE.0) + 200).await;

    browser.press_on("#notify").await;
    browser.says("#notify", "Alerts on").await;
    let sounds = "return window.tones === 2";
    browser.until("the sound to be heard once", sounds).await;
    let hostile = daemon.ask("Deploy \u{202e}now?").await;
    notes_are(&browser, &[open("Deploy \\u{202e}now?")]).await;
    assert_eq!(tones(&browser).await, 4);
    // It goes with the request, so that nobody opens it in vain.
    daemon.approve(&hostile).await;
    notes_are(&browser, &[closed("Deploy \\u{202e}now?")]).await;

    // Off again, and so it stays after a reload.
    browser.press_on("#notify").await;
    browser.says("#notify", "Alert me").await;
    browser.open(&daemon.url()).await;
    browser.is_live().await;
    browser.says("#notify", "Alert me").await;
    let last = daemon.ask("Last?").await;
    browser.card_is(&last, "pending").await;
    assert_eq!(notes(&browser).await, []);
    browser.is_content().await;
}

/// Anybody who may ask could ring without end, by asking and cancelling in a loop.
#[tokio::test]
async fn many_requests_are_told_together_and_the_pauses_between_grow() {
    let daemon = setup().start();
    let browser = alerted(&daemon).await;
    browser.press_on("#notify").await;
    browser.says("#notify", "Alerts on").await;
    let first = daemon.ask("First?").await;
    notes_are(&browser, &[open("First?")]).await;
    let sounded = tones(&browser).await;
    let mut others = Vec::new();
    for n in 0..5 {
        let id = daemon.ask(&format!("Loop {n}?")).await;
        browser.card_is(&id, "pending").await;
        daemon.delete(&format!("/v1/requests/{id}")).await;
    }
    for n in 0..3 {
        others.push(daemon.ask(&format!("Other {n}?")).await);
    }
    browser.card_is(&others[2], "pending").await;
    // Those that came during the pause and are pending are one notification when it is over.
    let more = || "3 more requests wait";
    notes_are(&browser, &[open("First?"), open(more())]).await;
    assert_eq!(
        tones(&browser).await.as_u64(),
        sounded.as_u64().map(|n| n + 2)
    );
    let news = "return document.getElementById('news').textContent";
    assert_eq!(browser.run(news, json!([])).await, more());
    // It is open as long as it is true of one of them.
    daemon.approve(&others[0]).await;
    daemon.approve(&others[1]).await;
    browser.card_is(&others[1], "approved").await;
    assert_eq!(notes(&browser).await, [open("First?"), open(more())]);
    daemon.approve(&others[2]).await;
    notes_are(&browser, &[open("First?"), closed(more())]).await;
    // A single one that comes in a pause is named; the pause is twice as long by now.
    let next = daemon.ask("Next?").await;
    browser.card_is(&next, "pending").await;
    notes_are(&browser, &[open("First?"), closed(more()), open("Next?")]).await;
    daemon.approve(&first).await;
    daemon.approve(&next).await;
    notes_are(
        &browser,
        &[closed("First?"), closed(more()), closed("Next?")],
    )
    .await;
}

/// The pauses and their ends, by a clock of the test's own.
#[tokio::test]
async fn pauses_between_calls_double_up_to_a_bound_and_are_short_again_after_a_quiet_one() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/ask").await;
    let play = "
        const { Alerts } = await import('/assets/alerts.js');
        const real = window.setTimeout;
        let [over, pauses, told] = [null, [], []];
        window.setTimeout = (call, pause) => { over = call; pauses.push(pause); };
        const alerts = new Alerts((views) => told.push(views.length));
        for (let n = 0; n < 8; n += 1) {
            alerts.asked({ id: `a${n}` });
            alerts.asked({ id: `b${n}` });
            alerts.asked({ id: `c${n}` });
            alerts.settled(`c${n}`);
            over();
        }
        // The first call was for one alone; the others are for what came in the pauses.
        over();
        alerts.asked({ id: 'late' });
        window.setTimeout = real;
        return [pauses, told];";
    let play = format!("return (async function () {{ {play} }})()");
    let (least, most) = limits::ALERT_PAUSE;
    let mut pauses = vec![millis(least)];
    for _ in 0..8 {
        let next = pauses.last().unwrap() * 2;
        pauses.push(next.min(millis(most)));
    }
    // After a pause in which nothing came.
    pauses.push(millis(least));
    assert_eq!(pauses[6], millis(most));
    assert_eq!(
        browser.run(&play, json!([])).await,
        json!([pauses, [1, 1, 2, 2, 2, 2, 2, 2, 2, 1]])
    );
}

fn millis(time: Duration) -> u32 {
    time.as_millis().try_into().unwrap()
}
