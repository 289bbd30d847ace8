//! The arguments of a command, each so that its ends and every character in it can be told.
//!
//! What comes out is what bash, ksh and zsh read back as the same argument (`$'...'` is in
//! POSIX.1-2024, XCU section 2.2.4, all but `\u` and `\U`), and what is safe to print: it is ASCII,
//! or what a terminal shows as itself.

use std::fmt::Write as _;

use super::locale::Charset;
use super::printable::visible_in;
use crate::characters::{Class, class};

/// The argument as it is where that is clear, else in `'...'`, and where something in it cannot be
/// seen, in `$'...'`.
///
/// A space that begins or ends it, or follows another one, is written as `\x20`, so that no end of
/// a row hides how many there are.
pub fn quoted(argument: &str, charset: Charset) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    let is_clear = visible_in(argument, charset) == argument
        && !argument.contains(['\'', '\\'])
        && !argument.starts_with(' ')
        && !argument.ends_with(' ')
        && !argument.contains("  ");
    if is_clear {
        format!("'{argument}'")
    } else {
        spelled(argument, charset)
    }
}

/// Arguments in one line, each quoted.
pub fn quoted_line(arguments: &[String], charset: Charset) -> String {
    let quoted: Vec<_> = arguments
        .iter()
        .map(|argument| quoted(argument, charset))
        .collect();
    quoted.join(" ")
}

fn spelled(argument: &str, charset: Charset) -> String {
    let mut out = String::from("$'");
    let mut chars = argument.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' | '\\' => out.extend(['\\', c]),
            ' ' if before == ' ' || chars.peek().is_none() => out.push_str("\\x20"),
            ' '..='~' => out.push(c),
            c if charset == Charset::Utf8 && is_seen(c) => out.push(c),
            c => {
                let code = u32::from(c);
                match code {
                    0..0x80 => write!(out, "\\x{code:02x}"),
                    0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                }
                .expect("a String takes all that is written to it");
            }
        }
        before = c;
    }
    out.push('\'');
    out
}

/// Whether a character is seen as itself, whatever stands before it.
fn is_seen(c: char) -> bool {
    match class(c) {
        Class::Letter | Class::Symbol | Class::Plain => true,
        Class::Hidden | Class::Mark | Class::Selector => false,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const TRICKY: &[&str] = &[
        "",
        "plan.out",
        "a b",
        " a",
        "a ",
        "a  b",
        "it's",
        "back\\slash",
        "\\x41",
        "line\nline\r\t\u{b}",
        "$(reboot)",
        "`id`",
        "*",
        "-rf",
        "\u{1b}[2J",
        "\u{7f}1",
        "a\u{202e}b",
        "\u{200b}",
        "größe",
        "e\u{301}",
        "部署 🚀",
        "\u{10ffff}",
        "$'x'",
        "\"",
        "\u{1}f",
    ];

    #[test]
    fn what_is_clear_stays_and_what_hides_is_spelled() {
        for (argument, expected) in [
            ("plan.out", "plan.out"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a  b ", "$'a \\x20b\\x20'"),
            ("it's", "$'it\\'s'"),
            ("a\nb", "$'a\\nb'"),
            ("\u{1b}[2J", "$'\\x1b[2J'"),
            ("a\u{202e}b", "$'a\\u202eb'"),
            ("größe", "'größe'"),
            ("\\u{202e}", "$'\\\\u{202e}'"),
        ] {
            assert_eq!(quoted(argument, Charset::Utf8), expected, "{argument:?}");
        }
        assert_eq!(quoted("größe", Charset::Ascii), "$'gr\\u00f6\\u00dfe'");
    }

    #[test]
    fn bash_reads_back_the_same() {
        for charset in [Charset::Utf8, Charset::Ascii] {
            let arguments: Vec<String> = TRICKY.iter().map(|&text| text.to_owned()).collect();
            let line = quoted_line(&arguments, charset);
            let output = Command::new("bash")
                .env("LC_ALL", "C.UTF-8")
                .args(["-c", &format!("printf '%s\\0' {line}")])
                .output()
                .unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            let read: Vec<&str> = printed.split_terminator('\0').collect();
            assert_eq!(read, TRICKY, "{line}");
        }
    }

    proptest! {
        #[test]
        fn it_is_visible_and_no_two_arguments_look_the_same(
            one in "[a' \\\\\n\u{1b}é\u{301}\u{202e}x{}$1-]{0,6}",
            other in "[a' \\\\\n\u{1b}é\u{301}\u{202e}x{}$1-]{0,6}",
        ) {
            for charset in [Charset::Utf8, Charset::Ascii] {
                let shown = quoted(&one, charset);
                prop_assert_eq!(&visible_in(&shown, charset), &shown);
                prop_assert_eq!(shown == quoted(&other, charset), one == other);
            }
        }
    }
}
