//! The command line of `pushd`.

mod arrival;
mod audit;
mod nats;
mod notify;
mod policy;
mod relay;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use warp::http::uri::Authority;

pub(super) use self::arrival::ArrivalFlags;
pub(super) use self::audit::{Audit, ExportFlags};
pub(super) use self::nats::NatsFlags;
pub(super) use self::notify::NotifyFlags;
pub(super) use self::policy::{CheckFlags, ExplainFlags, KnownFlag, PolicyCommand};
pub(super) use self::relay::RelayFlags;
pub(super) use self::token::{CreateFlags, ListFlags, RevokeFlags, TokenCommand};
use crate::cli::flags::duration;
use crate::client::{DaemonUrl, socket_path};
use crate::limits;
use crate::store::nats::Servers;

#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "these comments are the help text"
)]
/// Holds requests for approval between those who ask and those who answer.
///
/// Without a command it is the daemon, to which requesters and approvers connect over HTTP. Every
/// flag has an environment variable.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pushd",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct CommandLine {
    /// What to do instead of serving
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    #[command(flatten)]
    pub(super) daemon: Flags,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// What there is to do beside serving.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the database to a file, also while the daemon runs
    ///
    /// The copy is complete as of the moment at which it began, and the daemon works on meanwhile.
    /// FILE appears when the copy is whole, has been looked through for damage, and is on the disk.
    ///
    /// Exit codes: 0 done, 64 wrong command line, 73 FILE cannot be written, 78 the database cannot
    /// be read.
    Backup(BackupFlags),
    /// Put a backup in the place of the database, while the daemon is stopped
    ///
    /// The database that was there is kept beside it. Approvers are told by their streams to begin
    /// anew; what was asked after the backup is gone, and what was decided after it is pending
    /// again.
    ///
    /// Exit codes: 0 done, 64 wrong command line, 65 FILE is no sound backup, 78 the database is in
    /// use or cannot be replaced.
    Restore(RestoreFlags),
    /// Make, list and revoke the tokens of those who may talk to the daemon
    ///
    /// The tokens file holds who may do what, and hashes instead of tokens. A running daemon
    /// follows it within a second.
    ///
    /// Exit codes: 0 done, 64 wrong command line or name, 73 the file cannot be written, 78 the
    /// file is wrong.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check and explain the rules about who has to agree to what
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Tell who asked and who allowed what
    #[command(subcommand)]
    Audit(Audit),
    /// Hold calls nearer to the callers than the daemon is, through its restarts
    ///
    /// A relay keeps nothing and decides nothing: it passes calls on to a daemon, with whatever
    /// token they have, and waits for it while it is away. It listens beyond this machine only in
    /// front of daemons that ask for tokens.
    ///
    /// Exit codes: 0 ended by a signal, 64 wrong command line, 69 it cannot listen, 78 the
    /// configuration is wrong, or a daemon trusts everybody and the relay would let a network in.
    Relay(Box<RelayFlags>),
}

/// The flags of `pushd backup`.
#[derive(Clone, Debug, Args)]
pub(super) struct BackupFlags {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Replace FILE when it exists
    #[arg(long)]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) store: StoreFlags,
}

/// The flags of `pushd restore`.
#[derive(Clone, Debug, Args)]
pub(super) struct RestoreFlags {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) store: StoreFlags,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// Which store.
#[derive(Args, Clone, Debug)]
pub(super) struct StoreFlags {
    /// Where requests are kept: `sqlite:PATH`, `nats://HOST:PORT`, or `memory` for trials
    ///
    /// The default is an SQLite database at $XDG_STATE_HOME/pushd/pushd.db, which is
    /// ~/.local/state/pushd/pushd.db when that variable is not set.
    /// NATS with JetStream is for several daemons on several machines; `nats://A:4222,B:4222` names
    /// more than one server, and tls:// asks for TLS.
    /// `memory` forgets everything when the daemon ends.
    #[arg(long, value_name = "STORE", env = "PUSHD_STORE")]
    pub(super) store: Option<StoreFlag>,
}

