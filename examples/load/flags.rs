//! The command line: which workload, on which daemons, and its bounds.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::machine::Watched;
use crate::peer::{Kind, Peer, Server};
use crate::policy::Policy;

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// Puts load on daemons on this machine and writes what it measured as one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "load", max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) workload: Workload,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// Ask, hear the event, decide, hear the answer on a held poll: so many in flight
    Flows(FlowsFlags),
    /// Memory, files and idle CPU of held polls or open streams
    Held(HeldFlags),
    /// One event after the other to many streams, and when the last of them has it
    Fanout(CrowdFlags),
    /// Events as fast as possible to many streams, and whether each has all of them in order
    Flood(CrowdFlags),
    /// Many held polls, all decided as fast as possible
    Burst(BurstFlags),
    /// Memory of requests that are kept, and how fast they are written and read
    Kept(KeptFlags),
    /// Write a SQLite database with settled requests, without a daemon
    Fill(FillFlags),
    /// Lists and decisions alone, on a daemon that keeps many requests
    Size(SizeFlags),
    /// Kill a daemon under its waiters, and see how they come back
    Storm(StormFlags),
    /// No load: a bare hub that understands the same calls, which is what the daemon is compared with
    Hub(HubFlags),
    /// No load: what stands behind Pushpin, and tells it to hold each call
    Origin(OriginFlags),
}

/// Which daemons.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Loopback address of a daemon; may be given several times for nodes of one store
    #[arg(long = "address", value_name = "ADDR", required = true, value_parser = loopback)]
    pub(crate) addresses: Vec<SocketAddr>,

    /// Process whose CPU time is told, such as pushd=1234; may be given several times
    ///
    /// Those of one name are added up. The memory of those that have the name of the peer is told,
    /// too.
    #[arg(long, value_name = "NAME=PID")]
    pub(crate) watch: Vec<Watched>,
}

impl Target {
    /// Daemons of this project at these addresses.
    pub(crate) fn pushd(&self) -> Vec<Server> {
        self.addresses.iter().copied().map(Server::pushd).collect()
    }
}

/// Which daemons, and whose.
#[derive(Args, Clone, Debug)]
pub(crate) struct On {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Who listens there
    #[arg(long, value_enum, default_value_t = Peer::Pushd)]
    pub(crate) peer: Peer,

    /// Loopback address where that peer takes what is published, if it is another one
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub(crate) publish_at: Option<SocketAddr>,
}

impl On {
    pub(crate) fn servers(&self) -> Vec<Server> {
        let addresses = self.target.addresses.iter().copied();
        addresses
            .map(|address| Server::new(self.peer, address, self.publish_at))
            .collect()
    }
}

#[derive(Args, Debug)]
pub(crate) struct FlowsFlags {
    #[command(flatten)]
    pub(crate) on: On,

    /// Flows at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) in_flight: u32,

    /// How long, a warm-up of at most one second not counted
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,

    /// Flows after which it ends in any case
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    pub(crate) flows: u64,

    /// Polls and streams on which nothing happens, held beside the flows: half of each
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=18_000))]
    pub(crate) beside: u32,
}

#[derive(Args, Debug)]
pub(crate) struct HeldFlags {
    #[command(flatten)]
    pub(crate) on: On,

    /// What is held
    #[arg(long, value_enum, default_value_t = Kind::Poll)]
    pub(crate) kind: Kind,

    /// How many; of several, so many one after the other
    #[arg(long = "count", value_name = "N", required = true, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=19_000))]
    pub(crate) counts: Vec<u32>,

    /// How long they are held while nothing happens
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    pub(crate) seconds: u64,

    /// How long the peer gets to give back what it needed on the way, before its memory is read
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=20))]
    pub(crate) settle: u64,
}

#[derive(Args, Debug)]
pub(crate) struct CrowdFlags {
    #[command(flatten)]
    pub(crate) on: On,

    /// Open streams
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    pub(crate) streams: u32,

    /// Events at most
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) events: u32,

    /// How long events are published at most
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,

    /// Those who publish at the same time, in a flood
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) publishers: u32,
}

#[derive(Args, Debug)]
pub(crate) struct BurstFlags {
    #[command(flatten)]
    pub(crate) on: On,

