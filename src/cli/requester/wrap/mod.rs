//! A command that waits for a yes: `requester -- COMMAND`.
//!
//! What the approver is shown is what is run, and once: the program is looked up before anybody is
//! asked (`program`), files and standard input are known by their digests (`bound`, `input`), and
//! the approval is used up in the daemon before the process becomes the command (`using`).
//!
//! It does not know how the request is asked, waited for or withdrawn.

mod bound;
mod digest;
mod flags;
mod identity;
mod input;
mod program;
mod shown;
mod title;
mod using;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use self::bound::BoundFile;
pub(super) use self::flags::{WrapFlags, check};
use self::input::Input;
use self::program::Program;
use super::flow::{Daemon, Stay};
use super::interrupt::Interrupts;
use super::outcome::{self, End};
use crate::cli::exit;
use crate::domain::Command;
use crate::terminal::spinner::{Mood, Progress};
use crate::wire::Status;

/// A command that is ready to be run, and what has to be as it was for that.
#[derive(Debug)]
pub(super) struct Wrapped {
    argv: Vec<OsString>,
    program: Program,
    directory: PathBuf,
    files: Vec<BoundFile>,
    input: Option<Input>,
    /// What tells our use of the approval from everybody else's; made before the first ask.
    nonce: String,
}

impl Wrapped {
    /// Gets the command of these flags ready; `None` when there is none. `nonce` is random.
    ///
    /// # Errors
    /// The end of the program: 127 or 126 when there is no such program, 64 when something cannot
    /// be shown or read.
    pub(super) fn prepare(flags: WrapFlags, nonce: String) -> Result<Option<(Self, Command)>, End> {
        let Some(name) = flags.command.first() else {
            return Ok(None);
        };
        let search = std::env::var_os("PATH");
        let program = Program::look_up(name, search.as_deref())
            .and_then(Program::interpreted)
            .map_err(|error| End::failed(error.code(), error.into()))?;
        let usage = |error| End::failed(exit::USAGE, error);
        Self::with(program, flags, nonce).map(Some).map_err(usage)
    }

    fn with(program: Program, flags: WrapFlags, nonce: String) -> anyhow::Result<(Self, Command)> {
        let directory = std::env::current_dir().context("the working directory has no name")?;
        let argv = flags.command;
        let names = &flags.show_env;
        let variable = |name: &_| std::env::var_os(name);
        // All that can be refused is, before somebody has typed what they want to be bound to.
        let shown = shown::shown(&argv, &program.path, &directory, names, variable)?;
        shown::few_enough_files(&flags.bind)?;
        let files = flags.bind.into_iter().map(BoundFile::read);
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let input = flags
            .bind_stdin
            .then(|| Input::keep(std::io::stdin().lock()));
        let input = input.transpose().context("--bind-stdin: standard input")?;
        let shown = shown::bound(shown, &files, input.as_ref())?;
        let wrapped = Self {
            argv,
            program,
            directory,
            files,
            input,
            nonce,
        };
        Ok((wrapped, shown))
    }

    /// Whether all is as it was shown. It reads every bound file, so it may take long.
    ///
    /// # Errors
    /// Something is not; the error names it.
    fn check(&self) -> anyhow::Result<()> {
        let directory = self.directory.display();
        match std::env::current_dir() {
            Ok(now) if now == self.directory => {}
            Ok(_) | Err(_) => bail!("the working directory is not at {directory} any more"),
        }
        let program = self.program.path.display();
        match self.program.is_same() {
            Ok(true) => {}
            Ok(false) => bail!("the program {program} has changed since the ask"),
            Err(error) => {
                let error = anyhow!(error);
                return Err(error.context(format!("the program {program} cannot be run any more")));
            }
        }
        self.files.iter().try_for_each(BoundFile::check)?;
        let input = self.input.as_ref().map(Input::check).transpose();
        input.context("standard input")?;
        Ok(())
    }

