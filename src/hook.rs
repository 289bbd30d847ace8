//! A command of whoever runs a program: told something on standard input, and bounded.
//!
//! The command is the operator's own text and is given to `sh -c` as it is. What strangers wrote
//! reaches it on standard input and in variables alone, never as a part of that text, so there is
//! nothing for a shell to take apart. It knows neither requests nor what an exit code means.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

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

/// A command and the time that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    command: String,
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
    /// Its time was over, so it was killed.
    OutOfTime,
}

/// The beginning of an output, at most [`limits::HOOK_OUTPUT_BYTES`] of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Hook {
    /// This command, which gets `time` for each run.
    pub const fn new(command: String, time: Duration) -> Self {
        Self { command, time }
    }

    /// The command, as it was written.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The time that it gets.
    pub const fn time(&self) -> Duration {
        self.time
    }

    /// Runs it, with `input` on standard input and `variables` in its environment beside our own,
    /// until it ends or its time is over.
    ///
    /// It is the leader of a process group of its own. When it has ended, whatever it has started
    /// in that group is killed: a run leaves nothing behind. It need not read its input. An output
    /// beyond the bound is read and thrown away, so that nothing waits for us. A NUL in a variable,
    /// which no environment can hold, becomes U+FFFD.
    ///
    /// Dropping the future kills the group.
    ///
    /// # Errors
    /// The shell cannot be started, or the system does not tell how it ended.
    pub async fn run(&self, input: &[u8], variables: &[(&str, String)]) -> io::Result<Ran> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.command).process_group(0);
        for name in OURS {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value.replace('\0', "\u{fffd}"));
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let group = Group::of(&child);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Output::default(), Output::default());
        let talking = async {
            tokio::join!(
                tell(pipes.0, input),
                stdout.fill(pipes.1),
                stderr.fill(pipes.2)
            )
        };
        let end = match select(pin!(self.ended(child, group)), pin!(talking)).await {
            Either::Left((end, talking)) => {
                // What it wrote last is still in the pipes. Somebody who left the group may hold
                // them open, and is not waited for.
                drop(timeout(limits::HOOK_PARTING, talking).await);
                end
            }
            Either::Right((_, ending)) => ending.await,
        };
        Ok(Ran {
            end: end?,
            stdout,
            stderr,
        })
    }

    async fn ended(&self, mut child: Child, group: Group) -> io::Result<End> {
        let ended = timeout(self.time, child.wait()).await;
        drop(group);
        if let Ok(status) = ended {
            return Ok(End::of(status?));
        }
        // Killed by now, and gone unless the kernel holds it; then tokio reaps it later.
        drop(timeout(limits::HOOK_PARTING, child.wait()).await);
        Ok(End::OutOfTime)
    }
}

impl End {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Signalled(signal.unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::OutOfTime => write!(f, "out of time, killed"),
        }
    }
}

impl Output {
    /// What was written; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The first line of it, without white space around it; empty when there is none.
    pub fn first_line(&self) -> String {
        let text = self.text();
        let line = text.lines().next().unwrap_or_default();
        line.trim().to_owned()
    }

    /// Whether more was written than is kept.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Reads to the end and keeps the beginning. What was kept stays when this is dropped.
    async fn fill(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut piece = [0; 4096];
        loop {
            let read = match pipe.read(&mut piece).await {
                // An error of a pipe is its end.
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            let room = limits::HOOK_OUTPUT_BYTES - self.bytes.len();
            self.is_cut |= read > room;
            self.bytes.extend(piece.iter().take(read.min(room)));
        }
    }
}

/// Writes all of `input` and closes the pipe; a command that does not read it is none the worse.
async fn tell(pipe: Option<impl AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        drop(pipe.write_all(input).await);
    }
}

