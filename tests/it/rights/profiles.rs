//! Whose token goes where, when flags, variables and a profile each say something.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::programs::{Left, Requester};
use crate::pty::Pty;

const PEOPLE: [(&str, &str, &str); 3] = [
    ("profile", "requester", "*"),
    ("variable", "requester", "*"),
    ("flag", "requester", "*"),
];

/// A daemon, a home directory with a profile for it, and another server that the profile is not
/// for.
struct Place {
    daemon: Daemon,
    people: People,
    home: PathBuf,
    other: Ear,
}

impl Place {
    fn new() -> Self {
        let setup = setup();
        let people = People::new(&setup, &PEOPLE);
        let home = setup.path("home");
        fs::create_dir_all(home.join(".config/pushd")).unwrap();
        let daemon = setup.flags(&people.flag()).start();
        Self {
            daemon,
            people,
            home,
            other: Ear::new(),
        }
    }

    /// Writes the configuration file: this table is the daemon's.
    fn configure(&self, table: &str) {
        let path = self.home.join(".config/pushd/config.toml");
        let (url, file) = (self.daemon.url(), self.people.token_file("profile", 0o600));
        let text = format!("[{table}]\nurl = {url:?}\ntoken_file = {file:?}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn environment<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let home = self.home.to_str().unwrap();
        [&[("HOME", home), ("PUSHD_EXPIRES", "1s")], more].concat()
    }

    /// Asks with these flags and variables, and nobody answers.
    async fn ask(&self, args: &[&str], variables: &[(&str, &str)]) -> Left {
        let args = [args, &["-m", "Deploy?", "--json"]].concat();
        Requester::start_anywhere(&args, &self.environment(variables))
            .left()
            .await
    }

    /// As whom this asks.
    async fn asks_as(&self, args: &[&str], variables: &[(&str, &str)]) -> String {
        let left = self.ask(args, variables).await;
        assert_eq!(left.code, Some(124), "{left:?}");
        let request: Value = serde_json::from_str(&left.stdout).unwrap();
        request["requester"]["principal"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Nobody's token has come to the other server, and somebody's only if it is this one's.
    fn other_has_heard(&self, name: Option<&str>) {
        let heard = self.other.heard();
        assert!(heard.contains("POST /v1/requests HTTP/1.1"), "{heard}");
        for (somebody, ..) in PEOPLE {
            let token = self.people.token_of(somebody);
            assert_eq!(heard.contains(token), Some(somebody) == name, "{heard}");
        }
        let named = heard.to_ascii_lowercase().contains("authorization");
        assert_eq!(named, name.is_some(), "{heard}");
    }
}

/// A server that keeps what it hears, and says nothing.
struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Ear {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut bytes) = (stream.unwrap(), [0; 4096]);
                let read = stream.read(&mut bytes).unwrap_or_default();
                keep.lock().unwrap().extend_from_slice(&bytes[..read]);
                // Whoever has called has left when this cannot be written.
                drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
            }
        });
        Self { address, heard }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn a_flag_goes_before_a_variable_and_that_before_the_default_profile() {
    let place = Place::new();
    place.configure("default");
    let flag = place.people.token_file("flag", 0o600);
    let variable = [("PUSHD_TOKEN", place.people.token_of("variable"))];
    assert_eq!(place.asks_as(&[], &[]).await, "profile");
    assert_eq!(place.asks_as(&[], &variable).await, "variable");
    let by_flag = ["--token-file", &*flag];
    assert_eq!(place.asks_as(&by_flag, &variable).await, "flag");
    assert_eq!(place.asks_as(&by_flag, &[]).await, "flag");
    let file = [("PUSHD_TOKEN_FILE", &*flag), variable[0]];
    assert_eq!(place.asks_as(&[], &file).await, "flag");
}

/// The variable may be left over from work with another daemon, and its token would be in the
/// hands of this one.
#[tokio::test]
async fn a_profile_that_is_named_and_has_a_token_does_not_go_with_another_by_variable() {
    let place = Place::new();
    place.configure("prod");
    let file = place.people.token_file("variable", 0o600);
    let token = place.people.token_of("variable");
    for variable in [("PUSHD_TOKEN", token), ("PUSHD_TOKEN_FILE", &*file)] {
        let named = place.ask(&["--profile", "prod"], &[variable]).await;
        let by_variable = place.ask(&[], &[("PUSHD_PROFILE", "prod"), variable]).await;
        for left in [named, by_variable] {
            assert_eq!(left.code, Some(78), "{left:?}");
            let said = format!("{} is set, and the profile prod has a token", variable.0);
            for words in [&*said, "leave one of them out"] {
                assert!(left.stderr.contains(words), "{left:?}");
            }
            assert!(!left.stderr.contains(token), "{left:?}");
        }
        let environment = place.environment(&[variable]);
        let args = ["--profile", "prod"];
        let mut terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &args, &environment);
        terminal.wait_for(variable.0);
        assert_eq!(terminal.exit_code(), 78);
    }
    for name in ["variable", "profile"] {
        let list = place.daemon.get("/v1/requests");
        let list = place.people.by(name, list).await.json();
        assert_eq!(list["requests"], serde_json::json!([]));
    }
    // What is said on this very command line is meant.
    let flag = place.people.token_file("flag", 0o600);
    let args = ["--profile", "prod", "--token-file", &*flag];
    let variable = [("PUSHD_TOKEN", token)];
    assert_eq!(place.asks_as(&args, &variable).await, "flag");
    assert_eq!(place.asks_as(&["--profile", "prod"], &[]).await, "profile");
    // A profile that is not named, or has none, is no reason to refuse.
    place.configure("staging");
    let url = place.daemon.url();
    assert_eq!(place.asks_as(&["--url", &url], &variable).await, "variable");
}

#[tokio::test]
async fn the_token_of_a_profile_goes_to_no_other_daemon() {
    let place = Place::new();
    place.configure("default");
    let url = place.other.url();
    let left = place.ask(&["--url", &url], &[]).await;
    assert_eq!(left.code, Some(69), "{left:?}");
    place.other_has_heard(None);
    let left = place.ask(&[], &[("PUSHD_URL", &url)]).await;
    assert_eq!(left.code, Some(69), "{left:?}");
    place.other_has_heard(None);
    // Who names both gets what was named, and the profile's token stays here.
    let variable = [("PUSHD_TOKEN", place.people.token_of("variable"))];
    let left = place.ask(&["--url", &url], &variable).await;
    assert_eq!(left.code, Some(69), "{left:?}");
    place.other_has_heard(Some("variable"));
    // Two daemons at once are none.
    place.configure("prod");
    let before = place.other.heard();
    let args = ["--url", &*url, "--profile", "prod"];
    let left = place.ask(&args, &[]).await;
    assert_eq!(left.code, Some(78), "{left:?}");
    assert!(left.stderr.contains("is not the url of the profile prod"));
    assert_eq!(place.other.heard(), before);
}
