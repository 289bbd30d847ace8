//! What a service manager such as systemd hands over and is told. The manager is the test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram as StdDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tokio::net::UnixDatagram;

use crate::daemon::{Daemon, Ran, Setup, setup};
use crate::programs::Requester;
use crate::until::{soon, until};

/// Takes the socket on standard input as the third descriptor, as `sd_listen_fds(3)` has it, and
/// becomes the daemon, whose process id the variable has to name.
const HAND_OVER: &str = "exec env LISTEN_FDS=1 LISTEN_PID=$$ \"$@\" 3<&0 0</dev/null";

/// What the manager hears.
struct Ear(UnixDatagram);

impl Ear {
    fn in_directory_of(setup: &Setup) -> Self {
        let socket = StdDatagram::bind(setup.path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(UnixDatagram::from_std(socket).unwrap())
    }

    /// The next thing that is said, line by line.
    async fn hears(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let heard = soon("a word to the manager", self.0.recv(&mut bytes)).await;
        let text = std::str::from_utf8(&bytes[..heard.unwrap()]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until this is said.
    async fn hears_of(&self, line: &str) {
        let mut heard = Vec::new();
        let hearing = async {
            while !heard.iter().any(|said: &String| said.starts_with(line)) {
                heard.extend(self.hears().await);
            }
        };
        soon(line, hearing).await;
    }
}

fn by_hand_over(setup: &Setup, socket: OwnedFd) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", HAND_OVER, "bash"])
        .arg(env!("CARGO_BIN_EXE_pushd"));
    let mut command = setup.complete(command);
    command
        .env("NOTIFY_SOCKET", setup.path("notify"))
        .stdin(Stdio::from(socket));
    command
}

fn managed(setup: &Setup, socket: &TcpListener) -> Daemon {
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    setup.clone().start_by(by_hand_over(setup, socket))
}

#[tokio::test]
async fn a_socket_that_is_handed_over_outlives_the_daemon_and_refuses_nobody() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let setup = setup();
    let ear = Ear::in_directory_of(&setup);
    let mut daemon = managed(&setup, &socket);
    assert_eq!(
        daemon.address(),
        address,
        "it listens there and not on its default"
    );
    ear.hears_of("READY=1").await;
    ear.hears_of("STATUS=ready").await;
    let id = daemon.ask("Deploy?").await;
    daemon.signal(Signal::TERM);
    ear.hears_of("STOPPING=1").await;
    assert_eq!(daemon.ended().await, Some(0));
    // Nobody runs, and nobody is refused: the call waits for the next daemon.
    let waiting = daemon.get(&format!("/v1/requests/{id}")).spawn();
    let waits = async || {
        let backlog = waiting_at(address);
        (backlog == 1).then_some(())
    };
    until("the call to wait in the socket's queue", waits).await;
    assert!(!waiting.is_finished());
    let again = managed(&setup, &socket);
    ear.hears_of("READY=1").await;
    assert_eq!(waiting.await.unwrap().json()["status"], "pending");
    drop(again);
}

/// How many connections wait to be accepted there (`proc_net_tcp(5)`: of a listening socket the
/// receive queue is that).
fn waiting_at(address: SocketAddr) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{:04X}", address.port());
    let rows = table
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let mut listening = rows.filter(|row| row[1].ends_with(&local) && row[3] == "0A");
    let row = listening.next().expect("somebody listens");
    u64::from_str_radix(row[4].split_once(':').unwrap().1, 16).unwrap()
}

#[test]
fn a_socket_that_others_reach_is_refused_like_an_address_that_others_reach() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let setup = setup();
    let refused = Ran::to_its_end(by_hand_over(&setup, socket.into()));
    assert_eq!(refused.code, Some(78), "{refused:?}");
    for words in ["handed over", "0.0.0.0"] {
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
}

#[test]
fn what_is_no_stream_socket_is_refused() {
    let setup = setup();
    let socket = StdDatagram::bind(setup.path("socket")).unwrap();
    let refused = Ran::to_its_end(by_hand_over(&setup, socket.into()));
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.stderr.contains("TCP"), "{refused:?}");
}

/// A Unix socket is served as one of the daemon's own is, and stays when the daemon ends: it is the
/// manager's.
#[tokio::test]
async fn a_unix_socket_is_taken_over_as_well() {
    let setup = setup();
    let path = setup.path("handed.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let command = by_hand_over(&setup, socket.try_clone().unwrap().into());
    let mut command = command;
    command.args(["--listen", "127.0.0.1:0"]);
    let mut daemon = setup.clone().start_by(command);
    let requester = Requester::start(
        &format!("unix:{}", path.display()),
        &["-m", "Deploy?", "--json"],
    );
    let id = daemon.the_pending_one().await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stdout.contains("\"unix:"), "{left:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    assert!(path.exists());
}

#[tokio::test]
async fn the_watchdog_is_fed_also_while_the_daemon_winds_down_and_the_store_is_told_of() {
    let setup = setup().flags("--drain 1min");
    let ear = Ear::in_directory_of(&setup);
    let mut command = setup.command();
    command
        .env("NOTIFY_SOCKET", setup.path("notify"))
        .env("WATCHDOG_USEC", "100000");
    let mut daemon = setup.clone().start_by(command);
    ear.hears_of("READY=1").await;
    for _ in 0..3 {
        ear.hears_of("WATCHDOG=1").await;
    }
    daemon.limit_files(Some(0));
    let reply = daemon.asking(&serde_json::json!({"title": "a"})).await;
    assert_eq!(reply.status, 503);
    ear.hears_of("STATUS=not ready, the store fails: ").await;
    daemon.limit_files(None);
    ear.hears_of("STATUS=ready").await;

    // A call that has not come whole keeps the daemon from ending.
    let mut half = daemon.socket().await;
    half.say("POST /v1/requests HTTP/1.1\r\nHost: localhost\r\n")
        .await;
    half.heard().await;
    daemon.signal(Signal::TERM);
    ear.hears_of("STOPPING=1").await;
    for _ in 0..3 {
        ear.hears_of("WATCHDOG=1").await;
    }
    drop(half);
    assert_eq!(daemon.ended().await, Some(0));
}

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    fs::read_to_string(path.join(name)).unwrap()
}

/// The units, with the program that was built, as systemd's own tools see them.
#[test]
fn systemd_finds_no_fault_with_the_units() {
    let setup = setup();
    let service = unit("pushd.service");
    let installed = "/usr/local/bin/pushd";
    assert!(service.contains(installed), "{service}");
    let service = service.replace(installed, env!("CARGO_BIN_EXE_pushd"));
    fs::write(setup.path("pushd.service"), service).unwrap();
    fs::write(setup.path("pushd.socket"), unit("pushd.socket")).unwrap();
    let analyze = |args: &[&str], units: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command
            .args(args)
            .args(units.iter().map(|unit| setup.path(unit)))
            .env("SYSTEMD_COLORS", "0");
        Ran::to_its_end(command)
    };
    let verified = analyze(&["verify", "--man=no"], &["pushd.service", "pushd.socket"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(!verified.stderr.contains("pushd"), "{verified:?}");
    // Exposure in tenths: 1.2 as it stands. An ordinary service has 9.6.
    let security = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let safe = analyze(&security, &["pushd.service"]);
    assert_eq!(safe.code, Some(0), "{}", safe.stdout);
}
