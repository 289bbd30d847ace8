//! Its commands with tokens, and over a Unix socket.

use serde_json::Value;

use super::{Approver, run};
use crate::daemon::{Daemon, Ran, setup};
use crate::people::People;

fn knowing() -> (People, Daemon) {
    let setup = setup();
    let people = People::new(
        &setup,
        &[
            ("ci", "requester", "*"),
            ("alice", "approver", "*"),
            ("dora", "approver", "docs"),
            ("both", "requester,approver", "*"),
        ],
    );
    let daemon = setup.flags(&people.flag()).start();
    (people, daemon)
}

async fn run_as(
    people: &People,
    name: &str,
    daemon: &Daemon,
    args: &[&str],
) -> crate::programs::Left {
    let token = [("PUSHD_TOKEN", people.token_of(name))];
    Approver::start_with(&daemon.url(), args, &token)
        .left()
        .await
}

#[tokio::test]
async fn each_decides_what_their_token_is_good_for() {
    let (people, daemon) = knowing();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    for args in [&["list"][..], &["approve", &id], &["watch"], &["show", &id]] {
        let nobody = run(&daemon.url(), args).await;
        assert_eq!(nobody.code, Some(77), "{nobody:?}");
        assert!(nobody.stderr.contains("token"), "{nobody:?}");
    }
    // The requester's token decides nothing, and what is of another topic is not there.
    let left = run_as(&people, "ci", &daemon, &["approve", &id]).await;
    assert_eq!(left.code, Some(77), "{left:?}");
    let left = run_as(&people, "dora", &daemon, &["approve", &id]).await;
    assert_eq!(left.code, Some(64), "{left:?}");
    let own = daemon.asked_by(&people, "both", "deploy").await;
    let left = run_as(&people, "both", &daemon, &["approve", &own]).await;
    assert_eq!(left.code, Some(77), "{left:?}");
    assert!(left.stderr.contains("own request"), "{left:?}");
    let left = run_as(&people, "alice", &daemon, &["approve", &id, "--json"]).await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let view: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(view["decisions"][0]["approver"]["principal"], "alice");
    let listed = run_as(&people, "dora", &daemon, &["list", "--status", "all"]).await;
    assert_eq!(
        (listed.code, listed.stdout.as_str()),
        (Some(0), ""),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_policy_decides_as_its_token_and_a_refusal_leaves_the_request_open() {
    let (people, daemon) = knowing();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let own = daemon.asked_by(&people, "both", "deploy").await;
    let token = [("PUSHD_TOKEN", people.token_of("both"))];
    let policy = Approver::start_with(&daemon.url(), &["--policy", "exit 0"], &token);
    policy.told(&format!("{id} approved by the policy")).await;
    policy.told(&format!("{own} NOT decided")).await;
    policy.told("own request").await;
    let read = async |id: &str| {
        let call = daemon.get(&format!("/v1/requests/{id}"));
        people.by("alice", call).await.json()
    };
    let view = read(&id).await;
    assert_eq!(view["decisions"][0]["approver"]["principal"], "both");
    assert_eq!(view["decisions"][0]["approver"]["channel"], "policy");
    assert_eq!(read(&own).await["status"], "pending");
    // Its stream ends with its token, and so does the program.
    people.revoke("both");
    let left = policy.left().await;
    assert_eq!(left.code, Some(77), "{left:?}");
}

#[tokio::test]
async fn commands_go_over_a_unix_socket_as_its_user() {
    let mut id = std::process::Command::new("id");
    id.arg("-un");
    let user = Ran::to_its_end(id).stdout;
    let setup = setup();
    let url = format!("unix:{}", setup.path("pushd.sock").display());
    let flags = format!("--listen {url} --unix-approvers {user}");
    let daemon = setup.flags(&flags).start();
    let id = daemon.ask("Deploy?").await;
    let listed = run(&url, &["list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains(&id), "{listed:?}");
    let watched = run(&url, &["watch", "--once", "--json"]).await;
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let left = run(&url, &["deny", &id]).await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let view = daemon.read(&id).await;
    let by = &view["decisions"][0]["approver"]["principal"];
    assert_eq!(*by, format!("unix:{}", user.trim()));
    // Without a port there is no page.
    let alone = run(&url, &[]).await;
    assert_eq!(alone.code, Some(64), "{alone:?}");
    assert!(!alone.stderr.contains("browser"), "{alone:?}");
}
