//! docs/operations.md against the program: limits and what the log says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use pushd::limits;

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const LIMITS: &str = include_str!("../../src/limits.rs");

/// A bound as the document writes it.
trait Written {
    fn written(&self, name: &str) -> String;
}

impl Written for usize {
    fn written(&self, name: &str) -> String {
        if name.contains("_BYTES") {
            let kib = self / 1024;
            return match (kib / 1024, kib / 1024 / 1024) {
                (0, _) => format!("{kib} KiB"),
                (mib, 0) => format!("{mib} MiB"),
                (_, gib) => format!("{gib} GiB"),
            };
        }
        match self {
            0..10_000 => self.to_string(),
            _ => format!("{},{:03}", self / 1000, self % 1000),
        }
    }
}

impl Written for u32 {
    fn written(&self, name: &str) -> String {
        usize::try_from(*self).unwrap().written(name)
    }
}

impl Written for u64 {
    fn written(&self, name: &str) -> String {
        usize::try_from(*self).unwrap().written(name)
    }
}

impl Written for Duration {
    fn written(&self, _: &str) -> String {
        let millis = self.as_millis();
        let units = [
            (86_400_000, "days"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1000, "s"),
        ];
        for (unit, name) in units {
            if millis == unit && name == "days" {
                return "1 day".to_owned();
            }
            if millis.is_multiple_of(unit) {
                return format!("{} {name}", millis / unit);
            }
        }
        format!("{millis} ms")
    }
}

impl<T: Written> Written for (T, T) {
    fn written(&self, name: &str) -> String {
        format!("{} to {}", self.0.written(name), self.1.written(name))
    }
}

/// The smallest, the usual and the largest.
impl<T: Written> Written for (T, T, T) {
    fn written(&self, name: &str) -> String {
        let [min, usual, max] = [&self.0, &self.1, &self.2].map(|value| value.written(name));
        format!("{min} to {max}, usually {usual}")
    }
}

macro_rules! seen {
    ($($name:ident)*) => {
        [$((stringify!($name), Written::written(&limits::$name, stringify!($name)))),*]
    };
}

