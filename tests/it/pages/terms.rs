//! What a policy sets, on a page. The browser's own calls are changed on their way, so that the page
//! meets terms, refusals and ends that take a while to bring about.

use serde_json::{Value, json};

use super::votes::Team;
use crate::browser::Browser;
use crate::daemon::setup;
use crate::until::until;

/// Puts `members` into each answer about a single request, and answers decisions with
/// `window.refusal`, if there is one.
const STAND_IN: &str = "
    const send = window.fetch;
    window.refusal = null;
    window.sent = [];
    window.fetch = async (url, options) => {
        if (String(url).endsWith('/decision')) {
            window.sent.push(JSON.parse(options.body));
            const { headers, ...problem } = window.refusal ?? {};
            if (window.refusal) {
                const kind = { 'Content-Type': 'application/problem+json', ...headers };
                return new Response(JSON.stringify(problem), { status: problem.status, headers: kind });
            }
        }
        const answer = await send(url, options);
        const isView = String(url).startsWith('/v1/requests') && answer.ok && answer.status !== 204;
        if (!isView) return answer;
        const { status, headers } = answer;
        return new Response(JSON.stringify({ ...(await answer.json()), ...MEMBERS }), { status, headers });
    };";

impl Browser {
    /// Has the pages that are opened from now on meet these.
    pub(super) async fn meets(&self, members: &Value) {
        let source = STAND_IN.replace("MEMBERS", &members.to_string());
        let script = json!({ "source": source });
        self.devtools("Page.addScriptToEvaluateOnNewDocument", script)
            .await;
    }
}

/// A time that is so many seconds away, as the daemon writes it.
fn from_now(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    format!("{at:.3}")
}

/// All that a policy can set.
pub(super) fn strict() -> Value {
    json!({
        "approvals_needed": 2,
        "denials_needed": 2,
        "approvers": ["alice", "bob", "carol"],
        "panels": [
            {"group": "sre", "approvals": 1, "members": ["alice", "bob"]},
            {"group": "dba", "approvals": 2, "members": ["bob", "carol"]},
        ],
        "rules": ["production", "two people"],
        "reason_required": true,
        "freezes": [
            format!("from {} until {}", from_now(-3600), from_now(3600)),
            "every Friday afternoon",
        ],
        "decisions": [
            {"verdict": "approve", "approver": {"principal": "bob"}, "at": from_now(-60)},
            {"verdict": "deny", "approver": {"principal": "carol"}, "reason": "not \u{202e}now",
             "at": from_now(-30)},
        ],
    })
}

#[tokio::test]
async fn what_a_policy_sets_is_told_in_words() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?"})).await;
    let browser = team.alice_at("/").await;
    browser.meets(&strict()).await;
    browser.open(&format!("{}/r/{id}", team.daemon.url())).await;
    let text = browser.card_is(&id, "pending").await;
    for words in [
        "may approve\nalice, bob, carol",
        "rules\nproduction, two people",
        "reason\nNeeded to approve",
        "frozen\nfrom ",
        " – now\nevery Friday afternoon",
        "approvals\n1 of 2",
        // Bob could stand for either, and stands for one.
        "sre: 1 of 1\ndba: 0 of 2, 2 more of bob, carol\nEach person counts for one group only.",
        "denials\n1 of 2",
        "carol denied, ",
        "not \\u{202e}now",
        "Approvals are not taken until ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    browser.is_content().await;
}

/// What a freeze is in words, and until when it holds on a Friday at 18:30 in Berlin.
const FREEZES: [(&str, &str, &str); 9] = [
    (
        "fri, sun, from 18:00 until 08:00 the next day (Europe/Berlin)",
        "Fri, Sun, from 18:00 until 08:00 the next day (Europe/Berlin)",
        "08:00 (Europe/Berlin)",
    ),
    (
        "thu, from 20:00 until 18:31 the next day (Europe/Berlin)",
        "Thu, from 20:00 until 18:31 the next day (Europe/Berlin)",
        "18:31 (Europe/Berlin)",
    ),
    (
        "thu, sat, from 18:00 until 18:30 the next day (Europe/Berlin)",
        "Thu, Sat, from 18:00 until 18:30 the next day (Europe/Berlin)",
        "",
    ),
    (
        "fri, from 17:00 until 18:30 (Europe/Berlin)",
        "Fri, from 17:00 until 18:30 (Europe/Berlin)",
        "",
    ),
    (
        "every day, from 17:30 until 17:31 (UTC)",
        "every day, from 17:30 until 17:31 (UTC)",
        "17:31 (UTC)",
    ),
    (
        "fri, from 18:00 until 19:00 (Nowhere/There)",
        "Fri, from 18:00 until 19:00 (Nowhere/There)",
        "",
    ),
    (
        "from 2024-01-05T17:00:00.000Z until 2024-01-05T18:00:00.000Z",
        "from 5:00:00 PM until 6:00:00 PM",
        "6:00:00 PM",
    ),
    (
        "from 2024-01-05T17:00:00.000Z until 2024-01-05T17:30:00.000Z",
        "from 5:00:00 PM until 5:30:00 PM",
        "",
    ),
    ("from time to time", "from time to time", ""),
];

#[tokio::test]
async fn a_freeze_is_told_in_the_readers_words_and_whether_it_holds_now() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    let zone = json!({"timezoneId": "UTC"});
    browser
        .devtools("Emulation.setTimezoneOverride", zone)
        .await;
    browser.open(&daemon.url()).await;
    let told = "return (async function (texts) {
        const { freeze } = await import('/assets/freezes.js');
        const now = Date.parse('2024-01-05T17:30:00Z');
        // Which space stands before PM is the browser's affair.
        const told = ({ words, end }) => [words, end].map((it) => it.replace(/\\s/gu, ' '));
        return texts.map((text) => told(freeze(text, now)));
    }).apply(null, arguments)";
    let texts = FREEZES.map(|(text, ..)| text);
    let told = browser.run(told, json!([texts])).await;
    assert_eq!(told, json!(FREEZES.map(|(_, words, end)| (words, end))));
}

