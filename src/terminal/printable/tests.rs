use proptest::prelude::*;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::*;

fn shown(text: &str) -> String {
    visible_in(text, Charset::Utf8)
}

#[test]
fn everyday_text_of_many_scripts_stays_as_it_is() {
    for text in [
        "Deploy web 2.3 to production?",
        "Größe: 3 µm – naïve café",
        "部署到生产环境？",
        "デプロイしますか",
        "배포할까요?",
        "Развернуть?",
        "هل توافق؟",
        "प्रार्थना",
        "e\u{301}a\u{323}\u{302}",
        "🚀 ⚠\u{fe0f} ✅ 👍🏽 🇩🇪",
        "a\\b {c} \"d\"",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn what_drives_a_terminal_is_escaped() {
    assert_eq!(shown("\u{1b}[2J"), "\\u{1b}[2J");
    assert_eq!(shown("\u{9b}2J"), "\\u{9b}2J");
    assert_eq!(shown("a\rb\nc\td"), "a\\u{d}b\\u{a}c\\u{9}d");
    assert_eq!(
        shown("\u{0}\u{7}\u{8}\u{7f}\u{80}\u{9f}"),
        "\\u{0}\\u{7}\\u{8}\\u{7f}\\u{80}\\u{9f}"
    );
}

#[test]
fn what_hides_or_turns_text_around_is_escaped() {
    for c in [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{70f}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{180b}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{206a}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{1bca0}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0041}',
        '\u{e0100}',
        '\u{e000}',
        '\u{f8ff}',
        '\u{378}',
        '\u{10ffff}',
        '\u{ffff}',
    ] {
        let text = format!("a{c}b");
        assert_eq!(
            shown(&text),
            format!("a{}b", c.escape_unicode()),
            "U+{:04X}",
            u32::from(c)
        );
    }
}

#[test]
fn a_variation_selector_is_taken_once_after_a_symbol() {
    assert_eq!(shown("⚠\u{fe0f}"), "⚠\u{fe0f}");
    assert_eq!(shown("⚠\u{fe0f}\u{fe0f}"), "⚠\u{fe0f}\\u{fe0f}");
    assert_eq!(shown("a\u{fe0e}"), "a\\u{fe0e}");
}

#[test]
fn marks_stand_on_letters_and_do_not_pile_up() {
    let pile = "a".to_owned() + &"\u{301}".repeat(limits::MARKS + 2);
    let kept = "a".to_owned() + &"\u{301}".repeat(limits::MARKS);
    assert_eq!(shown(&pile), kept + "\\u{301}\\u{301}");
    assert_eq!(shown("\u{301}"), "\\u{301}");
    assert_eq!(shown(" \u{301}"), " \\u{301}");
    assert_eq!(shown("\u{1b}\u{301}"), "\\u{1b}\\u{301}");
    assert_eq!(shown("│\u{301}"), "│\\u{301}");
}

#[test]
fn nothing_can_look_struck_out() {
    assert_eq!(shown("n\u{336}o\u{336}"), "n\\u{336}o\\u{336}");
}

#[test]
fn a_terminal_that_is_not_utf_8_gets_ascii_only() {
    let shown = visible_in("Größe \u{1b} 部", Charset::Ascii);
    assert_eq!(shown, "Gr\\u{f6}\\u{df}e \\u{1b} \\u{90e8}");
}

#[test]
fn lines_end_as_in_files_and_no_other_way() {
    let lines = visible_lines("a\r\nb\rc\u{85}d\u{2028}e\n\nf\n", Charset::Utf8);
    assert_eq!(lines, ["a", "b\\u{d}c\\u{85}d\\u{2028}e", "", "f"]);
    assert_eq!(visible_lines("\n", Charset::Utf8), [""]);
}

#[test]
fn a_tab_is_seen_and_keeps_columns() {
    let lines = visible_lines("\tx\nab\ty", Charset::Utf8);
    assert_eq!(lines, ["\\t      x", "ab\\t    y"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_text_comes_out_with_a_character_that_does_harm(text in any_text()) {
        for (charset, shown) in [Charset::Utf8, Charset::Ascii].map(|set| (set, visible_in(&text, set))) {
            for c in shown.chars() {
                prop_assert!(!c.is_control(), "{shown:?}");
                prop_assert!(charset == Charset::Utf8 || c.is_ascii(), "{shown:?}");
                prop_assert!(class(c) != Class::Hidden && !is_refused(c), "{shown:?}");
            }
        }
    }

    #[test]
    fn doing_it_again_changes_nothing(text in any_text()) {
        let once = shown(&text);
        prop_assert_eq!(shown(&once), once.clone());
        let ascii = visible_in(&text, Charset::Ascii);
        prop_assert_eq!(visible_in(&once, Charset::Ascii), ascii);
    }

    #[test]
    fn plain_ascii_is_never_changed(text in "[ -~]{0,80}") {
        prop_assert_eq!(shown(&text), text);
    }
}

/// Text in which harmful characters are as common as others.
fn any_text() -> impl Strategy<Value = String> {
    let c = prop_oneof![
        any::<char>(),
        (0_u32..0x3000).prop_filter_map("a character", char::from_u32),
        Just('a'),
        Just('⚠'),
        Just('\u{fe0f}'),
        Just('\u{301}'),
        Just('\u{1b}'),
    ];
    proptest::collection::vec(c, 0..40).prop_map(String::from_iter)
}

fn is_refused(c: char) -> bool {
    use GeneralCategory as G;
    matches!(
        c.general_category(),
        G::Control
            | G::Format
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::Surrogate
            | G::PrivateUse
            | G::Unassigned
    )
}
