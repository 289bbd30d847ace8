//! Asking now and waiting later: a request outlives the process that has asked, and every other
//! process can come back to it by its id or its key.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::daemon::{Daemon, setup};
use crate::programs::{Left, Requester};
use crate::pty::Pty;
use crate::until::{soon, until};

/// An id that no daemon has given out.
const NOBODYS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

impl Daemon {
    /// Runs `requester` to its end.
    async fn run(&self, args: &[&str]) -> Left {
        Requester::start(&self.url(), args).left().await
    }

    /// Asks with `--detach`; answers the id that was printed.
    async fn detached(&self, args: &[&str]) -> String {
        let left = self.run(&[&["--detach"], args].concat()).await;
        assert_eq!(left.code, Some(3), "{left:?}");
        let id = left.stdout.strip_suffix('\n').unwrap();
        assert!(
            left.stderr.contains(&format!("requester wait {id}")),
            "{left:?}"
        );
        id.to_owned()
    }

    /// A request that is left in this state.
    async fn left_in(&self, state: &str) -> String {
        let expires = if state == "expired" { "1s" } else { "1h" };
        let id = self.detached(&["--expires", expires]).await;
        match state {
            "approved" => drop(self.approve(&id).await),
            "denied" => drop(self.deciding(&id, &json!({"verdict": "deny"})).await),
            "cancelled" => drop(self.delete(&format!("/v1/requests/{id}")).await),
            _ => {}
        }
        until(&format!("the request to be {state}"), async || {
            (self.read(&id).await["status"] == state).then_some(())
        })
        .await;
        id
    }
}

