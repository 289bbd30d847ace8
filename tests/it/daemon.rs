//! A real daemon: started on a free port, killed when its test ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::call::Clients;
use crate::nats_server::wait_until_stopped;
use crate::until::{DEADLINE, until};

/// How a daemon is started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    dir: Arc<TempDir>,
    store: Option<String>,
    listen: String,
    args: Vec<String>,
    descriptors: Option<u32>,
}

/// A daemon with its default store, in a directory of its own.
pub(crate) fn setup() -> Setup {
    let dir = TempDir::with_prefix("pushd-it-").expect("a directory for temporary files");
    let store = format!("sqlite:{}", dir.path().join("pushd.db").display());
    Setup {
        dir: Arc::new(dir),
        store: Some(store),
        listen: "127.0.0.1:0".to_owned(),
        args: Vec::new(),
        descriptors: None,
    }
}

impl Setup {
    /// Keeps the requests in memory.
    pub(crate) fn in_memory(self) -> Self {
        self.store("memory")
    }

    /// Keeps the requests in the store of this name.
    pub(crate) fn store(self, store: &str) -> Self {
        let store = Some(store.to_owned());
        Self { store, ..self }
    }

    /// Listens on this address.
    pub(crate) fn listen(self, address: &str) -> Self {
        let listen = address.to_owned();
        Self { listen, ..self }
    }

    /// Adds flags, with a space between each and its value.
    pub(crate) fn flags(mut self, flags: &str) -> Self {
        self.args
            .extend(flags.split_whitespace().map(str::to_owned));
        self
    }

    /// Adds one flag with a value that may have spaces in it.
    pub(crate) fn flag(mut self, flag: &str, value: &str) -> Self {
        self.args.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Lets it open no more than so many files.
    pub(crate) fn descriptors(self, files: u32) -> Self {
        let descriptors = Some(files);
        Self {
            descriptors,
            ..self
        }
    }

    /// The command that starts it, with nothing of the tester's own environment.
    pub(crate) fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_pushd");
        let mut command = match self.descriptors {
            None => Command::new(program),
            Some(files) => {
                let mut shell = Command::new("/bin/sh");
                let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
                shell.args(["-c", &limited, program]);
                shell
            }
        };
        command.args(["--listen", &self.listen]);
        self.complete(command)
    }

    /// Adds to a command that ends with the program what every daemon gets but its address.
    pub(crate) fn complete(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .args(self.store.iter().flat_map(|store| ["--store", store]))
            .args(&self.args)
            .stdin(Stdio::null());
        command
    }

    /// A name in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the program to its end as a command on the same store, such as `backup FILE`; answers
    /// exit code, stdout and stderr.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushd"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .envs(self.store.iter().map(|store| ("PUSHD_STORE", store)))
            .args(args)
            .stdin(Stdio::null());
        Ran::to_its_end(command)
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Daemon {
        let command = self.command();
        self.start_by(command)
    }

    /// Starts it by another command, whose process it is, and waits until it listens.
    pub(crate) fn start_by(self, command: Command) -> Daemon {
        self.try_start_by(command)
            .unwrap_or_else(|log| panic!("the daemon does not listen: {log}"))
    }

    /// Starts it; answers its log when it ends or does not listen.
    pub(crate) fn try_start(self) -> Result<Daemon, String> {
        let command = self.command();
        self.try_start_by(command)
    }

    fn try_start_by(self, mut command: Command) -> Result<Daemon, String> {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built with the tests");
        let log = Log::default();
        let stderr = child.stderr.take().expect("stderr is piped");
        let address = log.keep(stderr);
        let Ok(address) = address.recv_timeout(DEADLINE) else {
            drop((child.kill(), child.wait()));
            return Err(log.text());
        };
        Ok(Daemon {
            setup: self,
            child,
            address,
            log,
            clients: Clients::new(address),
        })
    }

