//! What a page knows of requests: its rules, played in the browser that has to keep them.

use pushd::limits;
use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;

/// Makes views, and a `Requests` that notes what changes.
const BEGIN: &str = "
    const { Requests } = await import('/assets/requests.js');
    const changes = [];
    const requests = new Requests((view, before) => changes.push([view?.id ?? null, before?.id ?? null]));
    const view = (id, event, status = 'pending', more = {}) => ({
        id, event_id: event, version: event, status, title: id, details: '', fields: [],
        created_at: new Date(1e12 + event).toISOString(), ...more });
    const ids = (views) => views.map(({ id }) => id);
";

async fn run(browser: &Browser, body: &str) -> serde_json::Value {
    let script = format!("return (async function () {{ {BEGIN} {body} }}).apply(null, arguments)");
    browser.run(&script, json!([limits::PAGE_REQUESTS])).await
}

#[tokio::test]
async fn facts_count_once_the_newest_wins_and_too_many_are_left_for_later() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/ask").await;
    let told_again = "
        const news = [view('a', 1), view('a', 1), view('a', 3, 'approved'), view('a', 2)];
        return [news.map((it) => requests.take(it)), requests.get('a').status, changes.length];";
    assert_eq!(
        run(&browser, told_again).await,
        json!([[true, false, true, false], "approved", 2])
    );

    // Another store counts its events from 1 again, and may know the same request.
    let anew = "
        requests.take(view('a', 7));
        requests.take(view('b', 8));
        requests.beginAnew();
        requests.take(view('a', 2, 'denied'));
        return [requests.caughtUp(), requests.get('a').status];";
    assert_eq!(run(&browser, anew).await, json!([["b"], "denied"]));

    // One that was asked early is told late, because it was seen since, and takes the place of
    // the one that was asked last.
    let many = "
        const [most] = arguments;
        for (let n = 1; n <= most; n += 1) requests.take(view(`r${n}`, n + 10));
        const full = requests.overflows;
        const later = requests.take(view('later', most + 20));
        const early = requests.take(view('early', most + 30, 'pending', { created_at: new Date(1e12).toISOString() }));
        const pending = ids(requests.pending());
        return [full, later, early, requests.overflows, pending.length, pending[0], pending.at(-1)];";
    let most = limits::PAGE_REQUESTS;
    let expected = json!([
        false,
        false,
        true,
        true,
        most,
        "early",
        format!("r{}", most - 1)
    ]);
    assert_eq!(run(&browser, many).await, expected);

    let settled = "
        for (let n = 1; n <= 200; n += 1) requests.take(view(`r${n}`, n, 'approved'));
        const settled = ids(requests.settled());
        return [settled[0], settled.length < 100];";
    assert_eq!(run(&browser, settled).await, json!(["r200", true]));
}
