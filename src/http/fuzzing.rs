//! Calls of strangers, whole and header by header.

mod headers;
mod world;

use serde_json::Value;
use warp::http::{HeaderName, HeaderValue, Method, Request, StatusCode};

pub use self::headers::headers;
use self::world::{Answer, Whole, World};
use super::{Kind, Peer, Remote};
use crate::burden::Burden;
use crate::limits;

/// What stands between two calls of one input.
const NEXT: &[u8] = b"\n====\n";

/// Calls one after the other, each as `METHOD target`, header lines, an empty line and a body. A
/// request is pending from the beginning, and only what clearly says so settles it.
pub fn calls(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        // Whoever waits, waits for nothing else, so that no time passes.
        .start_paused(true)
        .build()
        .expect("a runtime without sockets can be had");
    runtime.block_on(play(data));
}

async fn play(data: &[u8]) {
    let world = World::new().await;
    let (mut approved, mut settled) = (false, false);
    for text in split(data, NEXT).take(8) {
        let Some((request, peer, body)) = parse(text) else {
            continue;
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = world.call(request, peer).await;
        check(&method, &path, &answer);
        let sent: Option<Value> = serde_json::from_slice(body).ok();
        if path == "/v1/requests" && method == Method::POST && answer.status.is_success() {
            let sent = sent.as_ref().expect("only JSON asks");
            asked_as_sent(sent, &answer);
        }
        let is_ours = |action: &str| path == format!("/v1/requests/{}{action}", world.id);
        if is_ours("/decision") && answer.status == StatusCode::OK {
            let verdict = sent.as_ref().and_then(|sent| sent["verdict"].as_str());
            assert!(
                matches!(verdict, Some("approve" | "deny")),
                "decided by {sent:?}"
            );
            assert_eq!(method, Method::POST);
            approved |= verdict == Some("approve");
            settled = true;
        }
        settled |= is_ours("") && method == Method::DELETE && answer.status == StatusCode::OK;
    }
    let status = world.status().await;
    assert!(status.is_final() == settled, "{status:?}");
    assert!(approved || status != crate::domain::Status::Approved);
}

/// What is asked is what was sent, member by member.
fn asked_as_sent(sent: &Value, answer: &Answer) {
    let members = sent.as_object().expect("only an object asks");
    let known = ["title", "details", "fields", "topic", "expires_in_secs"];
    assert!(
        members.keys().all(|name| known.contains(&name.as_str())),
        "{sent}"
    );
    let title = sent["title"].as_str().expect("only text is a title");
    assert!((1..=limits::TITLE_CHARS).contains(&title.chars().count()));
    let Some(view) = &answer.json else {
        return;
    };
    for name in ["title", "details", "fields", "topic"] {
        assert!(
            sent[name].is_null() || sent[name] == view[name],
            "{name}: {sent} {view}"
        );
    }
}

/// What holds for every answer.
fn check(method: &Method, path: &str, answer: &Answer) {
    let status = answer.status;
    let of_success = [200, 201, 204, 304].contains(&status.as_u16());
    let row = |kind: &Kind| kind.row().0 == status && !status.is_server_error();
    assert!(
        of_success || Kind::ALL.iter().any(row),
        "{method} {path}: {status}"
    );
    // The pages and their files have no facts in them.
    let policy = answer.headers["content-security-policy"].as_bytes();
    let of_page = policy.starts_with(b"default-src");
    let kept = if of_page { "no-cache" } else { "no-store" };
    assert_eq!(answer.headers["cache-control"], kept);
    for (name, value) in &answer.headers {
        assert!(value.to_str().is_ok(), "{name}: {value:?}");
    }
    if of_success || method == Method::HEAD {
        return;
    }
    let problem = answer
        .json
        .as_ref()
        .expect("an error is a problem document");
    let code = problem["code"].as_str().expect("it has a code");
    let pair = |kind: &Kind| kind.row() == (status, code);
    assert!(Kind::ALL.iter().any(pair), "{status} {code}");
    assert_eq!(problem["status"], status.as_u16());
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
}

/// The call that a text stands for, where it comes from, and its body; `None` when no client could send it.
fn parse(text: &[u8]) -> Option<(Request<Whole>, Peer, &[u8])> {
    let (head, body) = match text.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (text.get(..at)?, text.get(at + 2..)?),
        None => (text, &b""[..]),
    };
    let mut lines = head.split(|&byte| byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    let mut host = "localhost".to_owned();
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?;
        if name == "host" {
            host = String::from_utf8_lossy(value.as_bytes()).into_owned();
        }
        request = request.header(name, value);
    }
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 8888));
    let peer = Peer {
        remote: Remote::Network {
            remote: address,
            local: address,
        },
        secure: false,
        host: Some(host),
        carrier: Burden::new(usize::MAX).carrier(),
    };
    let whole = Whole::new(body.to_vec());
    Some((request.body(whole).ok()?, peer, body))
}

fn split<'a>(data: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let at = all
            .windows(separator.len())
            .position(|part| part == separator);
        let (part, after) = match at {
            Some(at) => (all.get(..at)?, all.get(at + separator.len()..)),
            None => (all, None),
        };
        rest = after;
        Some(part)
    })
}
