//! `pushd policy check` and `explain`, and `requester` under rules.

use std::fs;

use serde_json::{Value, json};

use super::{PEOPLE, Ruled, written};
use crate::daemon::{Ran, Setup, setup};
use crate::matching::shown_code;
use crate::people::People;
use crate::programs::Requester;
use crate::until::until;

const POLICY: &str = r#"
[groups]
sre = ["alice", "unix:carol", "frank"]
leads = ["dora", "ci"]

[[rule]]
name = "everything"
longest_expiry = "2h"

[[rule]]
name = "production"
topic = "deploy/prod*"
requester = ["ci", "robot"]
approvers = ["@sre", "@leads"]
from_each = { leads = 1 }
approvals = 2

[[rule]]
name = "code"
topic = "login"
match_code = true
"#;

fn policy(setup: &Setup, args: &[&str]) -> Ran {
    setup.run(&[&["policy"], args].concat())
}

/// Explains an ask of somebody; answers what was printed.
fn explain(setup: &Setup, ask: &Value, args: &[&str]) -> Ran {
    let request = setup.path("ask.json");
    fs::write(&request, ask.to_string()).unwrap();
    let file = written(setup, POLICY);
    let (request, file) = (request.to_str().unwrap(), file.to_str().unwrap());
    let flags = ["explain", "--policy", file, "--request", request];
    policy(setup, &[&flags, args].concat())
}

