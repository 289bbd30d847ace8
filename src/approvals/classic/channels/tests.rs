use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::{Ask, Caller, Details, Digest, Title};

const T0: Timestamp = Timestamp::from_millis(1_000_000_000);

/// At this time after the beginning.
fn at(secs: u64) -> Timestamp {
    T0.after(Duration::from_secs(secs))
}

#[derive(Clone, Debug, Default)]
struct Client {
    gone: Arc<AtomicBool>,
    missed: Arc<AtomicBool>,
}

impl Client {
    fn goes(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn misses_it(&self) {
        self.missed.store(true, Ordering::Relaxed);
    }
}

impl Receiver for Client {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }
}

fn id(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

fn name(text: &str) -> ChannelName {
    text.parse().unwrap()
}

fn pending(request: RequestId) -> Request {
    let ask = Ask {
        title: Title::new("Yes?".to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: name("a").topic().clone(),
        expires_in: Some(Duration::from_hours(1)),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: None,
        use_within: crate::limits::USE_WITHIN.1,
        digest: Digest::of(b""),
    };
    Request::asked(request, ask, Caller::named("classic"), T0)
}

fn settled(request: RequestId, status: Status, at: Timestamp) -> Request {
    Request {
        status,
        settled_at: Some(at),
        ..pending(request)
    }
}

/// Channels on which a poll of request 1 has come at the beginning.
fn polled() -> (Channels<Client>, Ticket, Client) {
    let (mut channels, client) = (Channels::default(), Client::default());
    let ticket = channels.enter(&name("a"), client.clone(), id(1), T0);
    (channels, ticket.unwrap(), client)
}

fn yes(secs: u64) -> Request {
    settled(id(1), Status::Approved, at(secs))
}

const ANEW: Step = Step::AskAnew { withdraw: false };

#[test]
fn a_resend_joins_the_question() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    assert!(channels.is_unasked(&a, &first));
    channels.asked(&a, &first);
    assert_eq!(
        channels.step(&a, &first, &pending(id(1)), false, T0),
        Step::Wait
    );
    channels.leave(&a, &first, at(5));
    let second = channels.enter(&a, Client::default(), id(2), at(6)).unwrap();
    assert_eq!(second.request, id(1));
    assert!(!channels.is_unasked(&a, &second));
    let step = channels.step(&a, &second, &pending(id(1)), false, at(6));
    assert_eq!(step, Step::Wait);
    assert_eq!(channels.step(&a, &second, &yes(9), true, at(9)), Step::Take);
}

#[test]
fn channels_do_not_mix() {
    let (mut channels, first, _) = polled();
    let other = channels.enter(&name("b"), Client::default(), id(2), T0);
    assert_eq!((first.request, other.unwrap().request), (id(1), id(2)));
}

#[test]
fn who_comes_15_seconds_after_the_last_poll_asks_anew() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    channels.asked(&a, &first);
    channels.leave(&a, &first, at(5));
    assert_eq!(channels.next_due(), Some(at(20)));
    assert!(channels.overdue(at(19)).is_empty());
    let late = channels
        .enter(&a, Client::default(), id(2), at(20))
        .unwrap();
    let step = channels.step(&a, &late, &pending(id(1)), false, at(20));
    assert_eq!(step, Step::AskAnew { withdraw: true });
    // Another one comes while the old question is being withdrawn.
    let later = channels
        .enter(&a, Client::default(), id(3), at(20))
        .unwrap();
    let step = channels.step(&a, &later, &pending(id(1)), false, at(20));
    assert_eq!(step, Step::AskAnew { withdraw: true });
    let late = channels
        .anew(&a, &late, Client::default(), id(2), at(20))
        .unwrap();
    let later = channels
        .anew(&a, &later, Client::default(), id(3), at(20))
        .unwrap();
    assert_eq!((late.request, later.request), (id(2), id(2)));
    let step = channels.step(&a, &later, &pending(id(2)), false, at(20));
    assert_eq!(step, Step::Wait);
}

#[test]
fn an_overdue_question_is_joined_by_nobody_even_if_it_cannot_be_withdrawn_yet() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    channels.leave(&a, &first, at(0));
    assert_eq!(channels.overdue(at(15)), [(a.clone(), id(1))]);
    channels.retry(&a, id(1), at(16));
    // This poll fails, because the store does, and so does not count as one that was held.
    let late = channels
        .enter(&a, Client::default(), id(2), at(15))
        .unwrap();
    channels.leave(&a, &late, at(16));
    assert_eq!(channels.overdue(at(16)), [(a.clone(), id(1))]);
    let late = channels
        .enter(&a, Client::default(), id(2), at(17))
        .unwrap();
    let step = channels.step(&a, &late, &pending(id(1)), false, at(17));
    assert_eq!(step, Step::AskAnew { withdraw: true });
}

