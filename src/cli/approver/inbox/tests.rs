use std::time::Duration;

use super::*;
use crate::cli::approver::samples::{request, settled};

const SECOND: Duration = Duration::from_secs(1);

fn inbox(ids: &[u8]) -> Inbox {
    let mut inbox = Inbox::default();
    for &id in ids {
        assert_eq!(inbox.apply(request(id)), Change::Count { arrived: true });
    }
    inbox
}

fn chosen(inbox: &mut Inbox, now: Instant) -> Option<u8> {
    let view = inbox.choose(now, None)?;
    view.id.as_bytes().first().copied()
}

#[test]
fn the_oldest_request_is_asked_first_however_they_came() {
    let mut inbox = inbox(&[3, 1, 2]);
    let now = Instant::now();
    assert_eq!(chosen(&mut inbox, now), Some(1));
    assert_eq!(inbox.others(), 2);
    inbox.done(request(1).id, Some(EventId(9)));
    assert_eq!(chosen(&mut inbox, now), Some(2));
}

#[test]
fn a_skipped_request_goes_behind_the_others_and_returns_after_its_time() {
    let mut inbox = inbox(&[1, 2, 3]);
    let now = Instant::now();
    assert_eq!(chosen(&mut inbox, now), Some(1));
    inbox.skip(now);
    assert_eq!(chosen(&mut inbox, now), Some(2));
    inbox.skip(now + SECOND);
    // The third comes before those that were skipped, even when their time has come.
    let later = now + limits::SKIP_TIME + 10 * SECOND;
    assert_eq!(chosen(&mut inbox, later), Some(3));
    inbox.skip(later);
    assert_eq!(chosen(&mut inbox, now + 29 * SECOND), None);
    assert_eq!(inbox.next_return(), Some(now + limits::SKIP_TIME));
    assert_eq!(chosen(&mut inbox, now + limits::SKIP_TIME), Some(1));
}

#[test]
fn a_newcomer_is_asked_while_skipped_ones_wait() {
    let mut inbox = inbox(&[1]);
    let now = Instant::now();
    assert_eq!(chosen(&mut inbox, now), Some(1));
    inbox.skip(now);
    assert_eq!(inbox.apply(request(2)), Change::Count { arrived: true });
    assert_eq!(chosen(&mut inbox, now), Some(2));
}

#[test]
fn what_is_settled_elsewhere_goes_and_the_current_one_is_told() {
    let mut inbox = inbox(&[1, 2]);
    chosen(&mut inbox, Instant::now());
    let other = settled(2, 8, Status::Cancelled);
    assert_eq!(inbox.apply(other), Change::Count { arrived: false });
    let mine = settled(1, 9, Status::Denied);
    assert_eq!(inbox.apply(mine.clone()), Change::Settled(Gone::As(mine)));
    assert_eq!(
        (inbox.others(), chosen(&mut inbox, Instant::now())),
        (0, None)
    );
}

#[test]
fn an_event_from_before_the_decision_does_not_bring_a_request_back() {
    let mut inbox = inbox(&[1]);
    chosen(&mut inbox, Instant::now());
    inbox.done(request(1).id, Some(EventId(9)));
    let mut seen = request(1);
    seen.event_id = EventId(8);
    assert_eq!(inbox.apply(seen), Change::None);
    assert_eq!(chosen(&mut inbox, Instant::now()), None);
}

#[test]
fn only_another_version_is_drawn_again() {
    let mut inbox = inbox(&[1]);
    chosen(&mut inbox, Instant::now());
    let mut seen = request(1);
    seen.event_id = EventId(8);
    assert_eq!(inbox.apply(seen), Change::None);
    let mut changed = request(1);
    (changed.event_id, changed.version) = (EventId(9), EventId(9));
    assert_eq!(inbox.apply(changed), Change::Redraw);
}

#[test]
fn after_a_reset_only_what_comes_again_is_kept() {
    let mut inbox = inbox(&[1, 2, 3]);
    chosen(&mut inbox, Instant::now());
    inbox.reset();
    assert_eq!(inbox.apply(request(2)), Change::None);
    assert_eq!(inbox.caught_up(), Change::Settled(Gone::Unknown));
    assert_eq!(chosen(&mut inbox, Instant::now()), Some(2));
    assert_eq!(inbox.others(), 0);
}

#[test]
fn a_request_that_comes_again_stays_on_the_screen() {
    let mut inbox = inbox(&[1]);
    chosen(&mut inbox, Instant::now());
    inbox.reset();
    assert_eq!(inbox.apply(request(1)), Change::None);
    assert_eq!(inbox.caught_up(), Change::None);
    // The daemon may count anew after a reset, so a lower event id is no reason to doubt.
    inbox.reset();
    let mut again = request(1);
    (again.event_id, again.version) = (EventId(0), EventId(0));
    assert_eq!(inbox.apply(again), Change::Redraw);
}

