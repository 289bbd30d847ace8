//! A crowd that waits, all hostile peers at once, and an approval between them.
//!
//! The crowd has processes of its own, because no process may open as many files as it and the
//! daemon need together: this binary starts itself again for one test, which is a role.

use std::io::Read;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::census::{Census, may_open};
use super::healthy::{Healthy, in_words};
use super::load;
use crate::daemon::{Daemon, setup};

/// How large it is.
struct Size {
    waiters: usize,
    /// What the number of hostile peers of each kind is multiplied by.
    hostile: usize,
    approvals: usize,
}

/// A process that plays a role until it is dropped.
struct Role {
    child: Child,
    // Its end tells the child to go, even when this process is killed.
    _alive: Option<ChildStdin>,
}

impl Role {
    fn start(daemon: &Daemon, role: &str, size: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "peers::load::a_role", "--nocapture"])
            .env(load::ROLE, format!("{role} {} {size}", daemon.address()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let alive = child.stdin.take();
        // Its words are not ours, but a pipe that nobody reads would stop it.
        let mut words = child.stdout.take().unwrap();
        std::thread::spawn(move || words.read_to_end(&mut Vec::new()));
        Self {
            child,
            _alive: alive,
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

#[allow(clippy::print_stderr, reason = "the figures that this run is for")]
fn tell(what: &str, census: Census) {
    eprintln!("{what:>12}: {census}");
}

async fn grown(daemon: &Daemon, figure: &str, least: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
    loop {
        let now = daemon.metric(figure).await;
        if now >= least as u64 {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{figure}: {now} of {least}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn crowd(size: Size) {
    may_open(4096);
    let daemon = setup().start();
    super::hostile::large_requests(&daemon, 16).await;
    let mut healthy = Healthy::new(&daemon).await;
    let alone = healthy.approvals(size.approvals).await;
    let before = daemon.census();
    tell("before", before);
    let waiters = Role::start(&daemon, "waiters", size.waiters);
    grown(&daemon, "pushd_waiters", size.waiters).await;
    tell("waiting", daemon.census());
    let waiting = healthy.approvals(size.approvals).await;
    let hostile = Role::start(&daemon, "hostile", size.hostile);
    grown(&daemon, "pushd_connections_cut_total", 1).await;
    let mut most = daemon.census();
    let mut among = Vec::new();
    for _ in 0..size.approvals {
        among.extend(healthy.approvals(1).await);
        let now = daemon.census();
        most.memory = most.memory.max(now.memory);
        most.descriptors = most.descriptors.max(now.descriptors);
        most.threads = most.threads.max(now.threads);
    }
    tell("most", most);
    let cut = daemon.metric("pushd_connections_cut_total").await;
    let held = daemon.metric("pushd_waiters").await;
    drop((waiters, hostile));
    #[allow(clippy::print_stderr, reason = "the figures that this run is for")]
    {
        eprintln!("{held} waiters at the end, {cut} connections cut");
        eprintln!("an approval alone:        {}", in_words(alone));
        eprintln!("an approval among them:   {}", in_words(waiting));
        eprintln!("and among hostile peers:  {}", in_words(among));
    }
    daemon.waiters_are(0).await;
    daemon.metric_is("pushd_subscribers", 1).await;
    daemon.is_as(before, 96).await;
    let after = daemon.census();
    tell("after", after);
    assert!(
        held >= size.waiters as u64 * 9 / 10,
        "{held} waiters are left"
    );
}

#[tokio::test]
async fn a_crowd_of_waiters_and_all_hostile_peers_hinder_no_approval() {
    crowd(Size {
        waiters: 300,
        hostile: 1,
        approvals: 10,
    })
    .await;
}

/// For a release build: `cargo test --release --test it -- --ignored --nocapture peers::crowd`.
#[tokio::test]
#[ignore = "takes a minute and the files of a whole machine"]
async fn fifteen_thousand_waiters_and_all_hostile_peers_hinder_no_approval() {
    crowd(Size {
        waiters: 15_000,
        hostile: 20,
        approvals: 500,
    })
    .await;
}
