//! Commands that wait for a yes, from the outside: what is shown is what runs, and it runs once.

mod binding;
mod faults;
mod later;
mod once;
mod showing;
mod surroundings;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::daemon::{Daemon, setup};
use crate::programs::{Left, Requester};

/// A daemon, and a folder in which commands run.
struct Scene {
    daemon: Daemon,
    dir: TempDir,
}

fn scene() -> Scene {
    let dir = TempDir::with_prefix("pushd-it-wrap-").unwrap();
    let daemon = setup().in_memory().start();
    Scene { daemon, dir }
}

impl Scene {
    /// A name in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file of the folder, if there is one.
    fn content(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// A shell script in the folder.
    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        // Moved to its place, as an installer does: it is another file each time.
        let draft = self.path(&format!("{name}.draft"));
        fs::write(&draft, format!("#!/bin/sh\n{body}")).unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, &path).unwrap();
        path
    }

    /// Starts `requester` with these arguments in the folder.
    fn start<A: AsRef<OsStr>>(&self, args: &[A]) -> Requester {
        Requester::spawned(self.requester(&self.daemon.url(), args))
    }

    /// The command that does.
    fn requester<A: AsRef<OsStr>>(&self, url: &str, args: &[A]) -> Command {
        let mut command = Requester::command(&[]);
        command
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path())
            .args(["--url", url])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Starts it, approves what it asks, and waits for its end.
    async fn approved<A: AsRef<OsStr>>(&self, args: &[A]) -> Left {
        let requester = self.start(args);
        self.approve().await;
        requester.left().await
    }

    /// Approves what is pending; answers its id.
    async fn approve(&self) -> String {
        let id = self.daemon.the_pending_one().await;
        self.daemon.approve(&id).await;
        id
    }

    /// The only request there is.
    async fn request(&self) -> Value {
        let requests = self.daemon.requests().await;
        let [request] = &*requests else {
            panic!("not one request: {requests:?}")
        };
        request.clone()
    }
}
