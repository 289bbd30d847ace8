use proptest::prelude::*;

use super::*;
use crate::domain::{Ask, Details, Digest, Timestamp, Title, Topic};
use crate::limits;

const LEASE: u64 = 10;

fn id(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

fn by(name: &str, channel: Channel) -> Caller {
    Caller {
        channel: Some(channel),
        ..Caller::named(name)
    }
}

fn ci() -> Caller {
    by("ci", Channel::Api)
}

fn pending(number: u8, asker: Caller, lease: Option<u64>) -> Request {
    let ask = Ask {
        title: Title::new("Deploy?".to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: Some(limits::EXPIRY_MAX),
        match_code: None,
        command: None,
        need: None,
        from: Vec::new(),
        lease: lease.map(Duration::from_secs),
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b""),
    };
    Request::asked(id(number), ask, asker, Timestamp::from_millis(0))
}

fn settled(request: Request) -> Request {
    Request {
        status: Status::Denied,
        ..request
    }
}

/// A book with one lease that began at the answered time.
fn begun(asker: Caller) -> (Book, Instant) {
    let (mut book, now) = (Book::default(), Instant::now());
    book.note(&pending(1, asker, Some(LEASE)), now);
    (book, now)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_lease_runs_from_the_ask_and_not_while_a_poll_is_held() {
    let (mut book, t0) = begun(ci());
    assert_eq!(book.ended(t0 + secs(9), 9), []);
    assert_eq!(book.ended(t0 + secs(10), 9), [id(1)]);
    assert!(book.enter(id(1), &ci()) && book.enter(id(1), &ci()));
    assert_eq!(book.next_end(), None);
    assert!(!book.has_ended(id(1), t0 + secs(1000)));
    book.leave(id(1), t0 + secs(20));
    assert_eq!(book.next_end(), None, "another tab still polls");
    book.leave(id(1), t0 + secs(30));
    assert_eq!(book.next_end(), Some(t0 + secs(40)), "anew");
    assert!(!book.has_ended(id(1), t0 + secs(39)));
    assert!(book.has_ended(id(1), t0 + secs(40)));
}

#[test]
fn only_the_asker_and_by_no_other_way_than_the_ask_keeps_it() {
    for (asked, polls, keeps) in [
        (Channel::Api, Channel::Api, true),
        (Channel::Api, Channel::Page, false),
        (Channel::Api, Channel::Terminal, false),
        (Channel::Api, Channel::Policy, false),
        (Channel::Page, Channel::Page, true),
        (Channel::Terminal, Channel::Terminal, true),
        (Channel::Terminal, Channel::Page, false),
        // Who says nothing may be anybody, the asker as well.
        (Channel::Terminal, Channel::Api, true),
    ] {
        let (mut book, _) = begun(by("ci", asked));
        assert_eq!(book.enter(id(1), &by("ci", polls)), keeps, "{polls:?}");
        assert!(!book.enter(id(1), &by("eve", asked)), "another principal");
    }
}

#[test]
fn requests_without_a_lease_and_final_ones_are_not_in_the_book() {
    let (mut book, t0) = begun(ci());
    book.note(&pending(2, ci(), None), t0);
    assert!(!book.enter(id(2), &ci()));
    book.note(&settled(pending(3, ci(), Some(LEASE))), t0);
    assert_eq!(book.counts(), (1, 1));
    assert!(book.enter(id(1), &ci()));
    book.note(&settled(pending(1, ci(), Some(LEASE))), t0);
    assert_eq!(book.counts(), (0, 0));
    book.leave(id(1), t0);
    assert_eq!(book.counts(), (0, 0), "the poll had nothing to leave");
}

#[test]
fn a_vote_or_a_look_of_an_approver_does_not_lengthen_a_lease() {
    let (mut book, t0) = begun(ci());
    book.note(&pending(1, ci(), Some(LEASE)), t0 + secs(5));
    assert_eq!(book.next_end(), Some(t0 + secs(10)));
}

/// What happens to one of a few requests.
#[derive(Clone, Debug)]
enum Happens {
    Pending,
    Final,
    Enters { asker: bool },
    Leaves,
    Restarts,
    AllRestart,
}

fn happens() -> impl Strategy<Value = (u8, u64, Happens)> {
    let what = prop_oneof![
        2 => Just(Happens::Pending),
        1 => Just(Happens::Final),
        3 => any::<bool>().prop_map(|asker| Happens::Enters { asker }),
        3 => Just(Happens::Leaves),
        1 => Just(Happens::Restarts),
        1 => Just(Happens::AllRestart),
    ];
    (0_u8..4, 0_u64..8, what)
}

/// What one has to know to say whether a lease has ended: the polls, and the last sign of life.
#[derive(Clone, Debug)]
struct Known {
    polls: usize,
    sign: Instant,
}

proptest! {
    /// Against a model that does not keep anything in order: no lease ends while a poll of its
    /// asker is held, nor sooner than its length after the last sign of life, nor much later.
    #[test]
    fn a_lease_ends_when_nobody_has_polled_for_as_long_as_it_is(
        story in prop::collection::vec(happens(), 1..60)
    ) {
        let (mut book, mut now) = (Book::default(), Instant::now());
        let mut model: BTreeMap<u8, Known> = BTreeMap::new();
        let length = |number: u8| secs(LEASE + u64::from(number));
        for (number, pause, what) in story {
            now += secs(pause);
            let request = pending(number, ci(), Some(length(number).as_secs()));
            match what {
                Happens::Pending => {
                    book.note(&request, now);
                    model.entry(number).or_insert(Known { polls: 0, sign: now });
                }
                Happens::Final => {
                    book.note(&settled(request), now);
                    model.remove(&number);
                }
                Happens::Enters { asker } => {
                    let who = if asker { ci() } else { Caller::named("eve") };
                    let known = model.get_mut(&number).filter(|_| asker);
                    prop_assert_eq!(book.enter(id(number), &who), known.is_some());
                    if let Some(known) = known {
                        known.polls += 1;
                    }
                }
                Happens::Leaves => {
                    // Only who has entered leaves.
                    if let Some(known) = model.get_mut(&number).filter(|known| known.polls > 0) {
                        book.leave(id(number), now);
                        *known = Known { polls: known.polls - 1, sign: now };
                    }
                }
                Happens::Restarts => {
                    book.restart(id(number), now);
                    if let Some(known) = model.get_mut(&number) {
                        known.sign = now;
                    }
                }
                Happens::AllRestart => {
                    book.restart_all(now);
                    for known in model.values_mut() {
                        known.sign = now;
                    }
                }
            }
            let running = || model.iter().filter(|(_, known)| known.polls == 0);
            let end = |(number, known): (&u8, &Known)| known.sign + length(*number);
            prop_assert_eq!(book.next_end(), running().map(end).min());
            prop_assert_eq!(book.counts(), (model.len(), running().count()));
            let mut ended = book.ended(now, usize::MAX);
            ended.sort_unstable();
            let expected: Vec<_> =
                running().filter(|one| end(*one) <= now).map(|(number, _)| id(*number)).collect();
            prop_assert_eq!(&ended, &expected);
            for number in 0..4 {
                let has = book.has_ended(id(number), now);
                prop_assert_eq!(has, expected.contains(&id(number)));
            }
        }
    }
}
