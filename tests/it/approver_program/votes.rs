//! Requests that need several votes: the commands, the policy, and the question.

use serde_json::{Value, json};

use super::Approver;
use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::programs::Left;
use crate::pty::Pty;

const PROGRAM: &str = env!("CARGO_BIN_EXE_approver");

struct Team {
    people: People,
    daemon: Daemon,
}

impl Team {
    fn new() -> Self {
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

    async fn asked(&self, members: &Value) -> String {
        let reply = self.people.by("ci", self.daemon.asking(members)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    async fn read(&self, id: &str) -> Value {
        let call = self.daemon.get(&format!("/v1/requests/{id}"));
        self.people.by("ci", call).await.json()
    }

    async fn run(&self, name: &str, args: &[&str]) -> Left {
        let token = [("PUSHD_TOKEN", self.people.token_of(name))];
        let approver = Approver::start_with(&self.daemon.url(), args, &token);
        approver.left().await
    }

    fn terminal(&self, name: &str, args: &[&str]) -> Pty {
        let environment = [
            ("PUSHD_TOKEN", self.people.token_of(name)),
            ("NO_COLOR", "1"),
        ];
        let url = self.daemon.url();
        let args = [&["--url", url.as_str()], args].concat();
        Pty::run(PROGRAM, &args, &environment)
    }
}

#[tokio::test]
async fn votes_are_counted_listed_and_taken_back() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let left = team.run("alice", &["approve", &id]).await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stderr.contains("1 of 2 approvals: alice"), "{left:?}");
    let listed = team.run("bob", &["list"]).await;
    assert!(listed.stdout.contains("1 of 2"), "{listed:?}");
    let shown = team.run("bob", &["show", &id]).await;
    assert!(
        shown
            .stdout
            .contains("    votes     1 of 2 approvals: alice\n"),
        "{shown:?}"
    );
    for _ in 0..2 {
        let back = team.run("alice", &["take-back", &id]).await;
        assert_eq!(back.code, Some(0), "{back:?}");
        assert!(back.stderr.contains("stays pending"), "{back:?}");
    }
    let shown = team.run("bob", &["show", &id]).await;
    assert!(shown.stdout.contains("0 of 2 approvals\n"), "{shown:?}");
    assert!(shown.stdout.contains("took back by alice"), "{shown:?}");
    team.run("alice", &["approve", &id]).await;
    let last = team.run("bob", &["approve", &id, "--json"]).await;
    assert_eq!(last.code, Some(0), "{last:?}");
    let view: Value = serde_json::from_str(&last.stdout).unwrap();
    assert_eq!(view["status"], "approved");
    let late = team.run("alice", &["take-back", &id]).await;
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("approved by alice"), "{late:?}");
}

#[tokio::test]
async fn who_was_not_asked_is_told_who_was_and_leaves_with_77() {
    let team = Team::new();
    let ask = json!({"title": "Deploy?", "from": ["alice", "bob"]});
    let id = team.asked(&ask).await;
    let left = team.run("carol", &["approve", &id]).await;
    assert_eq!(left.code, Some(77), "{left:?}");
    assert!(left.stderr.contains("alice, bob"), "{left:?}");
    let nothing = team.run("carol", &["take-back", &"a".repeat(26)]).await;
    assert_eq!(nothing.code, Some(64), "{nothing:?}");
}

#[tokio::test]
async fn the_votes_of_others_are_seen_on_the_open_question_and_ones_own_is_not_asked_again() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 3})).await;
    let bob = team.terminal("bob", &[]);
    bob.wait_for("0 of 3 approvals");
    bob.wait_for("Approve? ");
    team.run("alice", &["approve", &id]).await;
    bob.wait_for("1 of 3 approvals: alice");
    bob.wait_until_open();
    bob.type_keys("y\n");
    bob.wait_for("pending still: 2 of 3 approvals: alice, bob");
    // Another one is asked next, and no second time the same.
    let seen = team.daemon.post(&format!("/v1/requests/{id}/seen"));
    assert_eq!(team.people.by("carol", seen).await.status, 204);
    team.asked(&json!({"title": "Another?"})).await;
    bob.wait_for("│ Another?");
    bob.wait_for("no other waits");
    // And after a start, neither.
    let again = team.terminal("bob", &[]);
    again.wait_for("You answer as bob");
    bob.answer("n");
    again.wait_for("No request waits for an answer");
    assert_eq!(team.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn a_policy_votes_once_and_others_do_the_rest() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let runs = team.daemon.setup().path("runs");
    let policy = format!("echo run >> {}", runs.display());
    let token = [("PUSHD_TOKEN", team.people.token_of("alice"))];
    let approver = Approver::start_with(&team.daemon.url(), &["--policy", &policy], &token);
    approver
        .told(&format!(
            "{id} voted for by the policy (approve), pending still"
        ))
        .await;
    let seen = team.daemon.post(&format!("/v1/requests/{id}/seen"));
    assert_eq!(team.people.by("carol", seen).await.status, 204);
    team.run("bob", &["approve", &id]).await;
    let view = team.read(&id).await;
    assert_eq!(view["status"], "approved");
    assert_eq!(view["decisions"][0]["approver"]["channel"], "policy");
    assert_eq!(std::fs::read_to_string(&runs).unwrap(), "run\n");
    let next = team.asked(&json!({"title": "Next?"})).await;
    approver
        .told(&format!("{next} approved by the policy"))
        .await;
}

#[tokio::test]
async fn a_command_is_shown_as_it_will_be_run() {
    let team = Team::new();
    let command = json!({
        "argv": ["rm", "-rf", "a b", "x\ny", "\u{1b}[2J\u{202e}", ""],
        "program": "/bin/rm", "directory": "/srv/x", "user": "alice", "host": "ci-1",
    });
    let id = team
        .asked(&json!({"title": "rm?", "command": command}))
        .await;
    let shown = team.run("bob", &["show", &id]).await;
    let runs = r"  | runs     rm -rf 'a b' $'x\ny' $'\x1b[2J\u202e' ''";
    assert!(shown.stdout.lines().any(|line| line == runs), "{shown:?}");
    let terminal = team.terminal("bob", &[]);
    terminal.wait_for(r"│ runs     rm -rf 'a b' $'x\ny' $'\x1b[2J\u202e' ''");
    terminal.wait_for("│ as       alice on ci-1");
    terminal.wait_for("Approve? ");
}

/// Found by review: a policy that was started again judged what it had voted on, and its change of
/// mind replaced a vote that stood.
#[tokio::test]
async fn a_policy_that_is_started_again_leaves_its_votes_as_they_are() {
    let team = Team::new();
    let token = [("PUSHD_TOKEN", team.people.token_of("alice"))];
    let start = |policy| {
        let args = ["--policy", policy, "--jobs", "1"];
        Approver::start_with(&team.daemon.url(), &args, &token)
    };
    let voted = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let first = start("exit 0");
    first
        .told(&format!("{voted} voted for by the policy"))
        .await;
    first.signal(rustix::process::Signal::TERM);
    assert_eq!(first.left().await.code, Some(143));
    // One after the other, the oldest first: once this one is denied, that one was passed over.
    let other = team.asked(&json!({"title": "Other?"})).await;
    let second = start("exit 1");
    second.told(&format!("{other} denied by the policy")).await;
    let request = team.read(&voted).await;
    assert_eq!(request["status"], "pending", "{request}");
    assert_eq!(request["decisions"][0]["verdict"], "approve", "{request}");
}
