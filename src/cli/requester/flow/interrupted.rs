//! What signals do to the course of a request; time is paused here too.

use std::time::Duration;

use super::tests::{SECOND, after, interrupted};
use super::*;
use crate::cli::requester::interrupt::Signal;
use crate::cli::requester::script::{Script, broken, foreign, nobody, refusal, request, says};
use crate::limits;
use crate::wire::Status;

#[tokio::test(start_paused = true)]
async fn a_signal_cancels_the_request() {
    for (signal, expected) in [
        (Signal::Interrupt, 130),
        (Signal::Terminate, 143),
        (Signal::Hangup, 129),
    ] {
        let script = Script::timed([
            after(0, says(Status::Pending)),
            after(5, says(Status::Pending)),
            after(0, broken()),
            after(0, says(Status::Cancelled)),
        ]);
        let (code, words) = interrupted(&script, [(SECOND, signal)]).await;
        assert_eq!(code, expected);
        assert!(words.ends_with("is cancelled"), "{words}");
        assert_eq!(script.calls()[2..], ["cancel", "cancel"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_was_faster_than_the_signal_is_told_and_still_no_yes() {
    let script = Script::timed([
        after(0, says(Status::Pending)),
        after(5, says(Status::Pending)),
        after(0, refusal(409, Some(request(Status::Approved)))),
    ]);
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!(code, 130);
    assert!(words.contains("already approved by ana"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_cancelled_is_said_to_stay() {
    let start = tokio::time::Instant::now();
    let gone = (0..100).map(|_| after(0, nobody()));
    let held = [
        after(0, says(Status::Pending)),
        after(5, says(Status::Pending)),
    ];
    let script = Script::timed(held.into_iter().chain(gone));
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!(code, 130);
    assert!(
        words.contains("may stay pending until 2023-11-14T23:13:20"),
        "{words}"
    );
    assert!(start.elapsed() <= SECOND + limits::CANCEL_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_gives_up_on_cancelling_and_a_second_hangup_does_not() {
    let silent = || Script::timed([after(0, says(Status::Pending)), after(9, nobody())]);
    for (second, expected) in [
        (Signal::Interrupt, 2 * SECOND),
        (Signal::Terminate, 2 * SECOND),
        (Signal::Hangup, SECOND + limits::CANCEL_TIME),
    ] {
        let start = tokio::time::Instant::now();
        let signals = [(SECOND, Signal::Hangup), (2 * SECOND, second)];
        let (code, words) = interrupted(&silent(), signals).await;
        assert_eq!(code, 129);
        assert!(words.contains("could not be cancelled"), "{words}");
        assert_eq!(start.elapsed(), expected);
    }
}

// timeout(1) signals its child and then the group in which the child is, within microseconds;
// npm and its like pass on a Ctrl-C that the terminal has sent to the child too. Both were taken
// for somebody who does not even want to wait for the cancellation, so the question stayed.
#[tokio::test(start_paused = true)]
async fn a_signal_that_is_delivered_twice_is_one_signal() {
    let at = |millis| SECOND + Duration::from_millis(millis);
    for echo in [Signal::Interrupt, Signal::Terminate] {
        let script = Script::timed([
            after(0, says(Status::Pending)),
            after(5, says(Status::Pending)),
            after(1, says(Status::Cancelled)),
        ]);
        let signals = [0, 0, 1, 499].map(|millis| (at(millis), echo));
        let (code, words) = interrupted(&script, signals).await;
        assert_eq!(code, echo.code());
        assert!(words.ends_with("is cancelled"), "{words}");
    }

    // The echo may also come while the ask is still under way, and none of them is a second wish.
    let script = Script::timed([
        after(2, says(Status::Pending)),
        after(0, says(Status::Cancelled)),
    ]);
    let signals = [0, 1, 300].map(|millis| (at(millis), Signal::Interrupt));
    let (_, words) = interrupted(&script, signals).await;
    assert!(words.ends_with("is cancelled"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_after_an_echo_gives_up_on_cancelling_at_once() {
    let start = tokio::time::Instant::now();
    let script = Script::timed([after(0, says(Status::Pending)), after(9, nobody())]);
    let signals = [1000, 1001, 1500].map(|at| (Duration::from_millis(at), Signal::Interrupt));
    let (code, words) = interrupted(&script, signals).await;
    assert_eq!(code, 130);
    assert!(words.contains("interrupted again"), "{words}");
    assert_eq!(start.elapsed(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_before_anything_was_sent_ends_at_once() {
    let script = Script::new((0..100).map(|_| nobody()));
    let start = tokio::time::Instant::now();
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!((code, start.elapsed()), (130, SECOND));
    assert!(words.contains("before anything was asked"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_ask_is_followed_up_and_cancelled() {
    // The first answer is lost after the signal; the same ask again learns the id.
    let script = Script::timed([
        after(2, broken()),
        after(0, says(Status::Pending)),
        after(0, says(Status::Cancelled)),
    ]);
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!(code, 130);
    assert!(words.ends_with("is cancelled"), "{words}");
    assert_eq!(
        script.calls(),
        ["ask Deploy? key-1", "ask Deploy? key-1", "cancel"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_ask_that_was_never_sent_is_not_repeated() {
    let script = Script::timed([after(2, nobody()), after(0, says(Status::Pending))]);
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!(code, 130);
    assert!(words.contains("no request of ours"), "{words}");
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_ask_of_unknown_fate_is_said_to_be_so() {
    let start = tokio::time::Instant::now();
    let script = Script::new([broken()]);
    let (code, words) = interrupted(&script, [(SECOND, Signal::Terminate)]).await;
    assert_eq!(code, 143);
    assert!(words.contains("may have got the request"), "{words}");
    assert!(start.elapsed() <= SECOND + limits::CANCEL_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_goes_on_after_a_refusal_that_is_not_the_daemons_own() {
    let held = [
        after(0, says(Status::Pending)),
        after(5, says(Status::Pending)),
    ];
    let refusals = [404, 403, 409].map(|status| after(0, foreign(status)));
    let cancelled = [after(0, says(Status::Cancelled))];
    let script = Script::timed(held.into_iter().chain(refusals).chain(cancelled));
    let (code, words) = interrupted(&script, [(SECOND, Signal::Interrupt)]).await;
    assert_eq!(code, 130);
    assert!(words.ends_with("is cancelled"), "{words}");
    assert_eq!(script.calls()[2..], ["cancel"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_cancellation_says_why_and_what_the_daemon_does_not_know_is_said_to_be_so() {
    let script = |last| {
        Script::timed([
            after(0, says(Status::Pending)),
            after(5, says(Status::Pending)),
            after(0, last),
        ])
    };
    let other = RequestView {
        id: RequestId::from_bytes([8; 16]),
        ..request(Status::Approved)
    };
    for (last, expected) in [
        (refusal(404, None), "does not know request"),
        (
            refusal(403, None),
            "could not be cancelled (not permitted: no, 403)",
        ),
        (refusal(409, None), "could not be cancelled"),
        (refusal(409, Some(other)), "could not be cancelled"),
    ] {
        let (code, words) = interrupted(&script(last), [(SECOND, Signal::Interrupt)]).await;
        assert_eq!(code, 130);
        assert!(words.contains(expected), "{words}");
    }
}
