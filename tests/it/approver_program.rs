//! `approver` as a program: its commands, and its policy, against a real daemon.

mod hostile_policies;
mod judging;
mod once;
mod reading;
mod rights;
mod subcommands;
mod votes;

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::daemon::Daemon;
use crate::programs::Left;
use crate::until::{soon, until};

/// An `approver` without a terminal.
#[derive(Debug)]
struct Approver {
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

/// What it has said so far on one of its outputs.
#[derive(Debug)]
struct Heard {
    text: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl Heard {
    fn of(mut from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let to = Arc::clone(&text);
        let reading = tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes).await {
                let read =
                    std::str::from_utf8(&bytes[..read]).expect("it is ASCII without a locale");
                to.lock().unwrap().push_str(read);
            }
        });
        Self { text, reading }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

impl Approver {
    /// Starts it with these arguments, for the daemon at `url`.
    fn start(url: &str, args: &[&str]) -> Self {
        Self::start_with(url, args, &[])
    }

    /// The same with more in its environment.
    fn start_with(url: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new("env")
            .env_clear()
            .arg("--default-signal=HUP,INT,TERM")
            .arg(env!("CARGO_BIN_EXE_approver"))
            .args(["--url", url])
            .args(args)
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be run");
        let stdout = Heard::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Heard::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until it has said this on stderr.
    async fn told(&self, text: &str) {
        let told = async || self.stderr.so_far().contains(text).then_some(());
        until(&format!("{text:?} from the approver"), told).await;
    }

    /// Waits until it has printed so many lines; answers them.
    async fn printed(&self, lines: usize) -> Vec<String> {
        until(&format!("{lines} lines from the approver"), async || {
            let text = self.stdout.so_far();
            let whole = text.matches('\n').count() >= lines;
            whole.then(|| text.lines().map(str::to_owned).collect())
        })
        .await
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.expect("it has not been waited for"), signal).unwrap();
    }

    /// The most memory that it has had in use so far, in bytes.
    #[cfg(target_os = "linux")]
    fn peak_memory(&self) -> u64 {
        let pid = self.child.id().expect("it has not been waited for");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Waits for its end.
    async fn left(mut self) -> Left {
        let ending = async {
            let status = self.child.wait().await.unwrap();
            self.stdout.reading.await.unwrap();
            self.stderr.reading.await.unwrap();
            status
        };
        let status = soon("approver to end", ending).await;
        Left {
            code: status.code(),
            signal: std::os::unix::process::ExitStatusExt::signal(&status),
            stdout: self.stdout.text.lock().unwrap().clone(),
            stderr: self.stderr.text.lock().unwrap().clone(),
        }
    }
}

/// Runs a command of it to its end.
async fn run(url: &str, args: &[&str]) -> Left {
    Approver::start(url, args).left().await
}

impl Daemon {
    /// Waits until a request has this status; answers it.
    async fn becomes(&self, id: &str, status: &str) -> Value {
        until(&format!("{id} to be {status}"), async || {
            let view = self.read(id).await;
            (view["status"] == status).then_some(view)
        })
        .await
    }
}
