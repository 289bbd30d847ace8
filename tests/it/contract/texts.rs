//! Texts are kept exactly, or refused; never changed.

use serde_json::json;

use crate::daemon::setup;

const LINE_BREAKS: [char; 7] = [
    '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
];

/// One character of every kind that somebody might be tempted to clean away.
const EVERY_KIND: &str = "a\0\u{1}\t\u{8}\u{1b}[31m\u{7f}\u{80}\u{9b}\u{a0}\u{ad}é\u{301}\u{200b}\u{200e}\
    \u{202e}\u{2066}\u{feff}\u{fffd}\u{fffe}\u{e000}\u{10ffff}\u{1f469}\u{200d}\u{1f680}\u{e0041}\"\\/<&>\u{2026}";

#[tokio::test]
async fn every_character_that_is_taken_comes_back_exactly() {
    let daemon = setup().start();
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    let lines = format!("{EVERY_KIND}\r\n\u{85}\u{2028}{EVERY_KIND}\n\n ");
    let members = json!({
        "title": EVERY_KIND, "details": lines,
        "fields": [{"name": EVERY_KIND, "value": lines}],
    });
    let asked = daemon.asking(&members).await.json();
    let id = asked["id"].as_str().unwrap();
    let decision = json!({"verdict": "deny", "reason": EVERY_KIND});
    let decided = daemon.deciding(id, &decision).await.json();
    let listed = daemon.get("/v1/requests").await.json()["requests"][0].clone();
    let told = stream.event().await.data;
    for view in [&asked, &decided, &listed, &told] {
        for member in ["title", "details", "fields"] {
            assert_eq!(view[member], members[member], "{member}");
        }
    }
    assert_eq!(decided["decisions"][0]["reason"], EVERY_KIND);
}

#[tokio::test]
async fn texts_survive_a_crash_exactly() {
    let daemon = setup().start();
    let id = daemon.ask(EVERY_KIND).await;
    let before = daemon.read(&id).await;
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.read(&id).await, before);
}

#[tokio::test]
async fn a_line_break_of_any_kind_is_refused_in_one_line_texts() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    for line_break in LINE_BREAKS {
        let text = format!("Deploy?{line_break}Approved by alice");
        let code = format!("U+{:04X}", u32::from(line_break));
        let fields = json!([{"name": text, "value": ""}]);
        for (reply, member) in [
            (daemon.asking(&json!({"title": text})).await, "title"),
            (
                daemon
                    .asking(&json!({"title": "a", "fields": fields}))
                    .await,
                "fields[0].name",
            ),
            (
                daemon
                    .deciding(&id, &json!({"verdict": "deny", "reason": text}))
                    .await,
                "reason",
            ),
        ] {
            assert_eq!(reply.problem(), (422, "invalid_member".to_owned()));
            assert!(reply.detail().contains(&code), "{reply:?}");
            assert!(reply.detail().starts_with(member), "{reply:?}");
        }
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn each_bound_is_inclusive_and_named_with_its_member() {
    let daemon = setup().start();
    let field =
        |name: usize, value: usize| json!({"name": "n".repeat(name), "value": "v".repeat(value)});
    let fields = |count| json!({"title": "a", "fields": vec![field(1, 1); count]});
    for good in [
        json!({"title": "部".repeat(200)}),
        json!({"title": "a", "details": "é".repeat(32 * 1024)}),
        json!({"title": "a", "topic": "t".repeat(64)}),
        json!({"title": "a", "fields": [field(64, 1024)]}),
        json!({"title": "a", "fields": [field(1, 0)]}),
        fields(32),
        json!({"title": "a", "expires_in_secs": 1}),
        json!({"title": "a", "expires_in_secs": 2_592_000}),
    ] {
        assert_eq!(daemon.asking(&good).await.status, 201);
    }
    for (bad, member) in [
        (json!({"title": "部".repeat(201)}), "title"),
        (json!({"title": ""}), "title"),
        (
            json!({"title": "a", "details": "é".repeat(32 * 1024) + "a"}),
            "details",
        ),
        (json!({"title": "a", "topic": "t".repeat(65)}), "topic"),
        (json!({"title": "a", "topic": ""}), "topic"),
        (json!({"title": "a", "topic": "a b"}), "topic"),
        (
            json!({"title": "a", "fields": [field(1, 1), field(65, 1)]}),
            "fields[1].name",
        ),
        (
            json!({"title": "a", "fields": [field(0, 1)]}),
            "fields[0].name",
        ),
        (
            json!({"title": "a", "fields": [field(1, 1025)]}),
            "fields[0].value",
        ),
        (fields(33), "fields"),
        (
            json!({"title": "a", "expires_in_secs": 0}),
            "expires_in_secs",
        ),
        (
            json!({"title": "a", "expires_in_secs": 2_592_001}),
            "expires_in_secs",
        ),
        (
            json!({"title": "a", "expires_in_secs": u64::MAX}),
            "expires_in_secs",
        ),
    ] {
        let reply = daemon.asking(&bad).await;
        assert_eq!(
            reply.problem(),
            (422, "invalid_member".to_owned()),
            "{member}"
        );
        assert!(
            reply.detail().starts_with(&format!("{member}:")),
            "{member}: {reply:?}"
        );
    }
    let id = daemon.ask("Deploy?").await;
    let reason = |count| json!({"verdict": "deny", "reason": "r".repeat(count)});
    assert_eq!(daemon.deciding(&id, &reason(501)).await.status, 422);
    assert_eq!(daemon.deciding(&id, &reason(500)).await.status, 200);
}
