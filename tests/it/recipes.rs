//! `scripts/recipes`: each script against a real daemon, and each way in which it may fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::daemon::{Daemon, setup};
use crate::programs::Left;
use crate::until::{soon, until};

/// A folder in which a script runs, with our programs before the system's.
struct Desk {
    folder: TempDir,
    url: String,
    programs: PathBuf,
}

impl Desk {
    fn new(url: &str) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_requester"));
        Self {
            folder: tempfile::tempdir().unwrap(),
            url: url.to_owned(),
            programs: programs.parent().unwrap().to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has this script run in the place of `requester`.
    fn with_requester(mut self, script: &str) -> Self {
        let folder = self.path("fake");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("requester");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self.programs = folder;
        self
    }

    fn command(&self, program: &str, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs.display()))
            .env("PUSHD_URL", &self.url)
            .env("HOME", self.folder.path())
            .envs(environment.iter().copied())
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn start(&self, recipe: &str, args: &[&str], environment: &[(&str, &str)]) -> Child {
        let file = recipe_file(recipe);
        let mut child = self.command(&file, args, environment).spawn().unwrap();
        drop(child.stdin.take());
        child
    }

    async fn run(&self, recipe: &str, args: &[&str], environment: &[(&str, &str)]) -> Left {
        left(self.start(recipe, args, environment)).await
    }
}

