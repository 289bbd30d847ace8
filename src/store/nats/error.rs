//! Why a bucket cannot be used, in words for the person who runs the daemon.

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server answered.
    #[error(
        "cannot reach NATS at {servers}: {reason}; start nats-server there with JetStream \
         (`nats-server --jetstream`), or name another with --store nats://HOST:PORT"
    )]
    Unreachable {
        /// The servers that were named.
        servers: String,
        /// What the connection says.
        reason: String,
    },
    /// A server answered, and does not let us in.
    #[error(
        "NATS at {servers} does not let this daemon in: {reason}; --nats-credentials, --nats-user, \
         --nats-token-file and --nats-cert say who it is"
    )]
    NotLetIn {
        /// The servers that were named.
        servers: String,
        /// What the server says.
        reason: String,
    },
    /// A file with a secret or a certificate cannot be used.
    #[error("{flag} {path}: {reason}")]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The server keeps nothing.
    #[error(
        "NATS at {servers} has no JetStream for this daemon: {reason}; start nats-server with \
         --jetstream, or enable JetStream for this account"
    )]
    NoJetStream {
        /// The servers that were named.
        servers: String,
        /// What the server says.
        reason: String,
    },
    /// Records may be larger than the server takes.
    #[error(
        "NATS at {servers} takes messages of at most {found} bytes, and a record may have {least}: \
         set max_payload to {least} or more in its configuration"
    )]
    Payload {
        /// The servers that were named.
        servers: String,
        /// What the server takes.
        found: usize,
        /// What is needed.
        least: usize,
    },
    /// The bucket could not be made.
    #[error("cannot make the bucket {bucket:?} with {replicas} replicas: {reason}{hint}")]
    NotMade {
        /// The bucket.
        bucket: String,
        /// How many copies were wanted.
        replicas: usize,
        /// What the server says.
        reason: String,
        /// What to try.
        hint: &'static str,
    },
    /// Somebody else's stream.
    #[error(
        "the bucket {bucket:?} is not of pushd ({what}) and was left alone: name another with \
         --nats-bucket"
    )]
    Foreign {
        /// The bucket.
        bucket: String,
        /// How that is seen.
        what: String,
    },
    /// It would not do what a store has to.
    #[error(
        "the bucket {bucket:?} has {setting} {found} and has to have {wanted}: {remedy}, or name \
         another with --nats-bucket"
    )]
    Setting {
        /// The bucket.
        bucket: String,
        /// Which setting of its stream.
        setting: &'static str,
        /// As it is.
        found: String,
        /// As it has to be.
        wanted: String,
        /// What to do.
        remedy: String,
    },
    /// A later version of the daemon has made it.
    #[error(
        "the bucket {bucket:?} was made by a newer pushd: its layout is {found} and this pushd \
         knows {known}; run the newer pushd, or name another with --nats-bucket"
    )]
    Newer {
        /// The bucket.
        bucket: String,
        /// Its layout.
        found: u64,
        /// The newest layout that this daemon knows.
        known: u64,
    },
    /// It was there and did not answer.
    #[error("the bucket {bucket:?} cannot be read: {reason}; is a majority of its servers there?")]
    Silent {
        /// The bucket.
        bucket: String,
        /// What failed.
        reason: String,
    },
}
