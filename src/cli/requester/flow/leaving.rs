//! Leaving a request that is pending, and coming back to it; time is paused here too.

use std::time::Duration;

use super::tests::{SECOND, after, plan};
use super::*;
use crate::cli::exit;
use crate::cli::requester::interrupt::Signal;
use crate::cli::requester::outcome::Told;
use crate::cli::requester::reach::Reach;
use crate::cli::requester::script::{
    ASKED, ID, Scheduled, Script, busy, foreign, nobody, refusal, request, says,
};
use crate::cli::requester::{cancel, rejoin, status};

fn progress() -> Progress {
    Progress::to_lines("requester", "Deploy?", Box::new(std::io::sink()))
}

fn undisturbed() -> Scheduled {
    Scheduled::new([])
}

fn reach() -> Reach {
    Reach {
        daemon: "http://h:1".to_owned(),
        id: ID,
        patience: 10 * SECOND,
    }
}

fn waits(until: Option<Duration>) -> Waits {
    Waits {
        daemon: "http://h:1".to_owned(),
        timeout: 5 * SECOND,
        until: until.map(|wait| Instant::now() + wait),
        onward: "the same command waits on".to_owned(),
    }
}

async fn asked(script: &Script, plan: &Plan) -> Told {
    run(script, plan, &mut undisturbed(), &progress())
        .await
        .told()
}

async fn waited(script: &Script, how: &Waits, signals: &mut Scheduled) -> Told {
    let freshness = Freshness::of_found(None);
    let (reach, progress) = (reach(), progress());
    let end = rejoin::run(script, &reach, how, freshness, signals, &progress);
    end.await.told()
}

async fn looked(script: &Script) -> Told {
    let freshness = Freshness::of_found(None);
    let (reach, progress, mut signals) = (reach(), progress(), undisturbed());
    let end = status::run(script, &reach, freshness, &mut signals, &progress);
    end.await.told()
}

async fn cancelled(script: &Script) -> Told {
    let (reach, progress, mut signals) = (reach(), progress(), undisturbed());
    let end = cancel::run(script, &reach, &mut signals, &progress);
    end.await.told()
}

/// The request as the daemon tells of it, so long after the ask.
#[allow(clippy::unnecessary_wraps, reason = "it stands among outcomes")]
fn says_after(status: Status, secs: u64) -> Outcome {
    Ok(Answer {
        value: request(status),
        date: Some(ASKED.after(Duration::from_secs(secs))),
        replayed: false,
    })
}