/// How much of the machine is used.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Threads {
    /// Threads that answer calls
    ///
    /// One is the fastest as long as it is not busy all the time, because nothing then has to be
    /// handed from one core to another. More help when many callers come by TLS at once.
    #[arg(
        long = "threads",
        value_name = "N",
        env = "PUSHD_THREADS",
        default_value_t = limits::THREADS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::THREADS_MAX))
    )]
    pub(super) count: u32,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// The daemon's flags.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// Address, or unix:PATH, to listen on; may be given several times [default: 127.0.0.1:8888]
    ///
    /// Whoever connects to a Unix socket is known by the name of their account, such as unix:alice.
    /// Sockets that a service manager hands over (systemd's socket activation) are listened on
    /// as well, and in place of the default.
    #[arg(
        long,
        value_name = "ADDR",
        env = "PUSHD_LISTEN",
        value_delimiter = ',',
        value_parser = place
    )]
    pub(super) listen: Vec<Place>,

    #[command(flatten)]
    pub(super) unix: UnixFlags,

    #[command(flatten)]
    pub(super) tls: TlsFlags,

    #[command(flatten)]
    pub(super) store: StoreFlags,

    #[command(flatten)]
    pub(super) nats: NatsFlags,

    /// How long settled requests are kept
    #[arg(long, value_name = "TIME", env = "PUSHD_RETAIN", default_value = "90d", value_parser = retain)]
    pub(super) retain: Duration,

    #[command(flatten)]
    pub(super) threads: Threads,

    /// How long open calls may take to finish after SIGTERM
    #[arg(long, value_name = "TIME", env = "PUSHD_DRAIN", default_value = "5s", value_parser = drain)]
    pub(super) drain: Duration,

    /// Host name to answer to, beside localhost and the addresses listened on; may be repeated
    ///
    /// A call for any other name is refused with 421, so that a web page cannot reach the daemon
    /// by pointing a name of its own at it.
    #[arg(
        long,
        value_name = "NAME",
        env = "PUSHD_ALLOW_HOST", value_delimiter = ',', value_parser = host_name)]
    pub(super) allow_host: Vec<String>,

    /// Address of a relay or reverse proxy that is believed who calls; may be repeated
    ///
    /// The last address in its X-Forwarded-For is then shown and kept as the caller's, and its own
    /// connections do not count for --max-connections-per-address.
    #[arg(
        long,
        value_name = "IP",
        env = "PUSHD_TRUST_PROXY",
        value_delimiter = ','
    )]
    pub(super) trust_proxy: Vec<IpAddr>,

    /// Where people reach this daemon from other machines, such as `https://pushd.example`
    ///
    /// It is told to requesters, who show it as a link and a QR code, and its host is answered to
    /// as with --allow-host.
    #[arg(long, value_name = "URL", env = "PUSHD_PUBLIC_URL", value_parser = public_url)]
    pub(super) public_url: Option<DaemonUrl>,

    /// The tokens file: who may ask, see and answer what [default: everybody on this machine may]
    ///
    /// `pushd token` makes it. It is read again when it changes; while it is wrong, an older
    /// reading of it holds. Nobody may be able to write it but its owner.
    #[arg(long, value_name = "FILE", env = "PUSHD_TOKENS")]
    pub(super) tokens: Option<PathBuf>,

    /// The policy file: who has to agree to what [default: one approval, by any approver]
    ///
    /// It is read again when it changes; while it is wrong, an older reading of it holds. Nobody
    /// may be able to write it but its owner. `pushd policy` checks and explains it.
    #[arg(long, value_name = "FILE", env = "PUSHD_POLICY")]
    pub(super) policy: Option<PathBuf>,

    #[command(flatten)]
    pub(super) notify: NotifyFlags,

    /// Let anybody who can reach the address ask AND APPROVE
    ///
    /// Without --tokens the daemon listens on loopback addresses only.
    /// With this flag it listens wherever it is told to, and trusts everybody there.
    #[arg(long, env = "PUSHD_TRUST_EVERYBODY_ON_THE_NETWORK")]
    pub(super) trust_everybody_on_the_network: bool,

    /// Serve the classic routes as well: /longPolling, /btServer, /ensure and /sure
    ///
    /// They are for the unchanged pages and servers of the demonstration that pushd comes from,
    /// and need no login: whoever reaches the daemon may answer on every channel.
    #[arg(long, env = "PUSHD_CLASSIC")]
    pub(super) classic: bool,

    /// Serve the classic routes to a network, or beside --tokens: ANYBODY MAY SAY YES on them
    ///
    /// Without this flag --classic is refused together with --tokens and with an address that is
    /// not a loopback one.
    #[arg(long, env = "PUSHD_CLASSIC_LETS_ANYBODY_DECIDE")]
    pub(super) classic_lets_anybody_decide: bool,

    /// Open connections at most [default: the limit of open files less 256]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_CONNECTIONS", value_parser = at_least_one)]
    pub(super) max_connections: Option<usize>,

    /// Held long polls at most [default: as many as connections]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_WAITERS", value_parser = at_least_one)]
    pub(super) max_waiters: Option<usize>,

    /// Open streams at most [default: as many as connections]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_SUBSCRIBERS", value_parser = at_least_one)]
    pub(super) max_subscribers: Option<usize>,

    /// Pending requests at most [default: 100000]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_PENDING", value_parser = at_least_one)]
    pub(super) max_pending: Option<usize>,

    #[command(flatten)]
    pub(super) arrival: ArrivalFlags,

    #[command(flatten)]
    pub(super) quotas: QuotaFlags,

    /// How log lines are written to stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "PUSHD_LOG_FORMAT",
        default_value = "text"
    )]
    pub(super) log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "LEVEL", env = "PUSHD_LOG", default_value = "info")]
    pub(super) log: String,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// What one address or one requester may have of it all.
