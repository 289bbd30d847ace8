//! Buckets that are used, made, and left alone.

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};

use super::*;
use crate::store::contract::{Spy, asked, put};

/// The refusal of a bucket on these servers.
async fn refusal(settings: &Settings) -> OpenError {
    match NatsStore::open(settings, Spy::new()).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// A stream as the bucket of `nats`, made by somebody else.
async fn stranger(nats: &Nats, change: impl FnOnce(&mut Config)) -> async_nats::jetstream::Context {
    let client = async_nats::connect(nats.servers.url_of(0)).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let mut config = bucket::config(&nats.settings);
    change(&mut config);
    context.create_stream(config).await.unwrap();
    context
}

#[tokio::test]
async fn a_bucket_is_made_once_and_found_again() {
    let nats = Nats::single();
    let first = nats.opened(Spy::new()).await;
    let context = async_nats::jetstream::new(first.client());
    let stream = context.get_stream(format!("KV_{}", nats.settings.bucket));
    let config = stream.await.unwrap().cached_info().config.clone();
    assert!(!config.allow_direct, "reads are the leader's");
    assert_eq!(config.discard, DiscardPolicy::New);
    assert_eq!(config.storage, StorageType::File);
    let second = nats.opened(Spy::new()).await;
    assert_eq!(first.history(), second.history());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_that_begin_at_once_make_one_history() {
    for nats in [Nats::single(), Nats::three()] {
        let opened = (0..6).map(|_| nats.opened(Spy::new()));
        let stores = futures_util::future::join_all(opened).await;
        for store in &stores {
            assert_eq!(store.history(), stores[0].history());
        }
        let event = put(
            &(Arc::new(nats.opened(Spy::new()).await) as SharedStore),
            asked(1),
        )
        .await;
        for store in &stores {
            assert_eq!(
                store.get(event.request.id).await.unwrap(),
                Some(event.clone())
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_would_lose_requests_is_refused_with_the_remedy() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str, &str); 6] = [
        (
            |c| c.max_messages_per_subject = 1,
            "history per key of 1",
            "--max-msgs-per-subject",
        ),
        (
            |c| c.discard = DiscardPolicy::Old,
            "discard policy of old",
            "--discard new",
        ),
        (
            |c| c.max_age = Duration::from_mins(1),
            "age limit of 60s",
            "--max-age 0",
        ),
        (
            |c| c.storage = StorageType::Memory,
            "storage in memory",
            "make the bucket anew",
        ),
        (|c| c.deny_delete = true, "denied", "--nats-bucket"),
        (
            |c| c.subjects.push("more".to_owned()),
            "its subjects are others",
            "--nats-bucket",
        ),
    ];
    for (change, what, remedy) in cases {
        let nats = Nats::single();
        stranger(&nats, change).await;
        let error = refusal(&nats.settings).await.to_string();
        assert!(error.contains(what) && error.contains(remedy), "{error}");
    }
}

#[tokio::test]
async fn a_bucket_with_another_number_of_replicas_is_refused_with_both_numbers() {
    let nats = Nats::three();
    drop(nats.opened(Spy::new()).await);
    let asked = Settings {
        replicas: 1,
        ..nats.settings.clone()
    };
    let error = refusal(&asked).await.to_string();
    assert!(
        error.contains("replicas: 3") && error.contains("--nats-replicas 3"),
        "{error}"
    );
}

#[tokio::test]
async fn more_replicas_than_there_are_servers_are_refused() {
    let nats = Nats::single();
    let asked = Settings {
        replicas: 3,
        ..nats.settings.clone()
    };
    let error = refusal(&asked).await.to_string();
    assert!(
        error.contains("with 3 replicas") && error.contains("--nats-replicas 1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_left_alone() {
    let nats = Nats::single();
    let context = stranger(&nats, |_| ()).await;
    let subject = format!("$KV.{}.theirs", nats.settings.bucket);
    let ack = context
        .publish(subject.clone(), "kept".into())
        .await
        .unwrap();
    ack.await.unwrap();
    let error = refusal(&nats.settings).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let stream = context.get_stream(format!("KV_{}", nats.settings.bucket));
    let mut stream = stream.await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
}

#[tokio::test]
async fn a_bucket_of_a_later_layout_is_refused() {
    let nats = Nats::single();
    let context = stranger(&nats, |_| ()).await;
    let subject = format!("$KV.{}.{}", nats.settings.bucket, message::HISTORY);
    let later = r#"{"layout":2,"epochs":[]}"#;
    context
        .publish(subject, later.into())
        .await
        .unwrap()
        .await
        .unwrap();
    let error = refusal(&nats.settings).await;
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_operator_who_deletes_the_history_begins_another() {
    let nats = Nats::single();
    let before = nats.opened(Spy::new()).await.history();
    let client = async_nats::connect(nats.servers.url_of(0)).await.unwrap();
    let subject = format!("$KV.{}.{}", nats.settings.bucket, message::HISTORY);
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "DEL");
    let context = async_nats::jetstream::new(client);
    let deleted = context
        .publish_with_headers(subject, headers, Bytes::new())
        .await;
    deleted.unwrap().await.unwrap();
    let after = nats.opened(Spy::new()).await.history();
    assert_ne!(before, after);
    assert_eq!(nats.opened(Spy::new()).await.history(), after);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let settings = Settings {
        servers: "nats://127.0.0.1:1".parse().unwrap(),
        ..Nats::single().settings
    };
    let error = refusal(&settings).await;
    let text = error.to_string();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{text}");
    assert!(
        text.contains("nats://127.0.0.1:1") && text.contains("nats-server --jetstream"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_with_small_messages_is_refused() {
    let servers = Arc::new(NatsServers::start_with(1, "max_payload: 65536\n"));
    let error = refusal(&Nats::on(servers).settings).await.to_string();
    assert!(
        error.contains("65536") && error.contains("max_payload"),
        "{error}"
    );
}

#[tokio::test]
async fn a_user_needs_the_password() {
    let users = "authorization { users: [ { user: pushd, password: right } ] }\n";
    let servers = Arc::new(NatsServers::start_with(1, users));
    let mut nats = Nats::on(servers);
    let error = refusal(&nats.settings).await;
    assert!(matches!(error, OpenError::NotLetIn { .. }), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    nats.settings.access.user = Some(("pushd".to_owned(), path.clone()));
    let error = refusal(&nats.settings).await.to_string();
    assert!(error.starts_with("--nats-password-file "), "{error}");
    std::fs::write(&path, "wrong\n").unwrap();
    let error = refusal(&nats.settings).await;
    assert!(matches!(error, OpenError::NotLetIn { .. }), "{error}");
    std::fs::write(&path, "right\n").unwrap();
    nats.opened(Spy::new()).await;
}

#[tokio::test]
async fn a_token_is_read_from_its_file() {
    let token = "authorization { token: secret-of-nats }\n";
    let servers = Arc::new(NatsServers::start_with(1, token));
    let mut nats = Nats::on(servers);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "secret-of-nats\n").unwrap();
    nats.settings.access.token = Some(path);
    nats.opened(Spy::new()).await;
}

#[tokio::test]
async fn over_tls_the_servers_certificate_has_to_be_of_a_known_authority() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let made = made.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let extra = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}\n",
        certificate.display().to_string(),
        key.display().to_string()
    );
    let servers = Arc::new(NatsServers::start_with(1, &extra));
    let mut nats = Nats::on(servers);
    let error = refusal(&nats.settings).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    nats.settings.access.ca = Some(certificate);
    nats.opened(Spy::new()).await;
}
