//! Which characters the terminal can be sent.

use std::sync::OnceLock;

/// How the terminal reads the bytes it gets, as far as the locale tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8: every printable character can be shown as itself.
    Utf8,
    /// Anything else, or unknown: only ASCII means the same there. The continuation bytes of UTF-8
    /// are C1 control codes in many 8-bit character sets (0x9b is CSI), so none may be sent.
    Ascii,
}

impl Charset {
    /// The character set that the locale names (POSIX.1-2024, XBD section 8.2): the first of the
    /// three variables that is set and not empty decides.
    pub fn from_locale(lc_all: Option<&str>, lc_ctype: Option<&str>, lang: Option<&str>) -> Self {
        let locale = [lc_all, lc_ctype, lang]
            .into_iter()
            .flatten()
            .find(|value| !value.is_empty())
            .unwrap_or("POSIX");
        // A locale is `language_TERRITORY.CODESET@modifier`; macOS also sets a bare `UTF-8`.
        let locale = locale.split_once('@').map_or(locale, |(name, _)| name);
        let codeset = locale.rsplit_once('.').map_or(locale, |(_, set)| set);
        let plain: String = codeset.chars().filter(|&c| c != '-').collect();
        if plain.eq_ignore_ascii_case("utf8") {
            Self::Utf8
        } else {
            Self::Ascii
        }
    }

    /// The character set of this process, read from `LC_ALL`, `LC_CTYPE` and `LANG` once.
    ///
    /// A value that is not Unicode counts as a locale that is not UTF-8.
    pub fn of_process() -> Self {
        static CHARSET: OnceLock<Charset> = OnceLock::new();
        *CHARSET.get_or_init(|| {
            let read =
                |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            let [all, ctype, lang] = ["LC_ALL", "LC_CTYPE", "LANG"].map(read);
            Self::from_locale(all.as_deref(), ctype.as_deref(), lang.as_deref())
        })
    }

    /// `unicode` where it can be shown, `ascii` elsewhere.
    pub const fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Utf8 => unicode,
            Self::Ascii => ascii,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codeset_is_found_in_every_spelling() {
        for utf8 in [
            "en_US.UTF-8",
            "C.utf8",
            "de_DE.UTF-8@euro",
            "UTF-8",
            "C.Utf-8",
        ] {
            assert_eq!(
                Charset::from_locale(None, None, Some(utf8)),
                Charset::Utf8,
                "{utf8}"
            );
        }
        for other in [
            "C",
            "POSIX",
            "de_DE",
            "de_DE.ISO-8859-1",
            "ja_JP.eucJP",
            "de_DE@utf8",
            "x.utf-16",
        ] {
            assert_eq!(
                Charset::from_locale(None, None, Some(other)),
                Charset::Ascii,
                "{other}"
            );
        }
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let of = Charset::from_locale;
        assert_eq!(
            of(Some("C"), Some("C.UTF-8"), Some("C.UTF-8")),
            Charset::Ascii
        );
        assert_eq!(of(Some(""), Some("C.UTF-8"), Some("C")), Charset::Utf8);
        assert_eq!(of(None, Some("C"), Some("C.UTF-8")), Charset::Ascii);
        assert_eq!(of(None, None, None), Charset::Ascii);
    }
}