#[derive(Args, Clone, Debug)]
pub(super) struct QuotaFlags {
    /// Open connections of one address at most [default: 2048, or half of all if that is fewer]
    ///
    /// IPv6 addresses count together by their first 64 bits. Loopback addresses are not counted.
    /// A reverse proxy on another machine is one address.
    #[arg(long, value_name = "N", env = "PUSHD_MAX_CONNECTIONS_PER_ADDRESS", value_parser = at_least_one)]
    pub(super) max_connections_per_address: Option<usize>,

    /// Pending requests of one token at most
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_MAX_PENDING_PER_REQUESTER",
        default_value_t = limits::PENDING_PER_REQUESTER,
        value_parser = at_least_one
    )]
    pub(super) max_pending_per_requester: usize,

    /// New requests of one token in a minute, and at once after a quiet minute
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_ASKS_PER_MINUTE",
        default_value_t = limits::ASKS_PER_MINUTE,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) asks_per_minute: u32,

    /// Held long polls of one token at most [default: as many as pending requests of it]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_WAITERS_PER_REQUESTER", value_parser = at_least_one)]
    pub(super) max_waiters_per_requester: Option<usize>,

    /// Open streams of one token at most
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_MAX_SUBSCRIBERS_PER_REQUESTER",
        default_value_t = limits::SUBSCRIBERS_PER_REQUESTER,
        value_parser = at_least_one
    )]
    pub(super) max_subscribers_per_requester: usize,

    /// How long the same must not be asked again by the same requester after a denial [default: no time]
    ///
    /// The same is what an approver would see as the same: topic, title, details and fields.
    /// A restart of the daemon forgets it.
    #[arg(long, value_name = "TIME", env = "PUSHD_COOL_DOWN", value_parser = cool_down)]
    pub(super) cool_down: Option<Duration>,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// Unix sockets.
#[derive(Args, Clone, Debug)]
pub(super) struct UnixFlags {
    /// User or group that may decide over Unix sockets; may be repeated
    ///
    /// A name that is both a user's and a group's stands for both.
    #[arg(
        long,
        value_name = "GROUP|USER",
        env = "PUSHD_UNIX_APPROVERS",
        value_delimiter = ','
    )]
    pub(super) unix_approvers: Vec<String>,

    /// Permissions of the files of Unix sockets, in octal
    ///
    /// 666 lets every user of this machine connect, and so ask; the folder that the socket is in
    /// narrows that.
    #[arg(
        long,
        value_name = "MODE",
        env = "PUSHD_UNIX_MODE",
        default_value = "666",
        value_parser = mode
    )]
    pub(super) unix_mode: u32,
}

#[allow(clippy::doc_markdown, reason = "these comments are the help text")]
/// TLS.
#[derive(Args, Clone, Debug)]
pub(super) struct TlsFlags {
    /// Speak TLS, with this certificate: PEM, the daemon's own first, then those that signed it
    ///
    /// It holds for all addresses that are listened on. Certificate and key are read again when
    /// they change; connections that are open keep the old ones.
    #[arg(
        long,
        value_name = "FILE",
        env = "PUSHD_TLS_CERT",
        requires = "tls_key"
    )]
    pub(super) tls_cert: Option<PathBuf>,

    /// The key of that certificate: PEM, without a passphrase
    #[arg(
        long,
        value_name = "FILE",
        env = "PUSHD_TLS_KEY",
        requires = "tls_cert"
    )]
    pub(super) tls_key: Option<PathBuf>,
}

