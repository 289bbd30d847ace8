//! Strangers' text, made safe to print.

/// The text with every character that could drive a terminal or hide shown as an escape such as
/// `\u{1b}`.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}
