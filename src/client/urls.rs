//! Several addresses in one text.

use std::str::FromStr;

use super::url::{BadUrl, DaemonUrl};

/// Addresses of one daemon, or of several that share a store; one at least.
///
/// They are separated by commas or white space. In front of a Unix socket, whose path may have both
/// in it, the separator needs the beginning of an address behind it: `unix:/a,b` is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonUrls(Vec<DaemonUrl>);

/// What an address begins with.
const BEGINNINGS: [&str; 3] = ["http://", "https://", "unix:"];

impl DaemonUrls {
    /// All of `lists`, each address once, in order.
    pub fn all(lists: impl IntoIterator<Item = Self>) -> Vec<DaemonUrl> {
        let mut all = Vec::new();
        for url in lists.into_iter().flat_map(|list| list.0) {
            if !all.contains(&url) {
                all.push(url);
            }
        }
        all
    }
}

impl FromStr for DaemonUrls {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let urls = pieces(text).into_iter().map(str::parse);
        urls.collect::<Result<_, _>>().map(Self)
    }
}

/// The addresses in a text, as they are written; the text itself when there is none.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(end(rest));
        if !piece.is_empty() {
            pieces.push(piece);
        }
        rest = behind.trim_start_matches(is_separator);
    }
    if pieces.is_empty() {
        pieces.push(text);
    }
    pieces
}

/// Where the first address ends.
fn end(text: &str) -> usize {
    let is_socket = text.starts_with("unix:");
    let mut separators = text.match_indices(is_separator).map(|(at, _)| at);
    let found = separators.find(|&at| {
        let (_, behind) = text.split_at(at);
        let next = behind.trim_start_matches(is_separator);
        !is_socket || BEGINNINGS.iter().any(|begin| next.starts_with(begin))
    });
    found.unwrap_or(text.len())
}

fn is_separator(character: char) -> bool {
    character == ',' || character.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let urls: DaemonUrls = text.parse().unwrap();
        urls.0.iter().map(DaemonUrl::to_string).collect()
    }

    #[test]
    fn commas_and_spaces_separate() {
        for text in [
            "http://a:1,https://b/p",
            "http://a:1 https://b/p",
            " http://a:1 ,\n https://b/p, ",
        ] {
            assert_eq!(read(text), ["http://a:1", "https://b/p"], "{text:?}");
        }
    }

    #[test]
    fn the_path_of_a_socket_keeps_its_commas_and_spaces() {
        assert_eq!(read("unix:/a, b,c"), ["unix:/a, b,c"]);
        assert_eq!(
            read("unix:/a,b, unix:/c http://d"),
            ["unix:/a,b", "unix:/c", "http://d"]
        );
        assert_eq!(read("http://d,unix:/c,"), ["http://d", "unix:/c,"]);
    }

    #[test]
    fn each_of_them_has_to_be_one() {
        for (text, bad) in [
            ("http://a:1,b:2", "\"b:2\""),
            ("http://a https://", "https://"),
            ("", "\"\""),
            (",", "\",\""),
        ] {
            let error = text.parse::<DaemonUrls>().unwrap_err().to_string();
            assert!(error.contains(bad), "{error}");
        }
    }

    #[test]
    fn an_address_counts_once() {
        let lists: Vec<DaemonUrls> = ["http://a,http://b", "http://a/", "http://c"]
            .map(|text| text.parse().unwrap())
            .into();
        let all: Vec<_> = DaemonUrls::all(lists)
            .iter()
            .map(DaemonUrl::to_string)
            .collect();
        assert_eq!(all, ["http://a", "http://b", "http://c"]);
    }
}
