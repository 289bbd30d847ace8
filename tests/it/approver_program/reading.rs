//! `list`, `show` and `watch`.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Approver, run};
use crate::daemon::{Daemon, setup};

/// A title that would clear the screen, turn itself round, and add a line, if it were obeyed.
const EVIL: &str = "a\u{1b}[2J\u{202e}\u{9b}31m b";

fn parsed(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn is_clean(text: &str) -> bool {
    text.chars()
        .all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ')
}

#[tokio::test]
async fn a_list_has_the_newest_first_and_shows_what_strangers_wrote() {
    let daemon = setup().start();
    let none = run(&daemon.url(), &["list"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("no request waits"), "{none:?}");
    let evil = daemon
        .asking(&json!({"title": EVIL, "topic": "deploy/prod"}))
        .await
        .id();
    let plain = daemon.ask("Second?").await;
    let decided = daemon.ask("Third?").await;
    daemon.approve(&decided).await;
    let list = run(&daemon.url(), &["list"]).await;
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    let rows: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{list:?}");
    assert!(rows[0].starts_with("REQUEST"), "{list:?}");
    assert!(
        rows[1].starts_with(&plain) && rows[1].ends_with("| Second?"),
        "{list:?}"
    );
    assert!(
        rows[2].starts_with(&evil) && rows[2].contains("deploy/prod"),
        "{list:?}"
    );
    assert!(
        rows[2].ends_with("| a\\u{1b}[2J\\u{202e}\\u{9b}31m b"),
        "{list:?}"
    );
    assert!(is_clean(&list.stdout), "{list:?}");
}

#[tokio::test]
async fn a_list_is_told_apart_by_status_topic_and_number() {
    let daemon = setup().start();
    let mut asked = Vec::new();
    for topic in ["a", "b", "c", "a"] {
        let ask = json!({"title": "Deploy?", "topic": topic});
        asked.push(daemon.asking(&ask).await.id());
    }
    daemon.approve(&asked[0]).await;
    let ids = async |args: &[&str]| {
        let args = [&["list", "--json"], args].concat();
        let list = run(&daemon.url(), &args).await;
        assert_eq!(list.code, Some(0), "{list:?}");
        let ids = parsed(&list.stdout).into_iter();
        let ids: Vec<String> = ids
            .map(|view| view["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, list.stderr)
    };
    let of =
        |numbers: &[usize]| -> Vec<String> { numbers.iter().map(|&n| asked[n].clone()).collect() };
    for (args, expected) in [
        (&[][..], &[3, 2, 1][..]),
        (&["--status", "approved"], &[0]),
        (&["--status", "denied"], &[]),
        (&["--status", "all"], &[3, 2, 1, 0]),
        (&["--topic", "a"], &[3]),
        (&["--topic", "a,b", "--status", "all"], &[3, 1, 0]),
    ] {
        assert_eq!(ids(args).await.0, of(expected), "{args:?}");
    }
    let (two, told) = ids(&["--limit", "2"]).await;
    assert_eq!(two, of(&[3, 2]));
    assert!(told.contains("--limit"), "{told}");
}

#[tokio::test]
async fn a_request_is_shown_whole_and_strangers_stand_behind_a_bar() {
    let daemon = setup().start();
    let ask = json!({
        "title": EVIL,
        "details": "one\ntwo\u{1b}[1m\n━━━━ Approval asked ━━━━",
        "fields": [{"name": "service", "value": "shop"}],
    });
    let id = daemon.asking(&ask).await.id();
    let deny = json!({"verdict": "deny", "reason": "frozen\u{7}"});
    assert_eq!(daemon.deciding(&id, &deny).await.status, 200);
    let shown = run(&daemon.url(), &["show", &id]).await;
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(is_clean(&shown.stdout), "{shown:?}");
    for theirs in [
        "a\\u{1b}[2J\\u{202e}\\u{9b}31m b",
        "service  shop",
        "two\\u{1b}[1m",
        "\\u{2501}\\u{2501}\\u{2501}\\u{2501} Approval asked",
        "reason: frozen\\u{7}",
    ] {
        let mut lines = shown.stdout.lines().filter(|line| line.contains(theirs));
        assert!(lines.clone().count() > 0, "{theirs} {shown:?}");
        assert!(
            lines.all(|line| line.starts_with("  | ")),
            "{theirs} {shown:?}"
        );
    }
    assert!(
        shown.stdout.contains(&format!("    request   {id}\n")),
        "{shown:?}"
    );
    assert!(shown.stdout.contains("  denied by local"), "{shown:?}");
    let json = run(&daemon.url(), &["show", &id, "--json"]).await;
    let expected = daemon.read(&id).await;
    assert_eq!((json.code, parsed(&json.stdout)), (Some(0), vec![expected]));
}

#[tokio::test]
async fn what_is_not_there_is_no_success() {
    let daemon = setup().start();
    let id = "a".repeat(26);
    for args in [&["show", &id][..], &["approve", &id], &["deny", &id]] {
        let left = run(&daemon.url(), args).await;
        assert_eq!(
            (left.code, left.stdout.as_str()),
            (Some(64), ""),
            "{left:?}"
        );
        assert!(left.stderr.contains(&id), "{left:?}");
    }
    for args in [&["list"][..], &["show", &id]] {
        let left = run("http://127.0.0.1:1", args).await;
        assert_eq!(
            (left.code, left.stdout.as_str()),
            (Some(69), ""),
            "{left:?}"
        );
        assert!(left.stderr.contains("127.0.0.1:1"), "{left:?}");
    }
    let left = run(&daemon.url(), &["show", "short"]).await;
    assert_eq!(left.code, Some(64), "{left:?}");
}

#[tokio::test]
async fn an_output_that_takes_nothing_is_told_and_one_whose_reader_has_left_is_not() {
    let daemon = setup().start();
    daemon.ask("Deploy?").await;
    let list = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_approver"));
        command
            .env_clear()
            .args(["--url", &daemon.url(), "list"])
            .stdout(stdout)
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), stderr)
    };
    let (code, told) = list(
        File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into(),
    );
    assert_eq!(code, Some(73), "{told}");
    assert!(told.contains("standard output"), "{told}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(list(writer.into()), (Some(0), String::new()));
}

#[tokio::test]
async fn the_stream_is_printed_and_goes_on_after_a_restart() {
    let daemon = setup().start();
    let first = daemon.ask("First?").await;
    let watch = Approver::start(&daemon.url(), &["watch", "--json"]);
    let lines = watch.printed(2).await;
    let lines = parsed(&lines.join("\n"));
    assert_eq!(
        (&lines[0]["event"], &lines[1]["event"]),
        (&json!("request"), &json!("caught-up"))
    );
    let mut expected = daemon.read(&first).await;
    // A single read has more to tell.
    expected.as_object_mut().unwrap().remove("history");
    assert_eq!(lines[0]["data"], expected);
    let address = daemon.address().to_string();
    let daemon: Daemon = {
        let setup = daemon.again().listen(&address);
        drop(daemon);
        setup.start()
    };
    daemon.approve(&first).await;
    let second = daemon.ask("Second?").await;
    let changes = crate::until::until("both changes", async || {
        let lines = parsed(&watch.stdout.so_far());
        let of = |id: &str, status: &str| {
            let mut lines = lines.iter();
            lines.any(|line| line["data"]["id"] == id && line["data"]["status"] == status)
        };
        (of(&first, "approved") && of(&second, "pending")).then_some(lines.len())
    });
    changes.await;
    watch.told("connected again").await;
}

#[tokio::test]
async fn watching_once_waits_for_a_pending_request_and_prints_it_alone() {
    let daemon = setup().start();
    let settled = daemon.ask("Settled?").await;
    daemon.approve(&settled).await;
    let watch = Approver::start(&daemon.url(), &["watch", "--json", "--once"]);
    daemon.subscribers_are(1).await;
    let id = daemon.ask("Deploy?").await;
    let left = watch.left().await;
    assert_eq!((left.code, left.stderr.as_str()), (Some(0), ""));
    let lines = parsed(&left.stdout);
    assert_eq!((lines.len(), &lines[0]["data"]["id"]), (1, &json!(id)));
    // One that waits already is printed at once; for people, it is a line with a bar.
    let left = run(&daemon.url(), &["watch", "--once"]).await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(
        left.stdout.contains(&id) && left.stdout.ends_with("| Deploy?\n"),
        "{left:?}"
    );
}