#[test]
fn an_answer_between_two_polls_is_for_the_next_one_alone() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    channels.leave(&a, &first, at(5));
    let next = channels.enter(&a, Client::default(), id(2), at(8)).unwrap();
    assert_eq!(channels.step(&a, &next, &yes(6), false, at(8)), Step::Take);
    let other = channels.enter(&a, Client::default(), id(3), at(8)).unwrap();
    assert_eq!(channels.step(&a, &other, &yes(6), false, at(8)), ANEW);
    channels.leave(&a, &next, at(8));
    let later = channels.enter(&a, Client::default(), id(4), at(9)).unwrap();
    assert_eq!(channels.step(&a, &later, &yes(6), false, at(9)), ANEW);
}

#[test]
fn an_answer_is_kept_for_10_seconds() {
    for (secs, step) in [(15, Step::Take), (16, ANEW)] {
        let (mut channels, first, _) = polled();
        let a = name("a");
        channels.leave(&a, &first, at(5));
        let next = channels
            .enter(&a, Client::default(), id(2), at(secs))
            .unwrap();
        assert_eq!(channels.step(&a, &next, &yes(6), false, at(secs)), step);
    }
}

#[test]
fn an_answer_that_came_too_late_for_the_last_poll_is_nobodys() {
    for (secs, step) in [(20, Step::Take), (21, ANEW)] {
        let (mut channels, first, _) = polled();
        let a = name("a");
        channels.leave(&a, &first, at(5));
        let next = channels
            .enter(&a, Client::default(), id(2), at(22))
            .unwrap();
        assert_eq!(channels.step(&a, &next, &yes(secs), false, at(22)), step);
    }
}

#[test]
fn a_no_and_an_expiry_are_kept_and_a_withdrawal_is_not() {
    for (status, step) in [
        (Status::Denied, Step::Take),
        (Status::Expired, Step::Take),
        (Status::Cancelled, ANEW),
    ] {
        let (mut channels, first, _) = polled();
        let a = name("a");
        channels.leave(&a, &first, at(5));
        let next = channels.enter(&a, Client::default(), id(2), at(8)).unwrap();
        let request = settled(id(1), status, at(6));
        assert_eq!(channels.step(&a, &next, &request, false, at(8)), step);
    }
}

#[test]
fn all_who_are_held_get_the_answer() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    let second = channels.enter(&a, Client::default(), id(2), at(1)).unwrap();
    for ticket in [first, second] {
        let step = channels.step(&a, &ticket, &pending(id(1)), false, at(1));
        assert_eq!(step, Step::Wait);
    }
    for ticket in [second, first] {
        assert_eq!(channels.step(&a, &ticket, &yes(3), true, at(3)), Step::Take);
    }
}

#[test]
fn a_client_that_has_gone_leaves_the_answer_to_its_resend() {
    let (mut channels, first, client) = polled();
    let a = name("a");
    client.goes();
    // The resend comes before the daemon has seen the end of the first poll.
    let resend = channels.enter(&a, Client::default(), id(2), at(3)).unwrap();
    assert_eq!(
        channels.step(&a, &resend, &yes(3), false, at(3)),
        Step::Take
    );
    let step = channels.step(&a, &first, &yes(3), true, at(3));
    assert_eq!(step, Step::Leave);

    let (mut channels, first, client) = polled();
    client.goes();
    let step = channels.step(&a, &first, &yes(3), true, at(3));
    assert_eq!(step, Step::Leave);
    channels.leave(&a, &first, at(3));
    let resend = channels.enter(&a, Client::default(), id(2), at(4)).unwrap();
    assert_eq!(
        channels.step(&a, &resend, &yes(3), false, at(4)),
        Step::Take
    );
}

#[test]
fn an_answer_that_is_known_to_be_missed_is_there_for_the_next_poll() {
    let (mut channels, first, client) = polled();
    let a = name("a");
    assert_eq!(channels.step(&a, &first, &yes(3), true, at(3)), Step::Take);
    channels.leave(&a, &first, at(3));
    client.misses_it();
    let resend = channels.enter(&a, Client::default(), id(2), at(4)).unwrap();
    assert_eq!(
        channels.step(&a, &resend, &yes(3), false, at(4)),
        Step::Take
    );
    let other = channels.enter(&a, Client::default(), id(3), at(4)).unwrap();
    assert_eq!(channels.step(&a, &other, &yes(3), false, at(4)), ANEW);
}

#[test]
fn of_two_polls_that_find_a_kept_answer_the_first_takes_it() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    channels.leave(&a, &first, at(5));
    let [one, two] = [2, 3].map(|n| {
        let entered = channels.enter(&a, Client::default(), id(n), at(7));
        entered.unwrap()
    });
    assert_eq!(channels.step(&a, &two, &yes(6), false, at(7)), ANEW);
    assert_eq!(channels.step(&a, &one, &yes(6), false, at(7)), Step::Take);
}

#[test]
fn who_waited_gets_the_answer_even_if_another_poll_has_asked_anew() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    let second = channels.enter(&a, Client::default(), id(2), at(3)).unwrap();
    assert_eq!(channels.step(&a, &second, &yes(3), false, at(3)), ANEW);
    let second = channels.anew(&a, &second, Client::default(), id(2), at(3));
    assert_eq!(second.unwrap().request, id(2));
    assert_eq!(channels.step(&a, &first, &yes(3), true, at(3)), Step::Take);
    channels.leave(&a, &first, at(3));
    assert_eq!(channels.next_due(), None, "the new poll is still held");
}

