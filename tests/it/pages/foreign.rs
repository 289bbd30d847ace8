//! A page of another origin, open in the browser of somebody who may approve.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::browser::Browser;
use crate::daemon::setup;

/// All that a page can try, with whatever the browser keeps for the daemon: calls with and without leave, forms, images, scripts, streams, frames.
pub(super) const ATTACK: &str = "
    const [base, id] = arguments;
    const decision = `${base}/v1/requests/${id}/decision`;
    const body = JSON.stringify({ verdict: 'approve' });
    const json = { 'Content-Type': 'application/json' };
    const text = { 'Content-Type': 'text/plain' };
    const settled = (promise) => promise.then((it) => `done: ${it}`, () => 'refused');
    const loads = (tag, name, url) => new Promise((done) => {
        const element = document.createElement(tag);
        element.onload = () => done(`loaded ${tag} ${url}`);
        element.onerror = () => done('refused');
        element[name] = url;
        document.body.append(element);
    });
    const framed = (url) => new Promise((done) => {
        const frame = document.createElement('iframe');
        frame.onload = () => {
            let inside;
            try { inside = frame.contentDocument?.body?.innerText ?? 'nothing'; } catch { inside = 'nothing'; }
            done(inside === 'nothing' || inside === '' ? 'refused' : `read ${inside}`);
        };
        frame.src = url;
        document.body.append(frame);
    });
    const streams = new Promise((done) => {
        const source = new EventSource(`${base}/v1/events`, { withCredentials: true });
        source.onerror = () => { source.close(); done('refused'); };
        source.addEventListener('request', ({ data }) => done(`read ${data}`));
        source.addEventListener('caught-up', ({ data }) => done(`read ${data}`));
    });
    const posted = new Promise((done) => {
        const form = document.createElement('form');
        const frame = document.createElement('iframe');
        frame.name = 'into';
        Object.assign(form, { method: 'post', action: decision, target: 'into', enctype: 'text/plain' });
        const input = document.createElement('input');
        input.name = '{\"verdict\":\"approve\",\"reason\":\"';
        input.value = '\"}';
        form.append(input);
        document.body.append(frame, form);
        frame.onload = () => done('refused');
        form.submit();
    });
    const read = async (url) => (await fetch(url, { credentials: 'include' })).text();
    return Promise.all([
        settled(fetch(decision, { method: 'POST', credentials: 'include', headers: json, body })),
        settled(fetch(decision, { method: 'POST', credentials: 'include', headers: text, body })),
        settled(fetch(`${base}/v1/requests/${id}`, { method: 'DELETE', credentials: 'include' })),
        settled(read(`${base}/v1/requests`)),
        settled(read(`${base}/`)),
        loads('img', 'src', `${base}/assets/icon.svg`),
        loads('script', 'src', `${base}/v1/requests`),
        loads('script', 'src', `${base}/assets/dom.js`),
        framed(`${base}/`),
        framed(`${base}/r/${id}`),
        streams,
        posted,
        // Sent without leave to read the answer: it may go out, but nothing comes of it.
        fetch(decision, { method: 'POST', mode: 'no-cors', credentials: 'include', headers: text, body }).then(() => 'refused', () => 'refused'),
        fetch(`${base}/v1/requests`, { mode: 'no-cors', credentials: 'include' }).then(async (it) => (await it.text()) || 'refused', () => 'refused'),
    ]);";

#[tokio::test]
async fn a_page_of_another_origin_can_neither_decide_nor_read() {
    let daemon = setup().start();
    let id = daemon.ask("A secret title?").await;
    let evil = Site::start().await;
    let port = daemon.address().port();
    let browser = Browser::start().await;
    // Another port of the same host is the same site, and another name of it is another site.
    for (page, base) in [
        (format!("http://127.0.0.1:{}", evil.port), daemon.url()),
        (format!("http://localhost:{}", evil.port), daemon.url()),
        (
            format!("http://127.0.0.1:{}", evil.port),
            format!("http://localhost:{port}"),
        ),
    ] {
        browser.open(&page).await;
        let outcomes = browser.run(ATTACK, json!([base, id])).await;
        for (n, outcome) in outcomes.as_array().unwrap().iter().enumerate() {
            assert_eq!(outcome, "refused", "attempt {n} of {page} on {base}");
        }
        let complaints = browser.complaints().await;
        let refused = complaints
            .iter()
            .filter(|one| one.contains("frame-ancestors"));
        // Those of the two pages, and what forms were answered with.
        assert!(
            refused.count() >= 2,
            "all frames were refused: {complaints:#?}"
        );
        let request = daemon.read(&id).await;
        assert_eq!(request["status"], "pending");
        assert_eq!(request["seen_by"], json!([]));
    }
    // The same calls by our own page go through, so it was not the calls that were wrong.
    browser.open(&format!("{}/r/{id}", daemon.url())).await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
}

/// A web server with one empty page.
pub(super) struct Site {
    pub(super) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let page = "<!doctype html><title>Win a prize</title><p>Click here</p>";
                    let length = page.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
                         Connection: close\r\n\r\n{page}"
                    );
                    // A browser may leave at any time.
                    if let Ok(1..) = stream.read(&mut [0; 4096]).await {
                        drop(stream.write_all(answer.as_bytes()).await);
                    }
                });
            }
        });
        Self { port, task }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}
