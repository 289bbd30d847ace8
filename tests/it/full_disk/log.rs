//! A log that cannot be written: the daemon works on without it.

use std::fs::File;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::setup;
use crate::until::until;

#[tokio::test]
async fn a_log_on_a_full_disk_takes_nothing_else_along() {
    for format in ["text", "json"] {
        // Whoever starts it cannot be told the address by the log, so another daemon finds one.
        let daemon = setup().start();
        let (address, setup) = (daemon.address(), daemon.setup().clone());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut daemon = daemon;
        daemon.crash();
        let mut command = setup.clone().listen(&address.to_string()).command();
        command
            .args(["--log", "trace", "--log-format", format])
            .stdout(Stdio::null())
            .stderr(full);
        let mut child = command.spawn().unwrap();
        until("the daemon to answer", async || {
            let socket = tokio::net::TcpStream::connect(address).await;
            socket.ok().map(drop)
        })
        .await;
        let id = daemon.ask("Deploy?").await;
        daemon.approve(&id).await;
        assert_eq!(daemon.read(&id).await["status"], "approved");
        assert_eq!(daemon.get("/readyz").await.status, 200);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_failed_start_keeps_its_exit_code_when_nobody_can_be_told() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = setup().listen("0.0.0.0:0").command();
    let code = command.stderr(full()).status().unwrap().code();
    assert_eq!(code, Some(78));
    let mut command = setup().flags("--no-such-flag").command();
    let code = command.stderr(full()).status().unwrap().code();
    assert_eq!(code, Some(64));
}
