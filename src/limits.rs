//! The bounds of the three programs, with their names and reasons.
//!
//! A leaf: it knows nobody. How much a daemon holds at once is for its flags to change, and in
//! [`Limits`]; what may be asked is constant, because a script that works against one daemon has
//! to work against the next.

use std::num::NonZeroU32;
use std::time::Duration;

// --- What may be asked -------------------------------------------------------------------------

/// Characters in a title: what a person reads at one glance, and two terminal lines.
pub const TITLE_CHARS: usize = 200;
/// Bytes in the details: a plan or a diff, not a log.
pub const DETAILS_BYTES: usize = 64 * 1024;
/// Fields of one request: more than a screen of them is not read before a yes.
pub const FIELDS: usize = 32;
/// Characters in the name of a field.
pub const FIELD_NAME_CHARS: usize = 64;
/// Characters in the value of a field.
pub const FIELD_VALUE_CHARS: usize = 1024;
/// Characters in a topic.
pub const TOPIC_CHARS: usize = 64;
/// Characters in the name of a principal.
pub const PRINCIPAL_CHARS: usize = 64;
/// Characters in the reason of a decision.
pub const REASON_CHARS: usize = 500;
/// Characters in an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;
/// The shortest life of a request.
pub const EXPIRY_MIN: Duration = Duration::from_secs(1);
/// The longest life of a request: 30 days.
pub const EXPIRY_MAX: Duration = Duration::from_hours(30 * 24);
/// The life of a request that names none: an hour, after which nobody remembers why it was asked.
pub const EXPIRY_DEFAULT: Duration = Duration::from_hours(1);
/// Approvers that one request remembers as having had it on their screens.
pub const SEEN_BY: usize = 8;
/// Digits of a match code: what is read from one screen and typed at another without a mistake.
pub const MATCH_CODE_DIGITS: usize = 6;
/// Wrong match codes after which a request is denied. Three slips are forgiven nobody who guesses:
/// the chance to hit a code is 3 in a million.
pub const MATCH_TRIES: u32 = 3;
/// Steps in the history of one request: what the bounds on votes, match codes and screens add up to,
/// with room for its end.
pub const HISTORY_STEPS: usize = 100;
/// How often one approver may vote on one request: to change one's mind is human, to do so without
/// end fills its history.
pub const VOTES_PER_APPROVER: usize = 6;
/// Votes on one request in all that do not settle it; each may be taken back once.
pub const VOTES: usize = 40;
/// The most approvals, or denials, that a request may need.
pub const VOTES_NEEDED: u32 = 16;
/// Names and groups that one ask may list as its approvers.
pub const FROM: usize = 32;
/// Members of one group, and approvers of one request: they are kept with each request.
pub const GROUP_MEMBERS: usize = 128;
/// Groups of which a request may need approvals of their own.
pub const PANELS: usize = 8;
/// Names that the refusal of an ask tells of those that nobody has.
pub const NAMES_TOLD: usize = 8;
/// Characters in the name of a group or of a rule.
pub const GROUP_CHARS: usize = 64;
/// Groups of one policy.
pub const GROUPS: usize = 256;
/// Rules of one policy: each ask is compared with all of them, and keeps the names of those that
/// apply.
pub const RULES: usize = 128;
/// Patterns of one condition of a rule.
pub const PATTERNS: usize = 32;
/// Fields that one rule may have conditions on.
pub const RULE_FIELDS: usize = 8;
/// Characters in a pattern of a rule.
pub const GLOB_CHARS: usize = 256;
/// Bytes of a command that are compared with rules: a pattern with stars takes time for each. A
/// longer one counts as meant, so that nobody gets past a rule by length.
pub const COMMAND_MATCHED: usize = 4 * 1024;
/// Freezes in one policy: those that apply are kept with a request, and looked at in each vote.
pub const FREEZES: usize = 32;
/// Freezes that are followed, each from where the one before ends, to tell when approvals are taken
/// again: a week of them, four a day.
pub const FREEZE_STEPS: usize = 28;
/// How long a week is, with the hour by which clocks are set.
pub const WEEK: Duration = Duration::from_hours(7 * 24 + 1);
/// Bytes of text in a command: what Linux takes as one argument is twice that, and nobody reads half
/// of it.
pub const COMMAND_BYTES: usize = 64 * 1024;
/// Arguments of a command.
pub const COMMAND_ARGUMENTS: usize = 1024;
/// Variables of its environment that a command shows.
pub const COMMAND_VARIABLES: usize = 32;
/// Files that a command is bound to.
pub const COMMAND_FILES: usize = 32;
/// The shortest and the longest lease: below a second a lost packet would end it, and after a day
/// nobody remembers what it was for.
pub const LEASE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// How long after its decision an approval may be used, at least, unless the ask says, and at most.
pub const USE_WITHIN: (Duration, Duration, Duration) = (
    Duration::from_secs(1),
    Duration::from_hours(1),
    Duration::from_hours(30 * 24),
);
/// Characters in the nonce of a use: at least as many as cannot be guessed.
pub const NONCE_CHARS: (usize, usize) = (16, 128);

// --- HTTP --------------------------------------------------------------------------------------

