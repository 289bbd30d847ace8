//! Tokens: secrets that stand for a principal.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What every token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "pushd_";
/// Characters of 256 bits in base32.
const DIGITS: usize = 52;

/// A secret: `pushd_` and 256 random bits as 52 lower-case base32 characters.
///
/// It is never shown by `Debug`, and has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let digits = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        Ok(Self(format!("{PREFIX}{digits}")))
    }

    /// The secret itself, for the one place where it is meant to go.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it. Its 256 random bits need no salt and no slow hash.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The text is no token; it is not repeated, because it may be another secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is \"pushd_\" and 52 lower-case letters and digits, as `pushd token create` prints it"
)]
pub struct BadToken;

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadToken)?;
        let allowed = |c: u8| c.is_ascii_lowercase() || (b'2'..=b'7').contains(&c);
        if digits.len() == DIGITS && digits.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadToken)
        }
    }
}

/// The SHA-256 (FIPS 180-4) of a token, written `sha256:` and 64 hexadecimal digits: as
/// `printf %s TOKEN | sha256sum` tells it.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    const PREFIX: &str = "sha256:";
}

/// In constant time: who measures learns nothing of how much was right.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// The text is no hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a token is \"sha256:\" and 64 hexadecimal digits in lower case")]
pub struct BadHash;

impl FromStr for TokenHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(BadHash)?;
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| BadHash)?;
        bytes.try_into().map(Self).map_err(|_| BadHash)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_random_bits_and_one_spelling() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, two);
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.expose().parse(), Ok(one.clone()));
        let text = one.expose();
        for bad in [
            String::new(),
            "pushd_".to_owned(),
            text.to_uppercase(),
            format!("{text}a"),
            format!(" {text}"),
            text.replace("pushd_", "other_"),
        ] {
            assert_eq!(bad.parse::<Token>(), Err(BadToken));
        }
    }

    #[test]
    fn a_hash_is_what_sha256sum_prints_and_hides_in_logs() {
        let token: Token = format!("pushd_{}", "a".repeat(52)).parse().unwrap();
        let hash = "sha256:ad322a30a6b52766ae17e411231b39b3e3157a68688ecc6d556101b588dda7a2";
        assert_eq!(token.hash().to_string(), hash);
        assert_eq!(hash.parse(), Ok(token.hash()));
        assert!(!format!("{token:?} {:?}", token.hash()).contains("aaaa"));
        for bad in ["", "sha256:", "sha256:00", &hash.to_uppercase(), "md5:00"] {
            assert_eq!(bad.parse::<TokenHash>(), Err(BadHash), "{bad}");
        }
    }
}
