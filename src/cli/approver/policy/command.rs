//! Runs the policy for one request, within bounds: its time, what it prints, and what it starts.
//!
//! It is the leader of a process group of its own. When it has ended, however it did, the whole
//! group is killed, so that nothing it has started keeps a pipe of ours open or goes on without
//! us. What has left the group (setsid) goes on, but nobody waits for it.

use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal as Number, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::opinion::{Ended, Opinion, opinion};
use super::variables;
use crate::limits;
use crate::wire::RequestView;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// The command that judges, as it was given. Clones are cheap.
#[derive(Clone, Debug)]
pub(in crate::cli::approver) struct Policy {
    command: Arc<str>,
    time: Duration,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// What it thinks.
    pub(super) opinion: Opinion,
    /// The first lines of its standard error.
    pub(super) said: Vec<String>,
}

impl Ran {
    fn trouble(why: String) -> Self {
        Self {
            opinion: Opinion::Trouble(why),
            said: Vec::new(),
        }
    }
}

/// Why a policy is ended.
enum TooMuch {
    Time,
    Output,
}

impl Policy {
    /// A command of the shell, and how long it may take for one request.
    pub(in crate::cli::approver) fn new(command: String, time: Duration) -> Self {
        Self {
            command: command.into(),
            time,
        }
    }

    /// Has it judge a request. Dropping the future kills it.
    pub(super) async fn judge(&self, view: &RequestView) -> Ran {
        let values = match variables::values(view) {
            Ok(values) => values,
            Err(name) => {
                return Ran::trouble(format!("it was not run, because a NUL cannot be in {name}"));
            }
        };
        match self.run(view, &values).await {
            Ok(ran) => ran,
            Err(error) => Ran::trouble(format!("it cannot be run: {error}")),
        }
    }

    async fn run(&self, view: &RequestView, values: &[String]) -> io::Result<Ran> {
        let mut json = serde_json::to_vec(view)?;
        json.push(b'\n');
        // Before it can end, so that its end is not missed.
        let ends = signal(SignalKind::child())?;
        let mut child = self.spawn(values)?;
        let mut group = Group::of(&child)?;
        let feeding = feed(child.stdin.take(), &json);
        let mut out = Tap::new(child.stdout.take());
        let mut err = Tap::new(child.stderr.take());
        let ended = watch(&mut out, &mut err, feeding, group.ended(ends), self.time).await;
        group.kill();
        let opinion = match ended {
            // What it has printed last may still be in the pipes.
            Ok(ended) if out.rest() && err.rest() => opinion(ended?, &out.kept),
            Ok(_) | Err(TooMuch::Output) => Opinion::Trouble(format!(
                "it was killed, because it printed more than {} MiB",
                limits::POLICY_OUTPUT_BYTES >> 20
            )),
            Err(TooMuch::Time) => {
                let time = humantime::format_duration(self.time);
                Opinion::Trouble(format!("it was killed, because it took longer than {time}"))
            }
        };
        // One that cannot even be killed is left to the runtime, which waits for it.
        if timeout(limits::POLICY_END_TIME, child.wait()).await.is_ok() {
            group.is_gone();
        }
        Ok(Ran {
            opinion,
            said: lines(&err.kept),
        })
    }

    fn spawn(&self, values: &[String]) -> io::Result<Child> {
        Command::new("sh")
            .arg("-c")
            .arg(&*self.command)
            .envs(variables::NAMES.into_iter().zip(values))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
    }
}

/// Waits for its end, while it is fed and read.
async fn watch<O, E>(
    out: &mut Tap<O>,
    err: &mut Tap<E>,
    feeding: impl Future<Output = ()>,
    ended: impl Future<Output = io::Result<Ended>>,
    time: Duration,
) -> Result<io::Result<Ended>, TooMuch>
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    tokio::pin!(feeding, ended);
    let late = sleep(time);
    tokio::pin!(late);
    let mut fed = false;
    loop {
        tokio::select! {
            ended = &mut ended => return Ok(ended),
            () = &mut late => return Err(TooMuch::Time),
            within = out.read() => if !within {
                return Err(TooMuch::Output);
            },
            within = err.read() => if !within {
                return Err(TooMuch::Output);
            },
            () = &mut feeding, if !fed => fed = true,
        }
    }
}

/// Gives it the request. It need not read it.
async fn feed(stdin: Option<ChildStdin>, json: &[u8]) {
    if let Some(mut stdin) = stdin {
        // Whoever does not read it all has read enough.
        let (Ok(()) | Err(_)) = stdin.write_all(json).await;
    }
}

/// One of its outputs: read to the end, of which the beginning is kept.
struct Tap<P> {
    pipe: Option<P>,
    buffer: Vec<u8>,
    kept: Vec<u8>,
    read: usize,
}

impl<P: AsyncRead + Unpin> Tap<P> {
    fn new(pipe: Option<P>) -> Self {
        Self {
            pipe,
            buffer: vec![0; READ_BYTES],
            kept: Vec::new(),
            read: 0,
        }
    }

    /// Reads some of it; false when that was too much. After the end it waits for ever. Cancel
    /// safe.
    async fn read(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else {
            return std::future::pending().await;
        };
        let Ok(read @ 1..) = pipe.read(&mut self.buffer).await else {
            self.pipe = None;
            return true;
        };
        self.take(read)
    }

    /// Takes in so many bytes of the buffer; false when there were too many.
    fn take(&mut self, read: usize) -> bool {
        let room = limits::POLICY_KEPT_BYTES - self.kept.len();
        self.kept.extend(self.buffer.iter().take(read.min(room)));
        self.read += read;
        self.read <= limits::POLICY_OUTPUT_BYTES
    }
}

impl<P: AsyncRead + AsFd + Unpin> Tap<P> {
    /// Reads what is there at this moment, and waits for nobody who may have it open still; false
    /// when that was too much.
    fn rest(&mut self) -> bool {
        let Some(pipe) = self.pipe.take() else {
            return true;
        };
        loop {
            match rustix::io::read(&pipe, &mut self.buffer) {
                Ok(read @ 1..) => {
                    if !self.take(read) {
                        return false;
                    }
                }
                Err(Errno::INTR) => {}
                // Its end, or nothing more at present.
                Ok(0) | Err(_) => return true,
            }
        }
    }
}

/// The process group of a policy, which is killed when the value is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> io::Result<Self> {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw);
        pid.map(|pid| Self(Some(pid)))
            .ok_or_else(|| io::Error::other("it has no process id"))
    }

    /// How its leader ended. The leader is left to be waited for, so that no stranger can have its
    /// number before the group is killed. `ends` wakes when a child has ended. Cancel safe.
    async fn ended(&self, mut ends: Signal) -> io::Result<Ended> {
        let Some(pid) = self.0 else {
            return Err(Errno::CHILD.into());
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(pid), options) {
                Ok(Some(status)) => {
                    let signal = status.terminating_signal().map(Ended::Signalled);
                    let exited = status.exit_status().map(Ended::Exited);
                    return exited.or(signal).ok_or_else(|| Errno::CHILD.into());
                }
                Ok(None) => drop(ends.recv().await),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills all of it.
    fn kill(&self) {
        if let Some(pid) = self.0 {
            // There may be nobody left.
            let (Ok(()) | Err(_)) = kill_process_group(pid, Number::KILL);
        }
    }

    /// Its leader was waited for, so that its number may be somebody else's.
    const fn is_gone(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first lines of a text.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .take(limits::POLICY_LINES)
        .map(str::to_owned)
        .collect()
}