/// Bytes in the body of a call, unless `--max-body-bytes` says otherwise: the largest ask with
/// every character escaped.
pub const BODY_BYTES: usize = 512 * 1024;
/// The least `--max-body-bytes`: the longest decision, every character escaped, and an ask without
/// details. With less nobody could use the daemon.
pub const BODY_BYTES_MIN: usize = 8 * 1024;
/// The largest `--max-body-bytes`: a sixteenth of [`BURDEN_BYTES`], so that a few bodies do not
/// push out what is held for others. The largest ask needs far less.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes in the head of a call.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Time for the head of a call to arrive, and for a new connection to send its first, unless
/// `--head-time` says otherwise: many round trips of the worst line, and no more places for those
/// who say nothing than they can open in this time.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// The shortest `--head-time`: a lost packet or two are sent again within it.
pub const HEAD_TIME_MIN: Duration = Duration::from_secs(1);
/// The longest `--head-time`, which is how long an idle connection is kept, too: proxies let go of
/// theirs sooner.
pub const HEAD_TIME_MAX: Duration = Duration::from_mins(10);
/// Time for a TLS handshake, from the connection to its end.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes that TLS keeps of what is to be sent, beside what the kernel keeps: one record, so that
/// what waits for a slow reader waits where it is counted.
pub const TLS_BUFFER_BYTES: usize = 16 * 1024;
/// Bytes in a file of certificates or a key: hundreds of them.
pub const PEM_BYTES: usize = 1024 * 1024;
/// Time for the system's user database to say who a user is; it may be on another machine.
pub const ACCOUNT_TIME: Duration = Duration::from_secs(5);
/// Questions to it at the same time, each of which holds a thread.
pub const ACCOUNT_QUESTIONS: usize = 4;
/// How long its answer counts: who is taken out of a group decides nothing after that.
pub const ACCOUNT_KEEP: Duration = Duration::from_secs(5);
/// Users whose answers are remembered.
pub const ACCOUNTS: usize = 1024;
/// Characters in the name of an account that is taken as it is.
pub const ACCOUNT_CHARS: usize = 64;
/// Time for somebody who listens on a Unix socket to show that they do.
pub const SOCKET_LOOK: Duration = Duration::from_secs(1);
/// Time for the body of a call to arrive, unless `--body-time` says otherwise: the largest by a
/// line of 26 KiB a second.
pub const BODY_TIME: Duration = Duration::from_secs(20);
/// The shortest `--body-time`: as [`HEAD_TIME_MIN`].
pub const BODY_TIME_MIN: Duration = Duration::from_secs(1);
/// The longest `--body-time`: a peer that needs longer is cut by [`LOAD_TIME`] and [`LOAD_RATE`]
/// for all but the largest bodies.
pub const BODY_TIME_MAX: Duration = Duration::from_mins(2);
/// The longest single wait of a long poll. It is what nginx waits for an answer, too, unless told
/// otherwise, so the lines for it in docs/operations.md say more.
pub const WAIT_MAX: Duration = Duration::from_mins(1);
/// Requests in one answer of the list call, unless it asks otherwise.
pub const LIST_DEFAULT: usize = 100;
/// Requests in one answer of the list call at most.
pub const LIST_MAX: usize = 1000;
/// Bytes of stored text in one answer of the list call; the rest is behind `next`. Written as JSON
/// a byte may become six.
pub const LIST_BYTES: usize = 256 * 1024;
/// Requests that are looked at for one page of a list, shown or not; the rest is behind `next`. So
/// many are looked at in some tens of milliseconds, and a page that finds less than it was asked for
/// holds up nobody for longer than a full one.
pub const LIST_LOOKS: usize = 8192;
/// Topics that are looked at to find those that a token covers. With more the list is searched
/// request by request.
pub const LIST_TOPICS: usize = 1024;
/// Rows that a list reads from one index at once.
pub const LIST_BATCH: usize = 128;
/// How long a browser keeps its login, if its token does not end before.
pub const LOGIN_LIFE: Duration = Duration::from_hours(30 * 24);
/// Silence on a stream after which a keep-alive is sent.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The `retry` that a stream begins with.
pub const STREAM_RETRY: Duration = Duration::from_secs(3);
/// Topics that one stream may name.
pub const STREAM_TOPICS: usize = 32;
/// Events that one write to a stream may carry.
pub const STREAM_BATCH_EVENTS: usize = 64;
/// Bytes after which a write to a stream takes no further event.
pub const STREAM_BATCH_BYTES: usize = 256 * 1024;
/// `Retry-After` of a refusal that passes by itself.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes that are held for peers in all: bodies that are still arriving, and answers that are not
/// taken. At it the connection that has been slowest has to go.
pub const BURDEN_BYTES: usize = 64 * 1024 * 1024;
/// What each of these is counted as beside its own bytes, for what it costs to keep it.
pub const LOAD_OVERHEAD: usize = 2 * 1024;
/// Bytes in one piece of an answer that is given to a connection to be written; the rest can be
/// thrown away in an instant.
pub const PIECE_BYTES: usize = 16 * 1024;
/// Time in which a peer has to take what is written to it, however small it is.
pub const LOAD_TIME: Duration = Duration::from_secs(30);
/// Bytes for each second of which it has a second more: a line that is worse than a modem's.
pub const LOAD_RATE: usize = 4 * 1024;
/// Pause between two looks for those that take longer.
pub const LOAD_LOOK: Duration = Duration::from_secs(1);
/// Bytes that the kernel keeps of what is to be sent, beyond what is on its way: what waits for a
/// slow reader waits where it is counted.
pub const TCP_UNSENT: u32 = 64 * 1024;
/// Concurrent HTTP/2 streams on one connection.
pub const HTTP2_STREAMS: u32 = 256;
/// Bytes of bodies that an HTTP/2 peer may send before they are read, on a stream and on its
/// connection: the least that HTTP/2 knows.
pub const HTTP2_WINDOW: u32 = 65_535;
/// Bytes in one HTTP/2 frame that is taken: the least that HTTP/2 knows.
pub const HTTP2_FRAME: u32 = 16 * 1024;
/// Bytes of answers that are kept for each HTTP/2 stream beside the piece that is being sent.
pub const HTTP2_SEND_BUFFER: usize = 64 * 1024;
/// HTTP/2 streams that a peer may have reset before we came to them; one more, and the connection
/// is closed as a flood.
pub const HTTP2_PENDING_RESETS: usize = 20;
/// HTTP/2 streams of a connection that we may reset for the peer's faults before it is closed.
pub const HTTP2_FAULTS: usize = 128;
/// Silence on an HTTP/2 connection after which it is pinged.
pub const HTTP2_PING: Duration = Duration::from_secs(30);
/// Time for the answer to that ping.
pub const HTTP2_PING_TIME: Duration = Duration::from_secs(20);
/// Silence on a TCP connection after which the kernel probes the peer.
pub const TCP_KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// Time between two of these probes.
pub const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Probes without an answer after which the connection is dead.
pub const TCP_KEEPALIVE_PROBES: u32 = 4;
/// Time that sent bytes may stay without the peer's acknowledgement.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_mins(1);
/// Connections that may wait to be accepted, as far as the system lets them.
pub const LISTEN_BACKLOG: u32 = 4096;
/// Pause of the accept loop after an error such as "too many open files".
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time between two lines in the log about that.
pub const ACCEPT_NEWS: Duration = Duration::from_mins(1);
/// Pause before the second look at a connection of which so little has come that the version of HTTP
/// is not known yet; it doubles with each further one.
pub const VERSION_LOOK: Duration = Duration::from_millis(10);
/// Pause between two looks at a connection on which something lies unread, and the time that a
/// closed one may take to be noticed by whoever reads it.
pub const UNREAD_LOOK: Duration = Duration::from_secs(1);
/// Connections beyond the limit that are told so at the same time; others are just closed.
pub const TURN_AWAY: usize = 64;
/// Time for telling them.
pub const TURN_AWAY_TIME: Duration = Duration::from_secs(1);
/// Time for which a peer whose call was refused is heard out before its connection is let go.
pub const PARTING_TIME: Duration = Duration::from_secs(5);
/// File descriptors that connections leave to the rest of the daemon.
pub const RESERVED_DESCRIPTORS: usize = 256;