    /// The command, ready for [`Wrapped::exec`], so that nothing is left to be done between the last
    /// look for a signal and that.
    ///
    /// # Errors
    /// Its input cannot be read.
    fn ready(&self) -> io::Result<process::Command> {
        let mut argv = self.argv.iter();
        let mut command = process::Command::new(&self.program.path);
        if let Some(name) = argv.next() {
            command.arg0(name);
        }
        command.args(argv);
        if let Some(input) = &self.input {
            command.stdin(input.reader()?);
        }
        Ok(command)
    }

    /// Becomes the command, whose signals and status are then this process's.
    ///
    /// The file is the one that was looked up, and the folder the one in which we are. What we have
    /// open is closed, and SIGPIPE, which our runtime ignores, is as usual again.
    ///
    /// It returns only if that failed, with the exit code and why.
    fn exec(&self, ready: io::Result<process::Command>) -> (u8, anyhow::Error) {
        let error = match ready {
            Ok(mut command) => command.exec(),
            Err(error) => error,
        };
        let code = program::code(&error);
        let program = self.program.path.display();
        let error = anyhow!(error).context(format!(
            "the approval is used up, but {program} could not be run"
        ));
        (code, error)
    }
}

/// Goes on from the `end` of the wait: with a yes the command is run, and nothing is left of us to
/// return. Whoever does not stay leaves that to another run with the same key.
pub(super) async fn go_on(
    daemon: &impl Daemon,
    command: Wrapped,
    stay: Stay,
    end: End,
    signals: &mut impl Interrupts,
    progress: &Progress,
) -> End {
    let request = match end {
        End::Settled(request) if request.status == Status::Approved => request,
        end @ (End::Settled(_)
        | End::Found(_)
        | End::TooLate { .. }
        | End::Withdrawn(_)
        | End::Pending { .. }
        | End::Interrupted { .. }
        | End::Failed { .. }) => return end,
    };
    if stay == Stay::ForTheId {
        return End::Pending {
            words: format!(
                "request {} is approved; the same command without --detach runs it",
                request.id
            ),
            request,
        };
    }
    let command = Arc::new(command);
    if let Err(end) = using::use_approval(daemon, &command, &request, signals, progress).await {
        return end;
    }
    progress.end(Mood::Good, &outcome::words(&request));
    let ready = command.ready();
    // As late as possible: what is caught after this look is lost, for it is the command that has
    // the next one.
    if let Some(first) = signals.caught().await {
        return using::interrupted(first, &request, using::USED);
    }
    let (code, error) = command.exec(ready);
    End::failed(code, error)
}

/// The title of a request for this command.
pub(super) fn title(command: &Command) -> String {
    title::title(&command.argv)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(bind: &[PathBuf]) -> (Wrapped, Command) {
        let flags = WrapFlags {
            command: vec!["sh".into(), "-c".into(), "exit 7".into()],
            bind: bind.to_vec(),
            ..WrapFlags::default()
        };
        Wrapped::prepare(flags, "nonce".to_owned())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn a_command_is_shown_with_all_that_it_is_bound_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let (wrapped, shown) = prepared(&[file.path().to_owned()]);
        assert_eq!(shown.argv, ["sh", "-c", "exit 7"]);
        assert!(shown.program.ends_with("/sh"), "{shown:?}");
        assert_eq!(shown.files[0].bytes, 3);
        assert_eq!(shown.files[0].sha256, wrapped.files[0].digest.sha256);
        wrapped.check().unwrap();
        std::fs::write(file.path(), "other").unwrap();
        let error = wrapped.check().unwrap_err().to_string();
        assert!(error.contains("has changed since the ask"), "{error}");
    }

    #[test]
    fn without_a_command_there_is_nothing_to_run() {
        let none = Wrapped::prepare(WrapFlags::default(), String::new());
        assert!(none.unwrap().is_none());
    }
}
