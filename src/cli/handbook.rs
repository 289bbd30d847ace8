//! What a machine keeps about the programs: completions for its shells and manual pages, both made
//! from the definitions of the command line, so that they are never behind it.

mod builtin;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use clap_complete::aot::generate;
use clap_mangen::Man;

use super::exit;
use super::flags::unparsed;

const COMPLETIONS: &str = "completions";
const MAN: &str = "man";

/// `command` with the flags of this module, for its help and for the errors that name them.
pub(super) fn flagged(command: Command) -> Command {
    let completions = Arg::new(COMPLETIONS)
        .long(COMPLETIONS)
        .value_name("SHELL")
        .value_parser(["bash", "fish", "zsh"])
        .display_order(1000)
        .help("Print completions for this shell, and do nothing else");
    let man = Arg::new(MAN)
        .long(MAN)
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .display_order(1000)
        .help("Write the manual pages into this folder, and do nothing else");
    command.args([completions, man])
}

/// Whether one of these flags is on a command line that was read with them: they only work as the
/// first thing on it.
///
/// # Errors
/// What to say then.
pub(super) fn misplaced(matches: &ArgMatches) -> Result<(), &'static str> {
    let given = |name| matches.contains_id(name);
    if given(COMPLETIONS) || given(MAN) {
        return Err("--completions and --man go first, right after the program's name, and alone");
    }
    Ok(())
}

/// Carries out a command line that begins with one of these flags; answers the exit code. Any other
/// one is none of its business.
///
/// It comes before everything else is read, so that a variable with a wrong value, which is the
/// case at some later time, hinders nobody from installing. `command` is made only if it is needed.
pub(super) fn print(command: impl FnOnce() -> Command, line: &[OsString]) -> Option<u8> {
    let first = line.get(1)?.to_str()?;
    let (name, _) = first.split_once('=').unwrap_or((first, ""));
    if ![COMPLETIONS, MAN].contains(&name.strip_prefix("--")?) {
        return None;
    }
    // What it is called is taken from the command line.
    let alone = flagged(Command::new("program").disable_help_flag(true));
    let mut matches = match alone.try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return Some(unparsed(&error)),
    };
    let command = flagged(command());
    let name = command.get_name().to_owned();
    let done = match matches.remove_one::<String>(COMPLETIONS) {
        Some(shell) => write_out(&completions(command, &shell)),
        None => match matches.remove_one::<PathBuf>(MAN) {
            Some(folder) => manual(command, &folder),
            None => Ok(()),
        },
    };
    Some(match done {
        Ok(()) => exit::SUCCESS,
        Err(why) => {
            drop(writeln!(std::io::stderr(), "{name}: {why}"));
            exit::CANNOT_CREATE
        }
    })
}

fn completions(command: Command, shell: &str) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut command = without_last(command);
    let generator = match shell {
        "fish" => Shell::Fish,
        "zsh" => Shell::Zsh,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    generate(generator, &mut command, &name, &mut script);
    script.extend_from_slice(builtin::beside(&name, shell).as_bytes());
    script
}

/// The command without what stands behind two dashes: zsh would take it for the first word, and
/// offer files where the commands are.
fn without_last(command: Command) -> Command {
    if !command.get_positionals().any(Arg::is_last_set) {
        return command;
    }
    let arguments = command.get_arguments().filter(|arg| !arg.is_last_set());
    Command::new(command.get_name().to_owned())
        .version(env!("CARGO_PKG_VERSION"))
        .args(arguments.cloned())
        .subcommands(command.get_subcommands().cloned())
}

fn write_out(script: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout();
    let written = out.write_all(script).and_then(|()| out.flush());
    written.map_err(|error| format!("the output cannot be written: {error}"))
}

/// A page for the program and one for each of its commands, such as `pushd-token-create.1`.
fn manual(command: Command, folder: &Path) -> Result<(), String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(&command, folder).map_err(|error| {
        // It makes no folder, which may be a mistyped one.
        let folder = folder.display();
        format!("the manual pages cannot be written into {folder}: {error}")
    })
}

fn pages(command: &Command, folder: &Path) -> std::io::Result<()> {
    for command in command.get_subcommands() {
        pages(command, folder)?;
    }
    let page = Man::new(command.clone())
        .source(concat!("pushd ", env!("CARGO_PKG_VERSION")))
        .manual("Approvals for shell scripts");
    page.generate_to(folder).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_command_line_that_begins_otherwise_is_left_alone() {
        for words in [
            &["x"][..],
            &["x", "--url", "u", "--completions", "bash"],
            &["x", "--", "--completions", "bash"],
            &["x", "completions"],
            &["x", "--completion"],
        ] {
            let command = || unreachable!("{words:?} need no other command line");
            assert_eq!(print(command, &line(words)), None, "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_about_these_flags_is_the_command_line() {
        for words in [
            &["x", "--completions"][..],
            &["x", "--completions", "tcsh"],
            &["x", "--completions=bash", "more"],
            &["x", "--man"],
        ] {
            let code = print(|| Command::new("x"), &line(words));
            assert_eq!(code, Some(exit::USAGE), "{words:?}");
        }
    }
}
