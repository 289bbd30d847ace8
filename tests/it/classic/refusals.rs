//! What the classic routes do not take.

use reqwest::Method;

use super::classic;
use crate::daemon::setup;

#[tokio::test]
async fn only_yes_and_no_decide_and_only_while_something_is_pending() {
    let daemon = classic();
    let nothing = daemon.sure("", "data=yes").await;
    assert_eq!(nothing.problem(), (409, "nothing_pending".to_owned()));
    assert!(nothing.detail().contains("default"), "{nothing:?}");
    let held = daemon.polling("").spawn();
    let id = daemon.question().await;
    for form in [
        "",
        "data=",
        "data=YES",
        "data=yes+",
        "data=y",
        "data=true",
        "yes",
        "data=yes&data=no",
        "data=yes&data=yes",
        "data",
        "Data=yes",
        "data=%ff",
    ] {
        let refused = daemon.sure("", form).await;
        assert_eq!(
            refused.problem(),
            (400, "invalid_form".to_owned()),
            "{form}"
        );
        assert!(refused.detail().contains("data=yes or data=no"), "{form}");
    }
    let json = daemon
        .post("/sure")
        .json(&serde_json::json!({"data": "yes"}));
    let json = json.await;
    assert_eq!(json.problem().1, "unsupported_media_type");
    let bare = daemon.post("/sure").body("data=yes").await;
    assert_eq!(bare.problem().1, "unsupported_media_type");
    assert_eq!(daemon.read(&id).await["status"], "pending");
    assert_eq!(daemon.sure("", "x=1&data=no").await.status, 200);
    assert_eq!(held.await.unwrap().status, 204);
    let twice = daemon.sure("", "data=no").await;
    assert_eq!(twice.problem(), (409, "nothing_pending".to_owned()));
}

#[tokio::test]
async fn pages_of_other_sites_may_poll_and_not_decide() {
    let daemon = classic();
    let held = daemon
        .polling("")
        .header("origin", "http://evil.example")
        .header("sec-fetch-site", "cross-site")
        .spawn();
    let id = daemon.question().await;
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for path in ["/sure", "/btServer"] {
            let form = "application/x-www-form-urlencoded";
            let call = daemon.post(path).header("content-type", form);
            let refused = call.header(name, value).body("data=yes").await;
            assert_eq!(refused.problem(), (403, "foreign_origin".to_owned()));
        }
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
    let fields = &daemon.read(&id).await["fields"];
    assert_eq!(fields[0]["value"], "http://evil.example");
    held.abort();
    for path in ["/longPolling", "/ensure"] {
        let renamed = daemon.get(path).header("host", "evil.example").await;
        assert_eq!(renamed.status, 421, "{path}");
    }
}

/// An image or a `no-cors` fetch of any page in the browser asked a question of which nobody could
/// see where it came from.
#[tokio::test]
async fn a_page_that_does_not_say_where_it_is_from_asks_nothing() {
    let daemon = classic();
    for site in ["cross-site", "same-site", "x"] {
        let call = daemon.polling("").header("sec-fetch-site", site);
        let refused = call.header("sec-fetch-mode", "no-cors").await;
        assert_eq!(refused.problem(), (403, "foreign_origin".to_owned()));
        assert!(refused.detail().contains("CORS"), "{refused:?}");
    }
    assert!(daemon.all_pending().await.is_empty());
    for site in ["same-origin", "none"] {
        let held = daemon.polling("").header("sec-fetch-site", site).spawn();
        daemon.question().await;
        assert_eq!(daemon.sure("", "data=no").await.status, 200);
        assert_eq!(held.await.unwrap().status, 204);
    }
}

#[tokio::test]
async fn a_channel_that_cannot_be_is_named() {
    let daemon = classic();
    let long = format!("?channel={}", "x".repeat(57));
    for query in ["?channel=", "?channel=a+b", "?channel=a&channel=b", &*long] {
        for refused in [
            daemon.polling(query).await,
            daemon.get(&format!("/ensure{query}")).await,
            daemon.post(&format!("/btServer{query}")).await,
            daemon.sure(query, "data=yes").await,
        ] {
            assert_eq!(
                refused.problem(),
                (400, "invalid_query".to_owned()),
                "{query}"
            );
        }
    }
    let readable = daemon.polling("?channel=").await;
    assert_eq!(readable.header("access-control-allow-origin"), Some("*"));
    assert!(daemon.all_pending().await.is_empty());
}

#[tokio::test]
async fn the_routes_take_their_methods_and_are_served_only_when_asked_for() {
    let daemon = classic();
    for (method, path) in [
        (Method::HEAD, "/longPolling"),
        (Method::POST, "/longPolling"),
        (Method::HEAD, "/ensure"),
        (Method::GET, "/btServer"),
        (Method::GET, "/sure"),
    ] {
        let refused = daemon.call(method.clone(), path).open().await;
        assert_eq!(refused.status(), 405, "{method} {path}");
    }
    assert!(daemon.all_pending().await.is_empty());
    let plain = setup().in_memory().start();
    assert_eq!(plain.polling("").await.status, 404);
    assert_eq!(plain.sure("", "data=yes").await.status, 404);
}

#[tokio::test]
async fn too_much_is_refused() {
    let daemon = setup()
        .flags("--classic --max-waiters 1 --max-pending 2")
        .start();
    let held = daemon.polling("?channel=a").spawn();
    daemon.waiters_are(1).await;
    let refused = daemon.polling("?channel=b").await;
    assert_eq!(refused.problem(), (503, "too_many_waiters".to_owned()));
    let refused = daemon.polling("?channel=c").await;
    assert_eq!(refused.problem(), (503, "too_many_pending".to_owned()));
    let form = "application/x-www-form-urlencoded";
    for path in ["/sure", "/btServer"] {
        let long = daemon.post(path).header("content-type", form);
        let long = long.body("x".repeat(17 * 1024)).await;
        assert_eq!(long.problem(), (413, "body_too_large".to_owned()));
    }
    held.abort();
}

#[tokio::test]
async fn a_network_gets_the_classic_routes_only_by_an_unmistakable_flag() {
    let wide = "--classic --trust-everybody-on-the-network";
    let (code, stderr) = setup().listen("0.0.0.0:0").flags(wide).fails();
    assert_eq!(code, Some(78), "{stderr}");
    assert!(
        stderr.contains("--classic with --listen 0.0.0.0:0")
            && stderr.contains("--classic-lets-anybody-decide"),
        "{stderr}"
    );
    let both = setup().listen("0.0.0.0:0").flags(wide);
    let daemon = both.flags("--classic-lets-anybody-decide").start();
    daemon.logged("may approve anything").await;
}
