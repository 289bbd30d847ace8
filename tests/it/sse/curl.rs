//! curl, which knows nothing of event streams: what it prints is what was sent, when it was sent.

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::daemon::{Daemon, setup};
use crate::until::soon;

/// A curl that listens.
struct Curl {
    child: Child,
    heard: String,
}

impl Curl {
    fn listen(daemon: &Daemon, more: &[&str]) -> Self {
        let child = Command::new("curl")
            .args(["--no-progress-meter", "--fail", "-N", "--noproxy", "*"])
            .args(more)
            .arg(format!("{}/v1/events", daemon.url()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("curl: {error}; see scripts/check.sh"));
        Self {
            child,
            heard: String::new(),
        }
    }

    /// Reads until this has come; answers all up to it, which is then done with.
    async fn hears(&mut self, wanted: &str) -> String {
        let mut part = [0; 4096];
        let reading = async {
            loop {
                if let Some(at) = self.heard.find(wanted) {
                    let rest = self.heard.split_off(at + wanted.len());
                    return std::mem::replace(&mut self.heard, rest);
                }
                let stdout = self.child.stdout.as_mut().expect("stdout is piped");
                let count = stdout.read(&mut part).await.unwrap();
                assert_ne!(count, 0, "it ended after {:?}", self.heard);
                self.heard
                    .push_str(std::str::from_utf8(&part[..count]).unwrap());
            }
        };
        soon(wanted, reading).await
    }

    /// Waits for its end; answers its exit code and what it had still printed.
    async fn ended(mut self) -> (Option<i32>, String) {
        let ending = async {
            let stdout = self.child.stdout.as_mut().expect("stdout is piped");
            stdout.read_to_string(&mut self.heard).await.unwrap();
            self.child.wait().await.unwrap().code()
        };
        (soon("curl to end", ending).await, self.heard)
    }
}

#[tokio::test]
async fn curl_hears_everything_at_once_and_the_end_in_good_order() {
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut daemon = setup().start();
        let first = daemon.ask("first").await;
        let mut curl = Curl::listen(&daemon, &[version]);
        let beginning = curl.hears("event: caught-up\n").await;
        assert!(beginning.starts_with("retry: 3000\n\nevent: request\nid: "));
        assert_eq!(beginning.matches("event: ").count(), 2, "{beginning}");
        curl.hears("\n\n").await;
        let moved = curl.hears("\n\n").await;
        let cursor = moved.strip_prefix("id: ").unwrap().trim_end();

        daemon.approve(&first).await;
        let change = curl.hears("\n\n").await;
        assert!(change.contains("\"status\":\"approved\""), "{change}");
        // A stream that the daemon ends is whole by the rules of its transport (exit code 18 and
        // 92 would say that it is not), so that no proxy takes it for a failure.
        daemon.signal(rustix::process::Signal::TERM);
        assert_eq!(curl.ended().await, (Some(0), String::new()), "{version}");
        assert_eq!(daemon.ended().await, Some(0));

        let daemon = daemon.restart();
        let mut curl = Curl::listen(
            &daemon,
            &[version, "-H", &format!("Last-Event-ID: {cursor}")],
        );
        let missed = curl.hears("event: caught-up\n").await;
        assert!(
            missed.starts_with(&format!("retry: 3000\n\n{change}")),
            "{missed}"
        );
        assert_eq!(missed.matches("event: ").count(), 2, "{missed}");
        let mut curl = Curl::listen(&daemon, &[version, "-H", "Last-Event-ID: garbage"]);
        let anew = curl.hears("event: caught-up\n").await;
        assert!(
            anew.starts_with("retry: 3000\n\nevent: reset\ndata: {"),
            "{anew}"
        );
    }
}
