//! What stands for many bytes: their SHA-256 (FIPS 180-4), and how many they are.

use std::io::{self, Read, Write};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The digest of something that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// 64 hexadecimal digits in lower case, as sha256sum(1) prints them.
    pub(super) sha256: String,
    /// How many bytes there were.
    pub(super) bytes: u64,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDigest {
    /// It does not end before the limit.
    #[error("it has more than {} MiB", .0 >> 20)]
    TooLong(usize),
    /// It cannot be read, or its copy not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Digest {
    /// Reads `from` to its end, which has to come within `most` bytes, and writes what it reads to
    /// `copy`.
    ///
    /// # Errors
    /// It is longer, or something cannot be read or written.
    pub(super) fn copying(
        from: impl Read,
        copy: &mut impl Write,
        most: usize,
    ) -> Result<Self, NoDigest> {
        let mut from = from.take(most as u64 + 1);
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let (read, _) = piece.split_at(read);
            bytes += read.len() as u64;
            if bytes > most as u64 {
                return Err(NoDigest::TooLong(most));
            }
            hash.update(read);
            copy.write_all(read)?;
        }
        let sha256 = HEXLOWER.encode(&hash.finalize());
        Ok(Self { sha256, bytes })
    }

    /// The same without a copy.
    ///
    /// # Errors
    /// It is longer, or cannot be read.
    pub(super) fn of(from: impl Read, most: usize) -> Result<Self, NoDigest> {
        Self::copying(from, &mut io::sink(), most)
    }
}

/// Bytes that are read at once: enough that the hash takes longer than the call.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_sha256sum_prints() {
        let digest = Digest::of(&b"abc"[..], 3).unwrap();
        assert_eq!(
            digest.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.bytes, 3);
    }

    #[test]
    fn what_goes_on_beyond_the_limit_is_not_read_for_ever() {
        let endless = io::repeat(0);
        assert!(matches!(
            Digest::of(endless, 1 << 20),
            Err(NoDigest::TooLong(_))
        ));
    }
}