// --- The classic routes ------------------------------------------------------------------------

/// Channels of the classic routes that are in use at the same time: any page may name new ones.
pub const CLASSIC_CHANNELS: usize = 1024;
/// Characters in the name of a channel: what a topic has behind `classic/`.
pub const CLASSIC_CHANNEL_CHARS: usize = TOPIC_CHARS - "classic/".len();
/// Polls that one channel holds at the same time: one page holds one, two while it resends.
pub const CLASSIC_POLLS: usize = 64;
/// How long an answer is kept that came while no poll was held. The demonstration's page resends
/// at once, so this is the time for a slow network and a restart.
pub const CLASSIC_KEEP: Duration = Duration::from_secs(10);
/// How long after its last poll a channel's question is withdrawn: three of the demonstration's
/// time-outs, so that nobody inherits the answer of somebody who left.
pub const CLASSIC_ABANDON: Duration = Duration::from_secs(15);
/// How old a question is before an answer counts that may be meant for the one before it: sooner
/// nobody can have heard of it, looked, and clicked.
pub const CLASSIC_GUARD: Duration = Duration::from_millis(500);
/// Bytes in the body of a classic call: a form of one word.
pub const CLASSIC_BODY_BYTES: usize = 16 * 1024;

// --- The daemon --------------------------------------------------------------------------------

