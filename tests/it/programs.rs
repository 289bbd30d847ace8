//! The two clients as people run them: `requester` in a script, `approver` in a terminal.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::daemon::Daemon;
use crate::pty::Pty;
use crate::until::{soon, until};

/// A `requester` in a script: no terminal anywhere.
#[derive(Debug)]
pub(crate) struct Requester {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    /// The signal that has ended it.
    pub(crate) signal: Option<i32>,
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
        let mut command = Self::command(&[]);
        command.envs(environment.iter().copied());
        Self::run(command, url, args)
    }

    /// The same without a URL: flags, variables and profiles say where the daemon is.
    pub(crate) fn start_anywhere(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Self::command(&[]);
        let command_line = command.envs(environment.iter().copied()).args(args);
        command_line.stdin(Stdio::null());
        Self::spawned(command)
    }

    /// The same as the child of another program, which is given with its arguments.
    pub(crate) fn start_under(program: &[&str], url: &str, args: &[&str]) -> Self {
        Self::run(Self::command(program), url, args)
    }

    /// The program, as the last argument of another if one is given.
    ///
    /// A signal that a parent ignores stays ignored, and the suite may be run in the background
    /// of a script, whose shell has its jobs ignore Ctrl-C; so it gets a shell's usual signals.
    pub(crate) fn command(under: &[&str]) -> Command {
        let mut command = Command::new("env");
        command
            .env_clear()
            .arg("--default-signal=HUP,INT,TERM")
            .args(under)
            .arg(env!("CARGO_BIN_EXE_requester"));
        command
    }

    fn run(mut command: Command, url: &str, args: &[&str]) -> Self {
        command.args(["--url", url]).args(args).stdin(Stdio::null());
        Self::spawned(command)
    }

    /// Starts it by a command that is complete.
    pub(crate) fn spawned(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be run");
        let mut from = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Mutex::new(String::new()));
        let text = Arc::clone(&stderr);
        let reading = tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes).await {
                let read =
                    std::str::from_utf8(&bytes[..read]).expect("it is ASCII without a locale");
                text.lock().unwrap().push_str(read);
            }
        });
        Self {
            child,
            stderr,
            reading,
        }
    }

    /// Waits until it has said this on stderr.
    pub(crate) async fn told(&self, text: &str) {
        let what = format!("{text:?} from the requester");
        until(&what, async || {
            self.stderr.lock().unwrap().contains(text).then_some(())
        })
        .await;
    }

    /// All that it has said on stderr so far.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.expect("it has not been waited for"), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn left(self) -> Left {
        let ending = async {
            let output = self.child.wait_with_output().await.unwrap();
            self.reading.await.unwrap();
            output
        };
        let output = soon("requester to end", ending).await;
        Left {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: self.stderr.lock().unwrap().clone(),
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
