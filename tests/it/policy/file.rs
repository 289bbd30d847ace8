//! The file while a daemon runs, and at its start.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Ruled, written};
use crate::daemon::setup;
use crate::until::until;

fn needs(approvals: u32) -> String {
    format!("[[rule]]\nname = \"votes\"\napprovals = {approvals}\n")
}

async fn needs_now(ruled: &Ruled, approvals: u32) {
    until(&format!("{approvals} approvals to be needed"), async || {
        let asked = ruled.asked(&json!({})).await;
        (asked["approvals_needed"] == approvals).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_a_mended_one_counts() {
    let ruled = Ruled::new(&needs(2));
    let good = "pushd_policy_file_good";
    let (daemon, people) = (&ruled.daemon, &ruled.people);
    daemon.figure_is(people, good, 1).await;
    for (broken, line, words) in [
        (
            format!("{}aprovals = 3\n", needs(3)),
            4,
            "unknown field `aprovals`",
        ),
        (needs(3).replace("]]", "]"), 1, ""),
        (needs(17), 3, "from 1 to 16"),
        (
            format!("{}approvers = [\"@ops\"]\n", needs(3)),
            4,
            "no group",
        ),
        (
            format!("{}approvers = [\"alice\"]\n", needs(3)),
            2,
            "can never be met",
        ),
    ] {
        ruled.rewrite(&broken);
        daemon.figure_is(people, good, 0).await;
        let told = format!("line {line}: ");
        let told = async || {
            let log = daemon.log();
            log.lines()
                .any(|said| said.contains(&told) && said.contains(words))
                .then_some(())
        };
        until(&format!("line {line} and {words:?} in the log"), told).await;
        assert_eq!(ruled.asked(&json!({})).await["approvals_needed"], 2);
        ruled.rewrite(&needs(2));
        daemon.figure_is(people, good, 1).await;
    }
    ruled.rewrite(&needs(3));
    needs_now(&ruled, 3).await;
    fs::set_permissions(&ruled.policy, fs::Permissions::from_mode(0o666)).unwrap();
    daemon.figure_is(people, good, 0).await;
    daemon.logged("chmod go-w").await;
    fs::remove_file(&ruled.policy).unwrap();
    daemon.logged("cannot read the policy file").await;
    assert_eq!(ruled.asked(&json!({})).await["approvals_needed"], 3);
    ruled.rewrite("");
    needs_now(&ruled, 1).await;
}

#[tokio::test]
async fn what_was_asked_keeps_its_terms_when_the_policy_changes() {
    let one_group = "[groups]\nsre = [\"alice\"]\n\
                     [[rule]]\nname = \"sre\"\napprovers = \"@sre\"\n";
    let ruled = Ruled::new(one_group);
    let before = ruled.asked(&json!({})).await;
    assert_eq!(before["approvers"], json!(["alice"]));
    ruled.rewrite(&one_group.replace("alice", "bob"));
    let after = until("the group to be another", async || {
        let asked = ruled.asked(&json!({})).await;
        (asked["approvers"] == json!(["bob"])).then_some(asked)
    })
    .await;
    let refused = ruled.approves("bob", &before).await;
    assert_eq!(refused.problem(), (403, "not_an_approver".to_owned()));
    assert_eq!(
        ruled.approves("alice", &before).await.json()["status"],
        "approved"
    );
    assert_eq!(
        ruled.approves("bob", &after).await.json()["status"],
        "approved"
    );
}

/// The same ask under its key is answered whatever the rules have become.
#[tokio::test]
async fn a_repeated_ask_is_found_again_though_the_rules_would_refuse_it_now() {
    let ruled = Ruled::new("");
    let ask = || {
        let ask = ruled.daemon.asking(&json!({"title": "Deploy?"}));
        ruled
            .people
            .by("ci", ask.header("idempotency-key", "deploy-1"))
    };
    let first = ask().await;
    assert_eq!(first.status, 201);
    ruled.rewrite("[[rule]]\nname = \"code\"\nmatch_code = true\n");
    until("a match code to be wanted", async || {
        let refused = ruled.asks("ci", &json!({})).await;
        (refused.status == 422).then_some(())
    })
    .await;
    let again = ask().await;
    assert_eq!((again.status, again.id()), (200, first.id()));
}

#[tokio::test]
async fn a_daemon_does_not_start_without_the_file_or_with_a_wrong_one() {
    for (text, wanted) in [
        (None, "cannot read the policy file"),
        (
            Some("[[rule]]\nname = \"a\"\nvotes = 2\n"),
            "policy.toml, line 3: unknown field `votes`",
        ),
    ] {
        let setup = setup();
        let path = setup.path("policy.toml");
        if let Some(text) = text {
            written(&setup, text);
        }
        let path = path.to_str().unwrap();
        let ran = setup.run(&["--listen", "127.0.0.1:0", "--policy", path]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains(wanted), "{ran:?}");
    }
}
