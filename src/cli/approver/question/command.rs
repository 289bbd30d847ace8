//! The command that an approval lets run, as the asker says it: exactly.

use super::{Room, one_line};
use crate::terminal::quoted::{quoted, quoted_line};
use crate::terminal::row::{Frame, Row};
use crate::terminal::style::Ink;
use crate::wire::{Command, Content};

/// The rows of a command: what is run first, in which no character hides, then where, as whom, and
/// with what.
pub(super) fn command_rows(command: &Command, room: Room) -> Vec<Row> {
    let charset = room.look.charset;
    let frame = Frame::new(room.look, room.width);
    let row = |name: &str, ink: Ink, text: &str| frame.rows(&format!("{name:<9}"), ink, text);
    let mut rows = row("runs", Ink::Strong, &quoted_line(&command.argv, charset));
    rows.extend(row(
        "program",
        Ink::Plain,
        &quoted(&command.program, charset),
    ));
    rows.extend(row("in", Ink::Plain, &quoted(&command.directory, charset)));
    let (user, host) = (
        one_line(&command.user, charset),
        one_line(&command.host, charset),
    );
    let who = match (user.as_str(), host.as_str()) {
        ("", "") => None,
        (user, "") => Some(user.to_owned()),
        ("", host) => Some(format!("somebody on {host}")),
        (user, host) => Some(format!("{user} on {host}")),
    };
    if let Some(who) = who {
        rows.extend(row("as", Ink::Plain, &who));
    }
    for variable in command.environment.iter().flatten() {
        let (name, value) = (
            quoted(&variable.name, charset),
            quoted(&variable.value, charset),
        );
        rows.extend(row("with", Ink::Plain, &format!("{name}={value}")));
    }
    if let Some(content) = &command.stdin {
        rows.extend(row(
            "stdin",
            Ink::Plain,
            &one_line(&digest(content), charset),
        ));
    }
    for file in command.files.iter().flatten() {
        let content = Content {
            sha256: file.sha256.clone(),
            bytes: file.bytes,
        };
        let text = one_line(&digest(&content), charset);
        let text = format!("{}, {text}", quoted(&file.path, charset));
        rows.extend(row("file", Ink::Plain, &text));
    }
    rows
}

fn digest(content: &Content) -> String {
    format!("{} bytes, SHA-256 {}", content.bytes, content.sha256)
}
