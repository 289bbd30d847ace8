//! Peers that vanish without a word: their machine is cut off, and no FIN ever comes.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::daemon::setup;

/// A network of two: this side and a namespace, with a cable between.
struct Network {
    name: String,
}

const OURS: &str = "198.18.77.1";
const THEIRS: &str = "198.18.77.2/30";

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output();
    let output = output.expect("ip, of the package iproute2");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error}");
}

impl Network {
    fn new() -> Self {
        let name = format!("pushd{}", std::process::id());
        ip(&format!("netns add {name}"));
        let network = Self { name };
        let name = &network.name;
        ip(&format!(
            "link add {name} type veth peer name eth0 netns {name}"
        ));
        ip(&format!("addr add {OURS}/30 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} addr add {THEIRS} dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        network
    }

    fn curl(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "curl", "-sN"])
            .args(arguments)
            .stdout(Stdio::null());
        command.spawn().expect("ip and curl")
    }

    /// From now on whatever comes there is dropped, and nothing leaves.
    fn cut(&self) {
        ip(&format!("-n {} addr del {THEIRS} dev eth0", self.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cable goes with its end.
        let deleted = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        drop(deleted);
    }
}

/// It takes as long as the kernel is patient: 75 s.
#[tokio::test]
#[ignore = "takes more than a minute, and root for a network of its own"]
async fn peers_that_vanish_without_a_word_are_found() {
    let network = Network::new();
    let daemon = setup()
        .listen(&format!("{OURS}:0"))
        .flags("--trust-everybody-on-the-network")
        .start();
    let id = daemon.ask("Deploy?").await;
    let before = daemon.census();
    let url = |path: &str| format!("http://{}{path}", daemon.address());
    let poll = url(&format!("/v1/requests/{id}?wait=60"));
    let again = url(&format!("/v1/requests/{id}?wait=59"));
    let mut curls = Vec::new();
    for _ in 0..5 {
        curls.push(network.curl(&[&url("/v1/events")]));
        // One poll after the other, so that one is always held.
        curls.push(network.curl(&[&poll, &again, &again]));
        curls.push(network.curl(&["--http2-prior-knowledge", &url("/v1/events")]));
    }
    daemon.subscribers_are(10).await;
    daemon.waiters_are(5).await;
    network.cut();
    let cut = Instant::now();
    for curl in &mut curls {
        curl.kill().unwrap();
        curl.wait().unwrap();
    }
    let (mut waiters, mut subscribers) = (1, 1);
    while waiters + subscribers > 0 {
        let took = cut.elapsed();
        assert!(took < Duration::from_mins(3), "{waiters} {subscribers}");
        sleep(Duration::from_secs(1)).await;
        waiters = daemon.metric("pushd_waiters").await;
        subscribers = daemon.metric("pushd_subscribers").await;
    }
    daemon.is_as(before, 16).await;
    #[allow(clippy::print_stderr, reason = "the figure that this run is for")]
    {
        eprintln!("found after {:.0?}", cut.elapsed());
    }
}
