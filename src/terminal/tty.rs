//! The controlling terminal: read line by line, written, measured, and left as it was found.
//!
//! It is opened anew from `/dev/tty`, so that its flags are nobody else's: a non-blocking standard
//! input would be non-blocking for the shell as well. It stays in canonical mode, in which the
//! kernel edits the line and hands it over at Enter. Everything is read in the task that asks, by
//! no helper thread, so what is thrown away is thrown away completely.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::termios::{
    self, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex,
    Termios,
};
use tokio::io::unix::AsyncFd;

use super::lines::{Lines, Typed};

/// Where the controlling terminal is found.
const PATH: &str = "/dev/tty";
/// Longer than any line that a kernel's canonical mode hands over (4096 on Linux).
const READ_BYTES: usize = 16 * 1024;

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub enum NoTerminal {
    /// Standard input is a pipe or a file, so the answers would not be a person's.
    #[error("standard input is not a terminal")]
    InputIsNone,
    /// The process has no terminal, or it cannot be used.
    #[error("there is no terminal to ask on ({PATH})")]
    NotThere(#[source] io::Error),
}

/// What the terminal does with what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It shows it, as usual.
    Listening,
    /// It does not show it, because it will be thrown away. Ctrl-Z does nothing meanwhile, since a
    /// shell might go on with such a terminal; Ctrl-C works.
    Quiet,
}

/// The controlling terminal of this process.
#[derive(Debug)]
pub struct Tty {
    fd: AsyncFd<Arc<File>>,
    restore: Restore,
    lines: Lines,
}

impl Tty {
    /// Opens the controlling terminal and puts it into [`Mode::Listening`].
    ///
    /// Until the value is dropped the terminal is ours; then it is as it was, also when that
    /// happens in a panic. A runtime with I/O has to be running.
    ///
    /// # Errors
    /// Standard input is no terminal, or there is none.
    pub fn open() -> Result<Self, NoTerminal> {
        if !io::stdin().is_terminal() {
            return Err(NoTerminal::InputIsNone);
        }
        let open = || -> io::Result<Self> {
            let file = Arc::new(open_file(OFlags::NONBLOCK | OFlags::NOCTTY)?);
            let restore = Restore::new(Arc::clone(&file))?;
            let fd = register(file)?;
            let tty = Self {
                fd,
                restore,
                lines: Lines::default(),
            };
            tty.set_mode(Mode::Listening)?;
            Ok(tty)
        };
        open().map_err(NoTerminal::NotThere)
    }

    /// The terminal once more, as blocking standard input or output for another program.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn for_child() -> io::Result<File> {
        open_file(OFlags::NOCTTY)
    }

    /// Changes what happens to what is typed; what was typed before stays.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn set_mode(&self, mode: Mode) -> io::Result<()> {
        termios::tcsetattr(self.file(), OptionalActions::Now, &self.restore.with(mode))?;
        Ok(())
    }

    /// Throws away what was typed and not taken yet, in our buffer and in the kernel's, including
    /// a line that is not finished.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn throw_away_input(&mut self) -> io::Result<()> {
        self.lines.clear();
        termios::tcflush(self.file(), QueueSelector::IFlush)?;
        Ok(())
    }

    /// The next thing that is typed. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn read(&mut self) -> io::Result<Typed> {
        loop {
            if let Some(typed) = self.lines.pop() {
                return Ok(typed);
            }
            let mut ready = self.fd.readable().await?;
            let mut bytes = [0; READ_BYTES];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut bytes)?)) {
                // A line ends every read in canonical mode, so this is one line or the end.
                Ok(Ok(read)) => self.lines.push(bytes.get(..read).unwrap_or_default()),
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_not_yet) => {}
            }
        }
    }

    /// Writes all of the text; the terminal has it when the future is ready. While output is
    /// stopped (Ctrl-S) it waits. Not cancel safe: a part may have been written.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let mut ready = self.fd.writable().await?;
            match ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), rest)?)) {
                Ok(Ok(written)) => rest = rest.get(written..).unwrap_or_default(),
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_not_yet) => {}
            }
        }
        Ok(())
    }

    /// Rows and columns; `None` when the terminal does not know.
    pub fn size(&self) -> Option<(usize, usize)> {
        let size = termios::tcgetwinsize(self.file()).ok()?;
        (size.ws_row > 0 && size.ws_col > 0).then(|| (size.ws_row.into(), size.ws_col.into()))
    }

    /// Whether the terminal has gone away, as when its window was closed.
    pub fn is_gone(&self) -> bool {
        termios::tcgetattr(self.file()).is_err()
    }

    fn file(&self) -> &File {
        self.fd.get_ref()
    }
}

#[allow(
    deprecated,
    reason = "its replacement is unsafe, which this crate forbids; what that asks for holds here, \
              since a shared File keeps its descriptor for as long as it lives"
)]
fn register(file: Arc<File>) -> io::Result<AsyncFd<Arc<File>>> {
    AsyncFd::new(file)
}

fn open_file(flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(PATH)
}

/// Brings the terminal's modes back when it is dropped.
#[derive(Debug)]
struct Restore {
    file: Arc<File>,
    found: Termios,
}

impl Restore {
    fn new(file: Arc<File>) -> io::Result<Self> {
        let found = termios::tcgetattr(file.as_fd())?;
        Ok(Self { file, found })
    }

    /// The modes that were found, with what reading lines needs.
    fn with(&self, mode: Mode) -> Termios {
        let mut modes = self.found.clone();
        modes.input_modes |= InputModes::ICRNL;
        modes.input_modes &= !(InputModes::IGNCR | InputModes::INLCR);
        modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        modes.local_modes |= LocalModes::ICANON | LocalModes::ISIG;
        modes.local_modes &= !(LocalModes::NOFLSH | LocalModes::ECHONL);
        match mode {
            Mode::Listening => {
                modes.local_modes |= LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK;
            }
            Mode::Quiet => {
                modes.local_modes &= !LocalModes::ECHO;
                // _POSIX_VDISABLE is 0 on Linux and 255 on the BSDs.
                let disabled = if cfg!(target_os = "linux") { 0 } else { 255 };
                modes.special_codes[SpecialCodeIndex::VSUSP] = disabled;
            }
        }
        modes
    }
}

impl Restore {
    /// Whether this process may touch the terminal without being stopped for it (SIGTTOU).
    fn is_ours(&self) -> bool {
        termios::tcgetpgrp(self.file.as_fd())
            .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        // In the background the terminal is another program's, which has its own modes.
        if !self.is_ours() {
            return;
        }
        // What was typed for us must not become the shell's next command. If either fails, the
        // terminal is gone, and there is nobody left to tell.
        let (Ok(()) | Err(_)) = termios::tcflush(self.file.as_fd(), QueueSelector::IFlush);
        let (Ok(()) | Err(_)) =
            termios::tcsetattr(self.file.as_fd(), OptionalActions::Now, &self.found);
    }
}
