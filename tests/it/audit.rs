//! `pushd audit export`: who asked and who allowed what.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::daemon::{Daemon, Setup, setup};

impl Setup {
    /// The lines of an export that is whole.
    fn exported(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.run(&[&["audit", "export"], args].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let lines = ran.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// What happened to which question, line by line.
fn told(lines: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let words = lines.iter();
    words
        .map(|line| format!("{} {}", text(&line["title"]), text(&line["what"])))
        .collect()
}

/// Asks two questions and answers the first one last.
async fn story(daemon: &Daemon) -> [String; 2] {
    let ask = |title: &str, topic: &str| daemon.asking(&json!({"title": title, "topic": topic}));
    let first = ask("one", "deploy/prod").await.id();
    let second = ask("two", "other").await.id();
    let deny = json!({"verdict": "deny", "reason": "frozen \u{202e}"});
    assert_eq!(daemon.deciding(&second, &deny).await.status, 200);
    let approve = json!({"verdict": "approve"});
    let decided = daemon
        .deciding(&first, &approve)
        .header("pushd-channel", "policy");
    assert_eq!(decided.await.status, 200);
    [first, second]
}

const STORY: [&str; 4] = ["one asked", "two asked", "two denied", "one approved"];

#[tokio::test]
async fn every_step_is_a_line_beside_a_daemon_and_without_one() {
    let mut daemon = setup().start();
    let [first, second] = story(&daemon).await;
    let lines = daemon.setup().exported(&[]);
    assert_eq!(told(&lines), STORY);
    let last = &lines[3];
    assert_eq!(
        (&last["request"], &last["status"]),
        (&json!(first), &json!("approved"))
    );
    assert_eq!(last["topic"], "deploy/prod");
    let by = json!({"principal": "local", "address": "127.0.0.1", "channel": "policy"});
    assert_eq!(last["by"], by);
    assert_eq!(last["requester"]["channel"], "api");
    assert_eq!(last["at"], daemon.read(&first).await["decided_at"]);
    assert_eq!(lines[2]["reason"], "frozen \u{202e}");
    assert_eq!(
        (&lines[1]["request"], &lines[1]["status"]),
        (&json!(second), &json!("denied"))
    );
    let raw = daemon.setup().run(&["audit", "export"]).stdout;
    assert!(
        raw.contains(r"frozen \u202e") && !raw.contains('\u{202e}'),
        "{raw}"
    );
    daemon.crash();
    assert_eq!(daemon.setup().exported(&[]), lines);
}

#[tokio::test]
async fn lines_are_chosen_by_time_topic_and_principal() {
    let daemon = setup().start();
    story(&daemon).await;
    let setup = daemon.setup();
    let topic = told(&setup.exported(&["--topic", "deploy*"]));
    assert_eq!(topic, ["one asked", "one approved"]);
    assert_eq!(told(&setup.exported(&["--topic", "*"])), STORY);
    assert_eq!(told(&setup.exported(&["--topic", "prod"])), [""; 0]);
    assert_eq!(told(&setup.exported(&["--principal", "local"])), STORY);
    assert_eq!(told(&setup.exported(&["--principal", "locale"])), [""; 0]);
    assert_eq!(told(&setup.exported(&["--since", "1h"])), STORY);
    assert_eq!(told(&setup.exported(&["--until", "1h"])), [""; 0]);
    let all = setup.exported(&[]);
    let at = all[3]["at"].as_str().unwrap();
    let since = told(&setup.exported(&["--since", at]));
    assert!(since.ends_with(&["one approved".to_owned()]), "{since:?}");
    let first = all[0]["at"].as_str().unwrap();
    assert_eq!(told(&setup.exported(&["--until", first]))[0], "one asked");
    for bad in [
        ["--since", "yesterday"],
        ["--topic", "a b"],
        ["--store", "memory"],
    ] {
        let ran = setup.run(&[&["audit", "export"][..], &bad].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{ran:?}");
    }
}

#[tokio::test]
async fn an_export_changes_nothing_and_a_missing_database_stays_missing() {
    let setup = setup();
    let ran = setup.run(&["audit", "export"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(78), ""));
    assert!(
        ran.stderr.contains("there is no database"),
        "{}",
        ran.stderr
    );
    assert!(!setup.path("pushd.db").exists());
    let mut daemon = setup.start();
    story(&daemon).await;
    daemon.crash();
    let path = daemon.setup().path("pushd.db");
    let before = std::fs::read(&path).unwrap();
    daemon.setup().exported(&[]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_and_the_rest_is_exported() {
    let mut daemon = setup().start();
    story(&daemon).await;
    daemon.crash();
    let path = daemon.setup().path("pushd.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    let sql = "UPDATE requests SET record = x'7b' WHERE topic = 'other'";
    assert_eq!(database.execute(sql, ()).unwrap(), 1);
    drop(database);
    let ran = daemon.setup().run(&["audit", "export"]);
    assert_eq!(ran.code, Some(65), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(
        ran.stderr.contains("1 requests are missing"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let daemon = setup().start();
    for n in 0..600 {
        daemon.ask(&format!("{n} {}", "x".repeat(190))).await;
    }
    assert_eq!(daemon.setup().exported(&[]).len(), 600);
    let mut child = Command::new(env!("CARGO_BIN_EXE_pushd"))
        .env_clear()
        .args(["audit", "export", "--store"])
        .arg(format!(
            "sqlite:{}",
            daemon.setup().path("pushd.db").display()
        ))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    assert!(first.contains("\"what\":\"asked\""), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