/// The limits that somebody meets, with their values.
fn seen() -> BTreeMap<&'static str, String> {
    seen![
        TITLE_CHARS DETAILS_BYTES FIELDS FIELD_NAME_CHARS FIELD_VALUE_CHARS TOPIC_CHARS
        REASON_CHARS MATCH_CODE_DIGITS MATCH_TRIES
        VOTES_PER_APPROVER VOTES VOTES_NEEDED FROM GROUP_MEMBERS PANELS NAMES_TOLD GROUP_CHARS COMMAND_BYTES COMMAND_ARGUMENTS
        COMMAND_VARIABLES COMMAND_FILES LEASE USE_WITHIN NONCE_CHARS IDEMPOTENCY_KEY_CHARS EXPIRY_MIN EXPIRY_MAX EXPIRY_DEFAULT SEEN_BY
        CLASSIC_CHANNELS CLASSIC_CHANNEL_CHARS CLASSIC_POLLS CLASSIC_KEEP CLASSIC_ABANDON
        CLASSIC_GUARD CLASSIC_BODY_BYTES BODY_BYTES BODY_BYTES_MIN BODY_BYTES_MAX HANDSHAKE_TIME PEM_BYTES FILE_LOOK ACCOUNT_TIME ACCOUNT_KEEP ACCOUNT_CHARS
        BODY_TIME BODY_TIME_MIN BODY_TIME_MAX HEAD_BYTES HEAD_TIME HEAD_TIME_MIN HEAD_TIME_MAX WAIT_MAX LIST_DEFAULT LIST_MAX LIST_BYTES LIST_LOOKS LIST_TOPICS
        STREAM_TOPICS KEEP_ALIVE STREAM_RETRY RETRY_AFTER HTTP2_STREAMS HTTP2_PING
        HTTP2_PING_TIME TCP_KEEPALIVE_IDLE TCP_KEEPALIVE_INTERVAL TCP_KEEPALIVE_PROBES
        TCP_USER_TIMEOUT TCP_UNSENT BURDEN_BYTES LOAD_TIME LOAD_RATE LIST_QUEUE HTTP2_WINDOW
        HTTP2_FRAME HTTP2_PENDING_RESETS HTTP2_FAULTS LISTEN_BACKLOG ACCEPT_NEWS PARTING_TIME TURN_AWAY TURN_AWAY_TIME ACCEPT_PAUSE
        RESERVED_DESCRIPTORS PENDING CONNECTIONS_PER_ADDRESS PENDING_PER_REQUESTER ASKS_PER_MINUTE
        SUBSCRIBERS_PER_REQUESTER COOL_DOWNS COOL_DOWN_MAX LEASE_QUESTION LEASE_QUESTION_JITTER LEASES_ASKED
        NODES NODE_PRESENCE NODE_SILENCE NODE_LISTENERS NODE_MESSAGE_BYTES CLOCK_DIFFERENCE THREADS THREADS_MAX DRAIN_MAX RETAIN_MIN PURGE_INTERVAL
        RELAY_PATIENCE RELAY_LAST_TRY RELAY_GRACE RELAY_OUTAGE RELAY_CLASSIC RELAY_PAUSE RELAY_STREAM_HEAD RELAY_WHOLE_BYTES RELAY_LOOK
        RELAY_LOOK_TIME RELAY_UPSTREAMS RELAY_BODY_SHARES RELAY_IDLE RELAY_KEEPALIVE_IDLE RELAY_KEEPALIVE_INTERVAL RELAY_KEEPALIVE_PROBES
        CERTIFICATE_NEWS HOOK_OUTPUT_BYTES HOOK_PRINT_BYTES HOOK_PARTING HOOK_LOG_CHARS NOTIFY_JOBS NOTIFY_JOBS_MAX NOTIFY_TIME NOTIFY_TIME_MAX
        NOTICE_QUEUE NOTICE_QUEUE_BYTES NOTICES_TOLD REMIND_AFTER_MIN REMIND_TIMES REMIND_TIMES_MAX
        LOGIN_LIFE PRINCIPAL_CHARS TOKENS_BYTES TOKEN_TOPICS TOKEN_LIFE_MAX
        POLICY_BYTES RULES GROUPS PATTERNS RULE_FIELDS GLOB_CHARS FREEZES COMMAND_MATCHED
        COMMIT_ATTEMPTS WRITE_QUEUE WRITE_QUEUE_BYTES READ_QUEUE STORE_BUSY STORE_REOPEN
        STORE_PROBE_BYTES STORE_BAD_RECORDS STORE_UNFILED STORE_LOG_BYTES TAIL_EVENTS TAIL_BYTES RENDERINGS RENDERING_BYTES
        CONFIG_BYTES POLL_DEFAULT POLL_GRACE CONNECT_DEFAULT LEASE_DEFAULT CONNECT_TIME CALL_TIME URLS TURN_TIME TURN_CONNECT_TIME TURN_SPREAD DEADLINE_GRACE
        NATS_SERVERS NATS_BUCKET_NAME NATS_HISTORY NATS_BYTES NATS_BYTES_MIN NATS_BYTES_MAX
        NATS_ASKS_PERCENT NATS_WRITES_PERCENT NATS_PAYLOAD_BYTES NATS_PAYLOAD_SPARE_BYTES NATS_CALL NATS_OPEN NATS_LOAD
        NATS_WRITE NATS_PING NATS_LOOK
        CONFIG_BYTES POLL_DEFAULT POLL_GRACE CONNECT_DEFAULT LEASE_DEFAULT CONNECT_TIME CALL_TIME DEADLINE_GRACE
        CANCEL_TIME BACKOFF RETRY_AFTER_MAX ANSWER_BYTES EVENT_BYTES STREAM_SILENCE RECONNECT
        REDIRECTS STDIN_BYTES BIND_BYTES DECIDE_TIME QUESTION_GUARD SKIP_TIME INBOX INBOX_BYTES DETAILS_LINES FIELD_ROWS
        POLICY_TIME POLICY_TIME_DEFAULT POLICY_JOBS POLICY_JOBS_MAX POLICY_LINES POLICY_AGAIN POLICY_FROZEN
        CLICK_GUARD SEEN_TIME BANNER_TIME PAGE_LINGER PAGE_LINGERING ALERT_PAUSE PAGE_NOTES PAGE_CARDS PAGE_RECENT PAGE_REQUESTS PAGE_LOOK
        PAGE_RECONNECT
    ]
    .into_iter()
    .collect()
}

