//! What rules make of asks and votes.

use serde_json::json;

use super::{Ruled, written};
use crate::daemon::setup;

const PRODUCTION: &str = r#"
[groups]
sre = ["alice", "bob"]
leads = ["dora"]

[[rule]]
name = "everything"
longest_expiry = "2h"

[[rule]]
name = "production"
topic = "deploy/prod*"
requester = "ci*"
from_each = { sre = 1, leads = 1 }
reason = true
"#;

fn why(verdict: &str) -> serde_json::Value {
    json!({"verdict": verdict, "reason": "it was tried"})
}

#[tokio::test]
async fn a_request_shows_its_rules_and_takes_one_of_each_group() {
    let ruled = Ruled::new(PRODUCTION);
    let plain = ruled.asked(&json!({"topic": "deploy/staging"})).await;
    assert_eq!(plain["rules"], json!(["everything"]));
    assert_eq!(plain["approvals_needed"], 1);
    let request = ruled.asked(&json!({"topic": "deploy/prod-eu"})).await;
    assert_eq!(request["rules"], json!(["everything", "production"]));
    assert_eq!(request["approvals_needed"], 2);
    assert_eq!(request["reason_required"], true);
    assert_eq!(request["panels"][1]["members"], json!(["alice", "bob"]));

    let refused = ruled.approves("alice", &request).await;
    assert_eq!(refused.problem(), (422, "reason_required".to_owned()));
    for (name, status) in [
        ("alice", "pending"),
        ("bob", "pending"),
        ("dora", "approved"),
    ] {
        let voted = ruled.votes(name, &request, &why("approve")).await;
        assert_eq!(voted.json()["status"], status, "{name}");
    }
}

#[tokio::test]
async fn an_asker_can_tighten_the_terms_and_never_loosen_them() {
    let ruled = Ruled::new(PRODUCTION);
    let ask = |members: serde_json::Value| {
        let mut ask = json!({"topic": "deploy/prod"});
        let all = ask.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        ask
    };
    let less = ruled.asked(&ask(json!({"need": 1}))).await;
    assert_eq!(less["approvals_needed"], 2);
    let more = ruled.asked(&ask(json!({"need": 3}))).await;
    assert_eq!(more["approvals_needed"], 3);
    let group = ruled.asked(&ask(json!({"from": ["@sre", "dora"]}))).await;
    assert_eq!(group["approvers"], json!(["alice", "bob", "dora"]));
    let never = ruled.asks("ci", &ask(json!({"from": ["@sre"]}))).await;
    assert_eq!(never.problem(), (422, "refused_by_policy".to_owned()));
    assert!(
        never.detail().contains("everything, production"),
        "{}",
        never.detail()
    );
}

#[tokio::test]
async fn a_longer_expiry_is_refused_and_one_that_was_not_named_is_shortened() {
    let ruled = Ruled::new("[[rule]]\nname = \"short\"\nlongest_expiry = \"10m\"\n");
    let refused = ruled.asks("ci", &json!({"expires_in_secs": 601})).await;
    assert_eq!(refused.problem(), (422, "refused_by_policy".to_owned()));
    let detail = refused.detail();
    assert!(
        detail.contains("\"short\"") && detail.contains("600 at most"),
        "{detail}"
    );
    let taken = ruled.asked(&json!({"expires_in_secs": 600})).await;
    assert_eq!(taken["status"], "pending");
    let shortened = ruled.asked(&json!({})).await;
    let time =
        |member: &str| -> jiff::Timestamp { shortened[member].as_str().unwrap().parse().unwrap() };
    let life = time("expires_at").duration_since(time("created_at"));
    assert_eq!(life.as_secs(), 600);
}

#[tokio::test]
async fn in_a_freeze_a_denial_is_taken_and_an_approval_is_told_when_to_come_back() {
    let weekly = |days: &str| {
        format!("[[rule]]\nname = \"frozen\"\nfreeze = [{{ days = [{days}], zone = \"UTC\" }}]\n")
    };
    // Today, and for as long as this test could run.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let days = [now.date(), now.date().tomorrow().unwrap()].map(|date| {
        let name = format!("{:?}", date.weekday()).to_lowercase();
        format!("\"{}\"", &name[..3])
    });
    let ruled = Ruled::new(&weekly(&days.join(", ")));
    let in_vain = ruled.asks("ci", &json!({})).await;
    assert_eq!(in_vain.problem(), (422, "refused_by_policy".to_owned()));
    assert!(
        in_vain.detail().contains("are frozen until"),
        "{}",
        in_vain.detail()
    );
    let request = ruled.asked(&json!({"expires_in_secs": 259_200})).await;
    let words = request["freezes"][0].as_str().unwrap();
    assert!(words.contains("from 00:00 until 24:00 (UTC)"), "{words}");
    let frozen = ruled.approves("alice", &request).await;
    assert_eq!(frozen.problem(), (409, "frozen".to_owned()));
    // All of today that is left, and tomorrow.
    let wait: u32 = frozen.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=172_800).contains(&wait), "{wait}");
    let end = now.date().checked_add(jiff::Span::new().days(2)).unwrap();
    let until = format!("{end}T00:00:00.000Z");
    let end = format!("until {until}");
    assert!(
        frozen.detail().contains(&end),
        "{} has {end}",
        frozen.detail()
    );
    assert_eq!(frozen.json()["frozen_until"], until);
    let denied = ruled
        .votes("alice", &request, &json!({"verdict": "deny"}))
        .await;
    assert_eq!(denied.json()["status"], "denied");
}

