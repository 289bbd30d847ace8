//! Leases, votes, and who is there to decide; time is paused here too.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::tests::{SECOND, after, plan};
use super::*;
use crate::cli::exit;
use crate::cli::requester::outcome::Told;
use crate::cli::requester::script::{
    Scheduled, Script, answer, broken, busy, nobody, refusal, request, says,
};
use crate::domain::Verdict;
use crate::wire::ProblemView;

/// What is told, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn asked(script: &Script, plan: &Plan) -> (Told, String) {
    let lines = Lines::default();
    let progress = Progress::to_lines("requester", "Deploy?", Box::new(lines.clone()));
    let end = run(script, plan, &mut Scheduled::new([]), &progress).await;
    (end.told(), lines.text())
}

fn leased(secs: u64) -> Plan {
    let mut plan = plan();
    plan.ask.lease_secs = Some(secs);
    plan
}

fn held(secs: u64) -> RequestView {
    RequestView {
        lease_secs: Some(secs),
        ..request(Status::Pending)
    }
}

/// What a daemon says that has never heard of a lease.
fn knows_no_lease() -> Outcome {
    Err(CallError::Refused {
        status: 422,
        problem: Box::new(ProblemView {
            detail: "unknown field `lease_secs`, expected one of `title`, `details`".to_owned(),
            code: "invalid_member".to_owned(),
            ..ProblemView::default()
        }),
        in_doubt: false,
    })
}

