//! Daemons that a client does not believe: it says why, asks nothing, and falls back to nothing.

use std::path::PathBuf;

use crate::authority::{Authority, Signed};
use crate::daemon::{Daemon, Setup, setup};
use crate::programs::Requester;
use crate::pty::Pty;
use crate::until::until;

/// How long nobody should take to be refused: it is final at once, and not tried again.
const FLAGS: [&str; 4] = ["-m", "Deploy?", "--connect-timeout", "1h"];

async fn refuses(url: &str, authority: Option<PathBuf>, words: &[&str]) {
    let authority = authority.map(|path| path.to_str().unwrap().to_owned());
    let trust: Vec<_> = authority
        .iter()
        .flat_map(|path| ["--ca-cert", path])
        .collect();
    let left = Requester::start(url, &[&trust[..], &FLAGS].concat())
        .left()
        .await;
    assert_eq!(left.code, Some(69), "{left:?}");
    let mut approver = Pty::run(
        env!("CARGO_BIN_EXE_approver"),
        &[&["--url", url][..], &trust].concat(),
        &[],
    );
    for word in words {
        assert!(left.stderr.contains(word), "{word} is not in {left:?}");
        approver.wait_for(word);
    }
    assert_eq!(approver.exit_code(), 69);
}

fn daemon_with(setup: Setup, signed: &Signed, authority: &Authority) -> Daemon {
    let mut daemon = setup.tls(signed).start();
    daemon.trust(authority);
    daemon
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_believed() {
    let (theirs, ours) = (Authority::new(), Authority::new());
    let daemon = Daemon::secured(setup(), &theirs);
    let ours = daemon.setup().authority(&ours);
    refuses(&daemon.https(), Some(ours), &["authority", "--ca-cert"]).await;
    assert_eq!(daemon.requests().await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_not_believed_and_the_daemon_warns_of_it() {
    let authority = Authority::new();
    let daemon = setup()
        .tls(&authority.signed_long_ago(&["127.0.0.1"]))
        .start();
    daemon.logged("it has expired").await;
    let trusted = daemon.setup().authority(&authority);
    let words = ["has expired", "this machine's clock"];
    refuses(&daemon.https(), Some(trusted), &words).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_not_believed_and_the_daemon_warns_of_it() {
    let authority = Authority::new();
    let daemon = setup()
        .tls(&authority.signed_too_early(&["127.0.0.1"]))
        .start();
    daemon.logged("it is not valid yet").await;
    let trusted = daemon.setup().authority(&authority);
    let words = ["not valid yet", "this machine's clock"];
    refuses(&daemon.https(), Some(trusted), &words).await;
}

/// The system's authorities are those of a file that a variable names, as OpenSSL has it.
#[tokio::test]
async fn the_systems_authorities_count_unless_a_private_one_is_named() {
    let (systems, ours) = (Authority::new(), Authority::new());
    let mut daemon = setup().tls(&systems.signs(&["127.0.0.1"])).start();
    daemon.trust(&systems);
    let path = |name: &str, authority: &Authority| {
        let path = daemon.setup().path(name);
        std::fs::write(&path, &authority.pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let system = path("system.pem", &systems);
    let private = path("private.pem", &ours);
    let system = [("SSL_CERT_FILE", &*system)];
    let requester = Requester::start_with(&daemon.https(), &FLAGS, &system);
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let flags = [&FLAGS[..], &["--ca-cert", &private]].concat();
    let left = Requester::start_with(&daemon.https(), &flags, &system)
        .left()
        .await;
    assert_eq!(left.code, Some(69), "{left:?}");
    assert!(left.stderr.contains("authority"), "{left:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let authority = Authority::new();
    let daemon = daemon_with(setup(), &authority.signs(&["pushd.example"]), &authority);
    let trusted = daemon.setup().authority(&authority);
    refuses(
        &daemon.https(),
        Some(trusted),
        &["another name", "pushd.example"],
    )
    .await;
}

#[tokio::test]
async fn a_daemon_without_tls_is_not_asked_by_a_client_that_wants_it() {
    let daemon = setup().start();
    let trusted = daemon.setup().authority(&Authority::new());
    refuses(&daemon.https(), Some(trusted), &["TLS", "http://"]).await;
    assert_eq!(daemon.requests().await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_client_without_tls_is_told_that_the_port_speaks_it() {
    let daemon = Daemon::secured(setup(), &Authority::new());
    let plain = format!("http://{}", daemon.address());
    refuses(&plain, None, &["speaks TLS", "https://"]).await;
    assert_eq!(daemon.requests().await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_file_without_an_authority_is_named() {
    let setup = setup();
    std::fs::write(setup.path("empty.pem"), "nothing").unwrap();
    for (name, words) in [
        ("missing.pem", "cannot read"),
        ("empty.pem", "no certificate"),
    ] {
        let path = setup.path(name);
        let arguments = ["--ca-cert", path.to_str().unwrap(), "-m", "Deploy?"];
        let left = Requester::start("https://127.0.0.1:1", &arguments)
            .left()
            .await;
        assert_eq!(left.code, Some(78), "{left:?}");
        assert!(
            left.stderr.contains(words) && left.stderr.contains(name),
            "{left:?}"
        );
    }
}

/// A certificate that goes wrong while somebody waits is trouble that passes: the daemon is the
/// one that has acknowledged the ask.
#[tokio::test]
async fn who_waits_already_waits_on_while_the_certificate_is_wrong() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup(), &authority);
    let (trusted, url) = (daemon.setup().authority(&authority), daemon.https());
    let trusted = trusted.to_str().unwrap().to_owned();
    let requester = Requester::start(&url, &["--ca-cert", &trusted, "-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    let mut daemon = daemon;
    daemon.crash();
    let stranger = Authority::new();
    stranger.signs(&["127.0.0.1"]).put(daemon.setup());
    let mut daemon = daemon.restart();
    daemon.trust(&stranger);
    until("the requester to have looked", async || {
        let refused = daemon.metric("pushd_tls_handshakes_failed_total").await;
        (refused > 0).then_some(())
    })
    .await;
    authority.signs(&["127.0.0.1"]).put(daemon.setup());
    daemon.logged("new certificate").await;
    daemon.trust(&authority);
    daemon.approve(&id).await;
    assert_eq!(requester.left().await.code, Some(0));
}
