//! The pages: public shells, and the files that they are made of.
//!
//! A page holds no facts: all of them come by calls of the same origin, so it may be read by
//! anybody. The files are in `pages/`, readable as they are served: nothing builds or packs them.
//! Two modules are made of our own tables instead, so that page and programs cannot differ.

mod generated;

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use sha2::{Digest, Sha256};
use warp::Reply;
use warp::http::{HeaderValue, StatusCode, header};

use super::{Call, Handled, Kind, Problem, Response};

/// What a page of ours may do (Content Security Policy level 3): use files and calls of this
/// origin, and nothing else. No inline script or style, no frame around it, no text as markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// One file.
#[derive(Debug)]
struct File {
    media: &'static str,
    body: Bytes,
    tag: ETag,
}

impl File {
    fn new(media: &'static str, body: Bytes) -> Self {
        let digest = Sha256::digest(&body);
        let tag = format!(
            "\"{}\"",
            HEXLOWER.encode(digest.get(..16).unwrap_or_default())
        );
        let tag = tag
            .parse()
            .expect("quoted hexadecimal digits are an entity tag");
        Self { media, body, tag }
    }
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Names and contents of files in `pages/`, each with its media type.
macro_rules! files {
    ($($media:expr => $($name:literal)*;)*) => {
        [$($(($name, $media, include_bytes!(concat!("pages/", $name)).as_slice()),)*)*]
    };
}

static FILES: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| {
    let kept = files! {
        HTML => "index.html" "request.html" "ask.html" "login.html";
        CSS => "app.css" "noscript.css";
        SCRIPT =>
            "alerts.js" "answer.js" "api.js" "ask.js" "asking.js" "banner.js" "below.js"
            "caller.js" "card.js" "claim.js" "clock.js" "command.js" "decision.js" "dom.js"
            "entering.js" "facts.js" "feed.js" "freezes.js" "guard.js" "inbox.js" "known.js"
            "login.js" "logins.js" "notify.js" "poll.js" "request.js" "requests.js" "room.js"
            "scrolling.js" "seen.js" "stream.js" "tabs.js" "visible.js" "votes.js" "words.js"
            "words-en.js" "words-zh-hans.js" "words-zh-hant.js";
        "image/svg+xml" => "icon.svg";
        "image/png" => "icon-192.png" "icon-512.png";
        "application/manifest+json" => "manifest.webmanifest";
    };
    let kept = kept.map(|(name, media, body)| (name, File::new(media, Bytes::from_static(body))));
    let made = [
        ("characters.js", generated::characters()),
        ("limits.js", generated::limits()),
    ];
    let made = made.map(|(name, text)| (name, File::new(SCRIPT, text.into())));
    kept.into_iter().chain(made).collect()
});

/// `GET /`: the inbox.
pub(super) fn inbox(call: &Call) -> Response {
    serve(call, "index.html")
}

/// `GET /r/{id}`: one request alone. The page is the same for every id, so it tells nothing.
pub(super) fn request(call: &Call) -> Response {
    serve(call, "request.html")
}

/// `GET /ask`: a form that asks.
pub(super) fn ask(call: &Call) -> Response {
    serve(call, "ask.html")
}

/// `GET /login`: takes a token, once.
pub(super) fn login(call: &Call) -> Response {
    serve(call, "login.html")
}

/// `GET /assets/{name}`: what the pages are made of.
pub(super) fn asset(call: &Call, name: &str) -> Handled {
    if FILES.get(name).is_none_or(|file| file.media == HTML) {
        let detail = "there is no such file; / is the page";
        return Err(Problem::new(Kind::NoSuchPath, detail));
    }
    Ok(serve(call, name))
}

/// A file as an answer. A browser keeps it and asks each time whether it is still the one, so
/// that a page never mixes files of two versions of the daemon.
fn serve(call: &Call, name: &str) -> Response {
    let file = &FILES[name];
    let known: Option<IfNoneMatch> = call.headers.typed_get();
    let mut response = if known.is_some_and(|known| !known.precondition_passes(&file.tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(file.body.clone().into());
        let media = HeaderValue::from_static(file.media);
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        response
    };
    let headers = response.headers_mut();
    headers.typed_insert(file.tag.clone());
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
