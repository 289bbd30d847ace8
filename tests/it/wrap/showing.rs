//! What the approver is shown: the command, exactly, or nothing is asked.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use serde_json::json;

use super::scene;
use crate::programs::Requester;

/// The SHA-256 of "abc" (FIPS 180-4, the first example of its standard).
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[tokio::test]
async fn arguments_arrive_exactly_at_the_approver_and_at_the_command() {
    let scene = scene();
    let script = scene.script("keep", "printf '%s\\0' \"$@\" > kept\n");
    let arguments = [
        "a b",
        "",
        "'\"`$(id)\\",
        "line\nbreak\r\n\ttab",
        "\u{1b}[2J\u{202e}\u{e9}\u{1f600}",
        "--",
        "--json",
        "*",
    ];
    let command = [&["./keep"], &arguments[..]].concat();
    let requester = scene.start(&[&["--"], &command[..]].concat());
    let id = scene.approve().await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let kept = scene.content("kept").unwrap();
    let kept: Vec<_> = kept.split_terminator('\0').collect();
    assert_eq!(kept, arguments);

    let request = scene.daemon.read(&id).await;
    assert_eq!(request["command"]["argv"], json!(command));
    let program = request["command"]["program"].as_str().unwrap();
    assert_eq!(OsStr::new(program), script);
    let title = request["title"].as_str().unwrap();
    assert!(title.starts_with("./keep 'a b' '' "), "{title}");
    assert!(
        title.contains(r"line\u{a}break") && title.contains(r"\u{1b}[2J"),
        "{title}"
    );
}

#[tokio::test]
async fn the_approver_is_shown_where_as_whom_and_with_what_it_runs() {
    let scene = scene();
    scene.write("plan.out", "abc");
    let args = [
        "--show-env",
        "STAGE",
        "--bind",
        "plan.out",
        "-m",
        "Apply?",
        "--",
        "sh",
        "-c",
        "echo $STAGE",
    ];
    let mut command = scene.requester(&scene.daemon.url(), &args);
    command.env("STAGE", "prod \u{202e}");
    let requester = Requester::spawned(command);
    let id = scene.approve().await;
    let left = requester.left().await;
    assert_eq!(left.stdout, "prod \u{202e}\n", "{left:?}");

    let request = scene.daemon.read(&id).await;
    assert_eq!(request["title"], "Apply?");
    let shown = &request["command"];
    assert_eq!(shown["program"], "/usr/bin/sh");
    assert_eq!(shown["directory"], scene.dir.path().to_str().unwrap());
    assert!(!shown["user"].as_str().unwrap().is_empty(), "{shown}");
    assert!(!shown["host"].as_str().unwrap().is_empty(), "{shown}");
    let stage = json!([{"name": "STAGE", "value": "prod \u{202e}"}]);
    assert_eq!(shown["environment"], stage);
    let plan = json!([{"path": "plan.out", "sha256": ABC, "bytes": 3}]);
    assert_eq!(shown["files"], plan);
    assert_eq!(shown.get("stdin"), None);
}

#[tokio::test]
async fn an_argument_that_is_no_text_is_refused_by_its_number() {
    let scene = scene();
    let raw = OsString::from(OsStr::from_bytes(b"plan-\xff.out"));
    let args = ["--", "sh", "-c"].map(OsString::from);
    let args = [&args[..], std::slice::from_ref(&raw)].concat();
    let left = scene.start(&args).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(
        left.stderr
            .contains("argument 2 of the command is not UTF-8 at byte 5"),
        "{left:?}"
    );

    let mut command = scene.requester(&scene.daemon.url(), &["--show-env", "RAW", "--", "true"]);
    command.env("RAW", &raw);
    let left = Requester::spawned(command).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(
        left.stderr
            .contains("the value of the variable RAW is not UTF-8"),
        "{left:?}"
    );

    let folder = scene.dir.path().join(&raw);
    std::fs::create_dir(&folder).unwrap();
    let mut command = scene.requester(&scene.daemon.url(), &["--", "true"]);
    command.current_dir(folder);
    let left = Requester::spawned(command).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(
        left.stderr.contains("the working directory is not UTF-8"),
        "{left:?}"
    );
    assert!(scene.daemon.requests().await.is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_127_and_one_that_cannot_run_126_before_anything_is_asked() {
    let scene = scene();
    scene.write("plain", "#!/bin/sh\n");
    for (name, code) in [
        ("no-such-program", 127),
        ("./none", 127),
        ("./plain", 126),
        ("/", 126),
    ] {
        let left = scene.start(&["--", name]).left().await;
        assert_eq!(left.code, Some(code), "{left:?}");
        assert!(left.stderr.contains(name), "{left:?}");
    }
    assert!(scene.daemon.requests().await.is_empty());
}
