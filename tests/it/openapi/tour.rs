//! A tour through the API: every answer that can be provoked, each held against the document.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, setup};
use crate::document::{operation, operations, resolved};
use crate::people::People;
use crate::raw::Socket;

/// One documented answer: the operation, the status, and the code or the media type.
type Stop = (String, u16, String);

/// What the tour has seen.
#[derive(Debug)]
struct Tour<'a> {
    daemon: &'a Daemon,
    seen: BTreeSet<Stop>,
}

impl Tour<'_> {
    async fn go(&mut self, status: u16, method: &str, path: &str, with: fn(Call) -> Call) -> Reply {
        let method: Method = method.parse().unwrap();
        let call = with(self.daemon.call(method.clone(), path));
        // Awaiting the call holds the answer against the document.
        let reply = call.await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        self.note(&method, path, &reply);
        reply
    }

    fn note(&mut self, method: &Method, path: &str, reply: &Reply) {
        let operation = operation(method, path).expect("the tour goes to documented places");
        let name = operation.entry["operationId"].as_str().unwrap();
        let what = match reply.media() {
            Some("application/problem+json") => reply.problem().1,
            Some(media) => media.to_owned(),
            None => String::new(),
        };
        self.seen.insert((name.to_owned(), reply.status, what));
    }
}

/// All answers that the document promises.
fn documented() -> BTreeSet<Stop> {
    let mut stops = BTreeSet::new();
    for operation in operations() {
        let name = operation.entry["operationId"].as_str().unwrap();
        for (status, response) in operation.entry["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            let content = resolved(response)["content"].as_object();
            let medias = content.into_iter().flatten();
            let mut whats: Vec<_> = medias
                .flat_map(|(media, entry)| {
                    let codes = &entry["schema"]["allOf"][1]["properties"]["code"]["enum"];
                    match codes.as_array() {
                        Some(codes) => codes
                            .iter()
                            .map(|code| code.as_str().unwrap().to_owned())
                            .collect(),
                        None => vec![media.clone()],
                    }
                })
                .collect();
            if whats.is_empty() {
                whats.push(String::new());
            }
            stops.extend(
                whats
                    .into_iter()
                    .map(|what| (name.to_owned(), status, what)),
            );
        }
    }
    stops
}

const QUOTA: &str = "has a flood of its own";

const POLICY: &str = "needs a policy, which has tests of its own";

/// What cannot be provoked from outside in a test, and why.
const OUT_OF_REACH: [(&str, &str); 22] = [
    ("internal", "needs a damaged record"),
    (
        "contended",
        "needs more rivals than fit between two commits",
    ),
    ("outcome_unknown", "needs a disk that fails"),
    (
        "store_busy",
        "needs thousands of writes in the same instant",
    ),
    ("store_unavailable", "needs a store that fails"),
    ("clock_behind", "needs a clock that is set back"),
    (
        "not_the_requester",
        "needs principals, which come with tokens",
    ),
    (
        "body_timeout",
        "has a test of its own, because it takes its time",
    ),
    (
        "draining",
        "has tests of its own, because it ends the daemon",
    ),
    (
        "tls_required",
        "has a test of its own, because it needs a daemon with a certificate",
    ),
    ("accounts_unavailable", "needs a user database that is away"),
    ("frozen", POLICY),
    ("reason_required", POLICY),
    ("too_many_votes", "needs more votes than fit on a tour"),
    (
        "too_late",
        "has a test of its own, because it takes its time",
    ),
    ("denied_recently", QUOTA),
    ("too_many_asks", QUOTA),
    ("too_many_connections_of_address", QUOTA),
    ("too_many_pending_of_requester", QUOTA),
    ("too_many_subscribers_of_requester", QUOTA),
    ("too_many_waiters_of_requester", QUOTA),
    (
        "too_many_connections",
        "has a test of its own, because it leaves no room for a tour",
    ),
];

#[tokio::test]
async fn every_documented_answer_that_can_be_provoked_is_given_as_documented() {
    let flags = "--max-pending 6 --max-waiters 1 --max-subscribers 2";
    let daemon = setup().flags(flags).start();
    let mut tour = Tour {
        daemon: &daemon,
        seen: BTreeSet::new(),
    };
    asks(&mut tour).await;
    reads(&mut tour).await;
    commands(&mut tour).await;
    operations_calls(&mut tour).await;
    streams(&mut tour).await;
    strangers(&mut tour).await;
    limits(&mut tour).await;
    let setup = setup();
    let people = People::new(
        &setup,
        &[
            ("eve", "requester,approver", "deploy*"),
            ("ci", "requester", "deploy*"),
            ("olga", "observer", "*"),
            ("zoe", "approver", "deploy*"),
        ],
    );
    let knowing = setup.flags(&people.flag()).start();
    let mut tour = Tour {
        daemon: &knowing,
        seen: tour.seen,
    };
    principals(&mut tour, &people).await;

    let unseen: Vec<_> = documented()
        .difference(&tour.seen)
        .filter(|(_, _, what)| !OUT_OF_REACH.iter().any(|(code, _)| code == what))
        .cloned()
        .collect();
    assert_eq!(unseen, [], "documented, but the tour has not met them");
}

