//! `approver` on a real terminal, against a stand-in for the daemon that may be hostile: it sends
//! what no pushd would. The bytes that reach the terminal are read one by one.

mod answers;
mod elsewhere;
mod hostile;
mod leaving;
mod pages;
mod stand_in;
mod unfriendly;
mod window;

use self::stand_in::StandIn;
use crate::pty::Pty;

const APPROVER: &str = env!("CARGO_BIN_EXE_approver");

fn approver(daemon: &StandIn) -> Pty {
    Pty::run(APPROVER, &["--url", &daemon.url()], &[])
}
