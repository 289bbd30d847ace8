//! The clients take no more than they need: what a start costs is paid for each line of a script.

use std::fs::read_dir;
use std::io;
use std::process::Stdio;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::daemon::setup;
use crate::programs::Requester;
use crate::until::{soon, until};

/// The system's authorities are a pipe here, in which nothing ever comes: a client that reads them
/// gets no further.
#[tokio::test]
async fn the_systems_authorities_are_read_for_https_alone() {
    let daemon = setup().start();
    let pipe = daemon.setup().path("authorities");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let environment = [("SSL_CERT_FILE", pipe.to_str().unwrap())];

    let id = daemon.ask("Deploy?").await;
    daemon.approve(&id).await;
    let plain = Requester::start_with(&daemon.url(), &["status", &id], &environment);
    let left = plain.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");

    let secured = Requester::start_with("https://127.0.0.1:1", &["status", &id], &environment);
    until("a client that reads the authorities", async || {
        // It cannot be opened while nobody reads.
        open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).ok()
    })
    .await;
    drop(secured);
}

#[tokio::test]
async fn a_client_that_waits_is_one_thread() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["-m", "Deploy?"]);
    daemon.waiters_are(1).await;
    assert_eq!(threads(requester.id()).unwrap(), 1, "requester");

    let mut approver = Command::new(env!("CARGO_BIN_EXE_approver"))
        .env_clear()
        .args(["--url", &daemon.url(), "watch", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(approver.stdout.take().unwrap()).lines();
    let line = soon("the pending request", lines.next_line()).await;
    assert!(line.unwrap().unwrap().contains("Deploy?"));
    assert_eq!(threads(approver.id().unwrap()).unwrap(), 1, "approver");
}

fn threads(process: u32) -> io::Result<usize> {
    Ok(read_dir(format!("/proc/{process}/task"))?.count())
}
