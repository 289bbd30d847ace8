//! The title of a request for a command: the command, as somebody would type it.

use crate::limits;
use crate::terminal::locale::Charset;
use crate::terminal::printable::visible_in;

/// The command in one line of at most [`limits::TITLE_CHARS`] characters.
///
/// It is for the eye: what is not plain text is shown as an escape, and what does not fit is cut,
/// with a sign. The arguments themselves are in the request, exactly.
pub(super) fn title(argv: &[String]) -> String {
    let mut line = String::new();
    for argument in argv {
        if !line.is_empty() {
            line.push(' ');
        }
        quote(argument, &mut line);
        // What is longer is cut anyway, and visible text is not shorter than what it shows.
        if line.chars().nth(limits::TITLE_CHARS).is_some() {
            break;
        }
    }
    let line = visible_in(&line, Charset::Utf8);
    if line.chars().nth(limits::TITLE_CHARS).is_none() {
        return line;
    }
    let kept: String = line.chars().take(limits::TITLE_CHARS - 1).collect();
    kept + "…"
}

/// Appends the argument as a shell would have to be given it.
fn quote(argument: &str, line: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        line.push_str(argument);
        return;
    }
    line.push('\'');
    for c in argument.chars().take(limits::TITLE_CHARS) {
        match c {
            '\'' => line.push_str(r"'\''"),
            c => line.push(c),
        }
    }
    line.push('\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Title;

    fn titled(argv: &[&str]) -> String {
        let argv: Vec<_> = argv.iter().map(|&argument| argument.to_owned()).collect();
        title(&argv)
    }

    #[test]
    fn it_is_what_one_would_type() {
        assert_eq!(
            titled(&["terraform", "apply", "plan.out"]),
            "terraform apply plan.out"
        );
        assert_eq!(titled(&["sh", "-c", "exit 7"]), "sh -c 'exit 7'");
        assert_eq!(titled(&["echo", "", "it's"]), r"echo '' 'it'\''s'");
    }

    #[test]
    fn what_could_drive_a_terminal_or_hide_is_visible() {
        assert_eq!(
            titled(&["echo", "a\nb\u{1b}[2J\u{202e}"]),
            r"echo 'a\u{a}b\u{1b}[2J\u{202e}'"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_sign() {
        for argv in [vec!["x"; 1024], vec!["echo", &"y".repeat(60_000)]] {
            let title = titled(&argv);
            assert_eq!(title.chars().count(), limits::TITLE_CHARS);
            assert!(title.ends_with('…'), "{title}");
        }
        let fits = "z".repeat(limits::TITLE_CHARS);
        assert_eq!(titled(&[&fits]), fits);
    }

    proptest! {
        #[test]
        fn it_is_always_a_title(argv in prop::collection::vec("(?s).{0,80}", 1..9)) {
            let title = title(&argv);
            prop_assert!(Title::new(title.clone()).is_ok(), "{title:?}");
        }
    }
}
