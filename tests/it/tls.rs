//! TLS: whom clients believe, how a certificate is replaced, and who is kept out of nobody's way.

mod files;
mod leaving;
mod mistrust;
mod peers;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::authority::{Authority, Signed};
use crate::call::Clients;
use crate::daemon::{Daemon, Ran, setup};
use crate::programs::Requester;
use crate::pty::Pty;
use crate::stream::Stream;

/// The whole way, with a private authority.
#[tokio::test]
async fn both_programs_ask_and_decide_over_tls() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup(), &authority);
    let trusted = daemon.setup().authority(&authority);
    let trusted = trusted.to_str().unwrap();
    let (url, flags) = (daemon.https(), ["--ca-cert", trusted]);
    let arguments = ["--url", &url, flags[0], flags[1]];
    let terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &arguments, &[]);
    let requester = Requester::start(&url, &[&flags[..], &["-m", "Deploy?"]].concat());
    terminal.answer("yes");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    // By the variable as well, and `localhost` is in the certificate too.
    let url = format!("https://localhost:{}", daemon.address().port());
    let variable = [("PUSHD_CA_CERT", trusted)];
    let requester = Requester::start_with(&url, &["-m", "Again?"], &variable);
    terminal.answer("no");
    assert_eq!(requester.left().await.code, Some(1));
}

/// What the documents tell a developer to do.
#[tokio::test]
async fn the_script_for_development_makes_what_all_three_programs_take() {
    let setup = setup();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/certs.sh");
    let make = || {
        let mut command = Command::new(&script);
        command
            .arg(setup.path("certs"))
            .args(["localhost", "127.0.0.1", "::1"]);
        let made = Ran::to_its_end(command);
        assert_eq!(made.code, Some(0), "{made:?}");
    };
    make();
    let certs = setup.path("certs");
    let certs = certs.to_str().unwrap();
    let flags = format!("--tls-cert {certs}/server.pem --tls-key {certs}/server.key");
    let mut daemon = setup.clone().flags(&flags).start();
    let authority = fs::read_to_string(format!("{certs}/authority.pem")).unwrap();
    daemon.clients = Clients::trusting(daemon.address(), &authority);
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
    // A second one is of the same authority, and is taken while the daemon runs.
    make();
    daemon.logged("new certificate").await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", daemon.address().port());
        let authority = format!("{certs}/authority.pem");
        let requester = Requester::start(&url, &["--ca-cert", &authority, "-m", "Deploy?"]);
        let id = daemon.the_pending_one().await;
        daemon.approve(&id).await;
        assert_eq!(requester.left().await.code, Some(0));
    }
}

#[tokio::test]
async fn http_2_is_agreed_on_by_alpn_and_http_1_1_is_spoken_all_the_same() {
    let daemon = Daemon::secured(setup().in_memory(), &Authority::new());
    for (version, call) in [
        (
            reqwest::Version::HTTP_2,
            daemon.call_http2(Method::GET, "/v1/me"),
        ),
        (reqwest::Version::HTTP_11, daemon.get("/v1/me")),
    ] {
        let answer = call.open().await;
        assert_eq!(
            (answer.status(), answer.version()),
            (200.try_into().unwrap(), version)
        );
        // It would bind every other service of the host, for longer than a certificate lasts.
        assert!(!answer.headers().contains_key("strict-transport-security"));
    }
    let mut stream = Stream::open(daemon.call_http2(Method::GET, "/v1/events")).await;
    stream.beginning().await;
    let members = json!({"title": "Deploy?"});
    let ask = daemon
        .call_http2(Method::POST, "/v1/requests")
        .json(&members);
    let id = ask.await.id();
    assert_eq!(stream.event().await.data["id"], *id);
}

/// What waits and what is large goes through TLS as it does without: a poll that is held, and an
/// answer that is longer than a record, at the bounds of what TLS keeps.
#[tokio::test]
async fn polls_are_held_and_large_answers_are_whole() {
    let daemon = Daemon::secured(setup().in_memory(), &Authority::new());
    let details = "0123456789abcdef".repeat(4096);
    let members = json!({"title": "Large?", "details": details});
    let id = daemon.asking(&members).await.id();
    let waiting = daemon.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    daemon.waiters_are(1).await;
    daemon.approve(&id).await;
    let answer = waiting.await.unwrap().json();
    assert_eq!(answer["status"], "approved");
    assert_eq!(answer["details"], details);
}

/// The authority that a client trusts need not have signed the daemon's own certificate: the file
/// has those that lead to it.
#[tokio::test]
async fn the_whole_chain_is_shown() {
    let root = Authority::new();
    let between = root.appoints();
    let own = between.signs(&["127.0.0.1"]);
    let alone = setup().in_memory().tls(&own).start();
    let trusting = |daemon: &Daemon| Clients::trusting(daemon.address(), &root.pem).http1;
    let me = |daemon: &Daemon| {
        trusting(daemon)
            .get(format!("{}/v1/me", daemon.https()))
            .send()
    };
    assert!(me(&alone).await.is_err(), "nothing leads to the authority");
    let chain = Signed {
        certificate: format!("{}{}", own.certificate, between.pem),
        key: own.key,
    };
    let daemon = setup().in_memory().tls(&chain).start();
    assert_eq!(me(&daemon).await.unwrap().status(), 200);
}

#[tokio::test]
async fn tls_1_2_and_tls_1_3_are_both_spoken() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup().in_memory(), &authority);
    let url = format!("{}/v1/me", daemon.https());
    for version in [
        reqwest::tls::Version::TLS_1_2,
        reqwest::tls::Version::TLS_1_3,
    ] {
        let client = Clients::secure(&authority.pem)
            .tls_version_min(version)
            .tls_version_max(version);
        let answer = client.build().unwrap().get(&url).send().await;
        assert_eq!(answer.unwrap().status(), 200, "{version:?}");
    }
}

/// What is sent with the first bytes of a connection could be sent again by somebody in between
/// (RFC 8446 section 8).
#[tokio::test]
async fn a_session_is_resumed_and_takes_no_early_data() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup().in_memory(), &authority);
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
        .unwrap();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let connector = TlsConnector::from(Arc::clone(&config));
    let name = ServerName::try_from("localhost").unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let socket = TcpStream::connect(daemon.address()).await.unwrap();
        let mut stream = connector.connect(name.clone(), socket).await.unwrap();
        let call = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(call).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        kinds.push(stream.get_ref().1.handshake_kind());
    }
    let (full, resumed) = (rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed);
    assert_eq!(kinds, [Some(full), Some(resumed)]);
    // A client may send some only if the last session allowed it.
    let mut third = rustls::ClientConnection::new(config, name).unwrap();
    assert!(third.early_data().is_none());
}
