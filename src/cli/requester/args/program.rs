//! What stands behind the two dashes: a program that is run once it is approved.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::is_given;

/// Why a line without a program ought to have one, if it ought.
///
/// `requester -- $PROGRAM` whose variable is empty must not become a question without a program,
/// whose yes would look like its success; and who binds a question to a file means a program.
pub(super) fn lacking(line: &[OsString], matches: &ArgMatches) -> Option<String> {
    if matches.subcommand().is_some() || matches.contains_id("command") {
        return None;
    }
    let dashes = line.last().is_some_and(|last| last == "--");
    // Details may be two dashes, if somebody likes.
    let mut details = matches.get_raw("details").into_iter().flatten();
    if dashes && details.next_back().is_none_or(|details| details != "--") {
        return Some(
            "there is no program behind --; leave -- out if there is none to run, or look why it \
             is empty"
                .to_owned(),
        );
    }
    let about = [
        ("bind", "--bind"),
        ("bind_stdin", "--bind-stdin"),
        ("show_env", "--show-env"),
    ];
    let (_, flag) = about.into_iter().find(|(id, _)| is_given(matches, id))?;
    Some(format!(
        "{flag} is about a program, and there is none; it comes behind all flags, after --"
    ))
}

/// Says what may stand there, where something stands that is neither a flag nor one of `commands`.
pub(super) fn with_a_tip(mut error: clap::Error, commands: &clap::Command) -> clap::Error {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word,
        _ => return error,
    };
    if !unknown.starts_with('-') {
        let names = commands.get_subcommands().map(clap::Command::get_name);
        let tip = format!(
            "there are {}; a program that is to run once it is approved comes behind all flags, \
             after --",
            names.collect::<Vec<_>>().join(", ")
        );
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}
