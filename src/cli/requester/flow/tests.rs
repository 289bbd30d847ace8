//! Time is paused in these tests: there is no socket, and every second is counted.

use std::time::Duration;

use super::*;
use crate::cli::requester::interrupt::Signal;
use crate::cli::requester::script;
use crate::cli::requester::script::{
    Scheduled, Script, answer, broken, busy, foreign, nobody, refusal, request, says,
};
use crate::domain::RequestId;
use crate::limits;
use crate::wire::Status;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn plan() -> Plan {
    Plan {
        daemon: "http://h:1".to_owned(),
        ask: AskBody {
            title: "Deploy?".to_owned(),
            ..AskBody::default()
        },
        page: false,
        key: "key-1".to_owned(),
        named: false,
        stay: Stay::ForTheAnswer,
        timeout: 5 * SECOND,
        connect_timeout: 10 * SECOND,
        use_within: None,
        lease_wanted: false,
        fail_if_nobody: false,
    }
}

async fn undisturbed(script: &Script) -> (u8, String) {
    interrupted(script, []).await
}

/// The exit code and the words at the end.
pub(super) async fn interrupted(
    script: &Script,
    signals: impl IntoIterator<Item = (Duration, Signal)>,
) -> (u8, String) {
    let progress = Progress::to_lines("requester", "Deploy?", Box::new(std::io::sink()));
    let mut signals = Scheduled::new(signals);
    let told = run(script, &plan(), &mut signals, &progress).await.told();
    (told.code, told.words)
}