/// Pending requests in all.
pub const PENDING: usize = 100_000;
/// Pending requests of one requester: more than anybody looks through, and a hundredth of all.
pub const PENDING_PER_REQUESTER: usize = 1000;
/// New requests of one requester in a minute, and at once after a quiet minute: all jobs of a night
/// may begin together, while a loop that asks without end is slowed down to two a second.
pub const ASKS_PER_MINUTE: u32 = 120;
/// Streams of one requester: a person has one in each browser and terminal, so this is a token
/// that a whole team shares.
pub const SUBSCRIBERS_PER_REQUESTER: usize = 100;
/// Connections of one address, and never more than half of all: behind the address of an office or
/// a CI each script that waits has one, and each browser a few.
pub const CONNECTIONS_PER_ADDRESS: usize = 2048;
/// Requesters whose asks are counted before it is looked who has not asked for a while.
pub const ASKERS: usize = 1024;
/// Denials that `--cool-down` remembers; then the oldest is forgotten.
pub const COOL_DOWNS: usize = 10_000;
/// The longest `--cool-down`: after a day it is another question.
pub const COOL_DOWN_MAX: Duration = Duration::from_hours(24);
/// Events that the hub keeps ready for streams; who is further behind reads the store.
pub const TAIL_EVENTS: usize = 4096;
/// Bytes of text in those events; a smaller tail is only slower.
pub const TAIL_BYTES: usize = 32 * 1024 * 1024;
/// Events whose views are kept as text, for those who are told of them at the same time.
pub const RENDERINGS: usize = 512;
/// Bytes of such a text; a longer one is written for each reader.
pub const RENDERING_BYTES: usize = 8 * 1024;
/// Changes read from a store at once.
pub const CHANGES_BATCH: usize = 16;
/// Reads of many requests (lists, and what streams have missed) that run at the same time: fewer
/// than [`STORE_READERS`], so that the read of one request never waits for many of these.
pub const BULK_READS: usize = 1;
/// Lists that may wait for one of them. Streams wait as well, and are counted as streams.
pub const LIST_QUEUE: usize = 1024;
/// Requests that one round of the sweep settles or purges.
pub const SWEEP_BATCH: usize = 256;
/// The longest sleep of the sweep, so that a clock that was set forward is noticed.
pub const SWEEP_SLEEP: Duration = Duration::from_secs(10);
/// Pause of the sweep after the store has failed.
pub const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep of whoever ends leases while one of them runs, so that it notices when the
/// daemon was held up.
pub const LEASE_LOOK: Duration = Duration::from_secs(1);
/// How much longer than that it may have slept, by either clock, before all leases begin anew: askers
/// could not reach the daemon meanwhile.
pub const LEASE_STALL: Duration = Duration::from_secs(1);
/// Leases that one question to the other nodes is about; the rest is for the next one. With some
/// five thousand a second it keeps up with half a million askers whose leases are as long as usual.
pub const LEASES_ASKED: usize = 8192;
/// Those of them in one message: a message is far smaller than NATS takes, unless told otherwise.
pub const LEASES_TOGETHER: usize = 1024;
/// How long the other nodes have to answer: many round trips, and some for a node that is busy.
pub const LEASE_QUESTION: Duration = Duration::from_secs(1);
/// The longest pause before such a question. All nodes hear what one of them is answered, so most
/// of their questions need not be asked.
pub const LEASE_QUESTION_JITTER: Duration = Duration::from_millis(500);
/// How often a node tells the others that it is there, and who listens at it.
pub const NODE_PRESENCE: Duration = Duration::from_secs(2);
/// Silence of a node after which it is gone for the others: three of these were lost.
pub const NODE_SILENCE: Duration = Duration::from_secs(7);
/// Time between two such messages when who listens has changed.
pub const NODE_NEWS: Duration = Duration::from_millis(100);
/// Time for a message to be taken by the connection; then it is not sent.
pub const NODE_SAY: Duration = Duration::from_millis(500);
/// Pause before a node tries again to listen to the others.
pub const NODE_LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// Other nodes that one knows; with more no lease ends, since not all can be asked.
pub const NODES: usize = 64;
/// Listeners that one node tells the others of: topics and people together.
pub const NODE_LISTENERS: usize = 512;
/// Bytes of one message between nodes: twice the largest that is sent.
pub const NODE_MESSAGE_BYTES: usize = 256 * 1024;
/// Time between two looks at a file that is read again when it changes. It takes two of them, so
/// what is revoked in it is without effect within a second.
pub const FILE_LOOK: Duration = Duration::from_millis(250);
/// Looks after which a file that keeps changing is read as it is.
pub const FILE_LOOKS: u32 = 3;
/// Time between two looks for grants whose time is over.
pub const GRANT_LOOK: Duration = Duration::from_millis(900);
/// Bytes of a tokens file: ten thousand principals, each of which every call is compared with.
pub const TOKENS_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a policy file: all the rules and groups that it may have, with room for comments.
pub const POLICY_BYTES: usize = 256 * 1024;
/// Patterns of topics of one token: each is looked for by itself in lists and on streams, and `*`
/// needs but one.
pub const TOKEN_TOPICS: usize = 64;
/// The longest life of a token that is made with one.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_hours(10 * 366 * 24);
/// Time between two looks for requests that are past `--retain`.
pub const PURGE_INTERVAL: Duration = Duration::from_mins(10);
/// How far the clock may be behind the times in the store before the daemon is not ready.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);
/// Threads that answer calls. The default is one: a wake-up from one core to another costs more than
/// a call, and one thread answers thousands of calls in a second.
pub const THREADS: u32 = 1;
/// The most that `--threads` takes.
pub const THREADS_MAX: u32 = 64;
/// The longest `--drain`.
pub const DRAIN_MAX: Duration = Duration::from_hours(1);
/// The shortest `--retain`: requesters read their answer after it was given.
pub const RETAIN_MIN: Duration = Duration::from_mins(1);
/// Attempts to commit against others who change the same request, before "try later".
pub const COMMIT_ATTEMPTS: usize = 128;
/// Requests in one read of an export: each read is short, so that it does not hold up the daemon.
pub const AUDIT_BATCH: usize = 256;
/// Writes that may wait for the writer of a store.
pub const WRITE_QUEUE: usize = 4096;
/// Writes in one group commit.
pub const WRITE_GROUP: usize = 1024;
/// Bytes of records in one group commit.
pub const WRITE_GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Connections that read a database at the same time.
pub const STORE_READERS: usize = 4;
/// Reads that may wait for one of them. All who have lost a daemon read their request when they come
/// back, so it is more than a daemon holds by the usual limits of open files: whoever is turned
/// away comes back as well, and makes the storm twice as large.
pub const READ_QUEUE: usize = 32_768;
/// Time that a write or read waits for somebody else's lock on the database.
pub const STORE_BUSY: Duration = Duration::from_secs(2);
/// Pause before a store that has failed is opened again, at first and at most.
pub const STORE_REOPEN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Pause between two attempts to reach a writer for whom too many wait, when it is looked whether it
/// works.
pub const WRITER_LOOK: Duration = Duration::from_millis(100);
/// Bytes of records that may wait for the writer of a store.
pub const WRITE_QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Latest events of requests that a store answers from memory; others are read from the disk.
pub const RECENT_EVENTS: usize = 8192;
/// Bytes of text in those events.
pub const RECENT_BYTES: usize = 32 * 1024 * 1024;
/// Prepared statements that one connection to a database keeps: more than there are.
pub const STORE_STATEMENTS: usize = 32;
/// Bytes that a store must be able to write before it is ready again: more than one record has.
pub const STORE_PROBE_BYTES: usize = 256 * 1024;
/// Settled requests that are in none of the indexes for lists yet, but in memory: so many that one
/// that is decided within seconds is put into them once.
pub const STORE_UNFILED: usize = 1024;
/// Settled requests that are put into them together. They share pages, and the write that pays for it
/// takes less than a millisecond longer.
pub const STORE_FILED_AT_ONCE: usize = 64;
/// Pages of the write-ahead log after which they are moved into the database: 16 MiB, so that
/// opening after a crash is quick, and a commit rarely pays for the move. A page that was written many
/// times is moved once.
pub const STORE_CHECKPOINT_PAGES: usize = 4000;
/// Records that cannot be read which a store remembers, to log each of them once.
pub const STORE_BAD_RECORDS: usize = 1024;
/// Bytes that the write-ahead log keeps on the disk once its pages were moved.
pub const STORE_LOG_BYTES: usize = 16 * 1024 * 1024;

// --- The relay ---------------------------------------------------------------------------------