#[tokio::test(start_paused = true)]
async fn the_holder_of_a_lease_never_pauses_for_more_than_half_of_it() {
    let trouble = (0..40).flat_map(|_| [nobody(), busy(503, Some(60))]);
    let outcomes = [broken(), busy(503, Some(60)), answer(held(4))];
    let script = Script::new(
        outcomes
            .into_iter()
            .chain(trouble)
            .chain([says(Status::Denied)]),
    );
    let (told, _) = asked(&script, &leased(4)).await;
    assert_eq!(told.code, exit::DENIED, "{told:?}");
    let pauses = script.times();
    let longest = pauses
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .max();
    assert!(longest <= Some(2 * SECOND), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poll_under_a_lease_is_not_silent_for_more_than_half_of_it() {
    let script = Script::timed([
        after(0, answer(held(4))),
        after(60, nobody()),
        after(0, says(Status::Denied)),
    ]);
    assert_eq!(asked(&script, &leased(4)).await.0.code, exit::DENIED);
    let times = script.times();
    assert!(times[2] <= times[1] + (5 + 2 + 2) * SECOND, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_older_daemon_is_asked_without_the_lease_that_nobody_has_asked_for() {
    let script = Script::new([nobody(), knows_no_lease(), broken(), says(Status::Denied)]);
    let (told, lines) = asked(&script, &leased(120)).await;
    assert_eq!(told.code, exit::DENIED, "{told:?}");
    let (with, without) = ("ask Deploy? key-1 lease 120", "ask Deploy? key-1");
    assert_eq!(script.calls(), [with, with, without, without]);
    assert_eq!(lines.matches("knows no leases").count(), 1, "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_asked_for_is_not_left_out() {
    let wanted = Plan {
        lease_wanted: true,
        ..leased(60)
    };
    let script = Script::new([knows_no_lease()]);
    let (told, _) = asked(&script, &wanted).await;
    assert_eq!(told.code, exit::USAGE);
    assert!(told.words.contains("lease_secs"), "{told:?}");
    // Nor does any other refusal take it away.
    let script = Script::new([refusal(422, None)]);
    assert_eq!(asked(&script, &leased(60)).await.0.code, exit::USAGE);
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn votes_are_told_once_for_each_change() {
    let view = |names: &[&str]| {
        let mut view = request(Status::Pending);
        view.approvals_needed = 2;
        view.decisions = names
            .iter()
            .map(|name| {
                let mut vote = request(Status::Approved).decisions.remove(0);
                vote.verdict = Verdict::Approve;
                (*name).clone_into(&mut vote.approver.principal);
                vote
            })
            .collect();
        answer(view)
    };
    let script = Script::timed([
        after(0, view(&[])),
        after(1, view(&["alice"])),
        after(5, view(&["alice"])),
        after(1, view(&[])),
        after(1, says(Status::Denied)),
    ]);
    let (_, lines) = asked(&script, &plan()).await;
    let votes: Vec<_> = lines
        .lines()
        .filter(|line| line.contains("votes"))
        .collect();
    let [none, alice] = [
        "requester: votes so far: 0 of 2",
        "requester: votes so far: 1 of 2, alice",
    ];
    assert_eq!(votes, [none, alice, none]);
}

fn with_connected(count: Option<u64>) -> Outcome {
    answer(RequestView {
        approvers_connected: count,
        ..request(Status::Pending)
    })
}

#[tokio::test(start_paused = true)]
async fn it_is_told_who_is_there() {
    for (count, words) in [
        (0, "nobody is connected who may approve"),
        (1, "1 approver is connected"),
        (2, "2 approvers are connected"),
    ] {
        let script = Script::new([with_connected(Some(count)), says(Status::Denied)]);
        let (told, lines) = asked(&script, &plan()).await;
        assert_eq!(told.code, exit::DENIED);
        assert!(lines.contains(words), "{lines}");
    }
    let script = Script::new([with_connected(None), says(Status::Denied)]);
    assert!(!asked(&script, &plan()).await.1.contains("connected"));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_there_it_can_end_at_once() {
    let strict = Plan {
        fail_if_nobody: true,
        ..plan()
    };
    let decided = refusal(409, Some(request(Status::Approved)));
    for (count, cancelled, code, words) in [
        (
            Some(0),
            says(Status::Cancelled),
            exit::TRY_LATER,
            "is cancelled",
        ),
        (
            None,
            says(Status::Cancelled),
            exit::CONFIGURATION,
            "does not say how many",
        ),
        (
            Some(0),
            refusal(403, None),
            exit::TRY_LATER,
            "could not be cancelled",
        ),
        (
            Some(0),
            refusal(404, None),
            exit::TRY_LATER,
            "does not know request",
        ),
        (Some(0), decided, exit::APPROVED, "approved by ana"),
    ] {
        let script = Script::new([with_connected(count), cancelled]);
        let (told, _) = asked(&script, &strict).await;
        assert_eq!(told.code, code, "{told:?}");
        assert!(told.words.contains(words), "{told:?}");
        assert_eq!(script.calls()[1..], ["cancel"]);
    }
    let script = Script::new([with_connected(Some(1)), says(Status::Denied)]);
    assert_eq!(asked(&script, &strict).await.0.code, exit::DENIED);
    // What is over needs nobody any more.
    let script = Script::new([says(Status::Denied)]);
    assert_eq!(asked(&script, &strict).await.0.code, exit::DENIED);
    assert_eq!(script.calls().len(), 1);
}

/// Found by review: a second run with the same key cancelled what the first one waited for.
#[tokio::test(start_paused = true)]
async fn where_nobody_is_there_the_request_of_another_run_is_left() {
    for (named, count, code, calls) in [
        (true, Some(0), exit::TRY_LATER, 1),
        (true, None, exit::CONFIGURATION, 1),
        // A random key is ours alone, so only the answer to our own first try was lost.
        (false, Some(0), exit::TRY_LATER, 2),
    ] {
        let strict = Plan {
            fail_if_nobody: true,
            named,
            ..plan()
        };
        let found = with_connected(count).map(|answer| Answer {
            replayed: true,
            ..answer
        });
        let script = Script::new([found, says(Status::Cancelled)]);
        let (told, _) = asked(&script, &strict).await;
        assert_eq!(told.code, code, "{told:?}");
        assert_eq!(told.words.contains("is left as it is"), named, "{told:?}");
        assert_eq!(script.calls().len(), calls, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_gone_for_too_long_is_told_so() {
    let ended = RequestView {
        lease_ended: true,
        ..request(Status::Cancelled)
    };
    let script = Script::new([answer(held(120)), answer(ended)]);
    let (told, _) = asked(&script, &leased(120)).await;
    assert_eq!(told.code, exit::CANCELLED);
    assert!(told.words.contains("no sign of the asker"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_a_request_with_a_lease_is_told_how_long_it_stays() {
    let detached = Plan {
        stay: Stay::ForTheId,
        ..leased(120)
    };
    let (told, _) = asked(&Script::new([answer(held(120))]), &detached).await;
    assert_eq!(told.code, exit::PENDING);
    assert!(told.words.contains("nobody has waited for 2m"), "{told:?}");
    let (told, _) = asked(&Script::new([says(Status::Pending)]), &detached).await;
    assert!(!told.words.contains("lease"), "{told:?}");
}
