//! The two clients as people run them: `requester` in a script, `approver` in a terminal.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use crate::daemon::Daemon;
use crate::pty::Pty;
use crate::until::{soon, until};

/// A `requester` in a script: no terminal anywhere.
#[derive(Debug)]
pub(crate) struct Requester(tokio::process::Child);

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Requester {
    /// Starts `requester` with these arguments, for the daemon at `url`.
    pub(crate) fn start(url: &str, args: &[&str]) -> Self {
        Self::start_with(url, args, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(url: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_requester"));
        command
            .env_clear()
            .envs(environment.iter().copied())
            .args(["--url", url])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(
            command
                .spawn()
                .expect("the program was built with the tests"),
        )
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.expect("it has not been waited for"), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn left(self) -> Left {
        let output = soon("requester to end", self.0.wait_with_output())
            .await
            .unwrap();
        Left {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// An `approver` in a terminal, for the daemon at `url`.
pub(crate) fn approver(url: &str) -> Pty {
    Pty::run(env!("CARGO_BIN_EXE_approver"), &["--url", url], &[])
}

impl Pty {
    /// Answers the question on the screen with this line, once it can be answered.
    pub(crate) fn answer(&self, line: &str) {
        self.wait_for("Approve? ");
        self.wait_until_open();
        self.type_keys(&format!("{line}\n"));
    }
}

impl Daemon {
    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// All requests in the store, newest first.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let list = self.get("/v1/requests?limit=1000").await.json();
        list["requests"].as_array().unwrap().clone()
    }

    /// Waits until exactly one request is pending; answers its id.
    pub(crate) async fn the_pending_one(&self) -> String {
        until("a pending request", async || {
            let list = self.get("/v1/requests?status=pending").await.json();
            let requests = list["requests"].as_array().unwrap();
            assert!(requests.len() <= 1, "{requests:?}");
            Some(requests.first()?["id"].as_str().unwrap().to_owned())
        })
        .await
    }
}