/// What only a daemon answers that knows people.
async fn principals(tour: &mut Tour<'_>, people: &People) {
    let id = tour.daemon.asked_by(people, "eve", "deploy").await;
    let token = people.token_of("eve");
    for operation in operations() {
        if !operation.entry["responses"]["401"].is_object() {
            continue;
        }
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let path = operation.path.replace("{id}", &id);
        for header in [None, Some("Bearer x")] {
            let mut call = tour.daemon.call(method.clone(), &path);
            if let Some(header) = header {
                call = call.header("authorization", header);
            }
            if operation.path == "/v1/session" {
                call = call.json(&json!({"token": "x"}));
            }
            let reply = call.await;
            assert_eq!(reply.status, 401, "{method} {path}: {reply:?}");
            tour.note(&method, &path, &reply);
        }
    }
    let decision = format!("/v1/requests/{id}/decision");
    let named = json!({"title": "Deploy?", "topic": "deploy", "from": ["zoe"]});
    let named = people.by("ci", tour.daemon.asking(&named)).await.id();
    let named = format!("/v1/requests/{named}/decision");
    let of_policy = json!({"title": "Deploy?", "topic": "deploy", "from": ["@sre"]});
    for (status, path, members) in [
        (
            403,
            "/v1/requests",
            json!({"title": "Log in?", "topic": "login"}),
        ),
        (422, "/v1/requests", of_policy),
        (403, &*decision, json!({"verdict": "approve"})),
        (403, &*named, json!({"verdict": "approve"})),
        (200, "/v1/session", json!({"token": token})),
    ] {
        let call = tour.daemon.post(path).json(&members);
        let reply = people.by("eve", call).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        tour.note(&Method::POST, path, &reply);
    }
    let call = tour
        .daemon
        .post(&decision)
        .json(&json!({"verdict": "deny"}));
    let reply = people.by("olga", call).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    tour.note(&Method::POST, &decision, &reply);
    let reply = people.by("olga", tour.daemon.delete(&decision)).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    tour.note(&Method::DELETE, &decision, &reply);
    let reply = people.by("eve", tour.daemon.get("/metrics")).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    tour.note(&Method::GET, "/metrics", &reply);
    let path = "/v1/session";
    let reply = tour.daemon.call(Method::DELETE, path).await;
    tour.note(&Method::DELETE, path, &reply);
    for (status, with) in [
        (
            400,
            (|call| call.header("content-type", "application/json").body("{")) as fn(Call) -> Call,
        ),
        (413, large),
        (415, |call| call.body("x")),
        (422, |call| call.json(&json!({"token": 1}))),
    ] {
        tour.go(status, "POST", path, with).await;
    }
    tour.go(400, "POST", "/v1/session?x", |call| {
        call.json(&json!({"token": "x"}))
    })
    .await;
    tour.go(400, "DELETE", "/v1/session?x", |call| call).await;
}

async fn asks(tour: &mut Tour<'_>) {
    let path = "/v1/requests";
    tour.go(201, "POST", path, |call| {
        let members = json!({
            "title": "Deploy?", "details": "a\nb", "topic": "deploy/prod", "expires_in_secs": 60,
            "fields": [{"name": "environment", "value": "production"}],
        });
        call.header("idempotency-key", "tour").json(&members)
    })
    .await;
    tour.go(422, "POST", path, |call| {
        call.header("idempotency-key", "tour")
            .json(&json!({"title": "Other?"}))
    })
    .await;
    tour.go(201, "POST", "/v1/requests?wait=0", |call| {
        short(call).header("accept", "text/plain")
    })
    .await;
    tour.go(200, "POST", path, short).await;
    tour.go(200, "POST", path, |call| {
        short(call).header("accept", "text/plain")
    })
    .await;
    tour.go(400, "POST", path, |call| {
        call.header("content-type", "application/json").body("{")
    })
    .await;
    tour.go(400, "POST", "/v1/requests?x=1", |call| {
        call.json(&json!({"title": "a"}))
    })
    .await;
    tour.go(400, "POST", path, |call| {
        call.header("idempotency-key", "")
            .json(&json!({"title": "a"}))
    })
    .await;
    tour.go(406, "POST", path, |call| call.header("accept", "image/png"))
        .await;
    tour.go(413, "POST", path, large).await;
    tour.go(415, "POST", path, |call| call.body("title=a"))
        .await;
    tour.go(422, "POST", path, |call| call.json(&json!({"title": ""})))
        .await;
    tour.go(422, "POST", path, |call| {
        call.json(&json!({"title": "a", "need": 2}))
    })
    .await;
}

