//! When a stream is opened again, and what may be sent where: functions of values.

use std::time::Duration;

use url::Url;

use crate::limits;

/// The pause before the next attempt.
///
/// `base` is the stream's reconnection time, `failures` how many attempts have failed in a row
/// (zero after a stream that worked, however it ended), `roll` the chance, from 0 to 1. The pause
/// is 0.7 to 1.5 of the base, doubles with each failure, and stays within [`limits::RECONNECT`];
/// `asked`, a server's `Retry-After`, is a lower bound up to [`limits::RETRY_AFTER_MAX`].
pub(super) fn pause(
    base: Option<Duration>,
    failures: u32,
    asked: Option<Duration>,
    roll: f64,
) -> Duration {
    let (shortest, longest) = limits::RECONNECT;
    let base = base.unwrap_or(limits::RECONNECT_DEFAULT);
    let grown = base
        .clamp(shortest, longest)
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(longest);
    let pause = grown.mul_f64(0.7 + 0.8 * roll.clamp(0.0, 1.0));
    let asked = asked.unwrap_or_default().min(limits::RETRY_AFTER_MAX);
    pause.clamp(shortest, longest).max(asked)
}

/// Whether a redirect's target may be told what identifies us: only the origin that the person
/// has named (RFC 6454 section 4).
pub(super) fn may_have_credentials(named: &Url, target: &Url) -> bool {
    named.origin() == target.origin()
}

/// Where a redirect leads; `None` when it leads nowhere that we can follow, or down from TLS.
pub(in crate::client) fn redirect_target(from: &Url, location: &str) -> Option<Url> {
    let target = from.join(location).ok()?;
    match (from.scheme(), target.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Some(target),
        _ => None,
    }
}

/// Whether a `Content-Type` says event stream, parameters and case aside.
pub(super) fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(crate::wire::media::EVENT_STREAM)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_is_between_seven_tenths_and_one_and_a_half_of_the_base() {
        assert_eq!(
            pause(Some(SECOND), 0, None, 0.0),
            Duration::from_millis(700)
        );
        assert_eq!(
            pause(Some(SECOND), 0, None, 1.0),
            Duration::from_millis(1500)
        );
        assert_eq!(pause(None, 0, None, 0.0), Duration::from_millis(2100));
    }

    #[test]
    fn it_grows_while_it_fails() {
        let pauses: Vec<u64> = (0..7)
            .map(|failures| pause(Some(SECOND), failures, None, 0.375).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_ever() {
        assert_eq!(pause(Some(SECOND), 0, Some(9 * SECOND), 0.5), 9 * SECOND);
        assert_eq!(
            pause(None, 0, Some(Duration::MAX), 0.5),
            limits::RETRY_AFTER_MAX
        );
    }

    #[test]
    fn credentials_stay_with_the_origin() {
        let url = |text: &str| Url::parse(text).unwrap();
        let named = url("https://a.example/v1/events");
        for (target, allowed) in [
            ("https://a.example/other", true),
            ("https://A.example:443/", true),
            ("https://a.example:444/", false),
            ("http://a.example/", false),
            ("https://b.a.example/", false),
        ] {
            assert_eq!(
                may_have_credentials(&named, &url(target)),
                allowed,
                "{target}"
            );
        }
    }

    #[test]
    fn a_redirect_is_not_followed_out_of_tls_or_http() {
        let https = Url::parse("https://a.example/v1/events").unwrap();
        assert_eq!(
            redirect_target(&https, "/x?y").unwrap().as_str(),
            "https://a.example/x?y"
        );
        for bad in [
            "http://a.example/",
            "file:///etc/passwd",
            "https://",
            "javascript:1",
        ] {
            assert_eq!(redirect_target(&https, bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters_do_not_matter_to_the_content_type() {
        assert!(is_event_stream("Text/Event-Stream; charset=utf-8"));
        assert!(!is_event_stream("text/event-streams") && !is_event_stream("text/html"));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_too_short_or_too_long(base: Option<u64>, failures: u32, roll in 0.0..=1.0) {
            let pause = pause(base.map(Duration::from_millis), failures, None, roll);
            let (shortest, longest) = limits::RECONNECT;
            prop_assert!(pause >= shortest && pause <= longest);
        }
    }
}
