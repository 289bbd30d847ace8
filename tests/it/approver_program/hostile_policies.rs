//! Policies that hang, crash, print without end, and leave others behind: bounded, told, and
//! nothing is approved.

use std::path::Path;

use super::Approver;
use crate::daemon::{Daemon, setup};
use crate::until::until;

/// Has a policy judge a request, and waits until this is told; it is pending still.
async fn left_open(policy: &str, args: &[&str], told: &str) -> (Daemon, Approver, String) {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let args = [&["--policy", policy], args].concat();
    let approver = Approver::start(&daemon.url(), &args);
    approver
        .told(&format!(
            "{id} left open: the policy has no opinion, {told}"
        ))
        .await;
    assert_eq!(daemon.read(&id).await["status"], "pending");
    (daemon, approver, id)
}

/// Waits until the process whose number is in a file is gone, or at least a zombie.
async fn gone(file: &Path) {
    let pid = until("its number", async || {
        let text = std::fs::read_to_string(file).ok()?;
        text.trim().parse::<u32>().ok()
    })
    .await;
    until("it to be gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        let dead = stat.map_or(true, |stat| stat.contains(") Z "));
        dead.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_policy_that_crashes_or_is_not_there_has_no_opinion() {
    for (policy, told) in [
        ("kill -9 $$", "signal 9 ended it"),
        ("kill -SEGV $$", "signal 11 ended it"),
        ("exit 2", "it ended with 2"),
        ("exit 255", "it ended with 255"),
        ("/does/not/exist", "it cannot be run: the shell says 127"),
        ("/etc/passwd", "it cannot be run: the shell says 126"),
        ("if", "it ended with 2"),
    ] {
        left_open(policy, &[], told).await;
    }
}

#[tokio::test]
async fn a_policy_that_hangs_is_killed_with_all_that_it_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    // It ignores what can be ignored.
    let policy = format!(
        "trap '' TERM INT HUP; echo $$ > {}; sleep 1000 & echo $! > {}; wait; exit 0",
        own.display(),
        other.display()
    );
    let (daemon, approver, _) = left_open(
        &policy,
        &["--policy-timeout", "5s"],
        "it was killed, because it took longer than 5s",
    )
    .await;
    gone(&own).await;
    gone(&other).await;
    // It judges on.
    let next = daemon.ask("Next?").await;
    approver.told(&format!("{next} left open")).await;
}

#[tokio::test]
async fn a_child_that_keeps_the_pipes_open_holds_nobody_up() {
    let daemon = setup().start();
    let dir = tempfile::tempdir().unwrap();
    let (child, escaped) = (dir.path().join("child"), dir.path().join("escaped"));
    // One is of the policy's group, and the other has left it.
    let policy = format!(
        "sleep 1000 & echo $! > {}; setsid sh -c 'echo $$ > {}; exec sleep 20' & \
         while ! [ -s {} ]; do sleep 0.02; done; echo fine; exit 0",
        child.display(),
        escaped.display(),
        escaped.display()
    );
    let id = daemon.ask("Deploy?").await;
    let args = ["--policy", &policy, "--policy-timeout", "1h"];
    let approver = Approver::start(&daemon.url(), &args);
    let view = daemon.becomes(&id, "approved").await;
    assert_eq!(view["decisions"][0]["reason"], "fine");
    gone(&child).await;
    // The other goes on, as it wanted to, and nobody waits for it.
    let pid = std::fs::read_to_string(&escaped).unwrap();
    assert!(Path::new(&format!("/proc/{}", pid.trim())).exists());
    drop(approver);
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_policy_that_prints_megabytes_neither_blocks_nor_fills_the_memory() {
    let daemon = setup().start();
    let policy = "echo fine; head -c 8000000 /dev/zero; head -c 8000000 /dev/zero >&2; exit 0";
    let id = daemon.ask("Deploy?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", policy]);
    let view = daemon.becomes(&id, "approved").await;
    assert_eq!(view["decisions"][0]["reason"], "fine");
    #[cfg(target_os = "linux")]
    assert!(
        approver.peak_memory() < 64 << 20,
        "{}",
        approver.peak_memory()
    );
    approver
        .told(&format!("{id} approved by the policy: fine"))
        .await;
    // What it said was not a line, and is cut.
    assert!(approver.stderr.so_far().len() < 128 << 10);
}

#[tokio::test]
async fn a_policy_that_prints_without_end_is_killed() {
    let long = ["--policy-timeout", "1h"];
    for policy in ["echo fine; exec yes", "exec yes >&2"] {
        left_open(
            policy,
            &long,
            "it was killed, because it printed more than 16 MiB",
        )
        .await;
    }
    // What a child prints after the end is not waited for, either.
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", "yes & exit 1"]);
    daemon.becomes(&id, "denied").await;
    drop(approver);
}

#[tokio::test]
async fn a_policy_that_reads_nothing_is_not_waited_for() {
    let daemon = setup().start();
    // More than a pipe holds.
    let ask = serde_json::json!({"title": "Deploy?", "details": "x".repeat(65_000)});
    let ask = {
        let mut ask = ask;
        let field = serde_json::json!({"name": "n", "value": "\u{1}".repeat(1000)});
        ask["fields"] = vec![field; 32].into();
        ask
    };
    let id = daemon.asking(&ask).await.id();
    let approver = Approver::start(&daemon.url(), &["--policy", "exec <&-; sleep 0.1; exit 0"]);
    daemon.becomes(&id, "approved").await;
    drop(approver);
}

#[tokio::test]
async fn a_first_line_that_is_no_reason_is_made_one() {
    let daemon = setup().start();
    let policy = r"printf 'a\377\r\013b\033[2J%0600d\n' 0; exit 1";
    let id = daemon.ask("Deploy?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", policy]);
    let view = daemon.becomes(&id, "denied").await;
    let reason = view["decisions"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("a\u{fffd}  b\u{1b}[2J000"), "{reason:?}");
    assert_eq!(reason.chars().count(), 500);
    approver.told("a\\u{fffd}  b\\u{1b}[2J000").await;
}

#[tokio::test]
async fn what_a_policy_says_drives_no_terminal_and_is_told_in_few_lines() {
    let policy = "i=0; while [ $i -lt 100 ]; do printf '\\033[2J\\233 %d\\n' $i >&2; i=$((i+1)); done; exit 4";
    let (_daemon, approver, id) = left_open(policy, &[], "it ended with 4").await;
    let told = approver.stderr.so_far();
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with(&format!("approver: policy, {id}: \\u{{1b}}[2J")))
        .collect();
    assert_eq!(lines.len(), 20, "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[tokio::test]
async fn an_approver_that_ends_leaves_no_policy_behind() {
    let daemon = setup().start();
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    let policy = format!(
        "sleep 1000 & echo $! > {}; echo $$ > {}; wait; exit 0",
        other.display(),
        own.display()
    );
    let id = daemon.ask("Deploy?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", &policy]);
    until("the policy to begin", async || own.exists().then_some(())).await;
    approver.signal(rustix::process::Signal::INT);
    assert_eq!(approver.left().await.code, Some(130));
    gone(&own).await;
    gone(&other).await;
    assert_eq!(daemon.read(&id).await["status"], "pending");
}
