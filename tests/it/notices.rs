//! `pushd --notify`: a command that is told what is asked and what became of it.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::{Daemon, Setup, setup};
use crate::until::until;

/// Keeps what it is told, one line each: a line is short enough to be written at once.
const KEEP: &str = "cat >> \"$HOME/told\"";

impl Setup {
    fn notify(self, command: &str) -> Self {
        self.flag("--notify", command)
    }

    /// The lines of a file in its directory.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Daemon {
    /// What its command was told, as soon as there are so many of it.
    async fn told(&self, count: usize) -> Vec<Value> {
        let lines = self.lines_of("told", count).await;
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The lines of a file in its directory, as soon as there are so many.
    async fn lines_of(&self, name: &str, count: usize) -> Vec<String> {
        until(&format!("{count} lines of {name}"), async || {
            let lines = self.setup().lines(name);
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    async fn notices(&self, outcome: &str, count: u64) {
        let name = format!("pushd_notices_run_total{{outcome=\"{outcome}\"}}");
        self.metric_is(&name, count).await;
    }
}

/// Event, title and status of each line.
fn in_short(told: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |line: &Value| {
        let request = &line["request"];
        let (title, status) = (text(&request["title"]), text(&request["status"]));
        format!("{} {title} {status}", text(&line["event"]))
    };
    told.iter().map(line).collect()
}

#[tokio::test]
async fn each_ask_and_each_outcome_is_told_once_as_the_api_shows_it() {
    let setup = setup().notify(KEEP).flags("--notify-jobs 1");
    let daemon = setup.flags("--public-url https://pushd.example").start();
    let id = daemon.ask("Deploy?").await;
    let asked = daemon.read(&id).await;
    // What changes neither question nor status is not told.
    let seen = daemon.post(&format!("/v1/requests/{id}/seen")).await;
    assert_eq!(seen.status, 204);
    daemon.approve(&id).await;
    let told = daemon.told(2).await;
    assert_eq!(
        in_short(&told),
        ["asked Deploy? pending", "settled Deploy? approved"]
    );
    assert_eq!(told[0]["page"], format!("https://pushd.example/r/{id}"));
    for member in ["id", "topic", "requester", "expires_at", "event_id"] {
        assert_eq!(told[0]["request"][member], asked[member], "{member}");
    }
    assert_eq!(told[1]["request"]["decisions"][0]["verdict"], "approve");
    daemon.notices("done", 2).await;
}

#[tokio::test]
async fn a_restart_tells_nothing_again_and_an_outcome_after_it_all_the_same() {
    let daemon = setup().notify(KEEP).flags("--notify-jobs 1").start();
    let id = daemon.ask("Before?").await;
    daemon.told(1).await;
    let daemon = daemon.crash_and_restart();
    daemon.ask("After?").await;
    daemon.approve(&id).await;
    let told = daemon.told(3).await;
    let expected = [
        "asked Before? pending",
        "asked After? pending",
        "settled Before? approved",
    ];
    assert_eq!(in_short(&told), expected);
}

#[tokio::test]
async fn a_command_that_hangs_holds_up_nobody_and_is_killed_in_time() {
    let command = "echo $$ >> \"$HOME/begun\"; exec sleep 1000";
    let setup = setup().notify(command);
    let daemon = setup.flags("--notify-jobs 2 --notify-timeout 3s").start();
    for _ in 0..3 {
        let id = daemon.ask("Deploy?").await;
        daemon.approve(&id).await;
    }
    // Two at a time: the third begins when one of the first was killed.
    let begun = daemon.lines_of("begun", 6).await;
    daemon.notices("timed_out", 6).await;
    assert_eq!(begun.len(), 6);
    for process in begun {
        let still = std::fs::exists(format!("/proc/{process}")).unwrap();
        assert!(!still, "{process} runs");
    }
    daemon.logged("the command hung").await;
}

#[tokio::test]
async fn no_more_run_at_the_same_time_than_may() {
    let command = "echo >> \"$HOME/begun\"; until [ -e \"$HOME/go\" ]; do sleep 0.05; done";
    let daemon = setup().notify(command).flags("--notify-jobs 2").start();
    for n in 0..5 {
        daemon.ask(&format!("Deploy {n}?")).await;
    }
    assert_eq!(daemon.lines_of("begun", 2).await.len(), 2);
    std::fs::write(daemon.setup().path("go"), "").unwrap();
    assert_eq!(daemon.lines_of("begun", 5).await.len(), 5);
    daemon.notices("done", 5).await;
}

#[tokio::test]
async fn what_a_stranger_wrote_is_never_a_command() {
    let command = "printf '%s\\n' \"$PUSHD_EVENT $PUSHD_REQUEST_TITLE\" >> \"$HOME/told\"";
    let daemon = setup().notify(command).start();
    let title = "$(touch \"$HOME/broken\") `touch $HOME/broken`; \u{1b}[2J' \"\u{202e} \\";
    daemon.ask(title).await;
    let told = daemon.lines_of("told", 1).await;
    assert_eq!(told, [format!("asked {title}")]);
    assert!(!daemon.setup().path("broken").exists());
}

#[tokio::test]
async fn what_a_failing_command_says_goes_to_the_log_bounded_and_with_escapes() {
    let command = "cat >&2; head -c 3000000 /dev/zero; exit 9";
    let daemon = setup().notify(command).start();
    daemon.ask("Deploy \u{1b}[2J\u{202e}?").await;
    daemon.notices("failed", 1).await;
    daemon.logged("it ended with 9").await;
    let log = daemon.log();
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "{log}");
    assert!(log.len() < 8192, "{} bytes", log.len());
}

#[tokio::test]
async fn a_request_that_stays_pending_is_reminded_of_and_not_for_ever() {
    let setup = setup().notify(KEEP).flags("--notify-jobs 1");
    let flags = "--remind-after 3s --remind-times 2";
    let daemon = setup.flags(flags).start();
    let settled = daemon.ask("Settled?").await;
    daemon.approve(&settled).await;
    let id = daemon.ask("Pending?").await;
    daemon.told(5).await;
    // A third would come before what is told last.
    let daemon = daemon.crash_and_restart();
    daemon.approve(&id).await;
    let told = daemon.told(6).await;
    let expected = [
        "asked Settled? pending",
        "settled Settled? approved",
        "asked Pending? pending",
        "reminder Pending? pending",
        "reminder Pending? pending",
        "settled Pending? approved",
    ];
    assert_eq!(in_short(&told), expected);
    assert_eq!(
        (&told[3]["reminder"], &told[4]["reminder"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(told[5]["reminder"], Value::Null);
}

#[tokio::test]
async fn what_was_decided_before_the_end_is_told_before_it() {
    let command = "sleep 0.3; cat >> \"$HOME/told\"";
    let mut daemon = setup().notify(command).flags("--notify-jobs 1").start();
    let id = daemon.ask("Deploy?").await;
    daemon.approve(&id).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    let told: Vec<_> = daemon.setup().lines("told");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("settled"), "{told:?}");
}

#[tokio::test]
async fn a_command_that_hangs_does_not_hold_up_the_end() {
    let command = "echo $$ >> \"$HOME/begun\"; exec sleep 1000";
    let setup = setup().notify(command);
    let mut daemon = setup.flags("--drain 1s").start();
    daemon.ask("Deploy?").await;
    let begun = daemon.lines_of("begun", 1).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    daemon.logged("notices are not told to their end").await;
    let process = format!("/proc/{}/cmdline", begun[0]);
    until("the command to be gone", async || {
        let line = std::fs::read(&process).unwrap_or_default();
        line.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn wrong_flags_are_refused() {
    for flags in [
        "--notify true --notify-jobs 0",
        "--notify true --notify-timeout 1d",
        "--notify true --remind-after 1ms",
        "--notify true --remind-after 1s --remind-times 0",
        "--remind-after 1m",
    ] {
        let (code, stderr) = setup().in_memory().flags(flags).fails();
        assert_eq!(code, Some(64), "{flags}: {stderr}");
    }
}
