//! A reverse proxy that is started, reloaded and restarted.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::call::Clients;
use crate::daemon::Daemon;
use crate::until::until;

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
}

/// A proxy in front of a daemon; it ends with its test.
#[derive(Debug)]
pub(super) struct Proxy {
    kind: Kind,
    dir: TempDir,
    address: SocketAddr,
    process: Child,
}

impl Proxy {
    /// Starts it on a free port.
    pub(super) async fn before(daemon: &Daemon, kind: Kind) -> Self {
        let mut log = String::new();
        // A port that was free a moment ago may be taken in the next.
        for _ in 0..5 {
            let dir = TempDir::with_prefix("pushd-proxy-").unwrap();
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            fs::write(dir.path().join("conf"), kind.conf(&dir, address, daemon)).unwrap();
            let process = kind.start(&dir);
            let mut proxy = Self {
                kind,
                dir,
                address,
                process,
            };
            if proxy.listens().await {
                return proxy;
            }
            log = proxy.log();
        }
        panic!("{kind:?} does not start: {log}");
    }

    /// Waits until it listens; false when it has ended instead.
    async fn listens(&mut self) -> bool {
        until("the proxy to listen", async || {
            if self.process.try_wait().unwrap().is_some() {
                return Some(false);
            }
            TcpStream::connect(self.address).await.ok().map(|_| true)
        })
        .await
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Clients that go through it.
    pub(super) fn clients(&self) -> Clients {
        Clients::new(self.address)
    }

    /// Stops it, which cuts everything that is open.
    pub(super) fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(super) async fn start_again(&mut self) {
        self.process = self.kind.start(&self.dir);
        assert!(self.listens().await, "{}", self.log());
    }

    /// Has it read its configuration again.
    pub(super) fn reload(&self) {
        match self.kind {
            Kind::Nginx => self.signal(Signal::HUP),
            Kind::Caddy => {
                let conf = self.dir.path().join("conf");
                // A configuration that has not changed is no reason for Caddy to reload.
                let text = fs::read_to_string(&conf).unwrap();
                fs::write(&conf, text.replace("grace_period 1s", "grace_period 2s")).unwrap();
                let mut command = Command::new("caddy");
                let socket = self.dir.path().join("admin");
                command
                    .args(["reload", "--adapter", "caddyfile", "--config"])
                    .arg(conf)
                    .arg("--address")
                    .arg(format!("unix/{}", socket.display()))
                    .env("HOME", self.dir.path());
                let output = command.output().unwrap();
                assert!(output.status.success(), "{output:?}");
            }
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // By its master process, which takes its workers along; it may have ended already.
        if let Ok(None) = self.process.try_wait() {
            self.signal(Signal::TERM);
            drop(self.process.wait());
        }
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "a failed test shows it")]
            {
                eprintln!("the log of {:?}:\n{}", self.kind, self.log());
            }
        }
    }
}

impl Kind {
    /// The configuration: the documents' lines and what is needed to run them here.
    fn conf(self, dir: &TempDir, address: SocketAddr, daemon: &Daemon) -> String {
        let lines = self.documented();
        let lines = once(&lines, "127.0.0.1:8888", &daemon.address().to_string());
        let dir = dir.path().display();
        match self {
            Self::Nginx => {
                let lines = once(&lines, "listen 80;", &format!("listen {address};"));
                // Its workers give root's rights away, and with them those to the directory.
                let root = rustix::process::geteuid().is_root();
                let user = if root { "user root;" } else { "" };
                format!(
                    "daemon off; pid {dir}/pid; worker_processes 1; worker_shutdown_timeout 1s;\n\
                     {user} error_log {dir}/log; events {{}}\n\
                     http {{\naccess_log off; client_body_temp_path {dir}/a; \
                     proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; \
                     uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;\n{lines}}}\n"
                )
            }
            Self::Caddy => {
                let port = address.port();
                let site = format!("http://:{port}");
                let lines = once(&lines, "http://approvals.example.org:80", &site);
                format!(
                    "{{\n admin unix/{dir}/admin\n auto_https off\n \
                     default_bind 127.0.0.1\n grace_period 1s\n}}\n{lines}"
                )
            }
        }
    }

    fn documented(self) -> String {
        let name = match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        };
        let (_, from) = OPERATIONS.split_once(&format!("```{name}\n")).unwrap();
        from.split_once("```").unwrap().0.to_owned()
    }

    fn start(self, dir: &TempDir) -> Child {
        let path = |name: &str| -> PathBuf { dir.path().join(name) };
        let log = File::options().create(true).append(true).open(path("log"));
        let log = log.unwrap();
        let mut command = match self {
            Self::Nginx => {
                let mut command = Command::new("nginx");
                command
                    .arg("-p")
                    .arg(dir.path())
                    .arg("-c")
                    .arg(path("conf"));
                command.arg("-e").arg(path("log"));
                command
            }
            Self::Caddy => {
                let mut command = Command::new("caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]);
                command.arg(path("conf")).env("HOME", dir.path());
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{self:?} is part of the suite: {error}"))
    }
}

/// Replaces what stands there exactly once.
fn once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}