fn short(call: Call) -> Call {
    call.header("idempotency-key", "short")
        .json(&json!({"title": "a"}))
}

fn large(call: Call) -> Call {
    call.header("content-type", "application/json")
        .body(" ".repeat(512 * 1024 + 1))
}

async fn reads(tour: &mut Tour<'_>) {
    let id = tour.daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    tour.go(200, "GET", &path, |call| call).await;
    tour.go(200, "HEAD", &path, |call| call).await;
    tour.go(200, "GET", &path, |call| {
        call.header("accept", "text/plain")
    })
    .await;
    tour.go(200, "GET", &format!("{path}?wait=0"), |call| call)
        .await;
    tour.go(304, "GET", &path, |call| call.header("if-none-match", "*"))
        .await;
    tour.go(400, "GET", &format!("{path}?wait=x"), |call| call)
        .await;
    tour.go(406, "GET", &path, |call| call.header("accept", "image/png"))
        .await;
    tour.go(
        404,
        "GET",
        &format!("/v1/requests/{}", "a".repeat(26)),
        |call| call,
    )
    .await;
    tour.go(
        200,
        "GET",
        "/v1/requests?status=pending&limit=1&topic=default",
        |call| call,
    )
    .await;
    tour.go(400, "GET", "/v1/requests?status=open", |call| call)
        .await;
    tour.go(406, "GET", "/v1/requests", |call| {
        call.header("accept", "text/plain")
    })
    .await;
}

/// Every way to get a match code wrong.
async fn matching(tour: &mut Tour<'_>) {
    let plain = tour.daemon.ask("Deploy?").await;
    let plain = format!("/v1/requests/{plain}/decision");
    tour.go(422, "POST", &plain, |call| {
        call.json(&json!({"verdict": "approve", "match_code": "004207"}))
    })
    .await;
    let deny = |call: Call| call.json(&json!({"verdict": "deny"}));
    tour.go(200, "POST", &plain, deny).await;
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let matched = tour.daemon.asking(&ask).await.id();
    let matched = format!("/v1/requests/{matched}/decision");
    tour.go(422, "POST", &matched, |call| {
        call.json(&json!({"verdict": "approve"}))
    })
    .await;
    for _ in 0..3 {
        tour.go(403, "POST", &matched, |call| {
            call.json(&json!({"verdict": "approve", "match_code": "999999"}))
        })
        .await;
    }
}

/// Every way to use an approval, and to take a vote back.
async fn using(tour: &mut Tour<'_>) {
    let id = tour.daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    let (consume, decision) = (format!("{path}/consume"), format!("{path}/decision"));
    let unknown = format!("/v1/requests/{}", "a".repeat(26));
    let one: fn(Call) -> Call = |call| call.json(&json!({"nonce": "0123456789abcdef"}));
    tour.go(409, "POST", &consume, one).await;
    tour.go(200, "DELETE", &decision, |call| call).await;
    tour.go(400, "DELETE", &format!("{decision}?x"), |call| call)
        .await;
    tour.go(404, "DELETE", &format!("{unknown}/decision"), |call| call)
        .await;
    tour.go(200, "POST", &decision, |call| {
        call.json(&json!({"verdict": "approve"}))
    })
    .await;
    tour.go(409, "DELETE", &decision, |call| call).await;
    tour.go(200, "POST", &consume, one).await;
    tour.go(409, "POST", &consume, |call| {
        call.json(&json!({"nonce": "fedcba9876543210"}))
    })
    .await;
    tour.go(400, "POST", &format!("{consume}?x"), one).await;
    tour.go(400, "POST", &consume, |call| {
        call.header("content-type", "application/json").body("once")
    })
    .await;
    tour.go(404, "POST", &format!("{unknown}/consume"), one)
        .await;
    tour.go(413, "POST", &consume, large).await;
    tour.go(415, "POST", &consume, |call| call.body("once"))
        .await;
    tour.go(422, "POST", &consume, |call| {
        call.json(&json!({"nonce": 1}))
    })
    .await;
}

