//! The page of a request, as a link and as a code for a phone.

use crate::client::DaemonUrl;
use crate::domain::RequestId;
use crate::terminal::qr;
use crate::terminal::spinner::Progress;

/// Shows where the page of request `id` is. `public` is what the daemon says of its address, and
/// `asked_at` the address at which it was asked.
pub(super) fn show(public: Option<&str>, asked_at: &DaemonUrl, id: RequestId, progress: &Progress) {
    let (link, fault) = link(public, asked_at, id);
    let Some(link) = link else {
        progress.say(
            "page: none can be named, because the daemon was asked over a Unix socket; start \
             pushd with --public-url and the address that others reach it by",
        );
        return;
    };
    if let Some(fault) = fault {
        progress.say(&format!("page: {link} ({fault})"));
        return;
    }
    let code = progress
        .room()
        .and_then(|room| qr::rows(link.as_str(), progress.look(), room));
    if let Some(rows) = code {
        progress.picture(&rows);
    }
    progress.say(&format!("page: {link}"));
}

/// The link, if there is one, and why it is of no use elsewhere if it is not, with how to mend that.
fn link(
    public: Option<&str>,
    asked_at: &DaemonUrl,
    id: RequestId,
) -> (Option<url::Url>, Option<&'static str>) {
    // The daemon's own word is a URL that it has checked; another server's may be anything.
    let public = public.and_then(|url| url.parse::<DaemonUrl>().ok());
    let public = public.filter(|url| url.socket().is_none());
    let base = public.as_ref().unwrap_or(asked_at);
    let fault = if public.is_some() {
        "opens on this machine only: the daemon's --public-url is a loopback address"
    } else {
        "opens on this machine only; for a phone, start pushd with --public-url and the address \
         that others reach it by"
    };
    (base.page(id), base.is_local().then_some(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_below_the_public_url_or_else_where_the_question_was_asked() {
        let id = RequestId::from_bytes([0; 16]);
        for (public, asked_at, base, useful) in [
            (
                Some("https://p/a/"),
                "http://127.0.0.1:1",
                "https://p/a",
                true,
            ),
            (None, "http://vm:8888", "http://vm:8888", true),
            (None, "http://127.0.0.1:1", "http://127.0.0.1:1", false),
            (
                Some("http://localhost"),
                "http://vm",
                "http://localhost",
                false,
            ),
            (Some("javascript:alert(1)"), "http://vm", "http://vm", true),
            (Some("http://u:p@evil"), "http://vm", "http://vm", true),
            (Some("unix:/x"), "http://vm", "http://vm", true),
        ] {
            let (link, fault) = link(public, &asked_at.parse().unwrap(), id);
            let link = link.unwrap();
            assert_eq!(link.as_str(), format!("{base}/r/{id}"));
            assert_eq!(fault.is_none(), useful, "{link}: {fault:?}");
        }
        let over_socket: DaemonUrl = "unix:/x".parse().unwrap();
        assert_eq!(link(None, &over_socket, id).0, None);
        let (link, _) = link(Some("https://p"), &over_socket, id);
        assert_eq!(link.unwrap().as_str(), format!("https://p/r/{id}"));
    }
}