/// The processes of one run; dropping it kills those that are left.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(leader: &Child) -> Self {
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The number stays the group's for as long as anybody is in it. When nobody is left there
        // is nobody to kill, and this instant is too short for the system to have come round to it.
        if let Some(group) = self.0 {
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(command: &str, input: &[u8], variables: &[(&str, String)]) -> Ran {
        let hook = Hook::new(command.to_owned(), Duration::from_mins(1));
        hook.run(input, variables).await.unwrap()
    }

    #[tokio::test]
    async fn a_command_is_told_on_standard_input_and_its_exit_code_counts() {
        let ran = ran("cat; echo ' why ' >&2; exit 7", b"{\"a\":1}", &[]).await;
        assert_eq!(ran.end, End::Exited(7));
        assert_eq!(ran.stdout.text(), "{\"a\":1}");
        assert_eq!(ran.stderr.first_line(), "why");
        assert!(!ran.stdout.is_cut());
    }

    #[tokio::test]
    async fn what_strangers_wrote_is_never_taken_for_a_command() {
        let title = "$(echo gone) `echo gone` '; echo gone; \" \\ \0 é";
        let ran = ran("printf %s \"$TITLE\"", b"", &[("TITLE", title.to_owned())]).await;
        assert_eq!(ran.stdout.text(), title.replace('\0', "\u{fffd}"));
    }

    #[tokio::test]
    async fn a_command_need_not_read_what_it_is_told() {
        let ran = ran("exec true", &vec![b'x'; 4 << 20], &[]).await;
        assert_eq!(ran.end, End::Exited(0));
    }

    #[tokio::test]
    async fn of_an_endless_output_the_beginning_is_kept() {
        let ran = ran("head -c 9000000 /dev/zero", b"", &[]).await;
        assert_eq!(ran.end, End::Exited(0), "nobody had to wait for us");
        assert_eq!(ran.stdout.text().len(), limits::HOOK_OUTPUT_BYTES);
        assert!(ran.stdout.is_cut());
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_all_that_it_has_started() {
        let command = "(exec sleep 1000) & echo $!; echo $$; exec sleep 1000";
        let hook = Hook::new(command.to_owned(), Duration::from_secs(2));
        let ran = hook.run(b"", &[]).await.unwrap();
        assert_eq!(ran.end, End::OutOfTime);
        nobody_of(&ran.stdout.text()).await;
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_ends_with_it() {
        let ran = ran("(exec sleep 1000) & echo $!", b"", &[]).await;
        assert_eq!(ran.end, End::Exited(0));
        nobody_of(&ran.stdout.text()).await;
    }

    #[tokio::test]
    async fn who_leaves_the_group_with_our_pipe_is_not_waited_for() {
        let ran = ran("setsid sleep 1000 & echo $!", b"", &[]).await;
        assert_eq!(ran.end, End::Exited(0));
        let left = ran.stdout.text().trim().parse().unwrap();
        // It is ours all the same. Where setsid had to fork it has another number, and nobody is
        // hurt by a number that is free.
        if let Some(left) = Pid::from_raw(left) {
            kill_process_group(left, Signal::KILL).unwrap_or_default();
        }
    }

    #[tokio::test]
    async fn a_signal_is_told_apart_from_an_exit_code() {
        let ran = ran("kill -9 $$", b"", &[]).await;
        assert_eq!(ran.end, End::Signalled(9));
    }

    #[tokio::test]
    async fn a_run_that_is_dropped_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        let name = file.to_str().unwrap();
        let hook = Hook::new(
            "echo $$ > \"$FILE\"; exec sleep 1000".to_owned(),
            Duration::from_mins(1),
        );
        let said = async {
            loop {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                if text.ends_with('\n') {
                    break text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let variables = [("FILE", name.to_owned())];
        let said = tokio::select! {
            ran = hook.run(b"", &variables) => panic!("it has ended: {ran:?}"),
            said = said => said,
        };
        nobody_of(&said).await;
    }

    /// Waits until no process of these numbers runs any more.
    async fn nobody_of(text: &str) {
        assert!(!text.trim().is_empty(), "it said its number");
        let gone = async {
            while text.lines().any(runs) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(15), gone).await.unwrap();
    }

    /// A process that has ended but that nobody has waited for yet (state Z) does not run.
    fn runs(number: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    }
}
