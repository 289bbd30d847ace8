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

/// Texts that fill the room were once fetched again and again: the stream began anew as soon as
/// something had been left out, and left it out again.
#[tokio::test]
async fn what_was_left_out_is_fetched_once_there_is_room_and_not_before() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/ask").await;
    // A stream of our own, which tells all that is pending each time it is opened: a quarter more
    // text than there is room for.
    let play = "
        const [room] = arguments;
        const { Feed } = await import('/assets/feed.js');
        const view = (n, status, details) => ({
            id: `r${n}`, event_id: n, version: n, status, title: 'Deploy?', details, fields: [],
            created_at: new Date(1e12 + n).toISOString() });
        const big = 'x'.repeat(room / 16);
        window.pending = new Map(Array.from({ length: 20 }, (_, n) => [n + 1, view(n + 1, 'pending', big)]));
        window.opened = 0;
        window.EventSource = class extends EventTarget {
            constructor() {
                super();
                window.source = this;
                window.opened += 1;
                setTimeout(() => {
                    for (const view of window.pending.values()) this.say('request', view);
                    this.say('caught-up', { event_id: 'x', now: new Date().toISOString() });
                });
            }
            say(name, data) {
                this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId: 'x' }));
            }
            close() {}
        };
        window.settle = (n) => {
            window.pending.delete(n);
            window.source.say('request', { ...view(n, 'approved', ''), event_id: 100 + n, version: 100 + n });
        };
        window.feed = new Feed({ changed() {}, link() {}, caughtUp() { window.told = true; } });";
    let play = format!("return (async function () {{ {play} }}).apply(null, arguments)");
    browser.run(&play, json!([limits::PAGE_TEXT])).await;
    browser.until("all to be told", "return window.told").await;
    let state = "return [window.opened, window.feed.requests.pending().length, window.feed.requests.overflows]";
    // Longer than the pause before a stream is opened again.
    let pause = u32::try_from(limits::PAGE_RECONNECT.0.as_millis()).unwrap();
    browser.rests(2 * pause + 300).await;
    let full = browser.run(state, json!([])).await;
    assert_eq!((&full[0], &full[2]), (&json!(1), &json!(true)), "{full}");
    // As soon as half of the room is free, the rest is fetched, once.
    let settle = "for (let n = 1; n <= 12; n += 1) window.settle(n)";
    browser.run(settle, json!([])).await;
    let all = "return window.opened === 2 && window.feed.requests.pending().length === 8";
    browser.until("the rest to be fetched", all).await;
    browser.rests(2 * pause + 300).await;
    assert_eq!(browser.run(state, json!([])).await, json!([2, 8, false]));
}

/// A page of the list may be short although more follows, so a look at the newest requests goes on,
/// but not without end.
#[tokio::test]
async fn the_newest_requests_are_looked_for_behind_short_pages() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/ask").await;
    let look = "
        const { newest } = await import('/assets/api.js');
        const look = async (count, pages) => {
            const asked = [];
            const real = window.fetch;
            window.fetch = async (path) => {
                asked.push(path);
                const [ids, next] = pages.shift() ?? [[], 'more'];
                const body = JSON.stringify({ requests: ids.map((id) => ({ id })), next });
                return new Response(body, { headers: { 'Content-Type': 'application/json' } });
            };
            const found = await newest(count).finally(() => { window.fetch = real; });
            return [ids(found).join(' '), asked.map((path) => path.split('?')[1])];
        };
        return [
            await look(3, [[['a'], '7-x'], [[], '5-y'], [['b', 'c'], '3-z']]),
            await look(3, [[['a'], undefined]]),
            await look(3, []),
        ];";
    let mut endless = vec!["limit=3&after=more"; limits::PAGE_LIST_PAGES];
    endless[0] = "limit=3";
    assert_eq!(
        run(&browser, look).await,
        json!([
            [
                "a b c",
                ["limit=3", "limit=2&after=7-x", "limit=2&after=5-y"]
            ],
            ["a", ["limit=3"]],
            ["", endless],
        ])
    );
}
