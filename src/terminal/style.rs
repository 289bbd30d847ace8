//! How the terminal is written to: which characters, whether in colour, whether rows can be
//! rewritten.

use console::Style;

use super::locale::Charset;

/// What a terminal can do, as far as the environment tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which characters it can be sent.
    pub charset: Charset,
    /// Whether colours and other attributes are wanted.
    pub styled: bool,
    /// Whether the cursor can be moved, so that what is on the screen can be rewritten.
    pub cursor: bool,
}

impl Look {
    /// What `TERM` and `NO_COLOR` (no-color.org) say: no attributes with `NO_COLOR`, and neither
    /// attributes nor cursor movement on a terminal that is dumb or has no name.
    pub fn from_env(charset: Charset, term: Option<&str>, no_color: Option<&str>) -> Self {
        let capable = term.is_some_and(|term| !term.is_empty() && term != "dumb");
        let refused = no_color.is_some_and(|value| !value.is_empty());
        Self {
            charset,
            styled: capable && !refused,
            cursor: capable,
        }
    }

    /// The look of this process's terminal.
    pub fn of_process() -> Self {
        let read = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let [term, no_color] = ["TERM", "NO_COLOR"].map(read);
        Self::from_env(Charset::of_process(), term.as_deref(), no_color.as_deref())
    }

    /// What shows that something was cut off.
    pub const fn ellipsis(self) -> &'static str {
        self.charset.pick("…", "...")
    }

    /// The text in one of our styles; the text itself must be visible already.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        let style = Style::new().force_styling(self.styled);
        let style = match ink {
            Ink::Plain => return text.to_owned(),
            _ if text.is_empty() => return String::new(),
            Ink::Strong => style.bold(),
            Ink::Faint => style.dim(),
            Ink::Label => style.cyan(),
            Ink::Yes => style.green().bold(),
            Ink::No => style.red().bold(),
            Ink::Trouble => style.yellow(),
            Ink::Struck => style.dim().strikethrough(),
        };
        style.apply_to(text).to_string()
    }
}

/// What a piece of text is, which says how it is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Nothing special.
    Plain,
    /// What matters most.
    Strong,
    /// What matters less.
    Faint,
    /// The name of a fact.
    Label,
    /// An approval.
    Yes,
    /// A denial.
    No,
    /// Something does not work as it should.
    Trouble,
    /// What no longer counts.
    Struck,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_have_it_and_people_who_want_it() {
        let of = |term, no_color| Look::from_env(Charset::Utf8, term, no_color);
        assert_eq!(
            of(Some("xterm"), None).paint(Ink::Strong, "a"),
            "\u{1b}[1ma\u{1b}[0m"
        );
        assert_eq!(
            of(Some("xterm"), Some("")).paint(Ink::Strong, "a"),
            "\u{1b}[1ma\u{1b}[0m"
        );
        for plain in [
            of(Some("xterm"), Some("1")),
            of(Some("dumb"), None),
            of(None, None),
        ] {
            assert_eq!(plain.paint(Ink::Strong, "a"), "a");
        }
    }

    #[test]
    fn a_dumb_terminal_is_written_line_by_line() {
        let of = |term, no_color| Look::from_env(Charset::Utf8, term, no_color).cursor;
        assert!(of(Some("xterm"), Some("1")));
        assert!(!of(Some("dumb"), None) && !of(Some(""), None) && !of(None, None));
    }
}
