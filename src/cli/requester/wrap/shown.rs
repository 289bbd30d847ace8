//! The command as its approver is shown it: all of it, in text, or not at all.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::bound::BoundFile;
use super::digest::Digest;
use super::input::Input;
use crate::cli::requester::title;
use crate::domain::{self, Command, Content, Variable};
use crate::limits;

/// What is shown of a command, without what it is bound to. `variable` is the environment.
///
/// # Errors
/// Some of it is no text, or there is too much of it; the error says which argument or flag.
pub(super) fn shown(
    argv: &[impl AsRef<OsStr>],
    program: &Path,
    directory: &Path,
    names: &[impl AsRef<OsStr>],
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> anyhow::Result<Command> {
    at_most(
        "arguments of the command",
        argv.len(),
        limits::COMMAND_ARGUMENTS,
    )?;
    at_most("times --show-env", names.len(), limits::COMMAND_VARIABLES)?;
    let argv = argv.iter().enumerate().map(|(number, argument)| {
        let what = match number {
            0 => "the command's name".to_owned(),
            _ => format!("argument {number} of the command"),
        };
        text(&what, argument.as_ref())
    });
    let argv = argv.collect::<anyhow::Result<Vec<_>>>()?;
    let command = Command {
        argv,
        program: path("the path of the program", &absolute(directory, program))?,
        directory: path("the working directory", directory)?,
        user: title::user(),
        host: title::host(),
        environment: environment(names, variable)?,
        stdin: None,
        files: Vec::new(),
    };
    checked(command)
}

/// The same with what it is bound to.
///
/// # Errors
/// As above.
pub(super) fn bound(
    command: Command,
    files: &[BoundFile],
    input: Option<&Input>,
) -> anyhow::Result<Command> {
    checked(Command {
        stdin: input.map(|input| content(&input.digest)),
        files: files.iter().map(file).collect::<anyhow::Result<_>>()?,
        ..command
    })
}

fn checked(command: Command) -> anyhow::Result<Command> {
    let checked = command.checked();
    checked.map_err(|error| anyhow!("the command {error}"))
}

/// The files' number is looked at before they are read.
pub(super) fn few_enough_files(files: &[PathBuf]) -> anyhow::Result<()> {
    at_most("times --bind", files.len(), limits::COMMAND_FILES)
}

fn at_most(what: &str, actual: usize, most: usize) -> anyhow::Result<()> {
    if actual > most {
        bail!("{actual} {what} are too many; at most {most} are taken");
    }
    Ok(())
}

fn environment(
    names: &[impl AsRef<OsStr>],
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> anyhow::Result<Vec<Variable>> {
    let mut shown: Vec<Variable> = Vec::new();
    for name in names {
        let name = text("a name of --show-env", name.as_ref())?;
        if name.is_empty() || name.contains('=') {
            bail!("--show-env {name:?} is no name of a variable; it takes the name alone");
        }
        if shown.iter().any(|variable| variable.name == name) {
            continue;
        }
        let value = variable(name.as_ref())
            .ok_or_else(|| anyhow!("--show-env {name}: there is no such variable; set it first"))?;
        let value = text(&format!("the value of the variable {name}"), &value)?;
        shown.push(Variable { name, value });
    }
    Ok(shown)
}

fn file(file: &BoundFile) -> anyhow::Result<domain::BoundFile> {
    let Content { sha256, bytes } = content(&file.digest);
    Ok(domain::BoundFile {
        path: path("the path of a bound file", &file.path)?,
        sha256,
        bytes,
    })
}

fn content(digest: &Digest) -> Content {
    Content {
        sha256: digest.sha256.clone(),
        bytes: digest.bytes,
    }
}

/// The path from the root, without steps that lead nowhere. Links are not followed: which name of
/// a program is used often matters to it.
fn absolute(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path).components().collect()
}

fn path(what: &str, path: &Path) -> anyhow::Result<String> {
    text(what, path.as_os_str())
}

fn text(what: &str, value: &OsStr) -> anyhow::Result<String> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => bail!(
            "{what} is not UTF-8 at byte {}: {}; an approver could not be shown exactly what would \
             run",
            error.valid_up_to(),
            value.to_string_lossy()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn show(argv: &[OsString], names: &[OsString]) -> anyhow::Result<Command> {
        let variable = |name: &OsStr| match name.to_str() {
            Some("STAGE") => Some("prod".into()),
            Some("RAW") => Some(OsString::from_vec(vec![b'a', 0xff])),
            _ => None,
        };
        let program = Path::new("/bin/sh");
        shown(argv, program, Path::new("/srv"), names, variable)
    }

    fn os(texts: &[&str]) -> Vec<OsString> {
        texts.iter().map(Into::into).collect()
    }

    fn refused(argv: &[OsString], names: &[&str]) -> String {
        format!("{:#}", show(argv, &os(names)).unwrap_err())
    }

    #[test]
    fn every_text_is_shown_exactly() {
        let argv = os(&["sh", "-c", "a  b\n'\"\t", ""]);
        let shown = show(&argv, &os(&["STAGE", "STAGE"])).unwrap();
        assert_eq!(shown.argv, ["sh", "-c", "a  b\n'\"\t", ""]);
        assert_eq!(shown.program, "/bin/sh");
        assert_eq!(shown.directory, "/srv");
        assert_eq!(shown.environment.len(), 1);
        assert_eq!(shown.environment[0].value, "prod");
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_number_or_name() {
        let raw = OsString::from_vec(b"ab\xffc".to_vec());
        let third = [os(&["sh", "-c"]), vec![raw.clone()]].concat();
        let error = refused(&third, &[]);
        assert!(
            error.contains("argument 2 of the command is not UTF-8 at byte 2"),
            "{error}"
        );
        let error = refused(&[raw], &[]);
        assert!(error.contains("the command's name"), "{error}");
        let error = refused(&os(&["sh"]), &["RAW"]);
        assert!(error.contains("value of the variable RAW"), "{error}");
    }

    #[test]
    fn a_variable_has_a_name_and_is_there() {
        let argv = os(&["sh"]);
        assert!(refused(&argv, &["NONE"]).contains("no such variable"));
        assert!(refused(&argv, &["STAGE=test"]).contains("the name alone"));
        assert!(refused(&argv, &[""]).contains("no name"));
    }

    #[test]
    fn what_is_too_much_to_be_read_is_refused() {
        assert!(refused(&vec!["x".into(); 1025], &[]).contains("at most 1024"));
        let long = "x".repeat(limits::COMMAND_BYTES);
        let error = refused(&os(&["sh", &long]), &[]);
        assert!(
            error.contains("the command has") && error.contains("at most 65536"),
            "{error}"
        );
    }

    #[test]
    fn a_program_is_named_from_the_root() {
        for (path, shown) in [
            ("./x", "/srv/x"),
            ("bin/x", "/srv/bin/x"),
            ("/x", "/x"),
            ("../x", "/srv/../x"),
        ] {
            assert_eq!(
                absolute(Path::new("/srv"), Path::new(path)),
                Path::new(shown)
            );
        }
    }
}