#[tokio::test]
async fn an_answer_is_found_by_id_across_a_crash_of_the_daemon() {
    let mut daemon = setup().start();
    let id = daemon.detached(&["-m", "Deploy?"]).await;
    assert_eq!(daemon.read(&id).await["title"], "Deploy?");
    // One process waits through the crash, another one comes afterwards.
    let through = Requester::start(&daemon.url(), &["wait", &id, "--timeout", "1s"]);
    through.told("waiting for \"Deploy?\"").await;
    daemon = daemon.crash_and_restart();
    let afterwards = Requester::start(&daemon.url(), &["wait", &id, "--json"]);
    afterwards.told("waiting for \"Deploy?\"").await;
    daemon.approve(&id).await;
    assert_eq!(through.left().await.code, Some(0));
    let left = afterwards.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let request: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(
        (&request["id"], &request["status"]),
        (&json!(id), &json!("approved"))
    );
    assert_eq!(daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn each_state_has_its_code_for_status_wait_and_cancel() {
    let daemon = setup().in_memory().start();
    for (state, code, cancelled) in [
        ("approved", 0, 1),
        ("denied", 1, 1),
        ("cancelled", 4, 0),
        ("expired", 124, 1),
        ("pending", 3, 0),
    ] {
        let id = daemon.left_in(state).await;
        for command in [&["status", &id][..], &["wait", &id, "--wait-at-most", "1s"]] {
            let left = daemon.run(command).await;
            assert_eq!((left.code, &*left.stdout), (Some(code), ""), "{left:?}");
            assert!(left.stderr.contains(state), "{left:?}");
            let left = daemon.run(&[command, &["--json"]].concat()).await;
            let request: Value = serde_json::from_str(&left.stdout).unwrap();
            assert_eq!((left.code, &request["status"]), (Some(code), &json!(state)));
        }
        let left = daemon.run(&["cancel", &id]).await;
        assert_eq!(
            (left.code, &*left.stdout),
            (Some(cancelled), ""),
            "{left:?}"
        );
        let last = if state == "pending" {
            "cancelled"
        } else {
            state
        };
        assert!(left.stderr.contains(last), "{left:?}");
        let left = daemon.run(&["cancel", "--quiet", "--json", &id]).await;
        let request: Value = serde_json::from_str(&left.stdout).unwrap();
        assert_eq!(request["status"], last);
        assert_eq!(
            (left.code, &*left.stderr),
            (Some(cancelled), ""),
            "{left:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_id_or_nobodys_is_64_and_no_daemon_69() {
    let daemon = setup().in_memory().start();
    let nowhere = "http://127.0.0.1:1";
    for command in ["status", "wait", "cancel"] {
        let left = Requester::start(nowhere, &[command, "nonsense"])
            .left()
            .await;
        assert_eq!(left.code, Some(64), "{left:?}");
        assert!(left.stderr.contains("26 lower-case letters"), "{left:?}");

        let args = [command, NOBODYS, "--connect-timeout", "300ms"];
        let left = Requester::start(nowhere, &args).left().await;
        assert_eq!(left.code, Some(69), "{left:?}");

        let left = daemon.run(&[command, NOBODYS]).await;
        assert_eq!(left.code, Some(64), "{left:?}");
        assert!(left.stderr.contains("has no request aaaa"), "{left:?}");
    }
}

#[tokio::test]
async fn a_signal_to_one_who_waits_by_id_leaves_the_request() {
    let daemon = setup().in_memory().start();
    let id = daemon.detached(&[]).await;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let requester = Requester::start(&daemon.url(), &["wait", &id]);
        requester.told("waiting for").await;
        requester.signal(signal);
        let left = requester.left().await;
        assert_eq!(left.code, Some(code), "{left:?}");
        assert!(left.stderr.contains("stays as it is"), "{left:?}");
        assert_eq!(daemon.read(&id).await["status"], "pending");
    }
}

#[tokio::test]
async fn a_wait_that_has_a_limit_is_continued_by_the_same_command_and_asks_once() {
    let daemon = setup().in_memory().start();
    let args = ["--key", "job-7", "--wait-at-most", "3s", "-m", "Deploy?"];
    let first = daemon.run(&args).await;
    assert_eq!(first.code, Some(3), "{first:?}");
    assert!(first.stderr.contains("same --key waits on"), "{first:?}");
    let id = daemon.the_pending_one().await;
    assert_eq!(first.stdout, format!("{id}\n"));
    let second = daemon.run(&[&args[..], &["--json"]].concat()).await;
    let request: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!((second.code, &request["id"]), (Some(3), &json!(id)));
    daemon.approve(&id).await;
    let third = daemon.run(&args).await;
    assert_eq!((third.code, &*third.stdout), (Some(0), ""), "{third:?}");
    assert_eq!(daemon.requests().await.len(), 1);
}

/// Found by review: the lease of the killed one stayed, and the request was cancelled two minutes
/// after the detached one had been told that it waits for its answer.
#[tokio::test]
async fn whoever_leaves_for_good_frees_the_request_of_the_lease_of_one_who_was_killed() {
    let daemon = setup().in_memory().start();
    let key = ["--key", "job-11", "-m", "Deploy?"];
    let args = [&key[..], &["--lease", "2s"]].concat();
    let killed = Requester::start(&daemon.url(), &args);
    daemon.waiters_are(1).await;
    let held = daemon.requests().await;
    assert_eq!(held[0]["lease_secs"], 2);
    // While it polls, its lease does not run, however slow this machine is.
    let left = daemon.run(&[&["--detach"], &key[..]].concat()).await;
    assert_eq!(left.code, Some(3), "{left:?}");
    assert!(!left.stderr.contains("lease"), "{left:?}");
    killed.signal(Signal::KILL);
    killed.left().await;
    daemon.waiters_are(0).await;
    // Another one with a lease, which begins after it, shows when that would have ended.
    let other = json!({"title": "Other?", "lease_secs": 3});
    let other = daemon.asking(&other).await.id();
    // A list is no sign of life, as a read would be.
    let listed = async |id: &str| {
        let all = daemon.requests().await;
        all.into_iter().find(|request| request["id"] == id)
    };
    until("the other lease to end", async || {
        (listed(&other).await?["lease_ended"] == true).then_some(())
    })
    .await;
    let request = listed(left.stdout.trim_end()).await.unwrap();
    assert_eq!(request["status"], "pending", "{request}");
    assert_eq!(request.get("lease_secs"), None, "{request}");
}

#[tokio::test]
async fn whoever_waits_with_the_same_key_joins_one_who_has_left() {
    let daemon = setup().in_memory().start();
    let id = daemon.detached(&["--key", "job-10"]).await;
    let requester = Requester::start(&daemon.url(), &["--key", "job-10"]);
    requester.told(&id).await;
    daemon.approve(&id).await;
    assert_eq!(requester.left().await.code, Some(0));
    assert_eq!(daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn a_limited_wait_without_a_key_says_how_to_go_on() {
    let daemon = setup().in_memory().start();
    let left = daemon.run(&["--wait-at-most", "3s"]).await;
    let id = daemon.the_pending_one().await;
    assert_eq!((left.code, left.stdout), (Some(3), format!("{id}\n")));
    assert!(
        left.stderr.contains(&format!("requester wait {id}")),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn a_final_request_that_a_key_finds_says_so_and_names_the_remedy() {
    let daemon = setup().in_memory().start();
    let args = ["--key", "job-8", "-m", "Deploy?"];
    let requester = Requester::start(&daemon.url(), &args);
    let id = daemon.the_pending_one().await;
    assert_eq!(daemon.run(&["cancel", &id]).await.code, Some(0));
    let left = requester.left().await;
    assert_eq!(left.code, Some(4), "{left:?}");
    assert!(!left.stderr.contains("another key"), "{left:?}");
    let again = daemon.run(&args).await;
    assert_eq!(again.code, Some(4), "{again:?}");
    assert!(again.stderr.contains("another key asks anew"), "{again:?}");
    let detached = daemon.run(&[&args[..], &["--detach"]].concat()).await;
    assert_eq!(
        (detached.code, detached.stdout),
        (Some(4), format!("{id}\n"))
    );
}

#[tokio::test]
async fn an_approval_counts_for_as_long_as_was_said_and_then_no_more() {
    let daemon = setup().in_memory().start();
    let args = ["--key", "job-9", "--use-within", "1s"];
    let id = daemon.detached(&args).await;
    daemon.approve(&id).await;
    let status = ["status", &id, "--use-within", "1s"];
    let wait = ["wait", &id, "--use-within", "1s"];
    for command in [&args[..], &status, &wait] {
        let what = format!("{command:?} to be too late");
        let left = until(&what, async || {
            let left = daemon.run(command).await;
            (left.code != Some(0)).then_some(left)
        })
        .await;
        assert_eq!(left.code, Some(124), "{left:?}");
        assert!(
            left.stderr.contains("approved, but too long ago"),
            "{left:?}"
        );
    }
}

#[tokio::test]
async fn the_line_of_the_documents_works_in_a_shell() {
    let daemon = setup().in_memory().start();
    let script = "set -e
        id=$(requester --detach -m 'Deploy?' --quiet) || [ $? = 3 ]
        requester cancel \"$id\" --quiet
        requester wait \"$id\" || echo \"$id $?\"";
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_requester"))
        .parent()
        .unwrap();
    let path = std::env::join_paths([programs, "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", script])
        .env_clear()
        .env("PATH", path)
        .env("PUSHD_URL", daemon.url());
    let output = soon("the script to end", shell.kill_on_drop(true).output())
        .await
        .unwrap();
    let id = daemon.requests().await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{id} 4\n")
    );
}

#[tokio::test]
async fn an_id_that_could_not_be_written_down_is_no_success() {
    let daemon = setup().in_memory().start();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let requester = Command::new(env!("CARGO_BIN_EXE_requester"))
        .args(["--url", &daemon.url(), "--detach"])
        .env_clear()
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = soon("requester to end", requester.wait_with_output())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    let id = daemon.the_pending_one().await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains(&id) && stderr.contains("standard output"),
        "{stderr}"
    );
}

#[tokio::test]
async fn the_spinner_of_a_wait_by_id_shows_the_question() {
    let daemon = setup().in_memory().start();
    let id = daemon.detached(&["-m", "Go?"]).await;
    let (url, program) = (daemon.url(), env!("CARGO_BIN_EXE_requester"));
    let mut requester = Pty::run(
        program,
        &["wait", &id, "--url", &url, "--timeout", "1s"],
        &[],
    );
    for part in ["Go?", &id[..8], "left", "poll 2"] {
        requester.wait_for(part);
    }
    daemon.approve(&id).await;
    requester.wait_for("approved");
    assert_eq!(requester.exit_code(), 0);
}