#[test]
fn a_question_that_was_answered_just_in_time_is_forgotten_later() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    channels.asked(&a, &first);
    channels.leave(&a, &first, at(0));
    assert_eq!(channels.overdue(at(15)).len(), 1);
    channels.withdrawn(&a, id(1), Some(at(14)), at(15));
    assert_eq!(channels.next_due(), Some(at(24)));
    let next = channels
        .enter(&a, Client::default(), id(2), at(20))
        .unwrap();
    assert_eq!(
        channels.step(&a, &next, &yes(14), false, at(20)),
        Step::Take
    );
    channels.leave(&a, &next, at(20));
    assert_eq!(channels.overdue(at(24)).len(), 1);
    channels.withdrawn(&a, id(1), Some(at(14)), at(24));
    assert_eq!((channels.next_due(), channels.question(&a)), (None, None));
}

#[test]
fn an_answer_has_to_wait_only_for_a_question_that_follows_another_one() {
    let (mut channels, first, _) = polled();
    let a = name("a");
    assert!(!channels.is_guarded(&a, &pending(id(1)), T0), "the first");
    channels.leave(&a, &first, at(0));
    assert_eq!(channels.overdue(at(15)).len(), 1);
    channels.withdrawn(&a, id(1), None, at(15));
    let asked = |secs| Request {
        created_at: at(secs),
        ..pending(id(2))
    };
    for (secs, guarded) in [(15, true), (29, true), (30, false)] {
        let is_guarded = channels.is_guarded(&a, &asked(secs), at(secs));
        assert_eq!(is_guarded, guarded, "{secs}");
        let later = at(secs).after(crate::limits::CLASSIC_GUARD);
        assert!(!channels.is_guarded(&a, &asked(secs), later), "{secs}");
        assert!(!channels.is_guarded(&name("b"), &asked(secs), at(secs)));
    }
}

#[test]
fn what_a_former_process_left_is_found_again() {
    let mut channels: Channels<Client> = Channels::default();
    let a = name("a");
    assert_eq!(channels.adopt(a.clone(), &pending(id(1)), T0), None);
    assert_eq!(channels.adopt(a.clone(), &pending(id(2)), T0), Some(id(2)));
    assert_eq!(channels.question(&a), Some(id(1)));
    assert_eq!(channels.next_due(), Some(at(15)));
}

#[test]
fn there_is_room_for_so_many_channels_and_polls_and_no_more() {
    let mut channels = Channels::default();
    for number in 0..CLASSIC_CHANNELS {
        let name = name(&format!("c{number}"));
        channels.enter(&name, Client::default(), id(1), T0).unwrap();
    }
    let refused = channels.enter(&name("one-more"), Client::default(), id(1), T0);
    assert_eq!(refused, Err(Full::Channels));
    let known = name("c7");
    for _ in 1..CLASSIC_POLLS {
        channels
            .enter(&known, Client::default(), id(1), T0)
            .unwrap();
    }
    let refused = channels.enter(&known, Client::default(), id(1), T0);
    assert_eq!(refused, Err(Full::Polls));
}

#[test]
fn a_channel_has_a_name_that_fits_into_a_topic() {
    let longest = "x".repeat(crate::limits::CLASSIC_CHANNEL_CHARS);
    assert_eq!(
        name(&longest).topic().as_str(),
        format!("classic/{longest}")
    );
    assert_eq!(
        ChannelName::of_topic(name("a/b").topic()),
        Some(name("a/b"))
    );
    for bad in ["", "a b", "ä", &format!("{longest}x"), "a\n"] {
        assert!(bad.parse::<ChannelName>().is_err(), "{bad:?}");
    }
}

proptest! {
    /// Whatever comes in whatever order: without a client that is known to have missed it, an
    /// answer that nobody waited for has one taker at most, and none who comes too late.
    #[test]
    fn no_second_poll_inherits_an_answer(
        polls in prop::collection::vec((0_u64..40, 0_u64..12, any::<bool>()), 1..8),
        first_ends in 0_u64..10, decided in 0_u64..40,
    ) {
        let (mut channels, first, _) = polled();
        let a = name("a");
        channels.leave(&a, &first, at(first_ends));
        let decided = decided.max(first_ends);
        let mut polls = polls;
        polls.sort_unstable();
        let mut takers = 0;
        for (n, (come, stay, looks)) in polls.into_iter().enumerate() {
            let come = come.max(decided);
            let fresh = id(u8::try_from(n).unwrap() + 2);
            let ticket = channels.enter(&a, Client::default(), fresh, at(come)).unwrap();
            if ticket.request == id(1) && looks {
                let step = channels.step(&a, &ticket, &yes(decided), false, at(come));
                prop_assert_ne!(step, Step::Wait);
                if step == Step::Take {
                    takers += 1;
                    prop_assert!(come < decided + 10, "kept for too long");
                    prop_assert!(decided <= first_ends + 15, "the client had left");
                }
            }
            channels.leave(&a, &ticket, at(come + stay));
        }
        prop_assert!(takers <= 1);
    }
}
