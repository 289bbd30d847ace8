//! Time is paused in these tests: there is no socket, and every second is counted.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::cli::requester::flow::Stay;
use crate::cli::requester::interrupt::Signal;
use crate::cli::requester::script::{
    Scheduled, Script, answer, broken, foreign, nobody, refused, request, says,
};
use crate::cli::requester::wrap::{WrapFlags, go_on};
use crate::domain::Timestamp;

const SECOND: Duration = Duration::from_secs(1);

fn command(bind: &[PathBuf]) -> Arc<Wrapped> {
    let flags = WrapFlags {
        command: vec!["true".into()],
        bind: bind.to_vec(),
        ..WrapFlags::default()
    };
    let prepared = Wrapped::prepare(flags, "nonce-1".to_owned()).unwrap();
    Arc::new(prepared.unwrap().0)
}

fn used() -> RequestView {
    RequestView {
        consumed_at: Some(Timestamp::from_millis(1_700_000_020_000)),
        ..request(Status::Approved)
    }
}

async fn undisturbed(script: &Script) -> Result<(), (u8, String)> {
    interrupted(script, &command(&[]), []).await
}

/// Whether the command would be run now, or the exit code and the words at the end.
async fn interrupted(
    script: &Script,
    command: &Arc<Wrapped>,
    signals: impl IntoIterator<Item = (Duration, Signal)>,
) -> Result<(), (u8, String)> {
    let progress = Progress::to_lines("requester", "true", Box::new(std::io::sink()));
    let approved = request(Status::Approved);
    let mut signals = Scheduled::new(signals);
    let used = use_approval(script, command, &approved, &mut signals, &progress).await;
    used.map_err(|end| {
        let told = end.told();
        (told.code, told.words)
    })
}

#[tokio::test(start_paused = true)]
async fn a_use_whose_answer_was_lost_is_asked_for_again_with_the_same_nonce() {
    let proxy = foreign(404);
    let script = Script::new([nobody(), broken(), proxy, answer(used())]);
    undisturbed(&script).await.unwrap();
    assert_eq!(script.calls(), ["consume nonce-1"; 4]);
}

#[tokio::test(start_paused = true)]
async fn only_the_daemons_word_that_this_use_counts_is_one() {
    let other = RequestView {
        id: RequestId::from_bytes([8; 16]),
        ..used()
    };
    let denied = RequestView {
        status: Status::Denied,
        ..used()
    };
    let script = Script::new([
        says(Status::Approved),
        says(Status::Pending),
        answer(other),
        answer(denied),
        answer(used()),
    ]);
    undisturbed(&script).await.unwrap();
    assert_eq!(script.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_runs_nothing_and_is_never_repeated() {
    for (status, code, expected, words) in [
        (409, "already_consumed", 77, "used already, at 2023-11-14"),
        (410, "too_late", 124, "too long ago"),
        (409, "not_approved", 70, "cannot be used"),
        (403, "not_the_requester", 77, "cannot be used"),
        (404, "not_found", 70, "was not run"),
        (422, "some_code", 70, "was not run"),
    ] {
        let script = Script::new([refused(status, code, Some(used()))]);
        let (exit, told) = undisturbed(&script).await.unwrap_err();
        assert_eq!(exit, expected, "{told}");
        assert!(
            told.contains(words) && told.contains("was not run"),
            "{told}"
        );
        assert_eq!(script.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_spends_no_approval() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let command = command(&[file.path().to_owned()]);
    std::fs::write(file.path(), "other").unwrap();
    let script = Script::new([answer(used())]);
    let (code, words) = interrupted(&script, &command, []).await.unwrap_err();
    assert_eq!(code, 65);
    let name = file.path().display().to_string();
    assert!(
        words.contains(&name) && words.contains("was not used"),
        "{words}"
    );
    assert!(script.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_stays_away_is_given_up_when_the_approval_is_too_old() {
    let start = Instant::now();
    let script = Script::new((0..2000).map(|_| broken()));
    let (code, words) = undisturbed(&script).await.unwrap_err();
    assert_eq!(code, 69);
    assert!(words.contains("may be used up"), "{words}");
    assert!(
        start.elapsed() >= Duration::from_hours(1),
        "{:?}",
        start.elapsed()
    );
    assert!(start.elapsed() <= Duration::from_hours(1) + 2 * limits::DEADLINE_GRACE);
}

#[tokio::test(start_paused = true)]
async fn a_signal_before_the_answer_runs_nothing_and_says_what_is_known() {
    for (outcome, words) in [(nobody(), "was not used"), (broken(), "may be used up")] {
        let script = Script::timed([(Duration::ZERO, outcome)]);
        let signal = (Duration::from_millis(1), Signal::Interrupt);
        let told = interrupted(&script, &command(&[]), [signal]).await;
        let (code, told) = told.unwrap_err();
        assert_eq!(code, 130);
        assert!(
            told.contains(words) && told.contains("was not run"),
            "{told}"
        );
    }
    let script = Script::timed([(2 * SECOND, answer(used()))]);
    let told = interrupted(&script, &command(&[]), [(SECOND, Signal::Terminate)]).await;
    let (code, told) = told.unwrap_err();
    assert_eq!(code, 143);
    assert!(told.contains("may be used up"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_with_the_answer_runs_nothing_either() {
    let script = Script::timed([(SECOND, answer(used()))]);
    let told = interrupted(&script, &command(&[]), [(SECOND, Signal::Hangup)]).await;
    assert_eq!(told.unwrap_err().0, 129);
}

/// A signal that comes at the look of this number, and not before.
struct AtLook(u32);

impl Interrupts for AtLook {
    async fn next(&mut self) -> Signal {
        if self.0 > 1 {
            self.0 -= 1;
            std::future::pending::<()>().await;
        }
        Signal::Terminate
    }
}

/// Found by review: a signal that came while the approval was told was caught and forgotten, and the
/// command was run. Without the last look this whole test becomes the command.
#[tokio::test(start_paused = true)]
async fn a_signal_that_comes_right_before_the_command_is_run_wins() {
    let progress = Progress::to_lines("requester", "true", Box::new(std::io::sink()));
    let script = Script::new([answer(used())]);
    let command = Arc::into_inner(command(&[])).unwrap();
    let approved = End::Settled(Box::new(request(Status::Approved)));
    // The first look lasts until the answer has come, the second comes after it.
    let mut signals = AtLook(3);
    let stay = Stay::ForTheAnswer;
    let end = go_on(&script, command, stay, approved, &mut signals, &progress).await;
    let told = end.told();
    assert_eq!(told.code, 143, "{told:?}");
    assert!(told.words.contains("is used up"), "{told:?}");
}
