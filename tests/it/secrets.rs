//! What nobody may read anywhere: match codes and idempotency keys.

use serde_json::json;

use crate::daemon::setup;
use crate::programs::Requester;

const CODE: &str = "730519";
const WRONG: &str = "730518";
const KEY: &str = "key-that-nobody-may-read";

/// None of the secrets is in what was read there, in any spelling that a log might have.
fn keeps_quiet(place: &str, text: &str) {
    for secret in [CODE, WRONG, KEY, "730 519"] {
        assert!(!text.contains(secret), "{secret} is in {place}: {text}");
    }
}

#[tokio::test]
async fn neither_codes_nor_keys_are_in_anything_that_is_told() {
    let daemon = setup().flags("--log trace").start();
    let mut stream = daemon.listen("").await;
    stream.until_caught_up().await;
    let ask = json!({"title": "Deploy?", "match_code": CODE});
    let ask = || daemon.asking(&ask).header("idempotency-key", KEY);
    let asked = ask().await;
    let id = asked.id();
    let other = json!({"title": "Destroy?", "match_code": CODE});
    let approve = |code: &str| {
        let approve = json!({"verdict": "approve", "match_code": code});
        daemon.deciding(&id, &approve)
    };
    // Everything that can go wrong with a code or a key, then what goes right.
    let answers = [
        asked,
        ask().await,
        daemon.asking(&other).header("idempotency-key", KEY).await,
        daemon
            .asking(&json!({"title": "a", "match_code": 730_519}))
            .await,
        daemon
            .asking(&json!({"title": "a", "match_code": "730519x"}))
            .await,
        daemon
            .asking(&json!({"title": "a", "match_code": [CODE]}))
            .await,
        approve("7305190").await,
        approve(WRONG).await,
        daemon
            .call_http2(reqwest::Method::POST, "/v1/requests")
            .header("idempotency-key", KEY)
            .json(&json!({"title": "b", "match_code": CODE}))
            .await,
        daemon.get(&format!("/v1/requests/{id}")).await,
        approve(CODE).await,
        approve(WRONG).await,
        daemon.get("/v1/requests").await,
        daemon.get("/metrics").await,
    ];
    for (n, answer) in answers.iter().enumerate() {
        keeps_quiet(
            &format!("answer {n}"),
            &format!("{answer:?}{}", answer.text()),
        );
    }
    assert_eq!(answers[10].json()["status"], "approved");
    let told = loop {
        let event = stream.event().await;
        keeps_quiet("the stream", &format!("{event:?}"));
        if event.data["status"] == "approved" {
            break event;
        }
    };
    assert_eq!(told.data["id"], id);
    let export = daemon.setup().run(&["audit", "export"]);
    assert!(export.stdout.contains("wrong_code"), "{export:?}");
    keeps_quiet("the export", &format!("{export:?}"));
    daemon.logged("decided").await;
    let log = daemon.log();
    assert!(
        log.contains("TRACE") && log.contains("wrong match code"),
        "{log}"
    );
    keeps_quiet("the log", &log);
}

#[tokio::test]
async fn the_list_of_processes_shows_neither_the_code_nor_a_key_from_the_environment() {
    let daemon = setup().start();
    let matched = Requester::start(&daemon.url(), &["--match", "-m", "Deploy?"]);
    matched.told("asked").await;
    let keyed = Requester::start_with(&daemon.url(), &["-m", "Deploy?"], &[("PUSHD_KEY", KEY)]);
    keyed.told("asked").await;
    let text = matched.said();
    let (_, code) = text.split_once("Match code: ").unwrap();
    let spelled: String = code.chars().take(7).collect();
    let code = spelled.replace(' ', "");
    for requester in [&matched, &keyed] {
        let list = std::fs::read(format!("/proc/{}/cmdline", requester.id())).unwrap();
        let list = String::from_utf8(list).unwrap();
        assert!(list.contains("Deploy?"), "{list}");
        for secret in [KEY, &code, &spelled] {
            assert!(!list.contains(secret), "{list}");
        }
    }
    assert!(!keyed.said().contains(KEY), "{}", keyed.said());
}
