//! A login over TLS: the daemon's own, with a certificate of a private authority.

use serde_json::json;

use super::Browser;
use crate::authority::Authority;
use crate::daemon::setup;
use crate::people::People;

#[tokio::test]
async fn somebody_logs_in_decides_and_logs_out_over_tls() {
    let authority = Authority::new();
    let signed = authority.signs(&["127.0.0.1", "localhost"]);
    let setup = setup();
    let people = People::new(
        &setup,
        &[("alice", "approver", "*"), ("ci", "requester", "*")],
    );
    let mut daemon = setup.flags(&people.flag()).tls(&signed).start();
    daemon.trust(&authority);
    let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let login = format!("{}/login?next=%2Fr%2F{id}", daemon.https());

    // A browser that was told nothing does not believe the daemon, and shows why instead.
    let stranger = Browser::start().await;
    stranger.open(&login).await;
    let why = "return document.body.textContent.includes('ERR_CERT_AUTHORITY_INVALID')";
    stranger.until("the browser's warning", why).await;
    stranger.quit().await;

    let flag = format!(
        "--ignore-certificate-errors-spki-list={}",
        signed.key_hash()
    );
    let browser = Browser::start_with(&[&flag]).await;
    browser.open(&login).await;
    browser.give_token(people.token_of("alice")).await;
    browser.is_at(&format!("/r/{id}")).await;
    browser.says(".tools .caller", "alice").await;
    // The page and its scripts came by HTTP/2, which only TLS gives to a browser.
    let by = "return performance.getEntriesByType('navigation')[0].nextHopProtocol";
    assert_eq!(browser.run(by, json!([])).await, "h2");

    let cookies = browser.devtools("Network.getAllCookies", json!({})).await;
    let [cookie] = &cookies["cookies"].as_array().unwrap()[..] else {
        panic!("{cookies}")
    };
    // The prefix holds only for a cookie without a domain, of the whole host and secure.
    for (member, value) in [
        ("name", json!("__Host-pushd")),
        ("value", json!(people.token_of("alice"))),
        ("domain", json!("127.0.0.1")),
        ("path", json!("/")),
        ("secure", json!(true)),
        ("httpOnly", json!(true)),
        ("sameSite", json!("Strict")),
    ] {
        assert_eq!(cookie[member], value, "{member}");
    }
    assert_eq!(browser.run("return document.cookie", json!([])).await, "");

    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "approved").await;
    assert!(text.contains("Approved by alice"), "{text}");
    let call = daemon.get(&format!("/v1/requests/{id}"));
    let request = people.by("ci", call).await.json();
    assert_eq!(request["status"], "approved");
    assert_eq!(request["decisions"][0]["approver"]["principal"], "alice");

    browser.press_on(".tools .caller + button").await;
    browser.is_at("/login").await;
    browser.says("#login", "Your token").await;
    assert_eq!(browser.caller().await, "unauthenticated");
    let cookies = browser.devtools("Network.getAllCookies", json!({})).await;
    assert_eq!(cookies["cookies"], json!([]));
    // The inbox is not there for nobody.
    browser.open(&format!("{}/", daemon.https())).await;
    browser.is_at("/login?next=%2F").await;
    browser.is_content().await;
}