pub(super) fn after(secs: u64, outcome: Outcome) -> (Duration, Outcome) {
    (Duration::from_secs(secs), outcome)
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_the_asked_request_is_zero() {
    let script = Script::timed([
        after(0, says(Status::Pending)),
        after(5, says(Status::Pending)),
        after(2, says(Status::Approved)),
    ]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 0, "{words}");
    assert_eq!(script.calls(), ["ask Deploy? key-1", "read 5", "read 5"]);
    assert_eq!(script.times(), [Duration::ZERO, Duration::ZERO, 5 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_asked_again_with_the_same_key() {
    let script = Script::new([nobody(), broken(), busy(503, None), says(Status::Denied)]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(
        (code, &*words),
        (1, "denied by ana (10.0.0.7) after 12s: frozen until Monday")
    );
    assert_eq!(script.calls(), ["ask Deploy? key-1"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_repeated() {
    for (status, expected) in [
        (422, 64),
        (400, 64),
        (401, 77),
        (403, 77),
        (421, 78),
        (404, 69),
    ] {
        let script = Script::new([refusal(status, None)]);
        let (code, words) = undisturbed(&script).await;
        assert_eq!(code, expected, "{words}");
        assert!(words.contains(&format!("no, {status}")), "{words}");
        assert_eq!(script.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_cannot_be_reached_is_given_up_after_the_connect_timeout() {
    let script = Script::new((0..100).map(|_| nobody()));
    let start = tokio::time::Instant::now();
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69, "{words}");
    assert!(
        words.contains("http://h:1") && words.contains("within 10s"),
        "{words}"
    );
    assert!(!words.contains("may exist"), "{words}");
    assert_eq!(start.elapsed().as_secs(), 10);
    let calls = script.calls().len();
    assert!((5..20).contains(&calls), "{calls} attempts");
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_asked_again_and_may_have_the_request() {
    let script = Script::new([]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69, "{words}");
    assert!(words.contains("may exist"), "{words}");
    assert_eq!(script.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_tried_again_and_end_with_try_later() {
    let script = Script::new((0..100).map(|_| busy(429, Some(3))));
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 75, "{words}");
    let times = script.times();
    assert!(
        times.windows(2).all(|pair| pair[1] >= pair[0] + 3 * SECOND),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_server_at_the_url_ends_it_at_once() {
    let what = "it answered 200 OK with text/html".to_owned();
    let script = Script::new([Err(CallError::NotPushd { what })]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69);
    assert!(
        words.contains("not a pushd") && words.contains("--url"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn trouble_on_the_way_does_not_end_the_wait() {
    let page = CallError::NotPushd {
        what: "it answered 404 with text/html".to_owned(),
    };
    let script = Script::new([
        says(Status::Pending),
        nobody(),
        broken(),
        busy(429, None),
        Err(page),
        says(Status::Approved),
    ]);
    assert_eq!(undisturbed(&script).await.0, 0);
}

// A proxy whose backend restarts says `404 page not found` in plain text, which was taken for the
// daemon having lost the request, and ended a good wait.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_the_daemons_own_does_not_end_the_wait() {
    let refusals = [404, 400, 401, 403, 405, 409, 412, 421].map(foreign);
    let script = Script::new(
        [says(Status::Pending)]
            .into_iter()
            .chain(refusals)
            .chain([says(Status::Approved)]),
    );
    let (code, words) = undisturbed(&script).await;
    assert_eq!((code, script.calls().len()), (0, 10), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_acknowledgement_says_that_the_request_may_exist() {
    for (status, expected) in [(403, 77), (422, 64), (421, 78)] {
        let script = Script::new([broken(), refusal(status, None)]);
        let (code, words) = undisturbed(&script).await;
        assert_eq!(code, expected);
        assert!(
            words.contains(&format!("no, {status}")) && words.contains("may exist"),
            "{words}"
        );
        let (_, words) = undisturbed(&Script::new([refusal(status, None)])).await;
        assert!(!words.contains("may exist"), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_after_a_lost_acknowledgement_may_pass() {
    let page = || {
        let what = "it answered 200 OK with text/html".to_owned();
        Err(CallError::NotPushd { what })
    };
    let script = Script::new([broken(), foreign(404), page(), says(Status::Approved)]);
    assert_eq!(undisturbed(&script).await.0, 0);

    let script = Script::new([broken()].into_iter().chain((0..100).map(|_| page())));
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69);
    assert!(
        words.contains("text/html") && words.contains("may exist"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_obeyed_while_waiting() {
    let script = Script::new([
        says(Status::Pending),
        busy(503, Some(7)),
        says(Status::Approved),
    ]);
    assert_eq!(undisturbed(&script).await.0, 0);
    let times = script.times();
    assert!(times[2] >= 7 * SECOND && times[2] < 8 * SECOND, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_poll_is_dropped_and_sent_again() {
    let script = Script::timed([
        after(0, says(Status::Pending)),
        after(3600, says(Status::Approved)),
        after(1, says(Status::Approved)),
    ]);
    assert_eq!(undisturbed(&script).await.0, 0);
    let times = script.times();
    let silence = 5 * SECOND + limits::POLL_GRACE;
    assert!(
        times[2] >= silence && times[2] < silence + SECOND,
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_after_trouble_is_short() {
    // With a long one the old trouble stayed on the screen until it ended.
    let script = Script::new([
        says(Status::Pending),
        nobody(),
        says(Status::Pending),
        says(Status::Approved),
    ]);
    assert_eq!(undisturbed(&script).await.0, 0);
    assert_eq!(script.calls()[1..], ["read 5", "read 1", "read 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_another_request_is_no_approval() {
    let other = script::request(Status::Approved);
    let other = RequestView {
        id: RequestId::from_bytes([8; 16]),
        ..other
    };
    let script = Script::new([says(Status::Pending), answer(other), says(Status::Denied)]);
    assert_eq!(undisturbed(&script).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_is_waited_out_and_never_a_yes() {
    let open = (0..3000).map(|_| says(Status::Unknown));
    let script = Script::new([says(Status::Pending)].into_iter().chain(open));
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69, "{words}");
    assert!(words.contains("outcome unknown"), "{words}");

    let decided = RequestView {
        decided_at: Some(script::ASKED),
        ..request(Status::Unknown)
    };
    let script = Script::new([says(Status::Pending), answer(decided)]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 70, "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_daemon_has_lost_is_an_internal_error() {
    let script = Script::new([says(Status::Pending), refusal(404, None)]);
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 70);
    assert!(words.contains("lost or purged"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn lost_rights_end_the_wait() {
    let script = Script::new([says(Status::Pending), refusal(403, None)]);
    assert_eq!(undisturbed(&script).await.0, 77);
    let script = Script::new([says(Status::Pending), refusal(400, None)]);
    assert_eq!(undisturbed(&script).await.0, 70);
}

#[tokio::test(start_paused = true)]
async fn only_the_daemon_says_that_it_expired() {
    let script = Script::timed([
        after(0, says(Status::Pending)),
        after(1, says(Status::Expired)),
    ]);
    assert_eq!(undisturbed(&script).await.0, 124);

    let start = tokio::time::Instant::now();
    let gone = (0..5000).map(|_| nobody());
    let script = Script::new([says(Status::Pending)].into_iter().chain(gone));
    let (code, words) = undisturbed(&script).await;
    assert_eq!(code, 69);
    assert!(
        words.contains("outcome unknown") && words.contains("cannot connect"),
        "{words}"
    );
    assert_eq!(
        start.elapsed().as_secs(),
        3600 + limits::DEADLINE_GRACE.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn time_left_is_counted_by_the_daemons_clock() {
    // Asked earlier with the same key: when this answer comes, ten seconds are left.
    let replay = Answer {
        value: request(Status::Pending),
        date: Some(script::ASKED.after(Duration::from_secs(3590))),
        replayed: true,
    };
    let start = tokio::time::Instant::now();
    let gone = (0..5000).map(|_| nobody());
    let script = Script::new([Ok(replay)].into_iter().chain(gone));
    assert_eq!(undisturbed(&script).await.0, 69);
    assert_eq!(start.elapsed(), 10 * SECOND + limits::DEADLINE_GRACE);
}

#[tokio::test(start_paused = true)]
async fn polls_that_are_not_held_do_not_become_a_busy_loop() {
    let hasty = (0..5000).map(|_| says(Status::Pending));
    let script = Script::new(hasty.chain([says(Status::Approved)]));
    let (code, words) = undisturbed(&script).await;
    let (calls, hour) = (script.calls().len(), 3600);
    assert!(calls < hour, "{calls} calls in an hour");
    assert_eq!(code, 69);
    assert!(words.ends_with("it still calls it pending"), "{words}");
}