/// How long a relay tries to bring a call through that does not wait: less than [`CALL_TIME`], so
/// that its caller is told instead of giving up. Asks and uses of our clients ([`POLL_GRACE`]), and
/// clients with several URLs ([`TURN_TIME`]), give up before, and send theirs again.
pub const RELAY_PATIENCE: Duration = Duration::from_secs(8);
/// How long the last attempt of such a call may take: with it the call still takes less than
/// [`CALL_TIME`].
pub const RELAY_LAST_TRY: Duration = Duration::from_secs(1);
/// How long after the wait of a poll a relay still hears its daemon out: less than [`POLL_GRACE`]
/// and [`TURN_TIME`], for the same reason.
pub const RELAY_GRACE: Duration = Duration::from_secs(2);
/// How long a relay holds a call that has no time of its own while no daemon answers: one that
/// opens a stream, and a poll of the classic routes. A machine restarts in this time.
pub const RELAY_OUTAGE: Duration = Duration::from_mins(1);
/// How long one poll of the classic routes may wait: as long as its question lives, and a moment.
pub const RELAY_CLASSIC: Duration = Duration::from_secs(3600 + 10);
/// Pause between two attempts to bring one call through, at most: several fit into the time in which
/// a channel of the classic routes keeps its question after a restart ([`CLASSIC_ABANDON`]).
pub const RELAY_PAUSE: Duration = Duration::from_secs(3);
/// Time for a daemon to begin a stream.
pub const RELAY_STREAM_HEAD: Duration = Duration::from_secs(10);
/// Bytes of an answer that a relay reads whole before it passes it on, so that one that breaks off
/// can be fetched again: the largest request, every character of it escaped. Longer ones are passed
/// on as they come.
pub const RELAY_WHOLE_BYTES: usize = 1024 * 1024;
/// Into how many parts the room for bodies ([`BURDEN_BYTES`]) is cut, of which one host may have one:
/// who sends bodies and lets the calls wait does not take all of it.
pub const RELAY_BODY_SHARES: usize = 4;
/// Pause between two looks of a relay at each of its daemons.
pub const RELAY_LOOK: Duration = Duration::from_secs(2);
/// Time for such a look.
pub const RELAY_LOOK_TIME: Duration = Duration::from_secs(5);
/// Daemons that one relay may have.
pub const RELAY_UPSTREAMS: usize = 16;
/// How long a relay keeps an idle connection to a daemon: well below [`HEAD_TIME`], after which the
/// daemon closes it, perhaps in the instant of the next call.
pub const RELAY_IDLE: Duration = Duration::from_secs(5);
/// Silence after which the kernel asks whether the daemon's machine is still there, time between two
/// such questions, and how many stay unanswered: a held call is tried elsewhere after 11 s.
pub const RELAY_KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// See [`RELAY_KEEPALIVE_IDLE`].
pub const RELAY_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// See [`RELAY_KEEPALIVE_IDLE`].
pub const RELAY_KEEPALIVE_PROBES: u32 = 3;

// --- NATS ----------------------------------------------------------------------------------------

/// Servers that `--store` may name: the others of a cluster are found through them.
pub const NATS_SERVERS: usize = 16;
/// Characters in the name of a bucket.
pub const NATS_BUCKET_NAME: usize = 64;
/// Copies of each record: `JetStream` takes no more, and an even number is no safer than one less.
pub const NATS_REPLICAS: [usize; 3] = [1, 3, 5];
/// Versions of a request that a bucket keeps: as many nodes may write the same one at the same moment
/// before it is seen whose counts, and that one must still be there for those who read it later.
pub const NATS_HISTORY: u32 = 16;
/// Bytes that a bucket may have when it is made, on each server, and the fewest: a request has about
/// one or two KiB.
pub const NATS_BYTES: u64 = 1024 * 1024 * 1024;
/// See [`NATS_BYTES`].
pub const NATS_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// The most that it may have: every daemon keeps all requests in memory.
pub const NATS_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;
/// The part of a bucket, in percent, up to which there is room for asks: the rest is for answers,
/// which make a record longer.
pub const NATS_ASKS_PERCENT: u32 = 90;
/// The part up to which there is room for answers: what is then left is for the marks that tell of
/// what is purged, without which nothing would ever make room again.
pub const NATS_WRITES_PERCENT: u32 = 98;
/// The least that a server has to take as one message: more than any record has, and what NATS takes
/// unless it is told otherwise.
pub const NATS_PAYLOAD_BYTES: usize = 1024 * 1024;
/// The part of that which an ask must leave: decisions make its record longer.
pub const NATS_PAYLOAD_SPARE_BYTES: usize = 128 * 1024;
/// Time for one call to NATS.
pub const NATS_CALL: Duration = Duration::from_secs(2);
/// Time for a bucket to become usable when it is opened: servers that have just started elect a
/// leader first.
pub const NATS_OPEN: Duration = Duration::from_secs(20);
/// Time for a whole view of a bucket when it is opened.
pub const NATS_LOAD: Duration = Duration::from_mins(5);
/// Time for one write with all its attempts, in which a cluster can elect a new leader; then its
/// outcome is unknown.
pub const NATS_WRITE: Duration = Duration::from_secs(6);
/// Pause between two attempts of one write.
pub const NATS_RETRY: Duration = Duration::from_millis(200);
/// How long a write that was confirmed waits for the feed to come to it, before it is looked whether
/// the feed is cut off.
pub const NATS_FEED_PATIENCE: Duration = Duration::from_millis(500);
/// Time between two pings of a connection; after two without an answer another server is tried.
pub const NATS_PING: Duration = Duration::from_secs(1);
/// Time between two looks at the bucket: for its health, and for what the feed may have missed.
pub const NATS_LOOK: Duration = Duration::from_secs(1);
/// Messages of a bucket that wait to be taken up; beyond them they are asked for again.
pub const NATS_FEED_QUEUE: usize = 4096;
/// Messages that are taken up at once.
pub const NATS_FEED_BATCH: usize = 256;
/// Commands that wait for the connection.
pub const NATS_COMMANDS: usize = 2048;
/// Tries to remove a record that came late; others pass it over where it stays.
pub const NATS_REMOVAL_TRIES: usize = 5;
/// Purged records that are removed at the same time.
pub const NATS_REMOVALS: usize = 16;

