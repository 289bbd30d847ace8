//! More peers than the system has descriptors for.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::healthy::Healthy;
use super::hostile::{deaf, get};
use crate::daemon::{Daemon, setup};
use crate::until::soon;

impl Daemon {
    /// Lets it open no more than so many files from now on.
    fn lower_descriptors(&self, files: u64) {
        let pid = Pid::from_raw(self.process().try_into().unwrap()).unwrap();
        let limit = Rlimit {
            current: Some(files),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(Some(pid), Resource::Nofile, limit).expect("the daemon is ours");
    }
}

/// The first words of an answer; none when the connection was closed without one.
async fn word(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = [0; 12];
    let read = soon("an answer", stream.read_exact(&mut bytes)).await;
    read.ok()
        .map(|_| String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn accepting_goes_on_when_descriptors_come_free() {
    let daemon = setup().start();
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    daemon.lower_descriptors(before.descriptors as u64 + 20);
    let mut many = deaf(daemon.address(), 100, &get("/livez")).await;
    daemon.logged("cannot accept a connection").await;
    healthy.approvals(3).await;
    let used = daemon.cpu_millis();
    // No condition to wait for: this is the time in which nothing can be done.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = daemon.cpu_millis() - used;
    assert!(used < 200, "{used} ms of processor time in two seconds");
    // Who was accepted leaves, and who waits is accepted in their place, all of them in the end.
    while let Some(mut one) = (!many.is_empty()).then(|| many.remove(0)) {
        assert_eq!(word(&mut one).await.as_deref(), Some("HTTP/1.1 200"));
    }
    healthy.approvals(1).await;
    daemon.is_as(before, 96).await;
    let tellings = daemon.log().matches("cannot accept a connection").count();
    assert!(tellings < 5, "told {tellings} times");
}

#[tokio::test]
async fn whoever_comes_beyond_the_limit_of_files_is_told_so() {
    let daemon = setup().descriptors(320).start();
    let mut healthy = Healthy::new(&daemon).await;
    // 256 of them are for the rest of the daemon.
    let mut many = deaf(daemon.address(), 64, &get("/livez")).await;
    let mut answered = 0;
    for one in &mut many {
        answered += usize::from(word(one).await.as_deref() == Some("HTTP/1.1 200"));
    }
    assert!((55..64).contains(&answered), "{answered}");
    for _ in 0..20 {
        let mut late = deaf(daemon.address(), 1, &get("/livez")).await;
        assert_eq!(word(&mut late[0]).await.as_deref(), Some("HTTP/1.1 503"));
    }
    healthy.approvals(3).await;
    drop(many);
    crate::until::until("a free place", async || {
        let mut late = deaf(daemon.address(), 1, &get("/livez")).await;
        (word(&mut late[0]).await.as_deref() == Some("HTTP/1.1 200")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_are_promised_than_files_may_be_open() {
    let daemon = setup()
        .descriptors(320)
        .flags("--max-connections 100000")
        .start();
    daemon.logged("possible=64").await;
    let mut healthy = Healthy::new(&daemon).await;
    let many = deaf(daemon.address(), 400, &get("/livez")).await;
    healthy.approvals(3).await;
    drop(many);
    assert!(!daemon.log().contains("cannot accept"));
}
