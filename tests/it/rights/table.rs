//! Every call by every role, on topics of one's own and on foreign ones.

use std::collections::BTreeMap;

use serde_json::json;

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::stream::Stream;

const PEOPLE: [(&str, &str, &str); 7] = [
    ("ci", "requester", "deploy*,login"),
    ("cron", "requester", "backup"),
    ("alice", "approver", "deploy*"),
    ("olga", "observer", "deploy*"),
    ("root", "admin", "deploy*"),
    ("eve", "requester,approver", "deploy*"),
    ("far", "approver,observer,admin", "backup"),
];

/// What somebody does with a request of `ci` about `deploy/prod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Read,
    Wait,
    Approve,
    Deny,
    TakeBack,
    Consume,
    Cancel,
    Seen,
}

impl Deed {
    const ALL: [Self; 8] = [
        Self::Read,
        Self::Wait,
        Self::Approve,
        Self::Deny,
        Self::TakeBack,
        Self::Consume,
        Self::Cancel,
        Self::Seen,
    ];

    fn call(self, daemon: &Daemon, id: &str) -> Call {
        let path = format!("/v1/requests/{id}");
        let decide = |verdict: &str| {
            let call = daemon.post(&format!("{path}/decision"));
            call.json(&json!({"verdict": verdict}))
        };
        match self {
            Self::Read => daemon.get(&path),
            Self::Wait => daemon.get(&format!("{path}?wait=0")),
            Self::Approve => decide("approve"),
            Self::Deny => decide("deny"),
            Self::TakeBack => daemon.call(reqwest::Method::DELETE, &format!("{path}/decision")),
            Self::Consume => {
                let call = daemon.post(&format!("{path}/consume"));
                call.json(&json!({"nonce": "0123456789abcdef"}))
            }
            Self::Cancel => daemon.call(reqwest::Method::DELETE, &path),
            Self::Seen => daemon.post(&format!("{path}/seen")),
        }
    }
}

fn outcome(reply: &Reply) -> String {
    match reply.media() {
        Some("application/problem+json") => reply.problem().1,
        Some(_) | None => reply.status.to_string(),
    }
}

#[tokio::test]
async fn every_role_may_do_with_a_request_what_the_table_says_and_no_more() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let no = "forbidden";
    let gone = "not_found";
    let ours = "not_the_requester";
    let early = "not_approved";
    //               read   wait   approve deny   back   consume cancel seen
    #[rustfmt::skip]
    let table = [
        ("ci",    ["200", "200", no,     no,    no,    early, "200", "204"]),
        ("alice", ["200", "200", "200",  "200", "200", ours,  ours,  "204"]),
        ("olga",  ["200", "200", no,     no,    no,    ours,  ours,  "204"]),
        ("root",  ["200", "200", no,     no,    no,    ours,  "200", "204"]),
        ("eve",   ["200", "200", "200",  "200", "200", ours,  ours,  "204"]),
        ("cron",  [gone,  gone,  no,     no,    no,    gone,  gone,  gone]),
        ("far",   [gone; 8]),
    ];
    for (name, expected) in table {
        for (deed, expected) in Deed::ALL.into_iter().zip(expected) {
            let id = daemon.asked_by(&people, "ci", "deploy/prod").await;
            let reply = people.by(name, deed.call(&daemon, &id)).await;
            assert_eq!(outcome(&reply), expected, "{name} {deed:?}: {reply:?}");
            // What was refused has not happened.
            let now = people
                .by("ci", daemon.get(&format!("/v1/requests/{id}")))
                .await;
            let pending = now.json()["status"] == "pending";
            let changes = [Deed::Approve, Deed::Deny, Deed::Cancel].contains(&deed);
            assert_eq!(pending, !(changes && expected == "200"), "{name} {deed:?}");
            let seen = now.json()["seen_by"].as_array().unwrap().len();
            let may_decide = ["alice", "eve"].contains(&name);
            assert_eq!(
                seen == 1,
                deed == Deed::Seen && may_decide,
                "{name} {deed:?}"
            );
        }
    }
}

#[tokio::test]
async fn nobody_approves_their_own_request_whatever_their_roles() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "eve", "deploy").await;
    let reply = people.by("eve", Deed::Approve.call(&daemon, &id)).await;
    assert_eq!(
        reply.problem(),
        (403, "own_request".to_owned()),
        "{reply:?}"
    );
    let reply = people.by("alice", Deed::Approve.call(&daemon, &id)).await;
    assert_eq!(reply.json()["status"], "approved");
}

