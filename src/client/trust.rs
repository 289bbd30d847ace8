//! Why the other side of a TLS connection is not believed to be the daemon, in words for a person.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a new kind of error is told in the library's words"
)]

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// What made TLS fail, if it did, and what to do about it. A connection that merely broke is none
/// of this.
pub(super) fn mistrust(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = tls(error) {
            return words(error);
        }
        cause = error.source();
    }
    None
}

/// The error of TLS, also inside one of a socket, which does not count it among its sources.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(error);
    }
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    tls(inner)
}

fn words(error: &rustls::Error) -> Option<String> {
    use rustls::Error as Tls;
    Some(match error {
        Tls::InvalidCertificate(why) => certificate(why),
        Tls::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Tls::InvalidMessage(_) => "it does not answer by TLS; the URL of a daemon without TLS \
                                   begins with http://"
            .to_owned(),
        Tls::AlertReceived(alert) => match alert {
            // It goes away, as one that is restarted does.
            AlertDescription::CloseNotify
            | AlertDescription::UserCanceled
            | AlertDescription::InternalError => return None,
            alert => format!("it refuses our TLS: {alert:?}"),
        },
        Tls::PeerIncompatible(why) => format!("its TLS is not ours: {why:?}"),
        Tls::PeerMisbehaved(why) => format!("its TLS is wrong: {why:?}"),
        _ => return None,
    })
}

fn certificate(why: &CertificateError) -> String {
    use CertificateError as Bad;
    match why {
        // A bad signature is what an authority has that was made anew under its old name.
        Bad::UnknownIssuer | Bad::BadSignature => {
            "its certificate is of no authority that is trusted here; \
                               --ca-cert names the certificate of a private one"
                .to_owned()
        }
        Bad::Expired | Bad::ExpiredContext { .. } => {
            format!("its certificate has expired, or this machine's clock is wrong ({why})")
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet, or this machine's clock is wrong ({why})")
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            format!("its certificate is for another name; --url takes one that is in it ({why})")
        }
        _ => format!("its certificate is not accepted ({why})"),
    }
}
