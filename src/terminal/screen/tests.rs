//! Against an emulated terminal: what we think is on the screen has to be there.

use super::*;
use crate::terminal::locale::Charset;
use crate::terminal::style::Ink;

struct Emulated {
    terminal: vt100::Parser,
    screen: Screen,
}

impl Emulated {
    fn new(rows: u16, columns: u16) -> Self {
        let look = Look {
            charset: Charset::Utf8,
            styled: true,
            cursor: true,
        };
        let size = (usize::from(rows), usize::from(columns));
        let mut emulated = Self {
            terminal: vt100::Parser::new(
                rows.try_into().unwrap(),
                columns.try_into().unwrap(),
                100,
            ),
            screen: Screen::new(look, Some(size)),
        };
        emulated.shell("$ approver\r\n");
        emulated.draw(Screen::start);
        emulated
    }

    fn draw(&mut self, draw: impl FnOnce(&mut Screen) -> String) {
        let text = draw(&mut self.screen);
        self.terminal.process(text.as_bytes());
    }

    /// What somebody else writes, such as the kernel that echoes.
    fn shell(&mut self, text: &str) {
        self.terminal.process(text.as_bytes());
    }

    fn ask(&mut self, name: &str, rows: usize) {
        let lines = (1..=rows).map(|n| row(&format!("{name} {n}"))).collect();
        self.draw(|screen| screen.ask(lines, "ok? ".to_owned()));
    }

    fn lines(&self) -> Vec<String> {
        let text = self.terminal.screen().contents();
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

fn row(text: &str) -> Row {
    Row::new().and(Ink::Plain, text)
}

#[test]
fn a_question_is_drawn_below_and_its_rows_change_while_somebody_types() {
    let mut on = Emulated::new(12, 20);
    on.draw(|screen| screen.print(&[row("hello")]));
    on.ask("a", 3);
    on.shell("n abc");
    on.draw(|screen| screen.change(1, row("changed")));
    assert_eq!(on.lines(), ["hello", "a 1", "changed", "a 3", "ok? n abc"]);
    assert_eq!(on.terminal.screen().cursor_position(), (4, 9));
}

#[test]
fn rows_are_found_after_the_screen_has_scrolled() {
    let mut on = Emulated::new(12, 20);
    for name in ["a", "b"] {
        on.ask(name, 5);
        on.shell("y\r\n");
        on.draw(|screen| screen.answered(&[row("done")]));
    }
    on.ask("c", 4);
    on.draw(|screen| screen.change(0, row("changed")));
    let lines = on.lines();
    assert_eq!(
        lines[lines.len() - 6..],
        ["done", "changed", "c 2", "c 3", "c 4", "ok?"]
    );
}

#[test]
fn a_question_that_is_taller_than_the_screen_keeps_its_end_in_order() {
    let mut on = Emulated::new(12, 20);
    on.ask("a", 20);
    on.draw(|screen| screen.change(0, row("gone")) + &screen.change(19, row("changed")));
    let lines = on.lines();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[7..], ["a 19", "changed", "ok?"]);
    on.draw(|screen| screen.strike(&row("over"), 20, &[row("expired")]));
    let lines = on.lines();
    assert_eq!(lines[7..], ["a 19", "changed", "expired"]);
}

#[test]
fn a_long_line_that_is_being_typed_moves_no_row_of_the_question() {
    // The screen scrolled below a line of many rows, and the clock was written over the prompt.
    let mut on = Emulated::new(12, 20);
    on.ask("a", 8);
    on.shell(&"x".repeat(200));
    on.draw(|screen| screen.change(7, row("changed")));
    let asked = |lines: Vec<String>| lines[..8].join(" ");
    assert_eq!(asked(on.lines()), "a 1 a 2 a 3 a 4 a 5 a 6 a 7 changed");
    on.shell("\r\n");
    on.draw(|screen| screen.change(7, row("no answer")) + &screen.prompt_again());
    assert_eq!(asked(on.lines()), "a 1 a 2 a 3 a 4 a 5 a 6 a 7 no answer");
    assert_eq!(on.lines()[8..], ["ok?"]);
    // And whoever writes next has the whole screen.
    on.draw(|screen| screen.answered(&[row("done")]));
    on.shell(&"more\r\n".repeat(20));
    assert_eq!(on.lines()[0], "more");
}

#[test]
fn a_question_that_no_longer_counts_is_struck_out() {
    let mut on = Emulated::new(14, 20);
    on.ask("a", 4);
    on.shell("n half a lin");
    on.draw(|screen| screen.strike(&row("over"), 3, &[row("approved by bob")]));
    on.ask("b", 2);
    assert_eq!(
        on.lines(),
        ["over", "a 2", "a 3", "approved by bob", "b 1", "b 2", "ok?"]
    );
}

#[test]
fn a_question_that_is_drawn_again_takes_its_own_place() {
    let mut on = Emulated::new(12, 20);
    on.draw(|screen| screen.print(&[row("hello")]));
    on.ask("a", 4);
    on.shell("n half a lin");
    on.ask("b", 2);
    assert_eq!(on.lines(), ["hello", "b 1", "b 2", "ok?"]);
}

#[test]
fn after_somebody_else_has_written_it_goes_on_below() {
    let mut on = Emulated::new(12, 20);
    on.ask("a", 2);
    on.shell("\r\n[1]+ Stopped\r\n$ fg\r\n");
    on.draw(|screen| {
        screen.disturbed();
        screen.ask(vec![row("a 1")], "ok? ".to_owned())
    });
    let lines = on.lines();
    assert!(lines.contains(&"$ fg".to_owned()), "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], ["a 1", "ok?"]);
}

#[test]
fn a_terminal_without_cursor_movement_gets_lines_only() {
    let look = Look {
        charset: Charset::Ascii,
        styled: false,
        cursor: false,
    };
    let mut screen = Screen::new(look, Some((24, 80)));
    let mut out = screen.start();
    out += &screen.print(&[row("hello")]);
    out += &screen.ask(vec![row("a 1"), row("a 2")], "ok? ".to_owned());
    out += &screen.change(1, row("changed"));
    out += &screen.strike(&row("over"), 2, &[row("expired")]);
    assert_eq!(out, "hello\r\na 1\r\na 2\r\nok? \r\nover\r\nexpired\r\n");
}