// --- The doctor --------------------------------------------------------------------------------

/// How long before its end a certificate is warned of: two weeks, in which somebody reads it.
pub const CERTIFICATE_NEWS: Duration = Duration::from_hours(14 * 24);

// --- Commands of the operator ------------------------------------------------------------------

/// Bytes that are kept of what a hook writes to standard output, and to standard error: the longest
/// reason, and some lines for the log.
pub const HOOK_OUTPUT_BYTES: usize = 4 * 1024;
/// Bytes that a hook may write to either of them before it is killed: what is not kept is read only
/// so that it does not block.
pub const HOOK_PRINT_BYTES: usize = 16 * 1024 * 1024;
/// Time for a hook that was killed to be gone; one that hangs in the kernel is left behind.
pub const HOOK_PARTING: Duration = Duration::from_secs(1);
/// Characters of each output of a hook that go into the log.
pub const HOOK_LOG_CHARS: usize = 500;
/// Runs of `--notify` at the same time, unless it is said otherwise: what one small machine does
/// beside its work.
pub const NOTIFY_JOBS: usize = 4;
/// Runs of `--notify` at the same time at most; each is at least one process.
pub const NOTIFY_JOBS_MAX: usize = 64;
/// Time of one run of `--notify`, unless it is said otherwise: a slow mail server's.
pub const NOTIFY_TIME: Duration = Duration::from_secs(30);
/// The longest `--notify-timeout`: what takes longer is no notice but work of its own.
pub const NOTIFY_TIME_MAX: Duration = Duration::from_mins(10);
/// Notices that may wait for their run; more are dropped, and counted.
pub const NOTICE_QUEUE: usize = 1024;
/// Bytes of text in them.
pub const NOTICE_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Requests whose outcome is remembered as told, so that it is not told again when the approval is
/// used: those that are settled in the time in which most are used.
pub const NOTICES_TOLD: usize = 10_000;
/// The shortest `--remind-after`.
pub const REMIND_AFTER_MIN: Duration = Duration::from_secs(1);
/// Reminders of one request, unless it is said otherwise: whoever ignored three ignores a fourth.
pub const REMIND_TIMES: u32 = 3;
/// Reminders of one request at most.
pub const REMIND_TIMES_MAX: u32 = 100;

/// The bounds that flags change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Held long polls in all.
    pub waiters: usize,
    /// Open streams in all.
    pub subscribers: usize,
    /// Pending requests in all.
    pub pending: usize,
    /// Open connections of one address.
    pub connections_per_address: usize,
    /// How a call may arrive.
    pub arrival: Arrival,
    /// What one requester may have.
    pub per_requester: PerRequester,
    /// How long the same must not be asked again after its denial; `None` for no time.
    pub cool_down: Option<Duration>,
}

/// The bounds for one call on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Time for its head, and for a new connection to send its first.
    pub head_time: Duration,
    /// Time for its body.
    pub body_time: Duration,
    /// Bytes in its body.
    pub body_bytes: usize,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            head_time: HEAD_TIME,
            body_time: BODY_TIME,
            body_bytes: BODY_BYTES,
        }
    }
}

/// The bounds for one requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerRequester {
    /// Pending requests.
    pub pending: usize,
    /// New requests in a minute.
    pub asks_per_minute: NonZeroU32,
    /// Held long polls.
    pub waiters: usize,
    /// Open streams.
    pub subscribers: usize,
}

impl Default for PerRequester {
    /// Each pending request may have one who waits for it.
    fn default() -> Self {
        Self {
            pending: PENDING_PER_REQUESTER,
            asks_per_minute: const { NonZeroU32::new(ASKS_PER_MINUTE).expect("it is not 0") },
            waiters: PENDING_PER_REQUESTER,
            subscribers: SUBSCRIBERS_PER_REQUESTER,
        }
    }
}

/// A wait in whole seconds, as `Retry-After` has it: never none, and never too short.
pub fn whole_seconds(wait: Duration) -> Duration {
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(secs.max(1))
}

impl Limits {
    /// The limits of a process that may open `descriptors` files: all of them but
    /// [`RESERVED_DESCRIPTORS`] may be connections, and each connection may wait or listen.
    pub fn for_descriptors(descriptors: usize) -> Self {
        let connections = descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(16);
        Self {
            connections,
            waiters: connections,
            subscribers: connections,
            pending: PENDING,
            connections_per_address: connections_per_address(connections),
            arrival: Arrival::default(),
            per_requester: PerRequester::default(),
            cool_down: None,
        }
    }
}

/// How many of all connections one address may have, unless a flag says otherwise.
pub fn connections_per_address(connections: usize) -> usize {
    CONNECTIONS_PER_ADDRESS.min(connections / 2).max(1)
}

// --- The clients -------------------------------------------------------------------------------

