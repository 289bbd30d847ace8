//! Which names the daemon answers to, and which pages may make a browser call it.

use reqwest::Method;
use serde_json::json;

use crate::daemon::setup;

#[tokio::test]
async fn calls_for_other_hosts_are_misdirected_whatever_they_ask() {
    let daemon = setup().flags("--allow-host Approve.example.org").start();
    let id = daemon.ask("Deploy?").await;
    for host in [
        "other.example",
        "localhost.other.example",
        "127.0.0.1.other.example",
        "192.0.2.1",
        "[2001:db8::1]",
        "0x7f.1",
        "",
    ] {
        for (method, path) in [
            (Method::GET, "/v1/requests"),
            (Method::GET, "/metrics"),
            (Method::GET, "/openapi.json"),
            (Method::POST, &format!("/v1/requests/{id}/decision")),
            (Method::DELETE, &format!("/v1/requests/{id}")),
        ] {
            let reply = daemon.call(method, path).header("host", host).await;
            assert_eq!(
                reply.problem(),
                (421, "wrong_host".to_owned()),
                "{host} {path}"
            );
        }
        for probe in ["/livez", "/readyz"] {
            assert_eq!(
                daemon.get(probe).header("host", host).await.status,
                200,
                "{host}"
            );
        }
    }
    let port = daemon.address().port();
    for host in [
        "localhost".to_owned(),
        format!("LocalHost:{port}"),
        "localhost:1".to_owned(),
        "127.0.0.1".to_owned(),
        "127.1.2.3".to_owned(),
        "[::1]:80".to_owned(),
        "approve.EXAMPLE.org:443".to_owned(),
    ] {
        assert_eq!(
            daemon.get("/v1/me").header("host", &host).await.status,
            200,
            "{host}"
        );
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn over_http_2_the_authority_is_the_host() {
    let daemon = setup().start();
    let port = daemon.address().port();
    let resolved = |name: &str| {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .http2_prior_knowledge()
            .resolve(name, daemon.address());
        client
            .build()
            .unwrap()
            .get(format!("http://{name}:{port}/v1/me"))
            .send()
    };
    assert_eq!(resolved("other.example").await.unwrap().status(), 421);
    assert_eq!(resolved("localhost").await.unwrap().status(), 200);
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let own = format!("http://127.0.0.1:{}", daemon.address().port());
    let calls = || {
        let path = format!("/v1/requests/{id}");
        [
            daemon.asking(&json!({"title": "a"})),
            daemon.deciding(&id, &json!({"verdict": "approve"})),
            daemon.post(&format!("{path}/seen")),
            daemon.delete(&path),
        ]
    };
    for (header, value) in [
        ("origin", "null"),
        ("origin", "http://other.example"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", "http://localhost"),
        ("origin", &*format!("{own}.other.example")),
        ("origin", &*format!("{own}/")),
        ("origin", "127.0.0.1"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "Same-Origin"),
    ] {
        for call in calls() {
            let reply = call.header(header, value).await;
            assert_eq!(
                reply.problem(),
                (403, "foreign_origin".to_owned()),
                "{header}: {value}"
            );
        }
    }
    // One good value does not excuse a bad one.
    let [ask, ..] = calls();
    let reply = ask
        .header("sec-fetch-site", "same-origin")
        .header("origin", "null")
        .await;
    assert_eq!(reply.problem(), (403, "foreign_origin".to_owned()));
    let request = daemon.read(&id).await;
    assert_eq!(
        (&request["status"], &request["seen_by"]),
        (&json!("pending"), &json!([]))
    );
    assert_eq!(daemon.metric("pushd_head_event_id").await, 1);
}

#[tokio::test]
async fn our_own_page_and_programs_may_call_and_reading_needs_no_origin() {
    let daemon = setup().start();
    let own = format!("http://127.0.0.1:{}", daemon.address().port());
    for headers in [
        vec![("origin", &*own)],
        vec![("origin", &*own), ("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "none")],
        vec![],
    ] {
        let call = daemon.asking(&json!({"title": "a"}));
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        assert_eq!(call.await.status, 201, "{headers:?}");
    }
    let read = daemon
        .get("/v1/requests")
        .header("origin", "http://other.example");
    let reply = read.header("sec-fetch-site", "cross-site").await;
    assert_eq!(reply.status, 200);
    // A browser does not show the answer to that page, because nothing allows it to.
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let preflight = daemon.call(Method::OPTIONS, "/v1/requests");
    let reply = preflight.header("origin", "http://other.example").await;
    assert_eq!(reply.status, 405);
}
