//! The rules about who has to agree: one file, real programs, real tokens.

mod commands;
mod file;
mod terms;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::call::Reply;
use crate::daemon::{Daemon, Setup, setup};
use crate::people::People;

const PEOPLE: [(&str, &str, &str); 6] = [
    ("ci", "requester", "*"),
    ("eve", "requester,approver", "*"),
    ("alice", "approver", "*"),
    ("bob", "approver", "*"),
    ("dora", "approver", "*"),
    ("probe", "observer", "*"),
];

/// A daemon with people and rules.
struct Ruled {
    people: People,
    daemon: Daemon,
    policy: PathBuf,
}

fn written(setup: &Setup, policy: &str) -> PathBuf {
    let path = setup.path("policy.toml");
    fs::write(&path, policy).unwrap();
    path
}

impl Ruled {
    fn new(policy: &str) -> Self {
        let setup = setup();
        let people = People::new(&setup, &PEOPLE);
        let policy = written(&setup, policy);
        let flags = format!("{} --policy {}", people.flag(), policy.display());
        let daemon = setup.flags(&flags).start();
        Self {
            people,
            daemon,
            policy,
        }
    }

    async fn asks(&self, name: &str, members: &Value) -> Reply {
        let mut ask = json!({"title": "Deploy?"});
        let all = ask.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        self.people.by(name, self.daemon.asking(&ask)).await
    }

    async fn asked(&self, members: &Value) -> Value {
        let reply = self.asks("ci", members).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()
    }

    async fn votes(&self, name: &str, request: &Value, vote: &Value) -> Reply {
        let id = request["id"].as_str().unwrap();
        self.people.by(name, self.daemon.deciding(id, vote)).await
    }

    async fn approves(&self, name: &str, request: &Value) -> Reply {
        self.votes(name, request, &json!({"verdict": "approve"}))
            .await
    }

    /// Puts another file in the place of the policy.
    fn rewrite(&self, policy: &str) {
        let next = self.policy.with_extension("next");
        fs::write(&next, policy).unwrap();
        fs::rename(&next, &self.policy).unwrap();
    }
}
