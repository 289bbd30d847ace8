//! Certificate and key: what is wrong with them at the start, and how they are replaced.

use std::fs;

use pushd::limits;
use serde_json::json;

use crate::authority::{Authority, replace};
use crate::call::Clients;
use crate::daemon::{Daemon, setup};
use crate::stream::Stream;

#[test]
fn a_start_that_cannot_speak_tls_names_the_file_and_what_is_wrong() {
    let (one, other) = (
        Authority::new().signs(&["a"]),
        Authority::new().signs(&["a"]),
    );
    let nothing = "nothing";
    let endless = "a".repeat(limits::PEM_BYTES + 1);
    for (certificate, key, words) in [
        (
            None,
            Some(&*one.key),
            ["cannot read", "tls.pem: No such file"],
        ),
        (
            Some(nothing),
            Some(&*one.key),
            ["tls.pem", "no certificate"],
        ),
        (Some(&*endless), Some(&*one.key), ["tls.pem", "more than"]),
        (
            Some(&*one.certificate),
            None,
            ["cannot read", "tls.key: No such file"],
        ),
        (
            Some(&*one.certificate),
            Some(nothing),
            ["tls.key", "no key"],
        ),
        (
            Some(&*one.certificate),
            Some(&*other.key),
            ["tls.key", "does not fit"],
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n"),
            Some(&*one.key),
            ["tls.pem", "damaged"],
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Some(&*one.key),
            ["tls.pem", "cannot be used"],
        ),
    ] {
        let setup = setup().tls(&one);
        for (name, text) in [("tls.pem", certificate), ("tls.key", key)] {
            match text {
                Some(text) => fs::write(setup.path(name), text).unwrap(),
                None => fs::remove_file(setup.path(name)).unwrap(),
            }
        }
        let (code, told) = setup.fails();
        assert_eq!(code, Some(78), "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
        assert!(!told.contains("PRIVATE KEY-----\nM"), "{told}");
    }
    let (code, told) = setup().flags("--tls-cert only.pem").fails();
    assert_eq!(code, Some(64), "{told}");
    assert!(told.contains("--tls-key"), "{told}");
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = setup()
        .in_memory()
        .tls(&Authority::new().signs(&["127.0.0.1"]));
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(setup.path("tls.key"), open).unwrap();
    let daemon = setup.start();
    daemon.logged("can read the key").await;
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_an_open_stream_lives_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut daemon = Daemon::secured(setup(), &old);
    let mut stream = Stream::open(daemon.get("/v1/events")).await;
    stream.beginning().await;
    // A client that keeps no connection, but knows its sessions.
    let of_old = Clients::secure(&old.pem).pool_max_idle_per_host(0);
    let of_old = of_old.build().unwrap();
    let url = format!("{}/v1/me", daemon.https());
    assert_eq!(of_old.get(&url).send().await.unwrap().status(), 200);
    let expiry = "pushd_tls_certificate_expiry_timestamp_seconds";
    assert!(daemon.metric(expiry).await > 1_700_000_000);
    new.signed_until(2100, &["127.0.0.1"]).put(daemon.setup());
    daemon.logged("new certificate").await;
    let members = json!({"title": "Deploy?"});
    daemon.trust(&new);
    assert_eq!(daemon.metric(expiry).await, 4_102_444_800);
    let id = daemon.asking(&members).await.id();
    assert_eq!(stream.event().await.data["id"], *id);
    // It comes in no more, by a session of before either.
    assert!(of_old.get(url).send().await.is_err());
}

#[tokio::test]
async fn a_broken_replacement_changes_nothing_and_is_told_of_once() {
    let authority = Authority::new();
    let daemon = Daemon::secured(setup(), &authority);
    let stale = "pushd_tls_certificate_stale";
    assert_eq!(daemon.metric(stale).await, 0);
    replace(&daemon.setup().path("tls.pem"), "half of a certificate");
    daemon.metric_is(stale, 1).await;
    // The clients have connections that are open; this one is new.
    let mut fresh = daemon;
    fresh.trust(&authority);
    assert_eq!(fresh.get("/v1/me").await.status, 200);
    let told = |log: &str| log.matches("cannot be used").count();
    assert_eq!(told(&fresh.log()), 1, "{}", fresh.log());
    authority.signs(&["127.0.0.1"]).put(fresh.setup());
    fresh.metric_is(stale, 0).await;
    assert_eq!(fresh.get("/v1/me").await.status, 200);
}

/// Whoever reads the log has to learn which file it is, and what the system says of it.
#[tokio::test]
async fn a_file_that_cannot_be_read_again_is_logged_with_the_whole_cause() {
    for name in ["tls.pem", "tls.key"] {
        let daemon = Daemon::secured(setup().in_memory(), &Authority::new());
        let path = daemon.setup().path(name);
        fs::remove_file(&path).unwrap();
        let cause = format!("cannot read {}: No such file or directory", path.display());
        daemon.logged(&cause).await;
        let log = daemon.log();
        let told: Vec<_> = log.lines().filter(|line| line.contains(&cause)).collect();
        let [line] = told[..] else { panic!("{log}") };
        let is_whole = line.contains("ERROR") && line.contains("the one before it is served on");
        assert!(is_whole, "{line}");
    }
}
