//! What the pages are made of, as it is sent.

use reqwest::Method;

use crate::daemon::setup;

#[tokio::test]
async fn pages_come_with_a_strict_policy_and_are_asked_for_anew_each_time() {
    let daemon = setup().start();
    let id = daemon.ask("A secret title?").await;
    for (path, media) in [
        ("/", "text/html; charset=utf-8"),
        (&*format!("/r/{id}"), "text/html; charset=utf-8"),
        ("/r/nothing", "text/html; charset=utf-8"),
        ("/ask", "text/html; charset=utf-8"),
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/inbox.js", "text/javascript; charset=utf-8"),
        ("/assets/characters.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/assets/icon-192.png", "image/png"),
        ("/assets/manifest.webmanifest", "application/manifest+json"),
    ] {
        let reply = daemon.get(path).open().await;
        assert_eq!(reply.status(), 200, "{path}");
        let headers = reply.headers().clone();
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(header("content-type"), media, "{path}");
        assert_eq!(header("cache-control"), "no-cache", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(
            header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
        assert_eq!(
            header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        let body = reply.bytes().await.unwrap();
        assert!(!body.is_empty(), "{path}");
        assert!(!body.windows(8).any(|part| part == b"A secret"), "{path}");

        let again = daemon.get(path).header("if-none-match", header("etag"));
        let again = again.open().await;
        assert_eq!(again.status(), 304, "{path}");
        assert!(again.headers().contains_key("content-security-policy"));
        assert!(again.bytes().await.unwrap().is_empty());
        let head = daemon.call(Method::HEAD, path).open().await;
        assert_eq!(
            (head.status(), &head.headers()["etag"]),
            (reqwest::StatusCode::OK, &headers["etag"])
        );
    }
}

#[tokio::test]
async fn only_what_is_there_is_served_and_only_under_our_names() {
    let daemon = setup().start();
    for path in [
        "/assets/nothing.js",
        "/assets/index.html",
        "/assets/..%2fCargo.toml",
        "/assets/",
        "/r/",
        "/favicon.ico",
    ] {
        assert_eq!(
            daemon.get(path).await.problem(),
            (404, "no_such_path".to_owned()),
            "{path}"
        );
    }
    for path in ["/", "/r/x", "/ask", "/assets/app.css"] {
        let reply = daemon
            .get(path)
            .header("host", "other.example")
            .open()
            .await;
        assert_eq!(reply.status(), 421, "{path}");
        let reply = daemon.post(path).open().await;
        assert_eq!(
            (
                reply.status().as_u16(),
                reply.headers()["allow"].to_str().unwrap()
            ),
            (405, "GET, HEAD"),
            "{path}"
        );
    }
}

/// An answer in a frame could be dressed up by the page around it.
#[tokio::test]
async fn no_answer_can_be_framed_or_is_kept() {
    let daemon = setup().flags("--classic").start();
    let id = daemon.ask("Deploy?").await;
    for (path, status) in [
        ("/v1/me", 200),
        ("/v1/requests", 200),
        (&*format!("/v1/requests/{id}"), 200),
        ("/v1/requests/nothing", 404),
        ("/v1/events", 200),
        ("/v1/events?last_event_id=nonsense", 200),
        ("/ensure", 200),
        ("/nothing", 404),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/v1/requests?limit=x", 400),
    ] {
        let reply = daemon.get(path).open().await;
        assert_eq!(reply.status(), status, "{path}");
        let headers = reply.headers().clone();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        let policy = header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
    }
    let refused = daemon
        .post("/v1/requests")
        .header("origin", "http://evil.example");
    let refused = refused.open().await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-frame-options"], "DENY");
    let wrong = daemon
        .get("/v1/me")
        .header("host", "evil.example")
        .open()
        .await;
    assert_eq!(wrong.status(), 421);
    assert_eq!(wrong.headers()["x-frame-options"], "DENY");
    // What answers a call is embedded by no other origin.
    let reply = daemon.get("/v1/me").await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        reply.header("cross-origin-resource-policy"),
        Some("same-origin")
    );
}
