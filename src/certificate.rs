//! What a certificate says about itself, as far as we look.

use x509_cert::der::Decode as _;

use crate::domain::Timestamp;

/// From when to when a certificate (DER) is valid (RFC 5280 section 4.1.2.5); `None` when it cannot
/// be read.
pub fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
    let validity = parsed.tbs_certificate().validity();
    let at = |time: x509_cert::time::Time| {
        let millis = time.to_unix_duration().as_millis();
        i64::try_from(millis).ok().map(Timestamp::from_millis)
    };
    Some((at(validity.not_before)?, at(validity.not_after)?))
}
