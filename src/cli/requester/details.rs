//! Where the details come from.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};

use crate::limits;

/// The argument of `--details`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The details themselves.
    Text(String),
    /// `@FILE`
    File(PathBuf),
    /// `-`
    Stdin,
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix('@') {
            Some(file) => Self::File(file.into()),
            None if text == "-" => Self::Stdin,
            None => Self::Text(text.to_owned()),
        })
    }
}

impl Source {
    /// Gets the details.
    ///
    /// # Errors
    /// They cannot be read, are too long, or are not UTF-8.
    pub(super) fn read(self) -> anyhow::Result<String> {
        let name = match &self {
            Self::Text(_) => "--details".to_owned(),
            Self::File(path) => format!("--details @{}", path.display()),
            Self::Stdin => "--details - (standard input)".to_owned(),
        };
        let bytes = match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::File(path) => File::open(path).and_then(bounded),
            Self::Stdin => bounded(io::stdin().lock()),
        };
        let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
        let most = limits::DETAILS_BYTES;
        if bytes.len() > most {
            bail!("{name} has more than {most} bytes; cut it, or put it where a link can lead to");
        }
        String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            anyhow!("{name} is not UTF-8 at byte {place}; details are text")
        })
    }
}

/// What can be read, and one byte more than may be sent at most: a device need not end.
fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limits::DETAILS_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(source: &str) -> String {
        let source: Source = source.parse().unwrap();
        format!("{:#}", source.read().unwrap_err())
    }

    #[test]
    fn details_come_from_the_text_or_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "plan\n").unwrap();
        let source: Source = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!(source.read().unwrap(), "plan\n");
        let source: Source = "as it is".parse().unwrap();
        assert_eq!(source.read().unwrap(), "as it is");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_files_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan");
        let at = format!("@{}", path.display());
        let missing = error(&at);
        assert!(
            missing.contains(&at) && missing.contains("No such file"),
            "{missing}"
        );
        std::fs::write(&path, b"a\xff").unwrap();
        assert!(error(&at).contains("not UTF-8 at byte 1"));
        std::fs::write(&path, vec![b'a'; limits::DETAILS_BYTES + 1]).unwrap();
        assert!(error(&at).contains("more than 65536 bytes"));
        assert!(error("@/dev/zero").contains("/dev/zero has more than"));
    }

    #[test]
    fn exactly_the_limit_is_taken() {
        let text = "a".repeat(limits::DETAILS_BYTES);
        assert_eq!(Source::Text(text.clone()).read().unwrap(), text);
    }
}
