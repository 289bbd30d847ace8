//! The real programs: `requester` in scripts, and a person at an `approver`'s terminal.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::time::sleep;

use super::history::{Decision, Notes, Ran, Told, View};
use super::link::Link;
use crate::pty::Pty;

/// What is done to a requester.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mischief {
    Nothing,
    /// It is stopped for this time.
    Stops(Duration),
    /// It gets this signal, and ends.
    Signal(Signal),
}

/// A URL for each link.
fn urls(links: &[Arc<Link>]) -> Vec<String> {
    let url = |link: &Arc<Link>| ["--url".to_owned(), link.url()];
    links.iter().flat_map(url).collect()
}

/// Runs `requester` to its end, with links to daemons on one store, and notes it.
pub(crate) async fn requester(
    links: Vec<Arc<Link>>,
    notes: Notes,
    title: String,
    expires: u64,
    mischief: (Duration, Mischief),
) {
    let child = Command::new("env")
        .env_clear()
        .arg("--default-signal=HUP,INT,TERM")
        .arg(env!("CARGO_BIN_EXE_requester"))
        .args(urls(&links))
        .args(["-m", &title, "--connect-timeout", "60s"])
        .args([
            "--json",
            "--timeout",
            "1s",
            "--expires",
            &format!("{expires}s"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program can be run");
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let pid = pid.expect("it has not been waited for");
    // It is ours until its output has been collected, so the number is still its own.
    let signal = |signal| kill_process(pid, signal).unwrap_or_default();
    let output = child.wait_with_output();
    tokio::pin!(output);
    let (moment, mischief) = mischief;
    let early = tokio::select! {
        output = &mut output => Some(output),
        () = sleep(moment) => None,
    };
    let mut signalled = false;
    let output = if let Some(output) = early {
        output
    } else {
        match mischief {
            Mischief::Nothing => {}
            Mischief::Stops(time) => {
                signal(Signal::STOP);
                sleep(time).await;
                signal(Signal::CONT);
            }
            Mischief::Signal(which) => {
                signalled = true;
                signal(which);
            }
        }
        output.await
    };
    let output = output.expect("it can be waited for");
    notes.open().ran.push(Ran {
        title,
        ended: notes.now(),
        code: output.status.code(),
        printed: serde_json::from_slice(&output.stdout)
            .ok()
            .as_ref()
            .map(View::new),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        signalled,
    });
}

const ROWS: u16 = 40;
const COLUMNS: u16 = 100;
/// Between reading the screen and pressing Enter a person's eye is not this slow; a machine may be.
const GLANCE: i64 = 100;

/// Somebody who answers what an `approver`'s screen shows, until `over`.
#[derive(Debug)]
pub(crate) struct Person {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Person {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the person has been printed.
            drop(thread.join());
        }
    }
}

impl Person {
    /// Sits down before an `approver`; titles of requests begin with `mark`.
    pub(crate) fn at(links: Vec<Arc<Link>>, notes: Notes, mark: String, mut rng: Rng) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let program = env!("CARGO_BIN_EXE_approver");
            let run = || {
                let urls = urls(&links);
                let args: Vec<_> = urls.iter().map(String::as_str).collect();
                Pty::run_sized(program, &args, &[], (ROWS, COLUMNS))
            };
            let mut terminal = run();
            while !stop.load(Ordering::SeqCst) {
                answer(&terminal, &notes, &mark, &mut rng);
                // Sometimes the terminal's window is closed, and another one opened.
                if rng.u16(..400) == 0 {
                    terminal = run();
                }
                terminal.watch(Duration::from_millis(5));
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

/// The title in question, if the screen has a question that can be answered.
fn question(terminal: &Pty, mark: &str) -> Option<String> {
    if !terminal.is_open() {
        return None;
    }
    let (rows, columns) = (ROWS.try_into().ok()?, COLUMNS.try_into().ok()?);
    let mut screen = vt100::Parser::new(rows, columns, 0);
    screen.process(&terminal.bytes());
    let text = screen.screen().contents();
    let prompt = text.rfind("Approve? ")?;
    let (above, prompt) = text.split_at(prompt);
    // Something typed stands there already.
    if !prompt.trim_end().ends_with(']') {
        return None;
    }
    let from = above.rfind(mark)?;
    let title = above[from..].split_whitespace().next()?;
    Some(title.to_owned())
}

fn answer(terminal: &Pty, notes: &Notes, mark: &str, rng: &mut Rng) {
    let looked = notes.now();
    let Some(title) = question(terminal, mark) else {
        return;
    };
    let (key, verdict) = if rng.bool() {
        ("y\n", "approve")
    } else {
        ("n\n", "deny")
    };
    let decision = |title| Decision {
        title,
        verdict: verdict.to_owned(),
        sent: looked,
        told: Told::Nothing,
    };
    notes.open().decisions.push(decision(title));
    terminal.type_keys(key);
    if notes.now() - looked > GLANCE {
        // It was this machine that was slow, and the answer may be for what came meanwhile.
        let later = question(terminal, mark);
        notes.open().decisions.extend(later.map(decision));
    }
}
