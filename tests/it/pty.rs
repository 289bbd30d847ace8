//! A program on a terminal of its own, whose every byte is kept.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::time::Instant;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The ECHO flag of a terminal's local modes on Linux and the BSDs.
const ECHO: u32 = 8;

/// The program and its terminal.
pub(crate) struct Pty {
    master: Box<dyn MasterPty + Send>,
    keys: Mutex<Box<dyn std::io::Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Vec<u8>>, Condvar)>,
    /// Where the next [`Pty::wait_for`] begins to look.
    from: Mutex<usize>,
}

impl Pty {
    pub(crate) fn run(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::run_sized(program, args, environment, (50, 100))
    }

    /// The same on a terminal of so many rows and columns.
    pub(crate) fn run_sized(
        program: &str,
        args: &[&str],
        environment: &[(&str, &str)],
        (rows, cols): (u16, u16),
    ) -> Self {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        for (name, value) in [
            ("TERM", "xterm"),
            ("LC_ALL", "C.UTF-8"),
            ("PATH", "/usr/bin:/bin"),
        ] {
            command.env(name, value);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails when the last program on the terminal has gone.
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shared.0.lock().unwrap().extend_from_slice(&bytes[..read]);
                shared.1.notify_all();
            }
        });
        Self {
            keys: Mutex::new(pair.master.take_writer().unwrap()),
            master: pair.master,
            child,
            seen,
            from: Mutex::new(0),
        }
    }

    pub(crate) fn type_keys(&self, keys: &str) {
        let mut terminal = self.keys.lock().unwrap();
        terminal.write_all(keys.as_bytes()).unwrap();
        terminal.flush().unwrap();
    }

    /// Gives the terminal another size, as a person does with a window.
    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        self.master.resize(size).unwrap();
    }

    /// Waits until this text has come, behind what was waited for before.
    pub(crate) fn wait_for(&self, text: &str) {
        let mut from = self.from.lock().unwrap();
        let found = self.wait(|bytes| {
            let new = bytes.get(*from..)?;
            let at = new
                .windows(text.len())
                .position(|window| window == text.as_bytes())?;
            Some(*from + at + text.len())
        });
        *from = found.unwrap_or_else(|| panic!("{text:?} did not come: {}", self.text()));
    }

    /// Waits until what is typed is shown, which is when it is no longer thrown away.
    pub(crate) fn wait_until_open(&self) {
        let open = self.wait(|_| self.is_open().then_some(()));
        open.unwrap_or_else(|| panic!("the question does not open: {}", self.text()));
    }

    /// Whether what is typed is shown.
    pub(crate) fn is_open(&self) -> bool {
        let modes = self.master.get_termios();
        modes.is_some_and(|modes| modes.local_flags.bits() & ECHO != 0)
    }

    fn wait<T>(&self, condition: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + PATIENCE;
        let mut bytes = self.seen.0.lock().unwrap();
        loop {
            if let Some(value) = condition(&bytes) {
                return Some(value);
            }
            if Instant::now() >= end {
                return None;
            }
            // Modes change without a byte, so it looks again soon even when nothing comes.
            bytes = self
                .seen
                .1
                .wait_timeout(bytes, Duration::from_millis(5))
                .unwrap()
                .0;
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Sends a signal to the program of this name that runs on this terminal.
    pub(crate) fn kill(&self, program: &str, signal: &str) {
        let shell = self.child.process_id().unwrap().to_string();
        let status = std::process::Command::new("pkill")
            .args([&format!("-{signal}"), "-P", &shell, "-x", program])
            .status();
        assert!(status.unwrap().success(), "no {program}");
    }

    /// Lets time pass, for what must not happen.
    pub(crate) fn watch(&self, time: Duration) {
        let bytes = self.seen.0.lock().unwrap();
        let never = |_: &mut Vec<u8>| true;
        drop(self.seen.1.wait_timeout_while(bytes, time, never).unwrap());
    }

    /// CPU time of the program, in hundredths of a second.
    #[cfg(target_os = "linux")]
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let pid = self.child.process_id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let times = rest.split_whitespace().skip(11).take(2);
        times.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// The most memory that the program has had in use so far, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.child.process_id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn exit_code(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}
