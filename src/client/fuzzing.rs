//! What a client reads from strangers and from its user.

pub use super::events::fuzzing::streams;

use super::DaemonUrl;
use super::events::redirect_target;
use super::url::is_local;

/// A daemon's address, and the target of a redirect away from it.
pub fn urls(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (address, more) = text.split_once('\n').unwrap_or((&text, ""));
    let url: DaemonUrl = match address.parse() {
        Ok(url) => url,
        Err(error) => {
            // What is told goes to a terminal, and a password does not.
            let told: super::BadUrl = error;
            let told = told.to_string();
            assert!(!told.chars().any(char::is_control), "{told:?}");
            return;
        }
    };
    let whole = url.as_url();
    assert!(matches!(whole.scheme(), "http" | "https") && whole.has_host());
    assert!(whole.username().is_empty() && whole.password().is_none());
    assert!(whole.query().is_none() && whole.fragment().is_none());
    let shown = url.to_string();
    assert!(!shown.chars().any(char::is_control));
    assert!(shown.is_ascii() || url.socket().is_some());
    let again: DaemonUrl = shown.parse().expect("what is shown can be typed");
    for path in ["/v1/events", "v1/requests?status=pending"] {
        let joined = url.join(path);
        assert_eq!(joined, again.join(path));
        assert_eq!(joined.origin(), whole.origin(), "{joined} is elsewhere");
        assert!(
            joined
                .path()
                .ends_with(path.trim_start_matches('/').split('?').next().unwrap_or(""))
        );
    }
    assert_eq!(is_local(whole), is_local(again.as_url()));
    if let Some(target) = redirect_target(whole, more) {
        assert!(
            target.scheme() == "https" || whole.scheme() == "http" && target.scheme() == "http"
        );
    }
}
