//! `requester doctor`: what is wrong on the way to the daemon, and what to do about it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::authority::Authority;
use crate::daemon::{Daemon, Ran, Setup, setup};
use crate::people::People;

/// Runs the doctor in an environment with nothing else in it.
fn doctor(args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_requester"));
    command.env_clear().envs(environment.iter().copied());
    command.args(args).arg("doctor");
    Ran::to_its_end(command)
}

impl Ran {
    /// It left with `code`, and said these words on the line of this check.
    fn found(&self, code: i32, check: &str, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let mut lines = self.stdout.lines();
        let line = lines.find(|line| line.starts_with(check));
        let line = line.unwrap_or_else(|| panic!("no {check}: {self:?}"));
        let remedy = lines.next().unwrap_or_default();
        for word in words {
            let is_there = line.contains(word) || remedy.contains(word);
            assert!(is_there, "{check}: {word}: {self:?}");
        }
    }

    fn is_well(&self) {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        let well = self.stdout.lines().all(|line| line.starts_with("ok "));
        assert!(well, "{}", self.stdout);
    }
}

/// A file of a token, for its owner alone.
fn token_file(setup: &Setup, token: &str, mode: u32) -> String {
    let path = setup.path("ci.token");
    fs::write(&path, token).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_people(setup: Setup) -> (Daemon, People) {
    let people = People::new(
        &setup,
        &[("ci", "requester", "deploy*"), ("olga", "observer", "*")],
    );
    let daemon = setup.flags(&people.flag()).start();
    (daemon, people)
}

#[tokio::test]
async fn all_is_well_with_a_daemon_on_this_machine() {
    let daemon = setup().in_memory().start();
    let ran = doctor(&["--url", &daemon.url()], &[]);
    ran.is_well();
    ran.found(0, "ok    daemon", &["ready"]);
    ran.found(0, "ok    clock", &["agree"]);
    ran.found(0, "ok    version", &[env!("CARGO_PKG_VERSION")]);
    let quiet = doctor(&["--quiet", "--url", &daemon.url()], &[]);
    assert_eq!((quiet.code, &*quiet.stdout), (Some(0), ""));
    // It has asked nobody for anything.
    assert_eq!(daemon.requests().await, Vec::<Value>::new());
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    doctor(&["--url", &url], &[]).found(69, "fail  connect", &["refused", "env pushd"]);
    let missing = doctor(&["--url", "unix:/nowhere/pushd.sock"], &[]);
    missing.found(
        69,
        "fail  connect",
        &["/nowhere/pushd.sock", "start the daemon"],
    );
    let unknown = doctor(&["--url", "http://pushd.invalid:8888"], &[]);
    unknown.found(69, "fail  address", &["pushd.invalid", "--url"]);
}

#[test]
fn a_url_that_is_none_is_refused_as_an_ask_with_it_would_be() {
    let ran = doctor(&["--url", "127.0.0.1:8888"], &[]);
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.stderr.contains("http://127.0.0.1:8888"), "{ran:?}");
}

#[tokio::test]
async fn the_token_and_its_rights() {
    let (daemon, people) = with_people(setup().in_memory());
    let url = daemon.url();
    let run = |args: &[&str], token: Option<&str>| {
        let token = token.map(|token| ("PUSHD_TOKEN", token));
        let environment: Vec<_> = token.into_iter().collect();
        doctor(&[&["--url", &url], args].concat(), &environment)
    };
    run(&[], None).found(77, "fail  token", &["there is none", "pushd token create"]);
    let wrong = run(&[], Some("pushd-nobody-has-this"));
    wrong.found(77, "fail  token", &["PUSHD_TOKEN", "not"]);
    let well = run(&[], Some(people.token_of("ci")));
    well.is_well();
    well.found(0, "ok    rights", &["deploy*", "requester"]);
    let observer = run(&[], Some(people.token_of("olga")));
    observer.found(
        77,
        "fail  rights",
        &["olga may not ask", "observer", "--role requester"],
    );
    for ran in [&wrong, &well, &observer] {
        for secret in [
            "nobody-has-this",
            people.token_of("ci"),
            people.token_of("olga"),
        ] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "{ran:?}"
            );
        }
    }
    let file = token_file(daemon.setup(), people.token_of("ci"), 0o600);
    run(&["--token-file", &file], None).found(0, "ok    token", &[&file, "ci"]);
    token_file(daemon.setup(), people.token_of("ci"), 0o644);
    let open = run(&["--token-file", &file], None);
    open.found(
        78,
        "fail  config",
        &["read or written by others", "chmod 600"],
    );
    let missing = run(&["--token-file", "/nowhere/token"], None);
    missing.found(78, "fail  config", &["/nowhere/token"]);
}

#[tokio::test]
async fn a_token_for_a_daemon_that_knows_nobody_is_worth_a_word() {
    let daemon = setup().in_memory().start();
    let ran = doctor(&["--url", &daemon.url()], &[("PUSHD_TOKEN", "word")]);
    ran.found(0, "warn  token", &["knows nobody", "--tokens"]);
}