#[tokio::test]
async fn whoever_asks_may_answer_where_a_policy_says_so() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?"})).await;
    let browser = team.alice_at("/").await;
    let members = json!({"requester": {"principal": "alice"}, "self_approval": true});
    browser.meets(&members).await;
    browser.open(&format!("{}/r/{id}", team.daemon.url())).await;
    let text = browser.card_is(&id, "pending").await;
    assert!(text.contains("its asker may approve it too"), "{text}");
    assert_eq!(browser.actions().await, json!(["deny", "approve"]));
}

#[tokio::test]
async fn an_approval_that_needs_a_reason_is_not_sent_without_one() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?"})).await;
    let browser = team.alice_at("/").await;
    browser.meets(&json!({"reason_required": true})).await;
    browser.open(&format!("{}/r/{id}", team.daemon.url())).await;
    browser.card_is(&id, "pending").await;
    until("the page to ask for a reason", async || {
        browser.press_on(".card .approve").await;
        let said = browser.text(".card .status").await;
        said.contains("needs a reason").then_some(())
    })
    .await;
    let focused = "return document.activeElement.id.startsWith('reason-') && window.sent.length";
    assert_eq!(browser.run(focused, json!([])).await, 0);
    browser.type_into(".card .reason input", "planned").await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
    let sent = browser.run("return window.sent", json!([])).await;
    assert_eq!(sent[0]["reason"], "planned");
}

#[tokio::test]
async fn what_the_daemon_refuses_is_told_in_words() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?"})).await;
    let browser = team.alice_at("/").await;
    browser.meets(&json!({})).await;
    browser.open(&format!("{}/r/{id}", team.daemon.url())).await;
    browser.card_is(&id, "pending").await;
    for (refusal, words) in [
        (
            json!({"status": 409, "code": "frozen", "detail": "x", "headers": {"Retry-After": "7200"}}),
            "Nothing was decided. Approvals are not taken until ",
        ),
        (
            json!({"status": 409, "code": "frozen", "detail": "x"}),
            "Nothing was decided. Approvals are not taken at this time. A denial is.",
        ),
        (
            json!({"status": 403, "code": "not_an_approver", "detail": "x"}),
            "Nothing was decided. Your approval would not count",
        ),
        (
            json!({"status": 422, "code": "reason_required", "detail": "x"}),
            "Nothing was decided. An approval of this request needs a reason.",
        ),
        (
            json!({"status": 409, "code": "too_many_votes", "detail": "x"}),
            "Nothing was decided. Too many votes were changed on this request.",
        ),
    ] {
        browser
            .run("window.refusal = arguments[0]", json!([refusal]))
            .await;
        until(&format!("{refusal} to be told"), async || {
            browser.press_on(".card .approve").await;
            let said = browser.text(".card .status").await;
            said.contains(words).then_some(())
        })
        .await;
    }
    browser.run("window.refusal = null", json!([])).await;
    until("the approval to count", async || {
        browser.press_on(".card .approve").await;
        (browser.card(&id).await == "approved").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_struck_out_on_open_pages() {
    let team = Team::new();
    for page in ["/", "/r/"] {
        // First, as a browser may take longer to start than the lease lasts.
        let browser = team.alice_at("/").await;
        let id = team
            .asked(&json!({"title": "Deploy?", "lease_secs": 3}))
            .await;
        // While this poll is held, its asker is there.
        let poll = team.daemon.get(&format!("/v1/requests/{id}?wait=60"));
        let poll = team.people.by("ci", poll).spawn();
        let path = page.replace("/r/", &format!("/r/{id}"));
        let url = format!("{}{path}", team.daemon.url());
        browser.open(&url).await;
        browser.card_is(&id, "pending").await;
        poll.abort();
        // In the inbox the card goes after a while; what was decided recently stays.
        let (line, title) = match page {
            "/" => ("#recent li", "#recent .title"),
            _ => (".card .outcome", ".card .title"),
        };
        browser.says(line, "Withdrawn: its asker is gone").await;
        let struck =
            "return getComputedStyle(document.querySelector(arguments[0])).textDecorationLine";
        let struck = browser.run(struck, json!([title])).await;
        assert_eq!(struck, "line-through", "{page}");
        if page == "/r/" {
            browser
                .run("document.getElementById('history').open = true", json!([]))
                .await;
            browser
                .says("#steps", "cancelled, because its asker is gone")
                .await;
        }
    }
}

#[tokio::test]
async fn the_form_says_when_nobody_is_there_and_how_many_approvals_there_are() {
    let daemon = setup().start();
    for (connected, words) in [
        (0, "Nobody who may approve this is connected now."),
        (1, ""),
    ] {
        let browser = Browser::start().await;
        let members = json!({"approvers_connected": connected, "approvals_needed": 2});
        browser.meets(&members).await;
        browser.open(&format!("{}/ask", daemon.url())).await;
        let works = "return document.getElementById('title').maxLength === 200";
        browser.until("the page to work", works).await;
        browser.type_into("#title", "Deploy?").await;
        browser.press_on("#ask [type=submit]").await;
        browser.says("#progress", "0 of 2 approvals · asked ").await;
        assert_eq!(browser.text("#nobody").await, words);
    }
}
