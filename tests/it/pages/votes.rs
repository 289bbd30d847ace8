//! Requests that take several people, on a page.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::call::Reply;
use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::until::until;

/// A daemon that knows three approvers and a program that asks.
pub(super) struct Team {
    pub(super) people: People,
    pub(super) daemon: Daemon,
}

impl Team {
    pub(super) fn new() -> Self {
        let setup = setup();
        let people = People::new(
            &setup,
            &[
                ("ci", "requester", "*"),
                ("alice", "approver", "*"),
                ("bob", "approver", "*"),
                ("carol", "approver", "*"),
            ],
        );
        let daemon = setup.flags(&people.flag()).start();
        Self { people, daemon }
    }

    pub(super) async fn asked(&self, members: &Value) -> String {
        let reply = self.people.by("ci", self.daemon.asking(members)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    pub(super) async fn votes(&self, name: &str, id: &str, vote: &Value) -> Reply {
        let reply = self.people.by(name, self.daemon.deciding(id, vote)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// Who has voted, and how.
    pub(super) async fn votes_on(&self, id: &str) -> Vec<(String, String)> {
        let call = self.daemon.get(&format!("/v1/requests/{id}"));
        let request = self.people.by("alice", call).await.json();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let votes = request["decisions"].as_array().unwrap().iter();
        votes
            .map(|vote| (text(&vote["approver"]["principal"]), text(&vote["verdict"])))
            .collect()
    }

    /// A browser in which alice is logged in, at this path.
    pub(super) async fn alice_at(&self, path: &str) -> Browser {
        let browser = Browser::start().await;
        browser
            .log_in(&self.daemon, self.people.token_of("alice"))
            .await;
        browser.open(&format!("{}{path}", self.daemon.url())).await;
        browser
    }
}

impl Browser {
    /// The buttons on the only card, by what they do.
    pub(super) async fn actions(&self) -> Value {
        let buttons = "return [...document.querySelectorAll('.card .buttons button')]
            .map((button) => button.className)";
        self.run(buttons, json!([])).await
    }

    /// Presses one of them until it takes that, and waits until there are these instead. Each press
    /// is answered by the page, and no further one may land on a button that has come meanwhile.
    async fn press_for(&self, action: &str, then: &[&str]) {
        let silence = "document.querySelector('.card .status').textContent = ''";
        self.run(silence, json!([])).await;
        until(&format!("{action} to be taken"), async || {
            self.press_on(&format!(".card .{action}")).await;
            let said = self.text(".card .status").await;
            (!said.is_empty() && !said.contains("only just come")).then_some(())
        })
        .await;
        until(&format!("{action} to lead to {then:?}"), async || {
            (self.actions().await == json!(then)).then_some(())
        })
        .await;
    }
}

fn vote(name: &str, verdict: &str) -> (String, String) {
    (name.to_owned(), verdict.to_owned())
}

#[tokio::test]
async fn a_voter_sees_what_is_missing_and_may_take_the_vote_back_or_say_the_other_thing() {
    let team = Team::new();
    for page in ["/", "/r/"] {
        let ask = json!({"title": "Deploy?", "need": 2});
        let id = team.asked(&ask).await;
        let path = page.replace("/r/", &format!("/r/{id}"));
        let browser = team.alice_at(&path).await;
        let text = browser.card_is(&id, "pending").await;
        assert!(
            text.contains("approvals\n0 of 2") && text.contains("votes\nnone yet"),
            "{text}"
        );
        browser.type_into(".card .reason input", "tested").await;
        browser.press_for("approve", &["take-back", "deny"]).await;
        let line = "You have approved; waiting for 1 more approval.";
        browser.says(".card .voted", line).await;
        browser
            .says(".card .status", "Your approval counts; more are needed.")
            .await;
        browser.says(".card .known", "approvals\n1 of 2").await;
        let said = browser.text(".card .vote").await;
        assert!(
            said.starts_with("alice from 127.0.0.1 approved, ") && said.ends_with("tested"),
            "{said}"
        );
        assert_eq!(team.votes_on(&id).await, [vote("alice", "approve")]);

        browser.press_for("take-back", &["deny", "approve"]).await;
        browser
            .says(".card .status", "Your vote is taken back.")
            .await;
        assert_eq!(team.votes_on(&id).await, []);

        // What others say comes by itself, and what is typed meanwhile stays.
        browser.type_into(".card .reason input", "typing").await;
        let reason = json!({"verdict": "approve", "reason": "<i>me too</i>"});
        team.votes("bob", &id, &reason).await;
        browser.says(".card .vote", "bob from 127.0.0.1").await;
        browser.says(".card .vote", "<i>me too</i>").await;
        let typed = "return document.querySelector('.card .reason input').value";
        assert_eq!(browser.run(typed, json!([])).await, "typing");
        browser.decide(&id, "approve").await;
        let text = browser.card_is(&id, "approved").await;
        let by = "Approved by bob from 127.0.0.1, alice from 127.0.0.1";
        assert!(text.contains(by), "{text}");
        if page == "/r/" {
            let steps = "return [...document.querySelectorAll('#steps li')]
                .map((step) => step.querySelector('span').textContent)";
            let steps = browser.run(steps, json!([])).await;
            let steps: Vec<String> = serde_json::from_value(steps).unwrap();
            let back = "vote taken back by alice from 127.0.0.1".to_owned();
            assert!(steps.contains(&back), "{steps:?}");
        }
        browser.is_content().await;
    }
}

#[tokio::test]
async fn a_voter_may_say_the_other_thing() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let browser = team.alice_at("/").await;
    browser.card_is(&id, "pending").await;
    browser.press_for("approve", &["take-back", "deny"]).await;
    browser.decide(&id, "deny").await;
    browser.card_is(&id, "denied").await;
    assert_eq!(team.votes_on(&id).await, [vote("alice", "deny")]);
}

/// The button to take a vote back comes where another was just pressed.
#[tokio::test]
async fn a_click_or_a_key_on_a_button_that_has_just_come_takes_no_vote_back() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let browser = team.alice_at("/").await;
    browser.card_is(&id, "pending").await;
    let watch = "
        window.pressed = null;
        new MutationObserver((changes, observer) => {
            const button = document.querySelector('.card .take-back');
            if (!button || button.disabled) return;
            observer.disconnect();
            window.pressed = [1, 0].map((detail) => {
                button.dispatchEvent(new MouseEvent('click', { bubbles: true, detail }));
                return document.querySelector('.card').dataset.state;
            });
        }).observe(document.getElementById('waiting'),
            { childList: true, subtree: true, attributeFilter: ['disabled'] });";
    browser.run(watch, json!([])).await;
    let pressed = until("the approval to be taken", async || {
        browser.press_on(".card .approve").await;
        let pressed = browser.run("return window.pressed", json!([])).await;
        (!pressed.is_null()).then_some(pressed)
    })
    .await;
    assert_eq!(pressed, json!(["pending", "pending"]));
    assert_eq!(team.votes_on(&id).await, [vote("alice", "approve")]);
    browser
        .says(".card .status", "had only just come here")
        .await;
}

#[tokio::test]
async fn who_is_not_asked_may_only_deny() {
    let team = Team::new();
    let id = team
        .asked(&json!({"title": "Deploy?", "from": ["bob", "carol"]}))
        .await;
    let browser = team.alice_at("/").await;
    let text = browser.card_is(&id, "pending").await;
    assert!(text.contains("may approve\nbob, carol"), "{text}");
    let names = "return [...document.querySelectorAll('.known .name')].map((it) => it.textContent)";
    let names = browser.run(names, json!([])).await;
    assert_eq!(names, json!(["bob", "carol"]), "each stands apart");
    let line = "Your approval would not count on this request. You may deny it.";
    browser.says(".card .may-not", line).await;
    assert_eq!(browser.actions().await, json!(["deny"]));
    browser.decide(&id, "deny").await;
    browser.card_is(&id, "denied").await;
}

#[tokio::test]
async fn the_use_of_an_approval_is_told_where_it_is_looked_at() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?"})).await;
    let browser = team.alice_at(&format!("/r/{id}")).await;
    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "approved").await;
    assert!(!text.contains("used"), "{text}");
    let path = format!("/v1/requests/{id}/consume");
    let nonce = json!({"nonce": "0123456789abcdef"});
    let used = team
        .people
        .by("ci", team.daemon.post(&path).json(&nonce))
        .await;
    assert_eq!(used.status, 200, "{used:?}");
    browser.open(&format!("{}/r/{id}", team.daemon.url())).await;
    let text = browser.card_is(&id, "approved").await;
    assert!(text.contains("\nused\n"), "{text}");
    let step = "return document.querySelector('#steps [data-what=consumed] span').textContent";
    let step = browser.run(step, json!([])).await;
    assert_eq!(step, "used by ci from 127.0.0.1");
    browser.open(&team.daemon.url()).await;
    browser.says("#recent", "· used at ").await;
}