#[tokio::test]
async fn the_profile_in_use_is_named() {
    let (daemon, people) = with_people(setup().in_memory());
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("pushd");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("config.toml");
    let text = format!(
        "[prod]\nurl = \"{}\"\ntoken = \"{}\"\n",
        daemon.url(),
        people.token_of("ci")
    );
    let write = |path: &Path, mode| {
        fs::write(path, &text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write(&file, 0o600);
    let home = home.path().to_str().unwrap();
    let environment = [("HOME", home), ("XDG_CONFIG_HOME", home)];
    let run = |profile: &str| doctor(&["--profile", profile], &environment);
    let well = run("prod");
    well.is_well();
    well.found(0, "ok    config", &["[prod]", "config.toml"]);
    well.found(0, "ok    url", &["as the profile says"]);
    run("test").found(78, "fail  config", &["test", "prod"]);
    write(&file, 0o640);
    run("prod").found(78, "fail  config", &["chmod 600"]);
}

#[tokio::test]
async fn tls_its_authority_name_and_expiry() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup().in_memory(), &authority);
    let trusted = daemon.setup().authority(&authority);
    let trusted = trusted.to_str().unwrap();
    let well = doctor(&["--url", &daemon.https(), "--ca-cert", trusted], &[]);
    well.is_well();
    well.found(0, "ok    tls", &["holds until"]);
    let stranger = doctor(&["--url", &daemon.https()], &[]);
    assert!([69, 78].contains(&stranger.code.unwrap()), "{stranger:?}");
    assert!(stranger.stdout.contains("--ca-cert"), "{stranger:?}");
    let plain = daemon.https().replace("https", "http");
    doctor(&["--url", &plain], &[]).found(69, "fail  daemon", &["https://"]);

    let other = setup()
        .in_memory()
        .tls(&authority.signs(&["elsewhere.example"]))
        .start();
    let name = doctor(&["--url", &other.https(), "--ca-cert", trusted], &[]);
    name.found(69, "fail  tls", &["another name", "--url"]);
    let old = authority.signed_long_ago(&["127.0.0.1"]);
    if let Ok(old) = setup().in_memory().tls(&old).try_start() {
        let expired = doctor(&["--url", &old.https(), "--ca-cert", trusted], &[]);
        expired.found(69, "fail  tls", &["expired", "clock"]);
    }
    let none = doctor(
        &["--url", &daemon.https(), "--ca-cert", "/nowhere.pem"],
        &[],
    );
    none.found(78, "fail  tls", &["/nowhere.pem", "--ca-cert"]);
}

/// Answers each connection with this, whatever is asked.
fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One that goes away at once, as whoever only looks whether we listen.
            if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                stream.write_all(answer.as_bytes()).unwrap_or_default();
            }
        }
    });
    url
}

#[test]
fn something_else_answers_there() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\
                connection: close\r\n\r\nhello";
    let url = answering(page.to_owned());
    doctor(&["--url", &url], &[]).found(69, "fail  daemon", &["no pushd", "correct --url"]);
}

#[test]
fn clocks_that_differ_and_a_daemon_of_another_version() {
    let body = r#"{"principal":"ci\u001b[2J","known":false,"roles":["requester"],"topics":["*"],"daemon":"9.9.9"}"#;
    // As /readyz it is no word, so one server answers both: it looks at what is asked.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut call) = (stream.unwrap(), [0; 4096]);
            let Ok(read @ 1..) = stream.read(&mut call) else {
                continue;
            };
            let is_ready = call[..read].starts_with(b"GET /readyz");
            let (kind, body) = if is_ready {
                ("text/plain", "ready\n")
            } else {
                ("application/json", body)
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ndate: Fri, 14 Mar 2025 09:00:00 GMT\r\ncontent-type: {kind}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let ran = doctor(&["--url", &url], &[("PUSHD_TOKEN", "word")]);
    ran.found(
        0,
        "warn  clock",
        &["ahead of the daemon's", "set both right"],
    );
    ran.found(0, "warn  version", &["9.9.9", env!("CARGO_PKG_VERSION")]);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_proxy_is_named_without_its_password() {
    let ran = doctor(
        &["--url", "http://pushd.invalid"],
        &[("http_proxy", "http://me:secret-7@127.0.0.1:1")],
    );
    ran.found(
        69,
        "warn  proxy",
        &["http_proxy", "http://127.0.0.1:1", "NO_PROXY"],
    );
    ran.found(69, "fail  daemon", &["connect"]);
    assert!(!ran.stdout.contains("secret-7"), "{ran:?}");
}

#[tokio::test]
async fn a_host_that_the_daemon_does_not_answer_to() {
    let daemon = setup().in_memory().start();
    let port = daemon.address().port();
    // Some name of this machine's that is none of the daemon's.
    let url = format!("http://127.0.0.1.nip.invalid:{port}");
    let proxy = format!("http://127.0.0.1:{port}");
    // Through a "proxy", which is the daemon itself, so that nothing is looked up.
    let ran = doctor(&["--url", &url], &[("http_proxy", &proxy)]);
    ran.found(78, "fail  daemon", &["--allow-host"]);
}

#[tokio::test]
async fn the_findings_are_an_object_for_programs() {
    let (daemon, _people) = with_people(setup().in_memory());
    let ran = doctor(&["--json", "--url", &daemon.url()], &[]);
    assert_eq!(ran.code, Some(77), "{ran:?}");
    let all: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(all["exit_code"], 77);
    let findings = all["findings"].as_array().unwrap();
    let last = findings.last().unwrap();
    assert_eq!(
        (&last["check"], &last["level"]),
        (&"token".into(), &"fail".into())
    );
    assert!(
        last["remedy"]
            .as_str()
            .unwrap()
            .contains("pushd token create")
    );
}