async fn commands(tour: &mut Tour<'_>) {
    let id = tour.daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    let (decision, seen) = (format!("{path}/decision"), format!("{path}/seen"));
    let unknown = format!("/v1/requests/{}", "a".repeat(26));
    tour.go(204, "POST", &seen, |call| call).await;
    tour.go(400, "POST", &format!("{seen}?x"), |call| call)
        .await;
    tour.go(404, "POST", &format!("{unknown}/seen"), |call| call)
        .await;
    tour.go(400, "POST", &format!("{decision}?x"), |call| call)
        .await;
    tour.go(400, "POST", &decision, |call| {
        call.header("content-type", "application/json").body("yes")
    })
    .await;
    tour.go(412, "POST", &decision, |call| {
        call.json(&json!({"verdict": "deny", "version": 0}))
    })
    .await;
    tour.go(413, "POST", &decision, large).await;
    tour.go(415, "POST", &decision, |call| call.body("approve"))
        .await;
    tour.go(422, "POST", &decision, |call| {
        call.json(&json!({"verdict": "maybe"}))
    })
    .await;
    tour.go(404, "POST", &format!("{unknown}/decision"), |call| {
        call.json(&json!({"verdict": "deny"}))
    })
    .await;
    tour.go(200, "POST", &decision, |call| {
        call.json(&json!({"verdict": "deny", "reason": "frozen until Monday"}))
    })
    .await;
    tour.go(409, "POST", &decision, |call| {
        call.json(&json!({"verdict": "approve"}))
    })
    .await;
    matching(tour).await;
    using(tour).await;
    tour.go(409, "DELETE", &path, |call| call).await;
    tour.go(400, "DELETE", &format!("{path}?x"), |call| call)
        .await;
    tour.go(404, "DELETE", &unknown, |call| call).await;
    let other = tour.daemon.ask("Deploy?").await;
    tour.go(200, "DELETE", &format!("/v1/requests/{other}"), |call| call)
        .await;
}

async fn operations_calls(tour: &mut Tour<'_>) {
    for path in ["/v1/me", "/livez", "/readyz", "/metrics", "/openapi.json"] {
        tour.go(200, "GET", path, |call| call).await;
        tour.go(200, "HEAD", path, |call| call).await;
    }
    tour.go(400, "GET", "/v1/me?x", |call| call).await;
}

async fn streams(tour: &mut Tour<'_>) {
    tour.go(400, "GET", "/v1/events?topic=a%20b", |call| call)
        .await;
    tour.go(406, "GET", "/v1/events", |call| {
        call.header("accept", "application/json")
    })
    .await;
    for media in ["text/event-stream", "application/x-ndjson"] {
        let call = tour.daemon.get("/v1/events").header("accept", media);
        let response = call.open().await;
        let reply = Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
        };
        crate::document::check(&Method::GET, "/v1/events", &reply);
        tour.note(&Method::GET, "/v1/events", &reply);
    }
    tour.daemon.subscribers_are(0).await;
}

/// Calls that a stranger's page or program would make, on every operation.
async fn strangers(tour: &mut Tour<'_>) {
    let id = tour.daemon.ask("Deploy?").await;
    for operation in operations() {
        let (method, path) = (operation.method, operation.path.replace("{id}", &id));
        let method: Method = method.to_uppercase().parse().unwrap();
        let has = |status: &str| operation.entry["responses"][status].is_object();
        let mut faults = vec![
            (
                431,
                format!(
                    "{method} {path} HTTP/1.1\r\nHost: a\r\nX: {}",
                    "x".repeat(40_000)
                ),
            ),
            (
                400,
                format!("{method} {path} HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n"),
            ),
        ];
        if has("421") {
            faults.push((
                421,
                format!("{method} {path} HTTP/1.1\r\nHost: other.example\r\n\r\n"),
            ));
        }
        if has("403") && !method.is_safe() {
            let origin = "Host: localhost\r\nOrigin: null";
            faults.push((403, format!("{method} {path} HTTP/1.1\r\n{origin}\r\n\r\n")));
        }
        if operation.entry["requestBody"].is_object() {
            let head = "Host: localhost\r\nContent-Type: application/json";
            let broken = "Transfer-Encoding: chunked\r\n\r\nnot a length\r\n";
            faults.push((
                400,
                format!("{method} {path} HTTP/1.1\r\n{head}\r\n{broken}"),
            ));
        }
        for (status, call) in faults {
            let mut socket: Socket = tour.daemon.socket().await;
            socket.say(call).await;
            let reply = socket.answer().await;
            assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
            crate::document::check(&method, &path, &reply);
            tour.note(&method, &path, &reply);
        }
    }
}

async fn limits(tour: &mut Tour<'_>) {
    let waiting = tour.daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{waiting}?wait=60");
    let held = tour.daemon.get(&path).spawn();
    tour.daemon.waiters_are(1).await;
    tour.go(503, "GET", &path, |call| call).await;
    held.abort();
    let streams = [tour.daemon.listen("").await, tour.daemon.listen("").await];
    tour.go(503, "GET", "/v1/events", |call| call).await;
    drop(streams);
    // The tour has left fewer pending requests than there is room for.
    while tour.daemon.metric("pushd_requests_pending").await < 6 {
        tour.daemon.ask("Deploy?").await;
    }
    tour.go(503, "POST", "/v1/requests", |call| {
        call.json(&json!({"title": "a"}))
    })
    .await;
}
