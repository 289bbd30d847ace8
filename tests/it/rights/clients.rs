//! The programs with tokens: from a file, a variable, or a profile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::programs::Requester;
use crate::pty::Pty;

const PEOPLE: [(&str, &str, &str); 3] = [
    ("ci", "requester", "*"),
    ("alice", "approver", "*"),
    ("both", "requester,approver", "*"),
];

fn knowing() -> (People, Daemon) {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let flags = format!("{} --log trace", people.flag());
    let daemon = setup.flags(&flags).start();
    (people, daemon)
}

#[tokio::test]
async fn a_requester_and_an_approver_are_who_their_tokens_say() {
    let (people, daemon) = knowing();
    let (url, file) = (daemon.url(), people.token_file("ci", 0o600));
    let requester = Requester::start(&url, &["--token-file", &file, "-m", "Deploy?", "--json"]);
    let token = [("PUSHD_TOKEN", people.token_of("alice"))];
    let terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &["--url", &url], &token);
    terminal.answer("yes");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let request: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(request["requester"]["principal"], "ci");
    assert_eq!(request["decisions"][0]["approver"]["principal"], "alice");
    assert_eq!(request["decisions"][0]["approver"]["channel"], "terminal");
}

#[tokio::test]
async fn who_may_not_is_told_so_and_leaves_with_77() {
    let (people, daemon) = knowing();
    let url = daemon.url();
    for (token, words) in [
        (None, "--token-file"),
        (Some(people.token_of("alice")), "alice is no requester"),
        (Some("pushd_wrong"), "a token is"),
    ] {
        let environment: Vec<_> = token
            .map(|token| ("PUSHD_TOKEN", token))
            .into_iter()
            .collect();
        let left = Requester::start_with(&url, &["-m", "Deploy?"], &environment);
        let left = left.left().await;
        assert_eq!(left.code, Some(77), "{left:?}");
        assert!(left.stderr.contains(words), "{left:?}");
        assert!(!left.stderr.contains("pushd_wrong"), "{left:?}");
    }
    let mut terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &["--url", &url], &[]);
    terminal.wait_for("--token-file");
    assert_eq!(terminal.exit_code(), 77);
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_a_waiting_requester_with_77() {
    let (people, daemon) = knowing();
    let token = [("PUSHD_TOKEN", people.token_of("ci"))];
    let requester = Requester::start_with(&daemon.url(), &["-m", "Deploy?"], &token);
    requester.told("asked").await;
    people.revoke("ci");
    let left = requester.left().await;
    assert_eq!(left.code, Some(77), "{left:?}");
    assert!(left.stderr.contains("revoked"), "{left:?}");
}

#[tokio::test]
async fn a_profile_names_daemon_and_token_and_is_private() {
    let (people, daemon) = knowing();
    let home = daemon.setup().path("home");
    let folder = home.join(".config/pushd");
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config.toml");
    let file = people.token_file("ci", 0o600);
    let url = daemon.url();
    fs::write(
        &config,
        format!("[prod]\nurl = {url:?}\ntoken_file = {file:?}\n"),
    )
    .unwrap();
    let run = async |mode| {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let environment = [("HOME", home.to_str().unwrap()), ("PUSHD_PROFILE", "prod")];
        let args = ["-m", "Deploy?", "--expires", "1s"];
        Requester::start_with(&url, &args, &environment)
            .left()
            .await
    };
    let left = run(0o600).await;
    assert_eq!(left.code, Some(124), "{left:?}");
    let left = run(0o644).await;
    assert_eq!(left.code, Some(78), "{left:?}");
    assert!(left.stderr.contains("chmod 600"), "{left:?}");
    let readable = people.token_file("ci", 0o644);
    let left = Requester::start(&url, &["--token-file", &readable])
        .left()
        .await;
    assert_eq!(left.code, Some(78), "{left:?}");
    assert!(left.stderr.contains("chmod 600"), "{left:?}");
}

#[tokio::test]
async fn tokens_are_in_no_answer_no_log_no_list_of_processes_and_no_database() {
    let (people, daemon) = knowing();
    let secret = people.token_of("both").to_owned();
    let digits = secret.strip_prefix("pushd_").unwrap();
    let quiet = |place: &str, text: &str| {
        assert!(!text.contains(digits), "the token is in {place}: {text}");
    };
    let token = [("PUSHD_TOKEN", secret.as_str())];
    let requester = Requester::start_with(&daemon.url(), &["-m", "Deploy?"], &token);
    requester.told("asked").await;
    let cmdline = fs::read(format!("/proc/{}/cmdline", requester.id())).unwrap();
    quiet("the list of processes", &String::from_utf8_lossy(&cmdline));
    let session = serde_json::json!({"token": secret});
    let answers = [
        people.by("both", daemon.get("/v1/requests")).await,
        people.by("both", daemon.get("/v1/me")).await,
        people.by("both", daemon.get("/metrics")).await,
        people
            .by("both", daemon.post("/v1/requests").json(&session))
            .await,
        daemon
            .post("/v1/session")
            .json(&serde_json::json!({"token": format!("{secret}x")}))
            .await,
    ];
    for answer in &answers {
        quiet("an answer", &format!("{answer:?} {}", answer.text()));
    }
    let login = daemon.post("/v1/session").json(&session).await;
    quiet("the login's body", &login.text());
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    quiet("what the requester said", &requester.said());
    quiet(
        "the export",
        &daemon.setup().run(&["audit", "export"]).stdout,
    );
    quiet(
        "the tokens file",
        &fs::read_to_string(&people.file).unwrap(),
    );
    daemon.logged("logged in").await;
    quiet("the log", &daemon.log());
}
