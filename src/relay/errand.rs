//! What a call is about, as far as a relay has to know: whether it may be sent again after it may
//! have been acted on, and whether it waits.
//!
//! Functions of method and path. What is not known is passed on, and sent once.

use warp::http::Method;

/// Whose a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The relay's own `/livez`.
    Live,
    /// The relay's own `/readyz`.
    Ready,
    /// The relay's own `/metrics`; a daemon's are not for those who come by a relay.
    Figures,
    /// A daemon's.
    Daemon(Errand),
    /// Nobody's.
    Nothing,
}

/// What a call of a daemon's is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// It reads one request, and may wait for its outcome.
    Poll,
    /// It asks, and may wait. Under one idempotency key the same is asked once, however often it is
    /// sent.
    Ask,
    /// It opens a stream.
    Stream,
    /// It polls a channel of the classic routes. A resend joins the question that is pending there,
    /// so it asks nothing twice; at worst an answer that was lost on its way is asked for anew, and
    /// never taken for a yes.
    Channel,
    /// It reads, or does what is done once however often it is sent.
    Again,
    /// It may do something twice when it is sent twice.
    Once,
}

impl Errand {
    /// Whether it may be sent again when it may have been acted on already.
    pub(super) const fn may_repeat(self) -> bool {
        !matches!(self, Self::Once)
    }
}

/// Whose call this is. The classic routes are passed on only where they are served.
#[allow(
    clippy::match_same_arms,
    reason = "each line is a call with a reason of its own"
)]
pub(super) fn target(method: &Method, path: &str, classic: bool) -> Target {
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let (post, delete) = (method == Method::POST, method == Method::DELETE);
    let errand = match parts[..] {
        ["livez"] if reads => return Target::Live,
        ["readyz"] if reads => return Target::Ready,
        ["metrics"] if reads => return Target::Figures,
        ["v1", "requests"] if post => Errand::Ask,
        ["v1", "requests", _] if reads => Errand::Poll,
        // Cancelled is cancelled.
        ["v1", "requests", _] if delete => Errand::Again,
        // A wrong match code counts each time, and a vote may have been taken back meanwhile; the
        // version that a decision names is the same after both.
        ["v1", "requests", _, "decision"] if post => Errand::Once,
        // No vote is there to be taken back any more.
        ["v1", "requests", _, "decision"] if delete => Errand::Again,
        // The nonce is used once, and who sends it again is told that it was theirs.
        ["v1", "requests", _, "consume"] if post => Errand::Again,
        // One commit for each approver.
        ["v1", "requests", _, "seen"] if post => Errand::Again,
        ["v1", "events"] if reads => Errand::Stream,
        // The daemon remembers nothing of a login: the token is in the cookie.
        ["v1", "session"] if post || delete => Errand::Again,
        ["v1", _, ..] if reads => Errand::Again,
        ["v1", _, ..] => Errand::Once,
        ["" | "ask" | "login" | "openapi.json"] | ["r" | "assets", _] if reads => Errand::Again,
        ["" | "ask" | "login" | "openapi.json"] | ["r" | "assets", _] => Errand::Once,
        ["longPolling"] if classic && method == Method::GET => Errand::Channel,
        ["btServer"] if classic && post => Errand::Channel,
        ["ensure"] if classic && method == Method::GET => Errand::Stream,
        // A yes that is sent again may meet the question after the one that it was for.
        ["longPolling" | "btServer" | "ensure" | "sure"] if classic => Errand::Once,
        _ => return Target::Nothing,
    };
    Target::Daemon(errand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(method: &Method, path: &str) -> Target {
        target(method, path, true)
    }

    #[test]
    fn what_could_happen_twice_is_sent_once() {
        for (method, path) in [
            (Method::POST, "/sure"),
            (Method::POST, "/v1/later/inventions"),
            (Method::PUT, "/v1/requests"),
            (Method::POST, "/"),
        ] {
            let once = Target::Daemon(Errand::Once);
            assert_eq!(errand(&method, path), once, "{path}");
        }
    }

    /// A wrong match code would count twice, and a vote that was taken back meanwhile would stand
    /// again; neither changes the version that the approver has named.
    #[test]
    fn a_decision_is_sent_once() {
        let decided = errand(&Method::POST, "/v1/requests/a/decision");
        assert_eq!(decided, Target::Daemon(Errand::Once));
    }

    #[test]
    fn a_daemons_figures_and_unknown_paths_are_not_passed_on() {
        assert_eq!(errand(&Method::GET, "/metrics"), Target::Figures);
        assert_eq!(errand(&Method::GET, "/readyz"), Target::Ready);
        for path in [
            "/livez/x",
            "/v1",
            "/v2/requests",
            "//v1/requests",
            "/metrics/",
            "x",
            "",
        ] {
            assert_eq!(errand(&Method::GET, path), Target::Nothing, "{path}");
        }
        for path in ["/longPolling", "/sure", "/ensure", "/btServer"] {
            assert_eq!(target(&Method::POST, path, false), Target::Nothing);
        }
    }
}