    /// Runs it to its end, for a start that has to fail; answers exit code and stderr.
    pub(crate) fn fails(&self) -> (Option<i32>, String) {
        let ran = Ran::to_its_end(self.command());
        (ran.code, ran.stderr)
    }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end. One that goes on and on is killed, and so has no exit code.
    pub(crate) fn to_its_end(mut command: Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let pid = Pid::from_child(&child);
        let (over, ended) = mpsc::channel::<()>();
        let patience = thread::spawn(move || {
            if ended.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
                // It may be ending in this moment, which is as good.
                kill_process(pid, Signal::KILL).unwrap_or_default();
            }
        });
        let output = child.wait_with_output().expect("it is our child");
        drop(over);
        patience.join().expect("it does not panic");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    setup: Setup,
    child: Child,
    address: SocketAddr,
    log: Log,
    pub(crate) clients: Clients,
}

impl Daemon {
    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every address that it has logged so far.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let text = self.log.text();
        let words = text.split_whitespace();
        let addresses = words.filter_map(|word| word.strip_prefix("address="));
        addresses
            .filter_map(|address| address.parse().ok())
            .collect()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it was started.
    pub(crate) const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Kills it as a power cut would.
    pub(crate) fn crash(&mut self) {
        self.child.kill().expect("the daemon is ours");
        self.child.wait().expect("it is our child");
    }

    /// Sends it a signal. After SIGSTOP it does nothing more, not even in another thread.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the daemon is ours");
        if signal == Signal::STOP {
            wait_until_stopped(&self.child);
        }
    }

    /// Its exit code, if it has ended.
    pub(crate) fn has_ended(&mut self) -> Option<i32> {
        let ended = self.child.try_wait().expect("it is our child");
        ended.map(|status| status.code().expect("no signal has ended it"))
    }

    /// Waits for its end; answers its exit code, none when a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        until("the daemon to end", async || {
            self.child.try_wait().expect("it is our child")
        })
        .await
        .code()
    }

    /// Kills it as a power cut would, and starts it again on the same port and store.
    pub(crate) fn crash_and_restart(mut self) -> Self {
        self.crash();
        self.restart()
    }

    /// How to start it again, on the port that it has.
    pub(crate) fn again(&self) -> Setup {
        self.setup.clone().listen(&self.address.to_string())
    }

    /// Starts one that has ended again on the same port and store.
    pub(crate) fn restart(self) -> Self {
        self.again().start()
    }

    /// Waits until it has logged a line with `text` in it.
    pub(crate) async fn logged(&self, text: &str) {
        let what = format!("{text:?} in the log");
        until(&what, async || self.log.text().contains(text).then_some(())).await;
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used, in milliseconds.
    pub(crate) fn cpu_millis(&self) -> u64 {
        let pid = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("procfs");
        // The name, in parentheses, may have spaces; after it come state and then numbers
        // (proc_pid_stat(5): fields 14 and 15, in clock ticks, which Linux always counts at 100 Hz).
        let (_, numbers) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks = numbers.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks * 10
    }

    /// What it holds of the machine.
    pub(crate) fn holds(&self) -> Holds {
        let process = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{process}/status")).expect("procfs");
        let figure = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)).unwrap();
            value.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let descriptors = std::fs::read_dir(format!("{process}/fd")).expect("it is ours");
        Holds {
            rss_kib: figure("VmRSS:"),
            threads: figure("Threads:"),
            descriptors: descriptors.count(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

/// What a daemon holds of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holds {
    pub(crate) rss_kib: usize,
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop((self.child.kill(), self.child.wait()));
        if thread::panicking() {
            let log = self.log.text();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            // Goes to the output that the test runner shows with the failure.
            #[allow(clippy::print_stderr, reason = "a failed test shows it")]
            {
                eprintln!("the daemon's log ends with:\n{}", tail.join("\n"));
            }
        }
    }
}

/// What a daemon has written to stderr so far.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// Keeps what comes from `stderr`; the receiver gets the address that it listens on.
    fn keep(&self, stderr: impl std::io::Read + Send + 'static) -> mpsc::Receiver<SocketAddr> {
        let (tell, told) = mpsc::channel();
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A warning may name what was asked for, before there is a port.
                let words = line.contains("listening").then(|| line.split_whitespace());
                let address = words
                    .into_iter()
                    .flatten()
                    .find_map(|word| word.strip_prefix("address="));
                if let Some(Ok(address)) = address.map(str::parse) {
                    // Nobody waits for a second address; it is in the text all the same.
                    tell.send(address).unwrap_or_default();
                }
                let mut text = log.0.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        told
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}
