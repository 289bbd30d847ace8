//! What is known before anything is sent: the configuration, the URL, and proxies.

use super::report::Report;
use crate::cli::config::{Daemon, Origins};
use crate::client::DaemonUrl;

/// Looks where everything was found.
pub(super) fn configuration(report: &mut Report, origins: &Origins) {
    match &origins.profile {
        Some(profile) => report.ok("config", format!("profile {profile}")),
        None => report.ok("config", "no profile; flags and variables alone"),
    }
}

/// Looks at one address of the daemon.
pub(super) fn look(report: &mut Report, daemon: &Daemon, url: &DaemonUrl) {
    report.ok("url", format!("{url}, {}", daemon.origins.url));
    if daemon.tells_its_token_to().any(|told| told == url) {
        let words = "it is not https, so others on the way can read the token";
        report.warn("url", words, "give the daemon TLS and write https://");
    } else if url.is_in_the_clear() {
        let words = "it is not https, so others on the way can read and change what is said";
        report.warn("url", words, "give the daemon TLS and write https://");
    }
    match through(url, |name| std::env::var(name).ok()) {
        Way::Direct(why) => report.ok("proxy", why),
        Way::Proxy(name, proxy) => report.warn(
            "proxy",
            format!("{name} leads through {proxy}, which has to pass on long polls"),
            "set NO_PROXY to the daemon's host if it can be reached without",
        ),
    }
}

/// Whether calls to this URL go through a proxy, so that the way to the daemon itself says nothing.
pub(super) fn proxied(url: &DaemonUrl) -> bool {
    let way = through(url, |name| std::env::var(name).ok());
    matches!(way, Way::Proxy(..))
}

/// Which way calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// Straight to the daemon, and why.
    Direct(String),
    /// Through this proxy, which that variable names.
    Proxy(&'static str, String),
}

/// Which way `variable`s lead to this URL, as the HTTP client reads them.
fn through(url: &DaemonUrl, variable: impl Fn(&str) -> Option<String>) -> Way {
    if url.socket().is_some() || url.is_local() {
        return Way::Direct("none is used for this machine".to_owned());
    }
    let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let names: &[&'static str] = match url.as_url().scheme() {
        "https" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let found = names.iter().find_map(|name| Some((*name, get(name)?)));
    let Some((name, proxy)) = found else {
        return Way::Direct("no variable names one".to_owned());
    };
    let host = url.host().unwrap_or_default();
    let exceptions = get("no_proxy").or_else(|| get("NO_PROXY"));
    if exceptions.is_some_and(|list| leaves_out(&list, &host)) {
        return Way::Direct(format!("{name} names one, and NO_PROXY leaves {host} out"));
    }
    Way::Proxy(name, without_password(&proxy))
}

fn leaves_out(list: &str, host: &str) -> bool {
    list.split(',').map(str::trim).any(|entry| {
        let name = entry.trim_start_matches('.');
        let below = host
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'));
        entry == "*" || !name.is_empty() && (host == name || below)
    })
}

/// A proxy as it may be shown: its URL may have a password in it.
fn without_password(proxy: &str) -> String {
    let full = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    match url::Url::parse(&full) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        Ok(_) | Err(_) => "something that is no URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(url: &str, variables: &[(&str, &str)]) -> Way {
        let url = url.parse().unwrap();
        through(&url, |name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let through = way(
            "https://d.example",
            &[("https_proxy", "http://me:secret@p:3128/")],
        );
        assert_eq!(
            through,
            Way::Proxy("https_proxy", "http://p:3128".to_owned())
        );
        let through = way("http://d.example", &[("ALL_PROXY", "me:secret@p:3128")]);
        assert_eq!(through, Way::Proxy("ALL_PROXY", "http://p:3128".to_owned()));
    }

    #[test]
    fn a_proxy_is_for_its_scheme_and_not_for_this_machine_or_an_exception() {
        let proxy = ("https_proxy", "http://p");
        for (url, variables) in [
            ("http://d.example", &[proxy][..]),
            ("https://127.0.0.1", &[proxy]),
            ("unix:/run/pushd.sock", &[proxy]),
            ("https://d.example", &[("https_proxy", "")]),
            ("https://d.example", &[proxy, ("NO_PROXY", "a, d.example")]),
            ("https://d.example", &[proxy, ("no_proxy", ".example")]),
            ("https://d.example", &[proxy, ("no_proxy", "*")]),
        ] {
            let way = way(url, variables);
            assert!(matches!(way, Way::Direct(_)), "{url} {variables:?}");
        }
        let other = way(
            "https://d.example",
            &[proxy, ("no_proxy", "xample,e.example")],
        );
        assert!(matches!(other, Way::Proxy(..)));
    }
}
