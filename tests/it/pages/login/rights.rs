//! What pages offer to whom.

use serde_json::json;

use super::{Browser, town, town_with};

#[tokio::test]
async fn who_may_not_decide_is_told_why_and_has_no_buttons() {
    let (daemon, people) = town();
    let own = daemon.asked_by(&people, "bob", "deploy/prod").await;
    let others = daemon.asked_by(&people, "ci", "deploy/prod").await;
    let browser = Browser::start().await;
    for (name, id, words) in [
        (
            "olga",
            &own,
            "that takes an approver. Your roles: observer.",
        ),
        (
            "ci",
            &others,
            "that takes an approver. Your roles: requester.",
        ),
        ("bob", &own, "You have asked this yourself"),
    ] {
        browser
            .devtools("Network.clearBrowserCookies", json!({}))
            .await;
        browser.log_in(&daemon, people.token_of(name)).await;
        browser.card_is(id, "pending").await;
        let card = format!(".card[data-id='{id}']");
        browser.says(&format!("{card} .may-not"), words).await;
        let whose = if name == "bob" { "you" } else { "others" };
        browser.says("h1", &format!("Waiting for {whose}")).await;
        browser.open(&format!("{}/r/{id}", daemon.url())).await;
        browser.says(".may-not", words).await;
        assert_eq!(
            browser.text(".card button, .card input").await,
            "",
            "{name}"
        );
    }
    // What others ask, bob may decide.
    browser.open(&daemon.url()).await;
    browser.decide(&others, "approve").await;
    browser.card_is(&others, "approved").await;

    // Nobody is called for what they cannot decide, and an outcome comes to all who look.
    browser.open(&format!("{}/r/{own}", daemon.url())).await;
    browser.card_is(&own, "pending").await;
    let approve = json!({"verdict": "approve"});
    let reply = people.by("alice", daemon.deciding(&own, &approve)).await;
    assert_eq!(reply.status, 200);
    let text = browser.card_is(&own, "approved").await;
    assert!(text.contains("Approved by alice"), "{text}");
    browser.is_content().await;
}

#[tokio::test]
async fn who_may_approve_their_own_request_by_a_rule_is_offered_it() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let sandbox = "[[rule]]\nname = \"sandbox\"\ntopic = \"sandbox\"\nself_approval = true\n";
    std::fs::write(&policy, sandbox).unwrap();
    let (daemon, people) = town_with(&format!("--policy {}", policy.display()));
    let other = daemon.asked_by(&people, "bob", "deploy/prod").await;
    let own = daemon.asked_by(&people, "bob", "sandbox").await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("bob")).await;
    let may_not = format!(".card[data-id='{other}'] .may-not");
    browser.says(&may_not, "You have asked this yourself").await;
    browser.decide(&own, "approve").await;
    browser.card_is(&own, "approved").await;
    browser.is_content().await;
}

/// The page may not know yet what the daemon does.
#[tokio::test]
async fn a_decision_that_is_forbidden_all_the_same_is_refused_in_words() {
    let (daemon, people) = town();
    let own = daemon.asked_by(&people, "bob", "deploy/prod").await;
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("bob")).await;
    browser.says(".card .may-not", "asked this yourself").await;
    for (name, words) in [
        ("bob", "You have asked this yourself"),
        ("olga", "You may not do this: olga is no approver"),
    ] {
        browser
            .devtools("Network.clearBrowserCookies", json!({}))
            .await;
        browser.log_in(&daemon, people.token_of(name)).await;
        browser.says(".card .may-not", "").await;
        let decide = "
            const [id] = arguments;
            const { decide } = await import('/assets/decision.js');
            const { body } = await (await import('/assets/api.js')).call('GET', `/v1/requests/${id}`);
            const { outcome, why } = await decide(body, 'approve', '', () => {});
            return `${outcome}: ${why}`;";
        let script = format!("return (async function () {{ {decide} }}).apply(null, arguments)");
        let told = browser.run(&script, json!([own])).await;
        let expected = format!("failed: {words}");
        assert!(told.as_str().unwrap().starts_with(&expected), "{told}");
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_instead_of_shown_a_form() {
    let (daemon, people) = town();
    let browser = Browser::start().await;
    browser.log_in(&daemon, people.token_of("alice")).await;
    browser.open(&format!("{}/ask", daemon.url())).await;
    browser
        .says("#may-not", "that takes a requester. Your roles: approver.")
        .await;
    assert_eq!(browser.text("#ask").await, "");
    browser
        .devtools("Network.clearBrowserCookies", json!({}))
        .await;
    browser.open(&format!("{}/ask", daemon.url())).await;
    browser.is_at("/login?next=%2Fask").await;
    browser.give_token(people.token_of("ci")).await;
    browser.is_at("/ask").await;
    browser.says(".tools .caller", "ci").await;
    browser.type_into("#title", "Deploy 1.4.2?").await;
    browser.press_on("#ask [type=submit]").await;
    browser.says("#polls", "Poll").await;

    // What is asked survives a login that ends and begins again.
    let kept = "return JSON.parse(sessionStorage.getItem('pushd-asked')).key";
    let key = browser.run(kept, json!([])).await;
    browser
        .devtools("Network.clearBrowserCookies", json!({}))
        .await;
    browser.run("location.reload()", json!([])).await;
    browser.is_at("/login?next=%2Fask").await;
    browser.give_token(people.token_of("ci")).await;
    browser.says("#polls", "Poll").await;
    assert_eq!(browser.run(kept, json!([])).await, key);
    let list = people.by("ci", daemon.get("/v1/requests")).await.json();
    assert_eq!(list["requests"].as_array().unwrap().len(), 1, "{list}");
}
