//! The recipes of the README for curl, in a real shell.

use tokio::process::Command;

use crate::daemon::{Daemon, setup};
use crate::until::soon;

/// Starts a shell script in which `$U` is the daemon.
fn shell(daemon: &Daemon, script: &str) -> tokio::process::Child {
    Command::new("bash")
        .args(["-c", script])
        .env("U", daemon.url())
        .env("http_proxy", "")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("there is a shell")
}

async fn ended(child: tokio::process::Child) -> (Option<i32>, String) {
    let output = soon("the script to end", child.wait_with_output())
        .await
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

const GATE: &str = r#"
[ "$(curl -fsS "$U/v1/requests" -H 'Content-Type: application/json' -H 'Accept: text/plain' \
    -H 'Prefer: wait=60' -d '{"title":"Deploy?"}')" = approved ] && echo deployed
"#;

const DECIDE: &str = r#"
id=$(curl -fsS "$U/v1/requests?status=pending" | sed 's/.*"requests":\[{"id":"\([a-z2-7]*\)".*/\1/')
curl -fsS "$U/v1/requests/$id/decision" -H 'Content-Type: application/json' -d "$BODY" >/dev/null
"#;

#[tokio::test]
async fn curl_alone_asks_and_waits_in_one_call_and_another_curl_decides() {
    for (verdict, expected) in [
        ("approve", (Some(0), "deployed\n")),
        ("deny", (Some(1), "")),
    ] {
        let daemon = setup().start();
        let gate = shell(&daemon, GATE);
        daemon.the_pending_one().await;
        daemon.waiters_are(1).await;
        let decide = format!("BODY='{{\"verdict\":\"{verdict}\"}}'\n{DECIDE}");
        assert_eq!(
            ended(shell(&daemon, &decide)).await,
            (Some(0), String::new())
        );
        let (code, output) = ended(gate).await;
        assert_eq!((code, &*output), expected);
    }
}

#[tokio::test]
async fn a_gate_that_nobody_answers_is_no_yes() {
    let daemon = setup().start();
    let gate = shell(&daemon, &GATE.replace("wait=60", "wait=1"));
    assert_eq!(ended(gate).await, (Some(1), String::new()));
    let gate = shell(&daemon, &GATE.replace("$U", "http://127.0.0.1:1"));
    assert_eq!(ended(gate).await, (Some(1), String::new()));
}

#[tokio::test]
async fn curl_listens() {
    use tokio::io::AsyncReadExt;
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let mut listener = shell(&daemon, "exec curl -sN $U/v1/events");
    let mut stdout = listener.stdout.take().unwrap();
    let mut heard = String::new();
    let mut part = [0; 4096];
    let mut hear = async |wanted: &str| {
        while !heard.contains(wanted) {
            let count = soon(wanted, stdout.read(&mut part)).await.unwrap();
            heard.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
    };
    hear("caught-up").await;
    daemon.approve(&id).await;
    hear("\"status\":\"approved\"").await;
    assert!(
        heard.starts_with("retry: 3000\n\nevent: request\nid: "),
        "{heard}"
    );
}
