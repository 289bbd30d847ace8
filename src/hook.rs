//! A command of whoever runs a program: told something on standard input, and bounded.
//!
//! The command is the operator's own text and is given to `sh -c` as it is. What strangers wrote
//! reaches it on standard input and in variables alone, never as a part of that text, so there is
//! nothing for a shell to take apart. It knows neither requests nor what an exit code means.
//!
//! `group` is the processes of a run, `pipe` what it prints.

mod group;
mod pipe;
#[cfg(test)]
mod tests;

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};

use self::group::{Ends, Group};
pub use self::pipe::Output;
use self::pipe::Pipe;
use crate::limits;

/// What a service manager tells one process alone; a command that took it for itself would say
/// "ready" or "stopping" in our name.
const OURS: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A command and the time that it gets. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    command: Arc<str>,
    time: Duration,
}

/// How a command ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What it wrote to standard output.
    pub stdout: Output,
    /// What it wrote to standard error.
    pub stderr: Output,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Its time, this much, was over, so it was killed.
    OutOfTime(Duration),
    /// It wrote more than [`limits::HOOK_PRINT_BYTES`] to one of its outputs, so it was killed.
    TooMuch,
}

impl Hook {
    /// This command, which gets `time` for each run.
    pub fn new(command: String, time: Duration) -> Self {
        Self {
            command: command.into(),
            time,
        }
    }

    /// Runs it, with `input` on standard input and `variables` in its environment beside our own,
    /// until it ends, its time is over, or it prints more than it may.
    ///
    /// It is the leader of a process group of its own. When it has ended, however it did, whatever
    /// it has started in that group is killed: a run leaves nothing behind. What has left the group
    /// (`setsid`) goes on, and nobody waits for it. It need not read its input. Of each output the
    /// beginning is kept, and the rest is read, so that nothing waits for us. A NUL in a variable,
    /// which no environment can hold, becomes U+FFFD; whoever cannot live with that looks first.
    ///
    /// Dropping the future kills the group.
    ///
    /// # Errors
    /// The shell cannot be started, or the system does not tell how it ended.
    pub async fn run(&self, input: &[u8], variables: &[(&str, String)]) -> io::Result<Ran> {
        // Before it can end, so that its end is not missed.
        let ends = Ends::new()?;
        let mut child = self.spawn(variables)?;
        let group = Group::of(&child)?;
        let telling = tell(child.stdin.take(), input);
        let mut stdout = Pipe::new(child.stdout.take());
        let mut stderr = Pipe::new(child.stderr.take());
        let mut end = self
            .watch(&mut stdout, &mut stderr, telling, group.ended(ends))
            .await?;
        group.kill();
        // What it wrote last may still be in the pipes.
        if [stdout.rest(), stderr.rest()].contains(&false) {
            end = End::TooMuch;
        }
        // One that cannot even be killed is left to the runtime, which waits for it.
        if timeout(limits::HOOK_PARTING, child.wait()).await.is_ok() {
            group.forget();
        }
        Ok(Ran {
            end,
            stdout: stdout.output(),
            stderr: stderr.output(),
        })
    }

    fn spawn(&self, variables: &[(&str, String)]) -> io::Result<Child> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&*self.command).process_group(0);
        for name in OURS {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value.replace('\0', "\u{fffd}"));
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    }

    /// Waits for its end, while it is told and read.
    async fn watch(
        &self,
        stdout: &mut Pipe<impl AsyncRead + Unpin>,
        stderr: &mut Pipe<impl AsyncRead + Unpin>,
        telling: impl Future<Output = ()>,
        ended: impl Future<Output = io::Result<End>>,
    ) -> io::Result<End> {
        let late = sleep(self.time);
        tokio::pin!(telling, ended, late);
        let mut told = false;
        loop {
            tokio::select! {
                end = &mut ended => return end,
                () = &mut late => return Ok(End::OutOfTime(self.time)),
                within = stdout.read() => if !within {
                    return Ok(End::TooMuch);
                },
                within = stderr.read() => if !within {
                    return Ok(End::TooMuch);
                },
                () = &mut telling, if !told => told = true,
            }
        }
    }
}

/// Writes all of `input` and closes the pipe; a command that does not read it is none the worse.
async fn tell(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        drop(pipe.write_all(input).await);
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "it ended with {code}"),
            Self::Signalled(signal) => write!(f, "signal {signal} ended it"),
            Self::OutOfTime(time) => {
                let time = humantime::format_duration(*time);
                write!(f, "it was killed, because it took longer than {time}")
            }
            Self::TooMuch => {
                let most = limits::HOOK_PRINT_BYTES >> 20;
                write!(f, "it was killed, because it printed more than {most} MiB")
            }
        }
    }
}
