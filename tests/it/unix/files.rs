//! The file of a socket: its permissions, what was left over, and what is never removed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::{daemon, on_socket, socket, url};
use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn a_socket_is_removed_when_the_daemon_ends_and_replaced_when_it_was_killed() {
    let mut first = daemon();
    let path = socket(first.setup());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.clone()), 0o666);
    // Whoever could open the lock could hold it, and keep the daemon from starting.
    assert_eq!(mode(path.with_extension("sock.lock")), 0o600);
    first.crash();
    assert!(path.exists(), "nobody has removed it");
    let mut second = first.restart();
    second.logged("nobody listened on").await;
    drop(UnixStream::connect(&path).unwrap());
    second.signal(Signal::TERM);
    assert_eq!(second.ended().await, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn permissions_are_those_of_the_flag_whatever_the_mask() {
    let setup = on_socket(setup()).flags("--unix-mode 0620");
    let path = socket(&setup);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 077 && exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_pushd"));
    command.args(["--listen", "127.0.0.1:0"]);
    let command = setup.complete(command);
    let daemon = setup.start_by(command);
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o620);
    drop(daemon);
}

#[tokio::test]
async fn a_socket_on_which_somebody_listens_is_refused_and_stays() {
    let first = daemon();
    let path = socket(first.setup());
    // Another daemon, with a database of its own.
    let flag = format!("--listen {}", url(first.setup()));
    let (code, told) = setup().flags(&flag).fails();
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("another pushd listens there"), "{told}");
    assert!(told.contains(path.to_str().unwrap()), "{told}");
    drop(UnixStream::connect(&path).unwrap());
    // Another program, which knows nothing of our lock.
    let setup = on_socket(setup());
    let listener = UnixListener::bind(socket(&setup)).unwrap();
    let (code, told) = setup.fails();
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("somebody listens there"), "{told}");
    drop(UnixStream::connect(socket(&setup)).unwrap());
    drop(listener);
}

#[test]
fn what_is_no_socket_is_never_removed() {
    let setup = on_socket(setup());
    fs::write(socket(&setup), "precious").unwrap();
    let (code, told) = setup.fails();
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("something else"), "{told}");
    assert_eq!(fs::read_to_string(socket(&setup)).unwrap(), "precious");
}

/// Where others can write into the folder, one of them may have put a link in the place of the lock.
#[test]
fn a_lock_that_is_a_link_leads_nowhere() {
    let setup = on_socket(setup());
    let target = setup.path("elsewhere");
    symlink(&target, setup.path("pushd.sock.lock")).unwrap();
    let (code, told) = setup.fails();
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("pushd.sock.lock"), "{told}");
    assert!(!target.exists(), "nothing was made there");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let setup = setup();
    let path = setup.path("missing/pushd.sock");
    let (code, told) = setup
        .flags(&format!("--listen unix:{}", path.display()))
        .fails();
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("missing has to be there"), "{told}");
}

/// With a socket alone there is no port: not the default one, and no other.
#[tokio::test]
async fn a_daemon_on_a_socket_alone_has_no_port() {
    let setup = setup().in_memory().listen("unix:pushd.sock");
    let mut command = setup.command();
    // A relative path, as a person might type it.
    command.current_dir(setup.path("")).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines
        .map_while(Result::ok)
        .find(|line| line.contains("listening"))
        .unwrap();
    assert!(
        told.contains("pushd.sock") && !told.contains("address="),
        "{told}"
    );
    assert!(
        fs::metadata(socket(&setup))
            .unwrap()
            .file_type()
            .is_socket()
    );
    let id = child.id();
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let sockets: Vec<_> = descriptors
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/net/{name}")));
    for table in tables.into_iter().flatten() {
        for row in table.lines() {
            let inode = row.split_whitespace().nth(9).unwrap_or_default();
            assert!(
                !sockets
                    .iter()
                    .any(|socket| socket.trim_end_matches(']') == inode),
                "{row}"
            );
        }
    }
    child.kill().unwrap();
    until("its end", async || child.try_wait().unwrap()).await;
}