#[tokio::test]
async fn what_is_foreign_shows_in_no_list_no_stream_and_no_figure() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let mut ids = BTreeMap::new();
    for (name, topic) in [
        ("ci", "deploy/prod"),
        ("eve", "deploy/test"),
        ("ci", "login"),
        ("cron", "backup"),
    ] {
        ids.insert(topic, daemon.asked_by(&people, name, topic).await);
    }
    for (name, expected) in [
        ("ci", vec!["deploy/prod", "login"]),
        ("cron", vec!["backup"]),
        ("alice", vec!["deploy/prod", "deploy/test"]),
        ("olga", vec!["deploy/prod", "deploy/test"]),
        ("root", vec!["deploy/prod", "deploy/test"]),
        ("eve", vec!["deploy/prod", "deploy/test"]),
        ("far", vec!["backup"]),
    ] {
        let reply = people.by(name, daemon.get("/v1/requests")).await;
        let list = reply.json();
        let topics = |list: &serde_json::Value| {
            let all = list["requests"].as_array().unwrap().iter();
            let mut topics: Vec<_> = all
                .map(|request| request["topic"].as_str().unwrap().to_owned())
                .collect();
            topics.sort_unstable();
            topics
        };
        assert_eq!(topics(&list), expected, "{name}");
        // A filter for what is foreign finds nothing.
        for topic in ids.keys() {
            let path = format!("/v1/requests?topic={topic}&status=pending");
            let found = topics(&people.by(name, daemon.get(&path)).await.json());
            assert_eq!(
                found.len(),
                usize::from(expected.contains(topic)),
                "{name} {topic}"
            );
        }
        let call = people.by(name, daemon.get("/v1/events"));
        let events = Stream::open(call).await.until_caught_up().await;
        let told = events
            .iter()
            .map(|event| event.data["topic"].as_str().unwrap());
        let mut told: Vec<_> = told.map(str::to_owned).collect();
        told.sort_unstable();
        assert_eq!(told, expected, "{name}");
        let figures = people.by(name, daemon.get("/metrics")).await;
        assert_eq!(figures.problem(), (403, "forbidden".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn asking_needs_the_role_and_the_topic() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    for (name, topic, expected) in [
        ("ci", "deploy/prod", "201"),
        ("ci", "login", "201"),
        ("ci", "backup", "forbidden"),
        ("ci", "default", "forbidden"),
        ("alice", "deploy/prod", "forbidden"),
        ("olga", "deploy/prod", "forbidden"),
        ("root", "deploy/prod", "forbidden"),
        ("eve", "deploy/prod", "201"),
        ("eve", "login", "forbidden"),
    ] {
        let call = daemon.post("/v1/requests");
        let call = call.json(&json!({"title": "Deploy?", "topic": topic}));
        let reply = people.by(name, call).await;
        assert_eq!(outcome(&reply), expected, "{name} {topic}: {reply:?}");
    }
    // The same key of two people stands for two requests.
    let mut ids = Vec::new();
    for name in ["ci", "eve"] {
        let call = daemon.post("/v1/requests").header("idempotency-key", "k");
        let call = call.json(&json!({"title": "Deploy?", "topic": "deploy"}));
        ids.push(people.by(name, call).await.id());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told_but_that_one_is_needed() {
    let setup = setup();
    let mut people = People::new(&setup, &PEOPLE);
    people.create("late", &["--role", "approver", "--expires", "1ms"]);
    people.create("gone", &["--role", "approver"]);
    people.revoke("gone");
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let unknown = "a".repeat(26);
    let alice = people.token_of("alice").to_owned();
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let cases = [
        (None, "unauthenticated"),
        (Some("Basic YTpi".to_owned()), "unauthenticated"),
        (bearer(people.token_of("late")), "invalid_token"),
        (bearer(people.token_of("gone")), "invalid_token"),
        (bearer("x"), "invalid_token"),
        (Some("Bearer".to_owned()), "invalid_token"),
        (Some("bearer \u{e4}".to_owned()), "invalid_token"),
        (bearer(&alice.to_uppercase()), "invalid_token"),
        (bearer(&alice[..alice.len() - 1]), "invalid_token"),
    ];
    for (header, code) in &cases {
        let calls = Deed::ALL
            .into_iter()
            .flat_map(|deed| [&id, &unknown].map(|id| deed.call(&daemon, id)));
        let others = [
            daemon.get("/v1/requests"),
            daemon.get("/v1/events"),
            daemon.get("/v1/me"),
            daemon.get("/metrics"),
            daemon
                .post("/v1/requests")
                .json(&json!({"title": "Deploy?"})),
        ];
        for call in calls.chain(others) {
            let call = match header {
                Some(header) => call.header("authorization", header),
                None => call,
            };
            let reply = call.await;
            assert_eq!(
                reply.problem(),
                (401, (*code).to_owned()),
                "{header:?}: {reply:?}"
            );
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.starts_with("Bearer realm=\"pushd\""),
                "{challenge}"
            );
            assert!(!format!("{reply:?}").contains(&alice[6..30]), "{reply:?}");
        }
    }
    for path in ["/livez", "/readyz", "/", "/ask", "/openapi.json"] {
        assert_eq!(daemon.get(path).open().await.status(), 200, "{path}");
    }
    let request = people.by("alice", Deed::Read.call(&daemon, &id)).await;
    assert_eq!(request.json()["status"], "pending");
}