/// Where the daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At an address.
    Network(SocketAddr),
    /// At a path.
    Unix(PathBuf),
}

impl Flags {
    /// The addresses to listen on.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.listen.iter().filter_map(|place| match place {
            Place::Network(address) => Some(*address),
            Place::Unix(_) => None,
        });
        addresses.collect()
    }

    /// The paths to listen on.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let paths = self.listen.iter().filter_map(|place| match place {
            Place::Network(_) => None,
            Place::Unix(path) => Some(path.clone()),
        });
        paths.collect()
    }
}

fn place(text: &str) -> Result<Place, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(Place::Unix);
    }
    let address = text.parse().map(Place::Network);
    address.map_err(|_| {
        "write an IP address and a port, like 127.0.0.1:8888, or unix: and a path".to_owned()
    })
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        Ok(_) | Err(_) => Err("write permissions in octal, like 660".to_owned()),
    }
}

/// An address that a browser can open.
fn public_url(text: &str) -> Result<DaemonUrl, String> {
    let url: DaemonUrl = text.parse().map_err(|error| format!("{error}"))?;
    if url.socket().is_some() {
        return Err("other machines reach no Unix socket; write an http or https URL".to_owned());
    }
    Ok(url)
}

fn host_name(text: &str) -> Result<String, String> {
    let bare = text
        .parse::<Authority>()
        .is_ok_and(|authority| authority.host() == text);
    if bare {
        Ok(text.to_owned())
    } else {
        Err("a host name alone, like pushd.example".to_owned())
    }
}

fn drain(text: &str) -> Result<Duration, String> {
    let drain = duration(text)?;
    if drain > limits::DRAIN_MAX {
        let most = humantime::format_duration(limits::DRAIN_MAX);
        return Err(format!(
            "at most {most}; held calls are answered at once anyway"
        ));
    }
    Ok(drain)
}

fn retain(text: &str) -> Result<Duration, String> {
    let retain = duration(text)?;
    if retain < limits::RETAIN_MIN {
        let least = humantime::format_duration(limits::RETAIN_MIN);
        return Err(format!(
            "at least {least}, so that requesters can read their answers"
        ));
    }
    Ok(retain)
}

fn cool_down(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > limits::COOL_DOWN_MAX {
        let most = humantime::format_duration(limits::COOL_DOWN_MAX);
        return Err(format!("at most {most}"));
    }
    Ok(time)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A store, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreFlag {
    /// In memory, for trials.
    Memory,
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// A bucket on these NATS servers.
    Nats(Servers),
}

impl FromStr for StoreFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("sqlite:")) {
            ("memory", _) => Ok(Self::Memory),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ if text.starts_with("nats://") || text.starts_with("tls://") => {
                text.parse().map(Self::Nats)
            }
            _ => Err(
                "write memory, sqlite:PATH with the path of a database file, or nats://HOST:PORT"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_host_is_a_name_alone() {
        for good in ["pushd.example", "vm", "192.0.2.7"] {
            assert_eq!(host_name(good), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "https://x", "vm:8888", "user@vm", "x/y"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_to_listen_is_an_address_or_a_path() {
        let network = Place::Network("[::1]:80".parse().unwrap());
        assert_eq!(place("[::1]:80"), Ok(network));
        assert_eq!(place("unix:a b%20"), Ok(Place::Unix("a b%20".into())));
        for bad in ["", "unix:", "localhost:80", "/run/pushd.sock"] {
            assert!(place(bad).is_err(), "{bad}");
        }
        assert!(place(&format!("unix:/{}", "a".repeat(200))).is_err());
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        for bad in ["", "u+rw", "668", "1777", "-1"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_url_is_for_browsers() {
        assert!(public_url("https://pushd.example").is_ok());
        assert!(public_url("unix:/run/pushd.sock").is_err());
    }

    #[test]
    fn a_store_is_named_by_its_kind() {
        assert_eq!("memory".parse(), Ok(StoreFlag::Memory));
        assert_eq!("sqlite:/a b".parse(), Ok(StoreFlag::Sqlite("/a b".into())));
        let servers = StoreFlag::Nats("nats://a:1,nats://b".parse().unwrap());
        assert_eq!("nats://a:1,b".parse(), Ok(servers));
        for bad in ["", "sqlite:", "sqlite", "/a.db", "nats:", "http://h"] {
            assert!(bad.parse::<StoreFlag>().is_err(), "{bad}");
        }
    }
}
