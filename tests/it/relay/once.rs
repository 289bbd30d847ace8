//! What is sent again when the daemon has read a call and dies, and what is not.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::relay;
use crate::daemon::Daemon;

/// Somebody in a daemon's place who reads each call and closes the connection, until the third time.
struct Dying {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Dying {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 16 * 1024];
                let mut length = 0;
                // Head and body: the tests' bodies end with a brace or an equals sign and a word.
                while let Ok(read @ 1..) = stream.read(&mut bytes[length..]).await {
                    length += read;
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let Some((top, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let announced = top
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .map_or(0, |length| length.parse().unwrap());
                    if body.len() < announced {
                        continue;
                    }
                    // Looks for who is ready are not of interest.
                    if !top.contains("/readyz") {
                        told.lock().unwrap().push(text);
                    }
                    break;
                }
                if told.lock().unwrap().len() >= 3 {
                    let answer = "HTTP/1.1 204 No Content\r\ncache-control: no-store\r\n\r\n";
                    drop(stream.write_all(answer.as_bytes()).await);
                }
            }
        });
        Self { url, heard }
    }

    fn relay(&self) -> Daemon {
        let (setup, command) = relay(&self.url, "--listen 127.0.0.1:0 --classic");
        setup.start_by(command)
    }

    fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_yes_that_may_have_been_heard_is_not_said_again() {
    for (path, members) in [
        ("/sure", json!({"verdict": "approve"})),
        ("/v1/requests/a/decision", json!({"verdict": "approve"})),
        (
            "/v1/requests/a/decision",
            json!({"verdict": "approve", "version": 7, "match_code": "123456"}),
        ),
    ] {
        let dying = Dying::new().await;
        let relay = dying.relay();
        let call = relay.post(path).json(&members);
        let answer = call.open().await;
        assert_eq!(answer.status(), 503, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("outcome_unknown"), "{text}");
        assert_eq!(dying.count(), 1, "{path}");
    }
}

#[tokio::test]
async fn what_happens_once_however_often_it_is_said_is_said_again() {
    for (path, members) in [
        ("/v1/requests/a/consume", json!({"nonce": "n"})),
        ("/v1/requests/a/seen", json!({})),
        ("/v1/requests", json!({"title": "Deploy?"})),
    ] {
        let dying = Dying::new().await;
        let relay = dying.relay();
        let answer = relay.post(path).json(&members).open().await;
        assert_eq!(answer.status(), 204, "{path}");
        assert_eq!(dying.count(), 3, "{path}");
    }
}

/// An ask without a key gets one, and has the same each time.
#[tokio::test]
async fn an_ask_is_sent_again_under_one_key() {
    let dying = Dying::new().await;
    let relay = dying.relay();
    let call = relay.asking(&json!({"title": "Deploy?"}));
    assert_eq!(call.open().await.status(), 204);
    let heard = dying.heard.lock().unwrap().clone();
    let keys = heard.iter().map(|text| {
        let mut lines = text.lines();
        lines.find(|line| line.starts_with("idempotency-key: "))
    });
    let keys: Vec<_> = keys.map(Option::unwrap).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(keys[0].len() > "idempotency-key: relay-".len() + 16);
}
