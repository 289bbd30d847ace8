//! A server B as the demonstration has one: a script for Node that holds its own caller while it
//! waits for `POST /btServer`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::classic;
use crate::until::soon;

const SERVER: &str = "
    const http = require('http');
    const daemon = process.argv[1];
    const ask = () => new Promise((resolve, reject) => {
        const call = http.request(daemon + '/btServer', {method: 'POST'}, (answer) => {
            let body = '';
            answer.on('data', (part) => { body += part; });
            answer.on('end', () => resolve(body));
        });
        call.on('error', reject);
        call.end();
    });
    http.createServer(async (call, answer) => {
        answer.statusCode = Number(await ask());
        answer.end();
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
";

#[tokio::test]
async fn a_server_that_relays_the_number_works_unchanged() {
    let daemon = classic();
    let mut node = Command::new("node")
        .args(["-e", SERVER])
        .arg(daemon.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("node: {error}; see scripts/check.sh"));
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let port = soon("a port", lines.next_line()).await.unwrap().unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    for (form, status) in [("data=yes", 200), ("data=no", 204)] {
        let through_b = tokio::spawn(daemon.clients.http1.get(&url).send());
        daemon.question().await;
        let sure = daemon.sure("", form).await;
        assert_eq!(sure.status, 200, "{sure:?}");
        let answer = soon("B's answer", through_b).await.unwrap().unwrap();
        assert_eq!(answer.status(), status);
    }
}