/// The others: sizes of steps, caches and pictures, at which nobody sees anything, and bounds that
/// cannot be reached.
const UNSEEN: &[&str] = &[
    "AUDIT_BATCH",
    "ACCOUNTS",
    "ACQUAINTED",
    "ASKERS",
    "ACCOUNT_QUESTIONS",
    "BULK_READS",
    "CHANGES_BATCH",
    "CLOCK_TICK",
    "COURTESIES",
    "COURTESY_TIME",
    "DATE_SLACK",
    "DEADLINE_MAX",
    "DIGEST_DIGITS",
    "ECHO_TIME",
    "ERROR_CHARS",
    "FAREWELL_TIME",
    "FIELDS_ROWS",
    "FREEZE_STEPS",
    "HISTORY_STEPS",
    "HOLDERS",
    "HOLD_TIME",
    "HTTP2_SEND_BUFFER",
    "LAST_EVENT_ID_BYTES",
    "LINK_NEWS",
    "LINK_NEWS_TIME",
    "LIST_BATCH",
    "LINK_ROWS",
    "LOAD_LOOK",
    "LOAD_OVERHEAD",
    "LOOK_TIME",
    "MARKS",
    "NATS_COMMANDS",
    "NATS_FEED_BATCH",
    "NATS_FEED_PATIENCE",
    "NATS_FEED_QUEUE",
    "NATS_REMOVALS",
    "NATS_REMOVAL_TRIES",
    "NATS_REPLICAS",
    "NATS_RETRY",
    "PAGER_END_TIME",
    "FILE_LOOKS",
    "GRANT_LOOK",
    "PAGE_LIST_PAGES",
    "PAGE_LOOK_GRACE",
    "PAGE_LOOK_REQUESTS",
    "PAGE_LOST",
    "PAGE_TEXT",
    "PASTE_GAP",
    "PIECE_BYTES",
    "POLICY_NEWS",
    "LEASE_LOOK",
    "LEASE_STALL",
    "LEASES_TOGETHER",
    "NODE_LISTEN_PAUSE",
    "NODE_NEWS",
    "NODE_SAY",
    "POLL_AFTER_TROUBLE",
    "POLL_HASTE",
    "RECENT_BYTES",
    "RECENT_EVENTS",
    "RECONNECT_DEFAULT",
    "ROOM_TIME",
    "SIGNAL_ECHO",
    "SOCKET_LOOK",
    "SPINNER_TICK",
    "SPINNER_TITLE_COLUMNS",
    "STORE_CHECKPOINT_PAGES",
    "STORE_FILED_AT_ONCE",
    "STORE_READERS",
    "STORE_STATEMENTS",
    "STREAM_BATCH_BYTES",
    "STREAM_BATCH_EVENTS",
    "SWEEP_BATCH",
    "SWEEP_PAUSE",
    "SWEEP_SLEEP",
    "TAB_ANSWER",
    "TAB_LOOK",
    "TLS_BUFFER_BYTES",
    "TURN_HELD",
    "TROUBLE_COLUMNS",
    "TYPED_BYTES",
    "UNREAD_LOOK",
    "VERSION_LOOK",
    "WEEK",
    "WRITER_LOOK",
    "WRITE_GROUP",
    "WRITE_GROUP_BYTES",
];

/// Name and value of each limit in the document's tables.
fn documented() -> BTreeMap<&'static str, String> {
    let rows = OPERATIONS.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (value, _) = rest.split_once(" |")?;
        let is_limit = name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        is_limit.then(|| (name, value.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_limit_that_somebody_meets_is_in_the_document_with_its_value() {
    assert_eq!(documented(), seen());
    let constants = LIMITS
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub const ")?.split_once(':')?.0));
    let listed: BTreeSet<_> = seen().into_keys().chain(UNSEEN.iter().copied()).collect();
    assert_eq!(
        constants.collect::<BTreeSet<_>>(),
        listed,
        "a new limit is met by somebody, and then in docs/operations.md, or it is not"
    );
    assert_eq!(listed.len(), seen().len() + UNSEEN.len(), "and not both");
}

fn sources(of: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            // There are pictures among them.
            text += &String::from_utf8_lossy(&fs::read(path).unwrap());
        }
    }
    text
}

#[test]
fn the_log_says_what_the_document_quotes() {
    let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let rows = OPERATIONS.lines().filter_map(|line| {
        let (level, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        let known = ["INFO", "WARN", "ERROR"].contains(&level);
        known.then(|| rest.split_once("` |").unwrap().0)
    });
    let messages: Vec<_> = rows.collect();
    assert!(messages.len() > 15, "{messages:?}");
    for message in messages {
        assert!(source.contains(&format!("\"{message}\"")), "{message:?}");
    }
}

/// The format of records is named where it is said what an older daemon can read.
#[test]
fn this_version_is_the_one_that_the_document_speaks_of() {
    let format = format!("format {}", pushd::store::record::FORMAT);
    assert!(OPERATIONS.contains(&format), "{format}");
}
