//! `--completions` and `--man`: what a machine keeps about the programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Ran;
use crate::pty::Pty;

const PROGRAMS: [(&str, &str); 3] = [
    ("pushd", env!("CARGO_BIN_EXE_pushd")),
    ("requester", env!("CARGO_BIN_EXE_requester")),
    ("approver", env!("CARGO_BIN_EXE_approver")),
];

/// Runs one of the programs with nothing of the tester's environment.
fn run(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().copied());
    command.args(args);
    Ran::to_its_end(command)
}

/// Where the programs are, before where the system's are.
fn path() -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_pushd")).parent().unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

/// A shell in a folder with folders called `backlog` and `restaurants` in it, in which the scripts of all programs
/// have been read.
struct Shell {
    pty: Pty,
    _home: TempDir,
}

impl Shell {
    fn start(name: &str, args: &[&str], before: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["backlog", "restaurants"] {
            std::fs::create_dir(home.path().join(name)).unwrap();
        }
        let (path, folder) = (path(), home.path().to_str().unwrap());
        let environment = [("PATH", &path[..]), ("PS1", "ready> "), ("HOME", folder)];
        let pty = Pty::run(name, args, &environment);
        pty.wait_for("ready> ");
        let scripts = format!(
            "for p in pushd requester approver; do env $p --completions {name} > $HOME/$p; . $HOME/$p; done"
        );
        pty.type_keys(&format!("cd; {before}{scripts}; echo sour''ced\n"));
        pty.wait_for("sourced");
        Self { pty, _home: home }
    }

    /// What a line becomes at the key Tab: then it is echoed instead of run.
    fn completes(&self, typed: &str, expected: &str) {
        // Ctrl-A goes to its beginning. The quotes are gone from what is printed, so that the line
        // itself on the screen is not taken for it.
        self.pty.type_keys(&format!("{typed}\t\u{1}echo s''o: \r"));
        self.pty.wait_for(&format!("so: {expected}"));
        self.pty.wait_for("ready> ");
    }

    fn completes_flags_and_commands(&self) {
        self.completes("requester --fie", "requester --field");
        self.completes("requester stat", "requester status");
        self.completes("requester wait --use-w", "requester wait --use-within");
        self.completes("approver --ca-", "approver --ca-cert");
        self.completes("pushd token cr", "pushd token create");
        self.completes("pushd --notify-j", "pushd --notify-jobs");
        // The shell's own pushd takes a folder, also when ours is known.
        self.completes("pushd backl", "pushd backlog");
        self.completes("pushd resto", "pushd restore");
        // A folder hides no command, and a command no folder.
        self.completes("pushd rest", "pushd rest\r");
    }
}

#[test]
fn bash_completes_flags_and_commands_and_its_own_pushd_still_completes_folders() {
    let shell = Shell::start("bash", &["--norc", "--noprofile", "-i"], "");
    shell.completes_flags_and_commands();
}

#[test]
fn zsh_completes_flags_and_commands_and_its_own_pushd_still_completes_folders() {
    let before = "autoload -Uz compinit; compinit -u -D; unsetopt beep; ";
    let shell = Shell::start("zsh", &["-f", "-i"], before);
    shell.completes_flags_and_commands();
}

#[test]
fn fish_completes_flags_and_commands_and_its_own_pushd_still_completes_folders() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("backlog")).unwrap();
    let offers = |typed: &str| {
        let (program, _) = typed.split_once(' ').unwrap();
        let script =
            format!("cd $HOME; env {program} --completions fish | source; complete -C '{typed}'");
        let environment = [
            ("PATH", path()),
            ("HOME", home.path().display().to_string()),
        ];
        let mut command = Command::new("fish");
        command.env_clear().envs(environment);
        command.args(["--no-config", "-c", &script]);
        Ran::to_its_end(command)
    };
    for (typed, offered) in [
        ("requester --fie", "--field\t"),
        ("requester stat", "status\t"),
        ("requester wait --use-w", "--use-within\t"),
        ("approver --ca-", "--ca-cert\t"),
        ("pushd token cr", "create\t"),
        ("pushd --notify-j", "--notify-jobs\t"),
        ("pushd backl", "backlog/"),
        ("pushd resto", "restore\t"),
    ] {
        let ran = offers(typed);
        let found = ran.stdout.lines().any(|line| line.starts_with(offered));
        assert!(found, "{typed}: {ran:?}");
    }
}

fn pages(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = files.map(|file| name(file.unwrap().path())).collect();
    names.sort();
    names
}

#[test]
fn every_command_has_a_manual_page_with_its_flags_and_variables() {
    let folder = tempfile::tempdir().unwrap();
    for (_, program) in PROGRAMS {
        let ran = run(program, &["--man", folder.path().to_str().unwrap()], &[]);
        assert_eq!(
            (ran.code, &ran.stdout[..], &ran.stderr[..]),
            (Some(0), "", "")
        );
    }
    let pages = pages(folder.path());
    for page in [
        "pushd.1",
        "pushd-token-create.1",
        "pushd-audit-export.1",
        "requester.1",
        "requester-wait.1",
        "approver.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let text = std::fs::read_to_string(folder.path().join("requester-wait.1")).unwrap();
    for words in [
        r"requester wait",
        r"\-\-use\-within",
        "PUSHD_USE_WITHIN",
        "PUSHD_URL",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn variables_and_secrets_of_whoever_installs_are_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("PUSHD_URL", "nonsense"),
        ("PUSHD_TOKEN", "secret-7"),
        ("PUSHD_NOTIFY", "secret-7"),
        ("PUSHD_KEY", "secret-7"),
    ];
    for (name, program) in PROGRAMS {
        for args in [
            ["--completions", "bash"],
            ["--completions", "zsh"],
            ["--completions", "fish"],
            ["--man", folder.path().to_str().unwrap()],
        ] {
            let ran = run(program, &args, &environment);
            assert_eq!(
                (ran.code, &ran.stderr[..]),
                (Some(0), ""),
                "{name} {args:?}"
            );
            assert!(!ran.stdout.contains("secret-7"), "{name} {args:?}");
        }
    }
    for page in pages(folder.path()) {
        let text = std::fs::read_to_string(folder.path().join(&page)).unwrap();
        assert!(!text.contains("secret-7"), "{page}");
    }
}

#[test]
fn they_go_first_and_alone_and_say_where_they_cannot_write() {
    for (name, program) in PROGRAMS {
        for (args, code) in [
            (&["--completions", "tcsh"][..], 64),
            (&["--completions", "bash", "--version"], 64),
            (&["--url", "http://h:1", "--completions", "bash"], 64),
            (&["--man", "/nowhere/at/all"], 73),
        ] {
            let ran = run(program, args, &[]);
            assert_eq!(ran.code, Some(code), "{name} {args:?} {ran:?}");
            assert_eq!(ran.stdout, "");
        }
        let help = run(program, &["--help"], &[]).stdout;
        assert!(help.contains("--completions <SHELL>"), "{help}");
    }
}