#[test]
fn what_was_in_doubt_is_not_asked() {
    let mut inbox = inbox(&[1]);
    inbox.reset();
    assert_eq!(chosen(&mut inbox, Instant::now()), None);
    inbox.apply(request(1));
    assert_eq!(chosen(&mut inbox, Instant::now()), Some(1));
}

#[test]
fn a_request_whose_time_is_over_is_not_asked() {
    let mut inbox = inbox(&[1]);
    let over = request(1).expires_at;
    assert_eq!(inbox.choose(Instant::now(), Some(over)), None);
    assert!(
        inbox
            .choose(Instant::now(), Some(over.before(SECOND)))
            .is_some()
    );
}

#[test]
fn a_skipped_request_that_is_over_wakes_nobody_up() {
    let mut inbox = inbox(&[1]);
    let now = Instant::now();
    chosen(&mut inbox, now);
    inbox.skip(now);
    let over = Some(request(1).expires_at);
    let later = now + limits::SKIP_TIME;
    assert_eq!(inbox.choose(later, over), None);
    assert_eq!(inbox.next_return(), None);
}

#[test]
fn a_full_inbox_leaves_out_newcomers_and_knows_it() {
    let mut inbox = Inbox::default();
    let mut large = request(0);
    large.details = "x".repeat(limits::INBOX_BYTES / 2);
    inbox.apply(large);
    assert_eq!(inbox.apply(request(1)), Change::Count { arrived: true });
    let mut larger = request(2);
    larger.details = "x".repeat(limits::INBOX_BYTES / 2);
    assert_eq!(inbox.apply(larger), Change::None);
    assert!(!inbox.has_room_again());
    inbox.done(request(0).id, None);
    assert!(inbox.has_room_again());
    inbox.reset();
    assert!(!inbox.has_room_again());
}

#[test]
fn a_time_to_return_that_passes_before_anybody_waits_for_it_is_not_lost() {
    // The terminal was stopped with Ctrl-S across that moment, and the wake-up was filtered out
    // by a later `now` than the one that had found nothing to ask.
    let mut inbox = inbox(&[1]);
    let now = Instant::now();
    chosen(&mut inbox, now);
    inbox.skip(now);
    let just_before = now + limits::SKIP_TIME.saturating_sub(Duration::from_millis(1));
    assert_eq!(chosen(&mut inbox, just_before), None);
    assert_eq!(inbox.next_return(), Some(now + limits::SKIP_TIME));
}

#[test]
fn every_text_of_a_request_takes_room() {
    // Only title, details and fields counted once, and a topic of megabytes was free.
    let long = || "x".repeat(limits::INBOX_BYTES);
    let grow: [fn(&mut RequestView, String); 4] = [
        |view, text| view.topic = text,
        |view, text| view.requester.principal = text,
        |view, text| view.requester.address = Some(text),
        |view, text| view.decisions[0].reason = Some(text),
    ];
    for grow in grow {
        let mut inbox = Inbox::default();
        let mut view = request(1);
        view.decisions = settled(1, 2, Status::Approved).decisions;
        assert_eq!(inbox.apply(view.clone()), Change::Count { arrived: true });
        // It is too large to be kept, also when it was small before.
        view.event_id = EventId(9);
        grow(&mut view, long());
        assert_eq!(inbox.apply(view), Change::Count { arrived: false });
        assert_eq!(chosen(&mut inbox, Instant::now()), None);
    }
}

fn judged(inbox: &mut Inbox, now: Instant) -> Option<u8> {
    let view = inbox.next_to_judge(now, None)?;
    view.id.as_bytes().first().copied()
}

/// An inbox with a policy, and these requests.
fn judging(ids: &[u8]) -> Inbox {
    let mut inbox = Inbox::judged();
    for &id in ids {
        assert_eq!(inbox.apply(request(id)), Change::Count { arrived: false });
    }
    inbox
}

/// A request in another version, under a later event.
fn changed(id: u8, event: u64) -> Box<RequestView> {
    let mut view = request(id);
    (view.version, view.event_id) = (EventId(event), EventId(event));
    view
}

/// A request with a vote, in the same version, under a later event.
fn voted(id: u8, event: u64, by: &str) -> Box<RequestView> {
    let mut view = request(id);
    view.event_id = EventId(event);
    view.decisions = settled(id, event, Status::Approved).decisions;
    for vote in &mut view.decisions {
        by.clone_into(&mut vote.approver.principal);
    }
    view
}

