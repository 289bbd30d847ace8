//! Which characters of a stranger's text may be shown as themselves.
//!
//! A leaf: it sorts single characters and knows no screen. The terminal and the pages both go by
//! it, so that the same text looks the same on both.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// What a character may do on a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It could drive a screen, hide, or turn or cover its neighbours: never shown as itself.
    Hidden,
    /// It stands on the letter or digit before it, or on nothing.
    Mark,
    /// A letter or digit: it carries marks.
    Letter,
    /// A symbol: one [`Class::Selector`] may follow.
    Symbol,
    /// Anything else that is printed.
    Plain,
    /// Chooses between the text and the emoji form of the symbol before it (UTS #51 section 1.4.3).
    Selector,
}

/// The class of a character.
pub fn class(c: char) -> Class {
    use GeneralCategory as G;
    if matches!(c, '\u{fe0e}' | '\u{fe0f}') {
        return Class::Selector;
    }
    if is_blank(c) || is_overlay(c) {
        return Class::Hidden;
    }
    match c.general_category() {
        G::Control
        | G::Format
        | G::LineSeparator
        | G::ParagraphSeparator
        | G::Surrogate
        | G::PrivateUse
        | G::Unassigned
        | G::EnclosingMark => Class::Hidden,
        G::NonspacingMark | G::SpacingMark => Class::Mark,
        G::UppercaseLetter
        | G::LowercaseLetter
        | G::TitlecaseLetter
        | G::ModifierLetter
        | G::OtherLetter
        | G::DecimalNumber
        | G::LetterNumber
        | G::OtherNumber => Class::Letter,
        G::OtherSymbol | G::MathSymbol => Class::Symbol,
        G::ConnectorPunctuation
        | G::DashPunctuation
        | G::OpenPunctuation
        | G::ClosePunctuation
        | G::InitialPunctuation
        | G::FinalPunctuation
        | G::OtherPunctuation
        | G::CurrencySymbol
        | G::ModifierSymbol
        | G::SpaceSeparator => Class::Plain,
    }
}

/// Characters that show nothing although their general category says letter, mark or symbol:
/// those that are `Default_Ignorable_Code_Point` (Unicode Standard, section 5.21) and not of a
/// category that is refused anyway, and the empty Braille pattern.
const fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2065}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Marks that strike through what they stand on: a stranger's text must not look struck out.
const fn is_overlay(c: char) -> bool {
    matches!(
        c,
        '\u{334}'..='\u{338}'
            | '\u{20d2}'..='\u{20d3}'
            | '\u{20d8}'..='\u{20da}'
            | '\u{20e5}'..='\u{20e6}'
            | '\u{20ea}'..='\u{20eb}'
    )
}
