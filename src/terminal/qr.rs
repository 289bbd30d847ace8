//! A QR code (ISO/IEC 18004) on a terminal.
//!
//! A scanner wants dark modules on a light ground with a light margin around them, and terminals
//! are dark or light. Where colours are to be had, both are set, from the part of the palette that
//! themes leave alone. Elsewhere the light modules are drawn and the dark ones left out, which is
//! right on a dark terminal; on a light one the code is inverted, which most scanners read.

use qrcode::{Color, EcLevel, QrCode};

use super::locale::Charset;
use super::style::Look;

/// Light modules around a code, on each side (section 9.1 of the 2015 edition).
const MARGIN: usize = 4;
/// Black on white, whatever the theme: these two are in the fixed part of the 256 colours.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
/// A white ground and a black one.
const GROUNDS: [&str; 2] = ["\u{1b}[48;5;231m", "\u{1b}[48;5;16m"];
/// As it was before.
const RESET: &str = "\u{1b}[0m";
/// Rows that stay free for what stands below the code.
const ROWS_BELOW: usize = 3;

/// The code of `text`, row by row and with its margin; `None` when the text is too long for one,
/// or the code has no room in so many rows and columns.
pub fn rows(text: &str, look: Look, (rows, columns): (usize, usize)) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let modules = Modules::of(&code);
    let (high, wide) = match look.charset {
        Charset::Utf8 => (modules.side.div_ceil(2), modules.side),
        Charset::Ascii => (modules.side, modules.side * 2),
    };
    // The last column stays free: some terminals wrap when it is written.
    if high + ROWS_BELOW > rows || wide >= columns {
        return None;
    }
    Some(match look.charset {
        Charset::Utf8 => modules.halves(look.styled),
        Charset::Ascii => modules.pairs(look.styled),
    })
}

/// The modules of a code with its margin.
struct Modules {
    dark: Vec<bool>,
    side: usize,
}

impl Modules {
    fn of(code: &QrCode) -> Self {
        let width = code.width();
        let side = width + 2 * MARGIN;
        let mut dark = vec![false; side * side];
        for (n, color) in code.to_colors().into_iter().enumerate() {
            let (x, y) = (n % width + MARGIN, n / width + MARGIN);
            if let Some(module) = dark.get_mut(y * side + x) {
                *module = color == Color::Dark;
            }
        }
        Self { dark, side }
    }

    /// What is outside is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = x < self.side;
        inside && self.dark.get(y * self.side + x).copied().unwrap_or(false)
    }

    /// Two modules above each other in one character, which are about square then.
    fn halves(&self, styled: bool) -> Vec<String> {
        let row = |y: usize| {
            let drawn = (0..self.side).map(|x| {
                // With colours the dark ones are drawn on white, else the light ones on the dark.
                let [upper, lower] = [y, y + 1].map(|y| self.is_dark(x, y) == styled);
                match (upper, lower) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                }
            });
            let drawn: String = drawn.collect();
            if styled {
                format!("{BLACK_ON_WHITE}{drawn}{RESET}")
            } else {
                drawn
            }
        };
        (0..self.side).step_by(2).map(row).collect()
    }

    /// Each module in two characters of ASCII: spaces on a ground, or signs.
    fn pairs(&self, styled: bool) -> Vec<String> {
        let row = |y: usize| {
            let mut drawn = String::new();
            let mut last = None;
            for x in 0..self.side {
                let dark = self.is_dark(x, y);
                if styled && last.replace(dark) != Some(dark) {
                    let [light_ground, dark_ground] = GROUNDS;
                    drawn.push_str(if dark { dark_ground } else { light_ground });
                }
                drawn.push_str(if styled || dark { "  " } else { "##" });
            }
            if styled {
                drawn.push_str(RESET);
            }
            drawn
        };
        (0..self.side).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://pushd.example/r/k3v5q2m7tq4zj6xw2h5o3c7ahe";

    fn look(charset: Charset, no_color: Option<&str>) -> Look {
        Look::from_env(charset, Some("xterm"), no_color)
    }

    /// The code that these rows show, when each drawn half or pair is light, or dark.
    fn decoded(rows: &[String], drawn_is_dark: bool) -> String {
        let cells = |row: &String| -> Vec<[bool; 2]> {
            row.chars()
                .map(|c| match c {
                    '█' => [true, true],
                    '▀' => [true, false],
                    '▄' => [false, true],
                    ' ' => [false, false],
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        let cells: Vec<_> = rows.iter().map(cells).collect();
        let (side, zoom) = (cells[0].len(), 4);
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(side * zoom, side * zoom, |x, y| {
                let (x, y) = (x / zoom, y / zoom);
                let drawn = cells.get(y / 2).is_some_and(|row| row[x][y % 2]);
                if drawn == drawn_is_dark { 0 } else { 255 }
            });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_code_of_half_blocks_is_read_as_its_text() {
        let styled = rows(LINK, look(Charset::Utf8, None), (50, 80)).unwrap();
        let bare: Vec<_> = styled
            .iter()
            .map(|row| {
                let row = row.strip_prefix(BLACK_ON_WHITE).unwrap();
                row.strip_suffix(RESET).unwrap().to_owned()
            })
            .collect();
        assert_eq!(decoded(&bare, true), LINK);
        let plain = rows(LINK, look(Charset::Utf8, Some("1")), (50, 80)).unwrap();
        assert_eq!(decoded(&plain, false), LINK);
    }

    #[test]
    fn where_the_locale_is_not_utf_8_all_is_ascii() {
        for no_color in [None, Some("1")] {
            let rows = rows(LINK, look(Charset::Ascii, no_color), (50, 100)).unwrap();
            assert!(rows.iter().all(|row| row.is_ascii()), "{rows:?}");
        }
    }

    #[test]
    fn a_code_is_never_larger_than_the_terminal() {
        // Version 3 has 29 modules on a side, and the margin is 8.
        let utf8 = look(Charset::Utf8, None);
        let ascii = look(Charset::Ascii, None);
        for (look, fits, room) in [
            (utf8, true, (22, 38)),
            (utf8, false, (22, 37)),
            (utf8, false, (21, 38)),
            (ascii, true, (40, 75)),
            (ascii, false, (40, 74)),
            (ascii, false, (39, 75)),
        ] {
            assert_eq!(rows(LINK, look, room).is_some(), fits, "{room:?}");
        }
        assert_eq!(rows(&"x".repeat(5000), utf8, (9999, 9999)), None);
    }
}