#[test]
fn the_policy_judges_each_once_and_people_are_asked_what_it_leaves_open() {
    let mut inbox = judging(&[1, 2]);
    let now = Instant::now();
    assert_eq!(chosen(&mut inbox, now), None);
    assert_eq!(judged(&mut inbox, now), Some(1));
    assert_eq!(judged(&mut inbox, now), Some(2));
    assert_eq!(judged(&mut inbox, now), None);
    inbox.leave_open(request(2).id, EventId(2));
    assert_eq!(judged(&mut inbox, now), None);
    assert_eq!(chosen(&mut inbox, now), Some(2));
    inbox.put_back();
    // Neither a reset nor others who look at it make it judge again.
    inbox.reset();
    let mut seen = request(2);
    seen.event_id = EventId(5);
    inbox.apply(seen);
    assert_eq!(judged(&mut inbox, now), None);
    // Another version does.
    inbox.apply(changed(2, 6));
    assert_eq!(chosen(&mut inbox, now), None);
    assert_eq!(judged(&mut inbox, now), Some(2));
}

#[test]
fn a_request_that_changes_while_it_is_judged_is_judged_again_after_that() {
    let mut inbox = judging(&[1]);
    let now = Instant::now();
    assert_eq!(judged(&mut inbox, now), Some(1));
    inbox.apply(changed(1, 5));
    // Not twice at the same time.
    assert_eq!(judged(&mut inbox, now), None);
    inbox.leave_open(request(1).id, EventId(1));
    assert_eq!(chosen(&mut inbox, now), None);
    assert_eq!(judged(&mut inbox, now), Some(1));
}

#[test]
fn a_verdict_that_was_not_told_is_judged_again_at_its_time() {
    let mut inbox = judging(&[1]);
    let now = Instant::now();
    assert_eq!(judged(&mut inbox, now), Some(1));
    inbox.judge_again(request(1).id, now + SECOND);
    assert_eq!(judged(&mut inbox, now), None);
    assert_eq!(inbox.judged_again(), Some(now + SECOND));
    assert_eq!(judged(&mut inbox, now + SECOND), Some(1));
    assert_eq!(inbox.judged_again(), None);
}

#[test]
fn a_match_code_is_for_people() {
    let mut inbox = Inbox::judged();
    let mut coded = request(1);
    coded.match_code_required = true;
    assert_eq!(inbox.apply(coded), Change::Count { arrived: true });
    let now = Instant::now();
    assert_eq!(judged(&mut inbox, now), None);
    assert_eq!(chosen(&mut inbox, now), Some(1));
}

/// Found by review: during a freeze the policy was run every half minute, and nobody was asked.
#[test]
fn what_is_frozen_is_judged_again_at_its_end_and_people_are_asked_meanwhile() {
    let mut inbox = Inbox::judged();
    let now = Instant::now();
    drop(inbox.apply(request(1)));
    assert!(inbox.next_to_judge(now, None).is_some());
    assert_eq!(chosen(&mut inbox, now), None, "it is being judged");
    inbox.judge_later(request(1).id, now + 60 * SECOND);
    assert_eq!(inbox.next_to_judge(now, None), None);
    assert_eq!(inbox.judged_again(), Some(now + 60 * SECOND));
    assert_eq!(chosen(&mut inbox, now), Some(1));
    let end = now + 60 * SECOND;
    assert_eq!(inbox.next_to_judge(end, None), None, "it is on the screen");
    inbox.skip(end);
    assert!(inbox.next_to_judge(end, None).is_some());
}

#[test]
fn what_was_voted_on_here_is_not_asked_again_until_the_vote_is_taken_back() {
    let mut inbox = inbox(&[1, 2]);
    inbox.answers_as(Some("alice".to_owned()));
    let now = Instant::now();
    assert_eq!(chosen(&mut inbox, now), Some(1));
    inbox.voted(voted(1, 5, "alice"));
    assert_eq!(chosen(&mut inbox, now), Some(2));
    assert_eq!(inbox.others(), 0);
    inbox.done(request(2).id, None);
    // An event from before the vote comes late.
    let mut seen = request(1);
    seen.event_id = EventId(4);
    inbox.apply(seen);
    assert_eq!(chosen(&mut inbox, now), None);
    let mut back = request(1);
    back.event_id = EventId(6);
    inbox.apply(back);
    assert_eq!(chosen(&mut inbox, now), Some(1));
    // A vote that was given elsewhere, by the same person, counts as well.
    inbox.put_back();
    inbox.apply(voted(1, 7, "alice"));
    assert_eq!(chosen(&mut inbox, now), None);
    inbox.apply(voted(1, 8, "bob"));
    assert_eq!(chosen(&mut inbox, now), Some(1));
}

#[test]
fn votes_of_others_are_told_of_the_request_on_the_screen_alone() {
    let mut inbox = inbox(&[1, 2]);
    assert_eq!(chosen(&mut inbox, Instant::now()), Some(1));
    let vote = voted(1, 5, "bob");
    assert_eq!(inbox.apply(vote.clone()), Change::Votes(vote));
    assert_eq!(inbox.apply(voted(2, 6, "bob")), Change::None);
}