#[tokio::test]
async fn nobody_approves_their_own_request_unless_every_rule_that_applies_lets_them() {
    let sandbox = "[[rule]]\nname = \"sandbox\"\ntopic = \"sandbox/*\"\nself_approval = true\n";
    let ruled = Ruled::new(&format!(
        "{sandbox}[[rule]]\nname = \"shared\"\ntopic = \"sandbox/shared\"\n"
    ));
    let own = ruled
        .asks("eve", &json!({"topic": "sandbox/mine"}))
        .await
        .json();
    assert_eq!(own["self_approval"], true);
    assert_eq!(
        ruled.approves("eve", &own).await.json()["status"],
        "approved"
    );
    for topic in ["sandbox/shared", "other"] {
        let own = ruled.asks("eve", &json!({"topic": topic})).await.json();
        let refused = ruled.approves("eve", &own).await;
        assert_eq!(
            refused.problem(),
            (403, "own_request".to_owned()),
            "{topic}"
        );
    }
}

#[tokio::test]
async fn rules_look_through_fields_and_commands_however_they_are_spelled() {
    let ruled = Ruled::new(
        "[[rule]]\nname = \"data\"\nfields = { data = \"customers*\" }\napprovals = 2\n\
         [[rule]]\nname = \"destroying\"\ncommand = \"terraform destroy*\"\napprovals = 3\n",
    );
    let command = |argv: &[&str], program: &str| json!({"command": {"argv": argv, "program": program, "directory": "/"}});
    for (members, needed, rules) in [
        (json!({}), 1, json!(null)),
        (
            json!({"fields": [{"name": "DATA ", "value": "Customers of July"}]}),
            2,
            json!(["data"]),
        ),
        (
            command(&["./tf", "destroy", "-auto"], "/opt/terraform"),
            3,
            json!(["destroying"]),
        ),
        (
            command(&["terraform", "plan"], "/opt/terraform"),
            1,
            json!(null),
        ),
    ] {
        let request = ruled.asked(&members).await;
        assert_eq!(request["approvals_needed"], needed, "{members}");
        assert_eq!(request["rules"], rules, "{members}");
    }
}

#[tokio::test]
async fn a_daemon_that_knows_nobody_warns_and_refuses_what_names_people() {
    let setup = setup().in_memory();
    let policy = written(
        &setup,
        "[[rule]]\nname = \"two\"\ntopic = \"prod\"\napprovals = 2\n\
         [[rule]]\nname = \"code\"\ntopic = \"login\"\nmatch_code = true\n",
    );
    let daemon = setup
        .flags(&format!("--policy {}", policy.display()))
        .start();
    daemon.logged("this daemon knows nobody").await;
    let ask = |topic: &str| daemon.asking(&json!({"title": "Deploy?", "topic": topic}));
    let refused = ask("prod").await;
    assert_eq!(refused.problem(), (422, "people_unknown".to_owned()));
    assert!(refused.detail().contains("\"two\""), "{}", refused.detail());
    let refused = ask("login").await;
    assert_eq!(refused.problem(), (422, "refused_by_policy".to_owned()));
    assert!(
        refused.detail().contains("requester --match"),
        "{}",
        refused.detail()
    );
    assert_eq!(ask("other").await.status, 201);
}

/// The pages of the demonstration know no codes and no reasons.
#[tokio::test]
async fn classic_polls_are_refused_in_their_own_way_where_rules_want_what_they_do_not_have() {
    let setup = setup().in_memory();
    let policy = written(
        &setup,
        "[[rule]]\nname = \"code\"\ntopic = \"classic/code\"\nmatch_code = true\n\
         [[rule]]\nname = \"why\"\ntopic = \"classic/why\"\nreason = true\nlongest_expiry = \"5m\"\n",
    );
    let flags = format!("--classic --policy {}", policy.display());
    let daemon = setup.flags(&flags).start();
    let refused = daemon.get("/longPolling?channel=code").await;
    assert_eq!(refused.problem(), (422, "refused_by_policy".to_owned()));

    let poll = daemon.get("/longPolling?channel=why").spawn();
    let asked = crate::until::until("the question is asked", async || {
        let list = daemon.get("/v1/requests?status=pending").await.json();
        list["requests"].get(0).cloned()
    })
    .await;
    assert_eq!(asked["rules"], json!(["why"]));
    let yes = daemon.post("/sure?channel=why");
    let yes = yes.header("content-type", "application/x-www-form-urlencoded");
    let refused = yes.body("data=yes").await;
    assert_eq!(refused.problem(), (422, "reason_required".to_owned()));
    let id = asked["id"].as_str().unwrap();
    let decided = daemon.deciding(id, &why("approve")).await;
    assert_eq!(decided.json()["status"], "approved");
    assert_eq!(poll.await.unwrap().status, 200);
}