/// Bytes of the clients' configuration file, and of a file with a token.
pub const CONFIG_BYTES: usize = 64 * 1024;
/// How long one poll of `requester` may take, unless `--timeout` says otherwise.
pub const POLL_DEFAULT: Duration = Duration::from_secs(30);
/// How long the daemon keeps the request of a `requester` that is gone, unless `--lease` says
/// otherwise: longer than a restart of either, and than a laptop takes to find its network again.
pub const LEASE_DEFAULT: Duration = Duration::from_mins(2);
/// How long a poll may stay silent beyond `--timeout` before it is dropped and resent.
pub const POLL_GRACE: Duration = Duration::from_secs(5);
/// How long `requester` tries to get its ask acknowledged, unless `--connect-timeout` says otherwise.
pub const CONNECT_DEFAULT: Duration = Duration::from_secs(10);
/// How long `requester` goes on after the deadline when it cannot reach the daemon.
pub const DEADLINE_GRACE: Duration = Duration::from_secs(15);
/// Signals that follow the first within this time are the same signal, delivered by another way:
/// timeout(1) signals its child and then its group, and runners of scripts pass on a Ctrl-C that
/// the terminal has delivered already. Nobody decides to give up on a cancellation, or on a daemon
/// that winds down, that fast.
pub const SIGNAL_ECHO: Duration = Duration::from_millis(500);
/// How long a cancellation after Ctrl-C may take.
pub const CANCEL_TIME: Duration = Duration::from_secs(5);
/// Pause before the first retry of a call, and before the last of many.
pub const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The longest `Retry-After` that a client obeys.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
/// Longest life of a request that a client reckons with, whatever a daemon says.
pub const DEADLINE_MAX: Duration = Duration::from_hours(366 * 24);
/// How long the first poll after trouble may take.
pub const POLL_AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// A poll that comes back pending sooner than this was not held, and the next one is held back.
pub const POLL_HASTE: Duration = Duration::from_millis(500);
/// Difference from the daemon's `Date`, which is whole seconds and a while on its way, above which
/// the daemon's clock was set.
pub const DATE_SLACK: Duration = Duration::from_secs(2);
/// How long a client tries to connect, looking up the name and TLS included. It is less than
/// [`POLL_GRACE`], so that a call that was never sent is known for one.
pub const CONNECT_TIME: Duration = Duration::from_secs(4);
/// How long a call that does not wait may take; a call that waits has this on top of its wait.
pub const CALL_TIME: Duration = Duration::from_secs(10);
/// URLs of daemons that a client may be given: more than stand behind one store.
pub const URLS: usize = 16;
/// How long a daemon may be silent, beyond the wait of a call that waits, before the next of several
/// is asked. It is less than [`CANCEL_TIME`] and [`CONNECT_DEFAULT`], so that these reach a second
/// one. The last of a round has its full time, or daemons that are slow together would all be given
/// up.
pub const TURN_TIME: Duration = Duration::from_secs(3);
/// How long a client tries to connect to each of several, for the same reason as [`CONNECT_TIME`].
pub const TURN_CONNECT_TIME: Duration = Duration::from_secs(2);
/// Within this time, each at a moment of its own, streams and polls that have lost their daemon go
/// on with the next: all that one has held do not come to another in the same millisecond.
pub const TURN_SPREAD: Duration = Duration::from_secs(1);
/// A stream that was open for this long had a daemon that works. When it ends sooner the daemon is
/// not asked again in the same round, or two that end all streams would be asked in turns without
/// a pause.
pub const TURN_HELD: Duration = Duration::from_secs(5);
/// Requests of which a client remembers that a daemon has told of them, the latest: so many as one
/// approver has before them, and a few tens of kilobytes.
pub const ACQUAINTED: usize = 1024;
/// Bytes of an answer that a client reads.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Base of the reconnect pause when the stream has named none.
pub const RECONNECT_DEFAULT: Duration = Duration::from_secs(3);
/// The shortest and the longest pause before a stream is opened again.
pub const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Silence on a stream after which the client takes it for cut: three keep-alives.
pub const STREAM_SILENCE: Duration = Duration::from_secs(45);
/// Bytes of one event that a client keeps; a longer one is skipped.
pub const EVENT_BYTES: usize = 1024 * 1024;
/// Bytes of an event id that a client sends back; a longer one is no cursor of a daemon of ours.
pub const LAST_EVENT_ID_BYTES: usize = 1024;
/// Bytes of standard input that `requester` keeps for its command: they are in memory until the
/// command has read them.
pub const STDIN_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one file that a command is bound to: it is read three times, some seconds each.
pub const BIND_BYTES: usize = 1024 * 1024 * 1024;
/// Redirects that a stream follows.
pub const REDIRECTS: usize = 10;

// --- The terminal ------------------------------------------------------------------------------

/// Time between two pictures of the spinner.
pub const SPINNER_TICK: Duration = Duration::from_millis(120);
/// Columns that the words about trouble take in the spinner's line.
pub const TROUBLE_COLUMNS: usize = 60;
/// Columns of the title that the spinner's line shows even if the rest is cut for it.
pub const SPINNER_TITLE_COLUMNS: usize = 16;
/// Characters of one error message; the daemon's words are part of it.
pub const ERROR_CHARS: usize = 2000;