fn recipe_file(name: &str) -> String {
    format!("{}/scripts/recipes/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn left(child: Child) -> Left {
    let output = soon("a script to end", child.wait_with_output())
        .await
        .unwrap();
    Left {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

async fn decide(daemon: &Daemon, verdict: &str) -> Value {
    let id = daemon.the_pending_one().await;
    let body = json!({"verdict": verdict, "reason": "because \"so\""});
    let reply = daemon.deciding(&id, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

// --- The deploy gate ----------------------------------------------------------------------------

const DEPLOY: [&str; 5] = ["shop", "1.4.2", "sh", "-c", "echo deployed; exit 7"];

#[tokio::test]
async fn a_gated_deploy_runs_after_a_yes_and_leaves_with_its_own_code() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let child = desk.start("deploy-gate.sh", &DEPLOY, &[]);
    let request = decide(&daemon, "approve").await;
    assert_eq!(
        (&request["title"], &request["topic"]),
        (&json!("Deploy shop 1.4.2?"), &json!("deploy/shop"))
    );
    assert_eq!(request["command"]["argv"], json!(DEPLOY[2..]));
    let left = left(child).await;
    assert_eq!(
        (left.code, &*left.stdout),
        (Some(7), "deployed\n"),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_gated_deploy_does_not_run_without_a_yes() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let child = desk.start("deploy-gate.sh", &DEPLOY, &[]);
    decide(&daemon, "deny").await;
    let denied = left(child).await;
    assert_eq!((denied.code, &*denied.stdout), (Some(1), ""), "{denied:?}");
    let expired = desk
        .run("deploy-gate.sh", &DEPLOY, &[("PUSHD_EXPIRES", "1s")])
        .await;
    assert_eq!(
        (expired.code, &*expired.stdout),
        (Some(124), ""),
        "{expired:?}"
    );
    let usage = desk.run("deploy-gate.sh", &["shop"], &[]).await;
    assert_eq!(usage.code, Some(64));
    drop(daemon);
    let gone = [("PUSHD_CONNECT_TIMEOUT", "1s")];
    let gone = desk.run("deploy-gate.sh", &DEPLOY, &gone).await;
    assert_eq!((gone.code, &*gone.stdout), (Some(69), ""), "{gone:?}");
    let mut missing = Desk::new("http://127.0.0.1:1");
    missing.programs = missing.path("nowhere");
    let missing = missing.run("deploy-gate.sh", &DEPLOY, &[]).await;
    assert_eq!(
        (missing.code, &*missing.stdout),
        (Some(127), ""),
        "{missing:?}"
    );
    let crashed = desk.with_requester("kill -SEGV $$");
    let crashed = crashed.run("deploy-gate.sh", &DEPLOY, &[]).await;
    assert_eq!(
        (crashed.signal, &*crashed.stdout),
        (Some(11), ""),
        "{crashed:?}"
    );
}

// --- The CI job ---------------------------------------------------------------------------------

const KEY: [(&str, &str); 1] = [("APPROVAL_KEY", "pipeline-1")];

#[tokio::test]
async fn a_ci_job_asks_and_leaves_and_a_later_one_goes_on() {
    let daemon = setup().start();
    let desk = Desk::new(&daemon.url());
    let asked = desk.run("ci-job.sh", &["ask", "Deploy?"], &KEY).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let go_on = ["continue", "Deploy?", "sh", "-c", "echo deployed; exit 7"];
    let pending = desk.run("ci-job.sh", &go_on, &KEY).await;
    assert_eq!(
        (pending.code, &*pending.stdout),
        (Some(3), ""),
        "{pending:?}"
    );
    // A first job that is run again joins, and asks nobody twice.
    let again = desk.run("ci-job.sh", &["ask", "Deploy?"], &KEY).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(daemon.requests().await.len(), 1);
    let daemon = daemon.crash_and_restart();
    decide(&daemon, "approve").await;
    let left = desk.run("ci-job.sh", &go_on, &KEY).await;
    assert_eq!(
        (left.code, &*left.stdout),
        (Some(7), "deployed\n"),
        "{left:?}"
    );
    // So does one that is run again after the answer.
    let late = desk.run("ci-job.sh", &["ask", "Deploy?"], &KEY).await;
    assert_eq!(late.code, Some(0), "{late:?}");
    assert_eq!(daemon.requests().await.len(), 1);
}

#[tokio::test]
async fn a_ci_job_does_not_go_on_without_a_yes() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let go_on = ["continue", "Deploy?", "echo", "deployed"];
    desk.run("ci-job.sh", &["ask", "Deploy?"], &KEY).await;
    decide(&daemon, "deny").await;
    let denied = desk.run("ci-job.sh", &go_on, &KEY).await;
    assert_eq!((denied.code, &*denied.stdout), (Some(1), ""), "{denied:?}");
    let other = ["continue", "Deploy more?", "echo", "deployed"];
    let other = desk.run("ci-job.sh", &other, &KEY).await;
    assert_eq!((other.code, &*other.stdout), (Some(64), ""), "{other:?}");
    let expiring = [("APPROVAL_KEY", "pipeline-2"), ("APPROVAL_EXPIRES", "1s")];
    desk.run("ci-job.sh", &["ask", "Deploy?"], &expiring).await;
    until("it to expire", async || {
        let all = daemon.requests().await;
        all.iter()
            .any(|one| one["status"] == "expired")
            .then_some(())
    })
    .await;
    let expired = desk.run("ci-job.sh", &go_on, &expiring).await;
    assert_eq!(
        (expired.code, &*expired.stdout),
        (Some(124), ""),
        "{expired:?}"
    );
    drop(daemon);
    let gone = [KEY[0], ("PUSHD_CONNECT_TIMEOUT", "1s")];
    for args in [&go_on[..], &["ask", "Deploy?"]] {
        let gone = desk.run("ci-job.sh", args, &gone).await;
        assert_eq!((gone.code, &*gone.stdout), (Some(69), ""), "{gone:?}");
    }
    let wrong = [&["ask"][..], &["continue", "Deploy?"], &["bogus", "a"], &[]];
    for (args, environment) in wrong.map(|args| (args, &KEY[..])).into_iter().chain([
        (&go_on[..], &[][..]),
        (&["ask", "Deploy?"], &[("APPROVAL_KEY", "")]),
    ]) {
        let left = desk.run("ci-job.sh", args, environment).await;
        assert_eq!(left.code, Some(64), "{args:?}: {left:?}");
    }
    let crashed = desk.with_requester("kill -SEGV $$");
    for args in [&go_on[..], &["ask", "Deploy?"]] {
        let left = crashed.run("ci-job.sh", args, &KEY).await;
        assert_eq!((left.code, &*left.stdout), (Some(139), ""), "{left:?}");
    }
}

// --- The coding agent's hook --------------------------------------------------------------------

fn call() -> Value {
    json!({
        "hook_event_name": "PreToolUse", "session_id": "s1", "cwd": "/srv/shop",
        "tool_name": "Bash", "tool_input": {"command": "rm -rf build\necho \"$HOME\""},
    })
}

impl Desk {
    /// Starts the hook as a host does, with this on standard input.
    async fn hook(&self, input: &[u8], environment: &[(&str, &str)]) -> Child {
        let line = format!("'{}' || exit 2", recipe_file("agent-hook"));
        let mut child = self
            .command("sh", &["-c", &line], environment)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A hook that has ended reads no more, which is as good.
        drop(stdin.write_all(input).await);
        child
    }

    async fn hooked(&self, input: &[u8], environment: &[(&str, &str)]) -> Left {
        left(self.hook(input, environment).await).await
    }
}

impl Left {
    fn decision(&self) -> (String, String) {
        let told: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"));
        let told = &told["hookSpecificOutput"];
        assert_eq!(told["hookEventName"], "PreToolUse");
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        (text("permissionDecision"), text("permissionDecisionReason"))
    }

    /// The host is told to block, in both ways.
    fn blocks(&self, why: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        let (decision, reason) = self.decision();
        assert_eq!(decision, "deny", "{self:?}");
        assert!(reason.contains(why), "{why}: {self:?}");
        assert!(self.stderr.contains(why), "{why}: {self:?}");
    }
}

#[tokio::test]
async fn an_agents_call_is_shown_whole_and_allowed_by_a_yes_alone() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let input = call().to_string();
    let child = desk.hook(input.as_bytes(), &[]).await;
    let request = decide(&daemon, "approve").await;
    assert_eq!(request["title"], "Agent: Bash rm -rf build echo \"$HOME\"");
    let shown: Value = serde_json::from_str(request["details"].as_str().unwrap()).unwrap();
    assert_eq!(shown, call()["tool_input"]);
    assert_eq!(
        request["fields"][1],
        json!({"name": "cwd", "value": "/srv/shop"})
    );
    let allowed = left(child).await;
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let (decision, reason) = allowed.decision();
    assert_eq!(decision, "allow");
    assert!(reason.contains("because \"so\""), "{reason}");

    let child = desk.hook(input.as_bytes(), &[]).await;
    decide(&daemon, "deny").await;
    left(child).await.blocks("because \"so\"");
}

// A host that is a part of a CI job may have its key: one yes would have done for all such calls.
#[tokio::test]
async fn an_agents_next_call_is_asked_about_though_it_looks_the_same() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let (input, key) = (call().to_string(), [("PUSHD_KEY", "pipeline-1")]);
    for verdict in ["approve", "deny"] {
        let child = desk.hook(input.as_bytes(), &key).await;
        decide(&daemon, verdict).await;
        let left = left(child).await;
        assert_eq!(left.code == Some(0), verdict == "approve", "{left:?}");
    }
}

#[tokio::test]
async fn an_agents_hook_blocks_whatever_it_does_not_understand() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let mut large = call();
    large["tool_input"]["command"] = json!("x".repeat(70_000));
    let mut nul = call();
    nul["cwd"] = json!("a\0b");
    let (large, nul) = (large.to_string(), nul.to_string());
    let deep = "[".repeat(200_000);
    let huge = format!("\"{}\"", "x".repeat(2 << 20));
    for input in [
        "",
        "{",
        "null",
        "[]",
        "\u{0}",
        "{\"tool_name\": \"Bash\"}",
        "{\"tool_input\": {}}",
        "{\"tool_name\": 7, \"tool_input\": {}}",
        "{\"tool_name\": \"\\ud800\", \"tool_input\": {}}",
        &large,
        &nul,
        &deep,
        &huge,
    ] {
        let left = desk.hooked(input.as_bytes(), &[]).await;
        let gist: String = input.chars().take(60).collect();
        assert_eq!(left.code, Some(2), "{gist}: {left:?}");
        assert_eq!(left.decision().0, "deny", "{gist}");
    }
    let bytes = desk.hooked(b"\xff\xfe", &[]).await;
    bytes.blocks("not understood");
    assert_eq!(
        daemon.requests().await,
        Vec::<Value>::new(),
        "nobody was asked"
    );
}

#[tokio::test]
async fn an_agents_hook_blocks_without_a_daemon_and_without_an_answer() {
    let input = call().to_string();
    let desk = Desk::new("http://127.0.0.1:1");
    let nobody = desk
        .hooked(input.as_bytes(), &[("AGENT_HOOK_SECONDS", "9")])
        .await;
    nobody.blocks("exit code 69");
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let late = desk
        .hooked(input.as_bytes(), &[("AGENT_HOOK_SECONDS", "6")])
        .await;
    late.blocks("exit code 124");
    let wrong = desk
        .hooked(input.as_bytes(), &[("AGENT_HOOK_SECONDS", "soon")])
        .await;
    wrong.blocks("soon");
    let never = [("AGENT_HOOK_SECONDS", "-2")];
    let never = desk.hooked(input.as_bytes(), &never).await;
    never.blocks("must be 1 at least");
    let refused = desk
        .hooked(input.as_bytes(), &[("PUSHD_URL", "nonsense")])
        .await;
    refused.blocks("exit code 64");
}

#[tokio::test]
async fn an_agents_hook_blocks_when_requester_is_missing_crashes_hangs_or_lies() {
    let input = call().to_string();
    let desk = || Desk::new("http://127.0.0.1:1");
    let mut missing = desk();
    missing.programs = missing.path("nowhere");
    missing
        .hooked(input.as_bytes(), &[])
        .await
        .blocks("requester");
    for (script, why) in [
        ("kill -SEGV $$", "exit code -11"),
        ("exit 0", "not understood"),
        ("echo '{}'", "not understood"),
        (
            "echo '{\"status\": \"pending\", \"decisions\": []}'",
            "not understood",
        ),
        (
            "echo '{\"status\": \"denied\", \"decisions\": [{\"approver\": {\"principal\": \"alice\"}}]}'",
            "denied by alice",
        ),
        (
            "echo '{\"status\": \"approved\", \"decisions\": [{\"approver\": {\"principal\": \"alice\"}}]}'; exit 1",
            "denied by alice",
        ),
        ("printf '\\377'", "Error"),
    ] {
        let desk = desk().with_requester(script);
        desk.hooked(input.as_bytes(), &[]).await.blocks(why);
    }
    for script in ["exec sleep 1000", "trap '' TERM; exec sleep 1000"] {
        let desk = desk().with_requester(script);
        let hangs = desk
            .hooked(input.as_bytes(), &[("AGENT_HOOK_SECONDS", "1")])
            .await;
        hangs.blocks("nobody answered in time");
    }
}

#[tokio::test]
async fn an_agents_hook_that_is_stopped_or_killed_blocks() {
    let daemon = setup().in_memory().start();
    let desk = Desk::new(&daemon.url());
    let input = call().to_string();
    for (signal, is_told) in [(Signal::TERM, true), (Signal::KILL, false)] {
        let child = desk.hook(input.as_bytes(), &[]).await;
        daemon.the_pending_one().await;
        let shell = i32::try_from(child.id().unwrap()).unwrap();
        kill_process(child_of(shell), signal).unwrap();
        let left = left(child).await;
        assert_eq!(left.code, Some(2), "{left:?}");
        if is_told {
            left.blocks("told to stop");
        }
        for request in daemon.requests().await {
            let path = format!("/v1/requests/{}", request["id"].as_str().unwrap());
            drop(daemon.delete(&path).await);
        }
    }
}

/// The one process that a shell waits for.
fn child_of(shell: i32) -> Pid {
    let file = format!("/proc/{shell}/task/{shell}/children");
    let children = fs::read_to_string(file).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}
