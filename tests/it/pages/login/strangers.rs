//! Pages of strangers, in a browser that is logged in.

use serde_json::{Value, json};

use super::super::foreign::{ATTACK, Site};
use super::{Browser, town, town_with};

/// Tries to log the browser in as somebody else, and out.
const SESSION: &str = "
    const [base, token] = arguments;
    const session = `${base}/v1/session`;
    const body = JSON.stringify({ token });
    const send = (more) => fetch(session, { credentials: 'include', body, ...more }).then(() => 'sent', () => 'refused');
    const json = { 'Content-Type': 'application/json' };
    const text = { 'Content-Type': 'text/plain' };
    return Promise.all([
        send({ method: 'POST', headers: json }),
        send({ method: 'POST', headers: text }),
        send({ method: 'POST', headers: text, mode: 'no-cors' }),
        send({ method: 'DELETE' }),
    ]);";

/// Cookies know no ports: a page on another port of the same host has the browser send them.
#[tokio::test]
async fn a_page_of_another_origin_has_no_use_of_the_cookie() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let evil = Site::start().await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser.card_is(&id, "pending").await;
    browser.is_content().await;
    for host in ["127.0.0.1", "localhost"] {
        browser.open(&format!("http://{host}:{}", evil.port)).await;
        let outcomes = browser.run(ATTACK, json!([daemon.url(), id])).await;
        for (n, outcome) in outcomes.as_array().unwrap().iter().enumerate() {
            assert_eq!(outcome, "refused", "attempt {n} from {host}");
        }
        let arguments = json!([daemon.url(), people.token_of("bob")]);
        browser.run(SESSION, arguments).await;
        let call = daemon.get(&format!("/v1/requests/{id}"));
        let request = people.by("ci", call).await.json();
        assert_eq!(request["status"], "pending", "{host}");
    }
    browser.open(&daemon.url()).await;
    assert_eq!(browser.caller().await, "alice");
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
}

/// A click in a chat comes without the cookie (`SameSite=Strict`), and the page's own calls with it.
#[tokio::test]
async fn a_link_on_another_site_opens_the_request_for_whoever_is_logged_in() {
    let (daemon, people) = town();
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let chat = Site::start().await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser
        .open(&format!("http://localhost:{}", chat.port))
        .await;
    let click = "
        const link = document.createElement('a');
        link.href = arguments[0];
        link.textContent = 'Please look at this';
        document.body.append(link);
        link.click();";
    let page = format!("{}/r/{id}", daemon.url());
    browser.run(click, json!([page])).await;
    browser.is_at(&format!("/r/{id}")).await;
    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "approved").await;
    assert!(text.contains("Approved by alice"), "{text}");
}

#[tokio::test]
async fn the_cookie_is_for_this_host_alone_and_for_no_script() {
    let (daemon, people) = town_with("--public-url https://pushd.example");
    let token = people.token_of("alice");
    let log_in = |host: &str| {
        let call = daemon.post("/v1/session").header("host", host);
        call.json(&json!({ "token": token }))
    };
    let here = daemon.address().to_string();
    let rest = "Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000";
    let reply = log_in(&here).await;
    let plain = format!("pushd={token}; {rest}");
    assert_eq!(reply.header("set-cookie"), Some(&*plain));
    assert_eq!(reply.json()["principal"], "alice");
    let reply = log_in("pushd.example").await;
    let secure = format!("__Host-pushd={token}; {rest}; Secure");
    assert_eq!(reply.header("set-cookie"), Some(&*secure));
    let out = daemon.delete("/v1/session").await;
    let gone = "pushd=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";
    assert_eq!((out.status, out.header("set-cookie")), (204, Some(gone)));

    let cookie = format!("pushd={token}");
    let with = |path: &str, headers: &[(&str, &str)]| {
        let call = daemon.get(path).header("cookie", &cookie);
        headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value))
    };
    assert_eq!(with("/v1/me", &[]).await.json()["principal"], "alice");
    // Neither a name that a stranger points here, nor a page of another origin.
    let rebound = with("/v1/me", &[("host", "evil.example")]).await;
    assert_eq!(rebound.problem(), (421, "wrong_host".to_owned()));
    for header in [
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", "null"),
    ] {
        for path in ["/v1/me", "/v1/requests", "/v1/events"] {
            let reply = with(path, &[header]).await;
            let refused = (401, "unauthenticated".to_owned());
            assert_eq!(reply.problem(), refused, "{path} {header:?}");
        }
    }
    // Behind the public URL only the cookie counts that cannot have been set without TLS.
    let planted = with("/v1/me", &[("host", "pushd.example")]).await;
    assert_eq!(planted.status, 401);

    let browser = Browser::start().await;
    browser.log_in(&daemon, token).await;
    assert_eq!(browser.run("return document.cookie", json!([])).await, "");
    let cookies = browser.devtools("Network.getAllCookies", json!({})).await;
    let [cookie] = &cookies["cookies"].as_array().unwrap()[..] else {
        panic!("{cookies}")
    };
    let expected = [
        ("name", json!("pushd")),
        ("httpOnly", json!(true)),
        ("sameSite", json!("Strict")),
        ("path", json!("/")),
        ("domain", json!("127.0.0.1")),
    ];
    for (name, value) in expected {
        assert_eq!(cookie[name], value, "{cookie}");
    }
    assert_ne!(cookie["value"], Value::Null);
}