#[tokio::test(start_paused = true)]
async fn whoever_detaches_leaves_with_3_once_the_ask_is_acknowledged() {
    let script = Script::new([nobody(), says(Status::Pending)]);
    let detached = Plan {
        stay: Stay::ForTheId,
        ..plan()
    };
    let told = asked(&script, &detached).await;
    assert_eq!(told.code, exit::PENDING);
    assert!(
        told.words.contains(&format!("requester wait {ID}")),
        "{told:?}"
    );
    assert_eq!(told.request.unwrap().id, ID);
    assert_eq!(script.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_has_a_limit_ends_at_it_with_3_and_leaves_the_request() {
    for (wait, polls) in [(1, &["read 1"][..]), (12, &["read 5", "read 5", "read 2"])] {
        let held = polls.iter().map(|_| after(5, says(Status::Pending)));
        let script = Script::timed([after(0, says(Status::Pending))].into_iter().chain(held));
        let start = Instant::now();
        for_limited(&script, wait, polls).await;
        assert_eq!(start.elapsed(), Duration::from_secs(wait));
    }
}

async fn for_limited(script: &Script, wait: u64, polls: &[&str]) {
    let limited = Plan {
        stay: Stay::AtMost(Duration::from_secs(wait)),
        ..plan()
    };
    let told = asked(script, &limited).await;
    assert_eq!(
        (told.code, told.is_error),
        (exit::PENDING, false),
        "{told:?}"
    );
    assert!(
        told.words.contains(&format!("requester wait {ID}")),
        "{told:?}"
    );
    // A poll that is cut short by the limit is no trouble.
    assert!(told.words.contains("is still pending;"), "{told:?}");
    assert_eq!(script.calls()[1..], *polls);
}

#[tokio::test(start_paused = true)]
async fn with_a_key_the_same_command_goes_on() {
    let limited = Plan {
        stay: Stay::AtMost(SECOND),
        named: true,
        ..plan()
    };
    let told = asked(&Script::new([says(Status::Pending)]), &limited).await;
    assert!(
        told.words
            .ends_with("the same command with the same --key waits on"),
        "{told:?}"
    );
    let told = asked(&Script::new([says_after(Status::Approved, 60)]), &limited).await;
    assert_eq!(told.code, exit::APPROVED, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_ends_in_trouble_says_so() {
    let gone = (0..100).map(|_| nobody());
    let script = Script::new([says(Status::Pending)].into_iter().chain(gone));
    let limited = Plan {
        stay: Stay::AtMost(20 * SECOND),
        ..plan()
    };
    let start = Instant::now();
    let told = asked(&script, &limited).await;
    assert_eq!(told.code, exit::PENDING, "{told:?}");
    assert!(told.words.contains("(cannot connect"), "{told:?}");
    assert_eq!(start.elapsed(), 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_is_not_acknowledged_within_the_limit_is_69() {
    let script = Script::new((0..100).map(|_| nobody()));
    let limited = Plan {
        stay: Stay::AtMost(2 * SECOND),
        ..plan()
    };
    let start = Instant::now();
    let told = asked(&script, &limited).await;
    assert_eq!(told.code, exit::UNAVAILABLE);
    assert!(told.words.contains("within 2s"), "{told:?}");
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_a_key_finds_over_is_told_with_the_remedy() {
    let named = Plan {
        named: true,
        ..plan()
    };
    for (status, code, remedy) in [
        (Status::Cancelled, exit::CANCELLED, true),
        (Status::Expired, exit::EXPIRED, true),
        (Status::Denied, exit::DENIED, false),
    ] {
        let told = asked(&Script::new([says(status)]), &named).await;
        assert_eq!(told.code, code);
        assert_eq!(
            told.words.contains("another key asks anew"),
            remedy,
            "{told:?}"
        );
        // Nobody has asked before under a key that was drawn.
        let told = asked(&Script::new([says(status)]), &plan()).await;
        assert!(!told.words.contains("key"), "{told:?}");
        // And what ends while it is waited for has not been found.
        let script = Script::new([says(Status::Pending), says(status)]);
        let told = asked(&script, &named).await;
        assert!(!told.words.contains("key"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_long_ago_does_not_count() {
    let named = Plan {
        named: true,
        use_within: Some(10 * SECOND),
        ..plan()
    };
    let told = asked(&Script::new([says_after(Status::Approved, 22)]), &named).await;
    assert_eq!(told.code, exit::APPROVED, "{told:?}");
    let told = asked(&Script::new([says_after(Status::Approved, 23)]), &named).await;
    assert_eq!(told.code, exit::EXPIRED);
    assert!(
        told.words
            .starts_with("approved, but too long ago: 11s, and it counts for 10s"),
        "{told:?}"
    );
    // Also when it is only heard of late, as after a long sleep of this machine.
    let script = Script::new([says(Status::Pending), says_after(Status::Approved, 3700)]);
    assert_eq!(asked(&script, &plan()).await.code, exit::EXPIRED);
}

#[tokio::test(start_paused = true)]
async fn a_wait_by_id_ends_as_that_of_the_asker_would() {
    for (outcome, code) in [
        (says_after(Status::Approved, 60), exit::APPROVED),
        (says_after(Status::Approved, 4000), exit::EXPIRED),
        (says_after(Status::Denied, 4000), exit::DENIED),
        (says_after(Status::Expired, 4000), exit::EXPIRED),
        (says_after(Status::Cancelled, 60), exit::CANCELLED),
        (refusal(404, None), exit::INTERNAL),
        (refusal(403, None), exit::NOT_PERMITTED),
    ] {
        let script = Script::new([busy(503, None), says(Status::Pending), outcome]);
        let told = waited(&script, &waits(None), &mut undisturbed()).await;
        assert_eq!(told.code, code, "{told:?}");
        assert_eq!(script.calls(), ["look", "look", "read 5"]);
    }
    let script = Script::new([says_after(Status::Approved, 60)]);
    let told = waited(&script, &waits(None), &mut undisturbed()).await;
    assert_eq!(told.code, exit::APPROVED, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_by_id_has_a_limit_too() {
    let script = Script::new([says(Status::Pending)]);
    let told = waited(&script, &waits(Some(3 * SECOND)), &mut undisturbed()).await;
    assert_eq!(told.code, exit::PENDING);
    assert!(
        told.words.ends_with("the same command waits on"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_a_wait_by_id_and_cancels_nothing() {
    for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
        let script = Script::new([says(Status::Pending)]);
        let mut signals = Scheduled::new([(SECOND, signal)]);
        let told = waited(&script, &waits(None), &mut signals).await;
        assert_eq!(told.code, signal.code());
        assert!(told.words.contains("stays as it is"), "{told:?}");
        assert_eq!(script.calls(), ["look", "read 5"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_is_told_at_once_with_the_codes_of_an_ask() {
    for (outcome, code) in [
        (says_after(Status::Pending, 60), exit::PENDING),
        (says_after(Status::Approved, 60), exit::APPROVED),
        (says_after(Status::Approved, 4000), exit::EXPIRED),
        (says(Status::Approved), exit::UNAVAILABLE),
        (says(Status::Denied), exit::DENIED),
        (says(Status::Expired), exit::EXPIRED),
        (says(Status::Cancelled), exit::CANCELLED),
        (says(Status::Unknown), exit::INTERNAL),
        (refusal(404, None), exit::USAGE),
        (refusal(401, None), exit::NOT_PERMITTED),
        (foreign(404), exit::UNAVAILABLE),
    ] {
        let script = Script::new([nobody(), outcome]);
        let told = looked(&script).await;
        assert_eq!(told.code, code, "{told:?}");
        assert_eq!(script.calls(), ["look"; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_0_only_when_it_is_cancelled() {
    let decided = |status| refusal(409, Some(request(status)));
    for (outcome, code, words) in [
        (says(Status::Cancelled), exit::SUCCESS, "is cancelled"),
        (
            decided(Status::Approved),
            exit::DENIED,
            "cannot be cancelled: it was approved by ana",
        ),
        (
            decided(Status::Denied),
            exit::DENIED,
            "it was denied by ana",
        ),
        (
            decided(Status::Expired),
            exit::DENIED,
            "it has expired after 1h",
        ),
        (
            says(Status::Pending),
            exit::INTERNAL,
            "is not cancelled: it is still pending",
        ),
        (decided(Status::Unknown), exit::INTERNAL, "is not cancelled"),
        (refusal(404, None), exit::USAGE, "has no request"),
        (refusal(403, None), exit::NOT_PERMITTED, "not permitted"),
    ] {
        let script = Script::new([nobody(), outcome]);
        let told = cancelled(&script).await;
        assert_eq!(told.code, code, "{told:?}");
        assert!(told.words.contains(words), "{told:?}");
        assert_eq!(script.calls(), ["cancel"; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_69_and_who_has_no_time_75() {
    for (outcome, code) in [
        (nobody as fn() -> Outcome, exit::UNAVAILABLE),
        (|| busy(429, Some(60)), exit::TRY_LATER),
    ] {
        let script = Script::new((0..100).map(|_| outcome()));
        let start = Instant::now();
        let told = cancelled(&script).await;
        assert_eq!(told.code, code, "{told:?}");
        assert!(start.elapsed() <= 10 * SECOND);
    }
}
