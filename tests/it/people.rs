//! Daemons that know people: a tokens file, and the token of each.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::call::Call;
use crate::daemon::{Daemon, Setup};
use crate::until::until;

/// Tokens by their owners' names, and the file that has their hashes.
#[derive(Debug)]
pub(crate) struct People {
    setup: Setup,
    /// The tokens file.
    pub(crate) file: PathBuf,
    tokens: HashMap<String, String>,
}

impl People {
    /// Has tokens made for these: name, roles and topics, each a list with commas.
    pub(crate) fn new(setup: &Setup, people: &[(&str, &str, &str)]) -> Self {
        let mut made = Self {
            setup: setup.clone(),
            file: setup.path("tokens.toml"),
            tokens: HashMap::new(),
        };
        fs::write(&made.file, "").unwrap();
        for (name, roles, topics) in people {
            let mut args = vec!["--role", roles];
            for topic in topics.split(',') {
                args.extend(["--topic", topic]);
            }
            made.create(name, &args);
        }
        made
    }

    /// The flag by which a daemon knows them.
    pub(crate) fn flag(&self) -> String {
        format!("--tokens {}", self.file.display())
    }

    /// Has one more token made; answers it.
    pub(crate) fn create(&mut self, name: &str, args: &[&str]) -> String {
        let ran = self.token(&[&["create", "--name", name], args].concat());
        let token = ran.trim().to_owned();
        self.tokens.insert(name.to_owned(), token.clone());
        token
    }

    /// Takes a token away.
    pub(crate) fn revoke(&self, name: &str) {
        self.token(&["revoke", name]);
    }

    /// The token of somebody.
    pub(crate) fn token_of(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// A file with somebody's token, of these permissions.
    pub(crate) fn token_file(&self, name: &str, mode: u32) -> String {
        let path = self.setup.path(&format!("{name}.token"));
        fs::write(&path, format!("{}\n", self.token_of(name))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn token(&self, args: &[&str]) -> String {
        let file = self.file.to_str().unwrap();
        let ran = self
            .setup
            .run(&[&["token"], args, &["--tokens", file]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    }

    /// A call that carries somebody's token.
    pub(crate) fn by(&self, name: &str, call: Call) -> Call {
        call.header("authorization", &format!("Bearer {}", self.token_of(name)))
    }
}

impl Daemon {
    /// Asks as somebody; answers the id.
    pub(crate) async fn asked_by(&self, people: &People, name: &str, topic: &str) -> String {
        let members = serde_json::json!({"title": "Deploy?", "topic": topic});
        let call = self.post("/v1/requests").json(&members);
        let reply = people.by(name, call).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    /// Waits until a figure is this, as the one called `probe` reads it.
    pub(crate) async fn figure_is(&self, people: &People, name: &str, value: u64) {
        until(&format!("{name} is {value}"), async || {
            let reply = people.by("probe", self.get("/metrics")).await;
            let text = reply.text();
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            (found?.parse() == Ok(value)).then_some(())
        })
        .await;
    }
}
