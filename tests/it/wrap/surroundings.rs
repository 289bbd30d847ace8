//! The command's surroundings are those of `requester` itself: signals, descriptors, terminal.

use std::process::Stdio;

use super::scene;
use crate::programs::Requester;
use crate::pty::Pty;

/// The figure of this name in what `proc_pid_status(5)` says.
fn mask(status: &str, name: &str) -> u64 {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap()
}

/// What a program says that is run by the test itself.
fn run(program: &str, args: &[&str]) -> String {
    let mut command = std::process::Command::new(program);
    command.args(args).stdin(Stdio::null());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn no_signal_is_blocked_or_ignored_that_was_not_before() {
    let scene = scene();
    let look = ["--", "cat", "/proc/self/status"];
    let left = scene.approved(&look).await;
    let usual = ["--default-signal=HUP,INT,TERM", "cat", "/proc/self/status"];
    let alone = run("env", &usual);
    for name in ["SigBlk", "SigIgn", "SigCgt"] {
        // Those from 32 on are the C library's own.
        let [ours, usual] = [&left.stdout, &alone].map(|said| mask(said, name) & 0x7fff_ffff);
        assert_eq!(ours, usual, "{name} {left:?}");
    }

    // As nohup(1) starts it.
    let under = ["env", "--ignore-signal=HUP"];
    let requester = Requester::start_under(&under, &scene.daemon.url(), &look);
    scene.approve().await;
    let left = requester.left().await;
    assert_eq!(mask(&left.stdout, "SigIgn") & 1, 1, "{left:?}");
}

// The runtime of Rust ignores SIGPIPE, and what is ignored stays so for what is run: `yes | head`
// would tell of a broken pipe, or never end.
#[tokio::test]
async fn a_pipe_that_nobody_reads_ends_the_command_in_silence() {
    let scene = scene();
    let left = scene.approved(&["--", "sh", "-c", "yes | head -n 1"]).await;
    assert_eq!((left.code, &*left.stdout), (Some(0), "y\n"), "{left:?}");
    assert!(!left.stderr.contains("roken pipe"), "{left:?}");
}

#[tokio::test]
async fn nothing_of_ours_is_open_in_the_command() {
    let scene = scene();
    // What runs the tests may have more open than the usual three.
    let usual = run("ls", &["/proc/self/fd"]);
    for args in [
        &["--", "ls", "/proc/self/fd"][..],
        &[
            "--bind-stdin",
            "--bind",
            "/etc/passwd",
            "--",
            "ls",
            "/proc/self/fd",
        ],
    ] {
        let left = scene.approved(args).await;
        assert_eq!(left.stdout, usual, "{left:?}");
    }
}

#[tokio::test]
async fn it_runs_in_the_folder_and_with_the_environment_in_which_we_were_started() {
    let scene = scene();
    let mut command = scene.requester(&scene.daemon.url(), &["--", "sh", "-c", "pwd; echo $A-$B"]);
    command.env("A", "not shown").env("B", "either");
    let requester = Requester::spawned(command);
    scene.approve().await;
    let here = scene.dir.path().display();
    let left = requester.left().await;
    assert_eq!(
        left.stdout,
        format!("{here}\nnot shown-either\n"),
        "{left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_the_commands_as_we_found_it() {
    let scene = scene();
    let url = scene.daemon.url();
    let inner = "stty -a; echo ready; read line; echo \"got $line\"; exec sleep 60";
    let before = "stty -a; echo asked; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_requester");
    let args = [
        "-c", before, program, "--url", &url, "-m", "Run?", "--", "sh", "-c", inner,
    ];
    let mut terminal = Pty::run("sh", &args, &[]);
    terminal.wait_for("asked\r\n");
    let modes = terminal.text();
    let modes = modes.split("asked").next().unwrap().to_owned();
    terminal.wait_for("poll");
    scene.approve().await;
    terminal.wait_for("approved by local");
    terminal.wait_for("ready");
    let text = terminal.text();
    // The same modes twice: before us, and in the command.
    assert_eq!(text.matches(modes.trim()).count(), 2, "{text}");
    assert!(
        !text.contains("\u{1b}[?25l") || text.contains("\u{1b}[?25h"),
        "{text}"
    );
    terminal.type_keys("hello\n");
    terminal.wait_for("got hello");
    terminal.type_keys("\u{3}");
    // portable-pty says 1 for every signal.
    assert_ne!(terminal.exit_code(), 0);
    let last = terminal.text();
    let after = last.split("got hello").nth(1).unwrap();
    assert!(!after.contains("interrupted"), "{after}");
}