/// Keys pressed within this time after a question was fully drawn are thrown away.
pub const QUESTION_GUARD: Duration = Duration::from_millis(300);
/// A skipped request returns after this time at the earliest.
pub const SKIP_TIME: Duration = Duration::from_secs(30);
/// Lines of the details shown with the question; `d` shows the rest.
pub const DETAILS_LINES: usize = 12;
/// Requests that an approver's terminal remembers as waiting.
pub const INBOX: usize = 10_000;
/// Bytes of text in these requests; what does not fit is fetched when there is room again.
pub const INBOX_BYTES: usize = 64 * 1024 * 1024;
/// Calls of that kind that may be under way.
pub const COURTESIES: usize = 8;
/// Time for the goodbye to be written to a terminal that may not take it.
pub const FAREWELL_TIME: Duration = Duration::from_millis(500);
/// Time for a pager to leave the terminal as it found it, before it is killed.
pub const PAGER_END_TIME: Duration = Duration::from_millis(500);
/// How long a decision waits for its own answer once the stream has told an outcome that may be
/// due to it.
pub const ECHO_TIME: Duration = Duration::from_secs(2);
/// How often in a row it is told that the daemon cannot be heard, or can again.
pub const LINK_NEWS: u32 = 4;
/// Rows of such a telling: what the daemon says of a limit, with its remedy, in a narrow window.
pub const LINK_ROWS: usize = 6;
/// Time between two such tellings after which there may be as many again.
pub const LINK_NEWS_TIME: Duration = Duration::from_secs(10);
/// Time between two looks at the clock while a question shows the time that is left.
pub const CLOCK_TICK: Duration = Duration::from_secs(1);
/// While lines keep coming closer together than this, they were pasted and not typed.
pub const PASTE_GAP: Duration = Duration::from_millis(50);
/// Rows of one field's value shown with the question; `d` shows the rest.
pub const FIELD_ROWS: usize = 3;
/// Rows of all fields together shown with the question, where the screen has them.
pub const FIELDS_ROWS: usize = 32;
/// Time for the calls that an approver's terminal can do without (`/v1/me`, `seen`); the first
/// question waits for the first of them.
pub const COURTESY_TIME: Duration = Duration::from_secs(5);
/// Time for a decision to be accepted, retries included.
pub const DECIDE_TIME: Duration = Duration::from_secs(30);
/// Bytes in one line that is typed: `no` and the longest reason, and no more than a kernel's
/// canonical mode can hand over.
pub const TYPED_BYTES: usize = 4094;

// --- The policy of an approver -----------------------------------------------------------------

/// How long a policy may take for one request, unless `--policy-timeout` says otherwise: time for a
/// call over a network, and no more than a requester is patient for.
pub const POLICY_TIME_DEFAULT: Duration = Duration::from_secs(30);
/// The shortest and the longest `--policy-timeout`.
pub const POLICY_TIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// Requests that a policy judges at the same time, unless `--jobs` says otherwise.
pub const POLICY_JOBS: usize = 4;
/// The most that `--jobs` may say: each is a process, and three pipes.
pub const POLICY_JOBS_MAX: usize = 64;
/// Lines of its standard error that are told.
pub const POLICY_LINES: usize = 20;
/// Pause before a request is judged again whose decision could not be told to the daemon.
pub const POLICY_AGAIN: Duration = Duration::from_secs(30);
/// Least and most time until a request is judged again that a freeze keeps from being approved: no
/// busy loop where clocks differ, and an end of the freeze that nobody foresaw is found.
pub const POLICY_FROZEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// Things that it has done while a question was on the screen which are told after it, the latest.
pub const POLICY_NEWS: usize = 20;

// --- The pages ---------------------------------------------------------------------------------

/// A click within this time after the button came to its place decides nothing, nor does a key
/// within this time after the focus came to it.
pub const CLICK_GUARD: Duration = Duration::from_millis(500);
/// How long a request is in view before the page reports it as seen.
pub const SEEN_TIME: Duration = Duration::from_secs(1);
/// How long a page cannot hear the daemon before its banner says so.
pub const BANNER_TIME: Duration = Duration::from_secs(1);
/// Hexadecimal digits of a digest that stand for it until all of it is asked for: enough to tell a
/// few apart, and never enough to compare.
pub const DIGEST_DIGITS: usize = 16;
/// How long a settled card stays where it was, to be read.
pub const PAGE_LINGER: Duration = Duration::from_secs(6);
/// Settled cards that stay so at the same time; beyond them the first to be settled goes at once.
pub const PAGE_LINGERING: usize = 10;
/// Pause after somebody was called to the inbox (sound, notification, words read aloud) before the
/// next call: at first, and at most while more keeps coming.
pub const ALERT_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));
/// Notifications that one page keeps open; the oldest goes for another one.
pub const PAGE_NOTES: usize = 5;
/// Pending requests that are shown as cards; as they are settled, others follow.
pub const PAGE_CARDS: usize = 50;
/// Settled requests that are listed below them.
pub const PAGE_RECENT: usize = 20;
/// Requests that an inbox page knows at once; others are fetched when there is room again.
pub const PAGE_REQUESTS: usize = 2_000;
/// UTF-16 units of text in these requests.
pub const PAGE_TEXT: usize = 16 * 1024 * 1024;
/// Requests that are looked up one by one when a stream that began anew does not tell of them.
pub const PAGE_LOST: usize = 50;
/// Time between two looks of a page at the list, which show whether its stream has died in silence.
pub const PAGE_LOOK: Duration = Duration::from_secs(30);
/// Pages of the list that a page for people reads to find the newest requests: for a token with
/// narrow patterns they may be short.
pub const PAGE_LIST_PAGES: usize = 4;
/// Requests in such a look.
pub const PAGE_LOOK_REQUESTS: usize = 5;
/// How long the stream may be behind such a look.
pub const PAGE_LOOK_GRACE: Duration = Duration::from_secs(3);
/// Pause of a page before it opens its stream again, at first and at most.
pub const PAGE_RECONNECT: (Duration, Duration) =
    (Duration::from_millis(400), Duration::from_secs(10));
/// Time in which the inbox page that leads answers another one of the same browser.
pub const TAB_ANSWER: Duration = Duration::from_millis(200);
/// Time between two questions of an inbox page whether another one still leads.
pub const TAB_LOOK: Duration = Duration::from_secs(2);
/// Pages of one browser that hold a poll at the same time, beyond the one that asks: a browser has
/// six connections, and others need some.
pub const HOLDERS: usize = 3;
/// How long another page is taken for one that holds a poll: the longest that one takes.
pub const HOLD_TIME: Duration = Duration::from_secs(45);
/// Pause between two looks of a page that holds no poll because enough others do.
pub const LOOK_TIME: Duration = Duration::from_secs(2);
/// How long pages hold no poll after another page of the same browser needed a connection.
pub const ROOM_TIME: Duration = Duration::from_secs(1);
/// Combining marks shown on one letter; more of them would cover the neighbouring lines.
pub const MARKS: usize = 3;