    /// Held polls, each of a request of its own
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=18_000))]
    pub(crate) count: u32,

    /// Connections on which they are decided
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) in_flight: u32,
}

#[derive(Args, Debug)]
pub(crate) struct HubFlags {
    /// Loopback address on which it listens, and which it writes to standard output
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub(crate) address: SocketAddr,

    /// Threads, each with a runtime of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) threads: u8,
}

#[derive(Args, Debug)]
pub(crate) struct OriginFlags {
    /// Loopback address on which it listens, and which it writes to standard output
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub(crate) address: SocketAddr,
}

#[derive(Args, Debug)]
pub(crate) struct KeptFlags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// How many requests
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,

    /// Asks, then decisions, then reads, at the same time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) in_flight: u32,

    /// How long the daemon gets to give back what it needed on the way, before its memory is read
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=20))]
    pub(crate) settle: u64,
}

#[derive(Args, Debug)]
pub(crate) struct FillFlags {
    /// The file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) database: PathBuf,

    /// How many requests
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
}

#[derive(Args, Debug)]
pub(crate) struct SizeFlags {
    #[command(flatten)]
    pub(crate) target: Target,

    /// A place in the middle of the list, as `after` takes it
    #[arg(long, value_name = "PLACE")]
    pub(crate) middle: String,

    /// Calls of each kind, one after the other
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) calls: u32,

    /// A directory on the disk of the database, on which flushes are timed
    #[arg(long, value_name = "DIR")]
    pub(crate) disk: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct StormFlags {
    /// The first address is the one whose daemon is killed; without others its waiters come back
    /// to it, so somebody has to start it again
    #[command(flatten)]
    pub(crate) target: Target,

    /// The process of the daemon that is killed once all polls are held; its name has to be pushd
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(2..))]
    pub(crate) kill: i32,

    /// Held polls, each of a request of its own
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    pub(crate) count: u32,

    /// Pauses of those who come back: client, steady, none, or spread=TIME
    ///
    /// `client` is what the clients of this project do; `steady` the same without chance; `none`
    /// tries again at once; `spread=2s` comes back at a random moment within 2 s, then as `client`.
    #[arg(long, value_name = "POLICY", default_value = "client")]
    pub(crate) policy: Policy,

    /// Spread the polls over all nodes at first; else the first one holds them all
    #[arg(long)]
    pub(crate) spread: bool,

    /// When to give up on those who do not come back
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) seconds: u64,
}

/// An address that no other machine can be behind.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is no address with a port, such as 127.0.0.1:8888"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{address} is not a loopback address; this puts load on daemons on this machine only"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_get_load() {
        for address in ["127.0.0.1:8888", "127.3.2.1:80", "[::1]:8888"] {
            assert!(loopback(address).is_ok(), "{address}");
        }
        for address in [
            "10.0.0.1:80",
            "0.0.0.0:80",
            "[::]:80",
            "localhost:80",
            "127.0.0.1",
        ] {
            assert!(loopback(address).is_err(), "{address}");
        }
    }

    #[test]
    fn bounds_hold() {
        let parse = |line: &str| CommandLine::try_parse_from(line.split(' ')).map(drop);
        let to = "--address 127.0.0.1:1";
        parse(&format!("load flows {to} --in-flight 4096")).unwrap();
        parse(&format!("load held {to} --peer nchan --count 100,200")).unwrap();
        parse(&format!(
            "load flows {to} --peer pushpin --publish-at 127.0.0.1:2"
        ))
        .unwrap();
        parse(&format!("load storm {to} --kill 2 --policy spread=2s")).unwrap();
        for wrong in [
            "flows --in-flight 4097",
            "flows --seconds 601",
            "held --count 19001",
            "held",
            "flood --events 10001",
            "burst --in-flight 513",
            "flows --peer nobody",
            "flows --publish-at 10.0.0.1:80",
            "kept --count 1000001",
            "storm --kill 1",
            "storm --kill 2 --policy sometimes",
        ] {
            assert!(parse(&format!("load {wrong} {to}")).is_err(), "{wrong}");
        }
        assert!(parse("load flows").is_err());
    }
}