#[test]
fn a_policy_is_checked_with_the_line_of_what_is_wrong() {
    let setup = setup();
    let file = written(&setup, POLICY);
    let file = file.to_str().unwrap();
    let ran = policy(&setup, &["check", file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.stdout, format!("{file}: 3 rules, 2 groups\n"));
    for (wrong, words) in [
        (
            POLICY.replace("\"2h\"", "\"2 hares\""),
            "line 8: the rule \"everything\": longest_expiry",
        ),
        (
            POLICY.replace("approvals = 2", "approvals = 9"),
            "line 11: the rule \"production\" can never",
        ),
        (
            POLICY.replace("leads = 1", "boss = 1"),
            "line 15: the rule \"production\": from_each",
        ),
    ] {
        written(&setup, &wrong);
        let ran = policy(&setup, &["check", file]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(78), ""), "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    assert_eq!(policy(&setup, &["check"]).code, Some(64));
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_a_warning() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let sandbox = "[[rule]]\nname = \"sandbox\"\ntopic = \"s\"\nself_approval = true\ndenials = 3\n\
                   [[rule]]\nname = \"nothing\"\ntopic = \"n\"\n";
    let file = written(&setup, &format!("{POLICY}{sandbox}"));
    let (file, tokens) = (file.to_str().unwrap(), people.file.to_str().unwrap());
    let ran = policy(&setup, &["check", file, "--tokens", tokens]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in [
        "the group \"sre\": frank has no token",
        "the group \"leads\": the token of ci has not the role approver",
        "the rule \"sandbox\" has self_approval without effect: \"everything\" applies",
        "the rule \"sandbox\" has denials = 3 without effect",
        "the rule \"nothing\" demands nothing",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(ran.stderr.lines().count(), 5, "{ran:?}");
}

#[test]
fn an_ask_is_explained_with_rules_terms_and_people() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let tokens = people.file.to_str().unwrap();
    let ask = json!({"title": "Deploy?", "topic": "deploy/prod"});
    let args = ["--tokens", tokens, "--requester", "ci"];
    let ran = explain(&setup, &ask, &args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    for words in [
        "ci asks about deploy/prod\n",
        "  applies   everything\n              it has no conditions\n",
        "  applies   production\n              yes topic is deploy/prod*\n              yes requester is ci or robot\n",
        "  does not  code\n              no  topic is login\n",
        "approvals  2\n",
        "of         alice, ci, dora, frank, unix:carol\n",
        "among them 1 of @leads: ci, dora\n",
        "expires    after 1h\n",
        "yes   alice is an approver of deploy/prod, in @sre\n",
        "yes   dora is an approver of deploy/prod, in @leads\n",
        "no    bob is not among the approvers of: the rule \"production\"\n",
        "no    ci asks this, and nobody approves their own request\n",
        "no    frank has no token\n",
        "maybe unix:carol may, if --unix-approvers lets them, in @sre\n",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }

    let told = explain(&setup, &ask, &[&args[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["terms"]["approvals_needed"], 2);
    assert_eq!(told["terms"]["expires_in_secs"], 3600);
    assert_eq!(told["can_be_approved"], true);
    let applies = ["everything", "production", "code"].map(|name| {
        let rules = told["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["rule"] == name).unwrap()["applies"].clone()
    });
    assert_eq!(applies, [true, true, false]);

    people.revoke("dora");
    let never = explain(&setup, &ask, &args);
    assert!(never.stdout.contains("NOT ENOUGH"), "{}", never.stdout);
    let anybody = explain(
        &setup,
        &json!({"title": "Deploy?"}),
        &["--requester", "dev"],
    );
    assert!(
        anybody.stdout.contains("every approver of the topic"),
        "{}",
        anybody.stdout
    );
}

#[test]
fn what_would_be_refused_is_explained_and_what_is_no_ask_is_an_error() {
    let setup = setup();
    let login = explain(&setup, &json!({"title": "Log in?", "topic": "login"}), &[]);
    assert_eq!(login.code, Some(0), "{login:?}");
    assert!(
        login
            .stdout
            .contains("Refused: the rule \"code\" wants a match code"),
        "{login:?}"
    );
    assert!(!login.stdout.contains("Terms"), "{login:?}");
    for (ask, words) in [
        (json!({"tilte": "Deploy?"}), "unknown field `tilte`"),
        (
            json!({"title": "Deploy?", "topic": "a b"}),
            "topic: has the character ' '",
        ),
        (json!({"title": "Deploy?", "need": 17}), "need: is 17"),
    ] {
        let ran = explain(&setup, &ask, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(65), ""), "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    let nobody = explain(
        &setup,
        &json!({"title": "Deploy?"}),
        &["--requester", "a b"],
    );
    assert_eq!(nobody.code, Some(64), "{nobody:?}");
}

/// The whole way with real programs: the rule tells what to do, and who does it gets through.
#[tokio::test]
async fn a_script_is_told_what_a_rule_wants_and_gets_its_yes_from_two_groups() {
    let ruled = Ruled::new(
        "[groups]\nsre = [\"alice\"]\nleads = [\"dora\"]\n\
         [[rule]]\nname = \"production\"\ntopic = \"deploy/prod\"\nmatch_code = true\n\
         from_each = { sre = 1, leads = 1 }\n",
    );
    let url = ruled.daemon.url();
    let token = [("PUSHD_TOKEN", ruled.people.token_of("ci"))];
    let asking = ["-m", "Deploy?", "--topic", "deploy/prod"];
    let refused = Requester::start_with(&url, &asking, &token);
    let left = refused.left().await;
    assert_ne!(left.code, Some(0), "{left:?}");
    assert!(
        left.stderr
            .contains("the rule \"production\" wants a match code"),
        "{left:?}"
    );
    assert!(left.stderr.contains("requester --match"), "{left:?}");

    let matched = [&asking[..], &["--match"]].concat();
    let requester = Requester::start_with(&url, &matched, &token);
    let request = until("the request to be there", async || {
        let call = ruled.daemon.get("/v1/requests?status=pending");
        let list = ruled.people.by("probe", call).await.json();
        list["requests"].get(0).cloned()
    })
    .await;
    requester.told("Match code: ").await;
    let code = shown_code(&requester.said());
    let vote = json!({"verdict": "approve", "match_code": code});
    for (name, status) in [("alice", "pending"), ("dora", "approved")] {
        let voted = ruled.votes(name, &request, &vote).await;
        assert_eq!(voted.json()["status"], status, "{voted:?}");
    }
    assert_eq!(requester.left().await.code, Some(0));
}
