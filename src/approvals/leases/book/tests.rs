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
    assert!(book.enter(id(1), &ci(), t0) && book.enter(id(1), &ci(), t0));
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
        let (mut book, t0) = begun(by("ci", asked));
        assert_eq!(book.enter(id(1), &by("ci", polls), t0), keeps, "{polls:?}");
        assert!(
            !book.enter(id(1), &by("eve", asked), t0),
            "another principal"
        );
    }
}

#[test]
fn requests_without_a_lease_and_final_ones_are_not_in_the_book() {
    let (mut book, t0) = begun(ci());
    book.note(&pending(2, ci(), None), t0);
    assert!(!book.enter(id(2), &ci(), t0));
    book.note(&settled(pending(3, ci(), Some(LEASE))), t0);
    assert_eq!(book.counts(), (1, 1));
    assert!(book.enter(id(1), &ci(), t0));
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

#[test]
fn what_another_node_knows_lengthens_a_lease_and_is_not_told_on() {
    let (mut book, t0) = begun(ci());
    book.hear(id(1), secs(4), t0 + secs(9));
    assert!(!book.has_ended(id(1), t0 + secs(12)));
    assert_eq!(book.next_end(), Some(t0 + secs(13)));
    assert_eq!(book.kept(&[id(1)], t0 + secs(12), t0), [], "hearsay");
    // Not even by what is wrong does it become longer than it is, or shorter than was known.
    book.hear(id(1), secs(u64::MAX), t0 + secs(12));
    book.hear(id(1), Duration::ZERO, t0 + secs(12));
    assert_eq!(book.next_end(), Some(t0 + secs(22)));
    book.hear(id(2), secs(4), t0);
    assert_eq!(book.counts(), (1, 1), "nobody is in the book for it");
    book.put_off(id(1), t0 + secs(22));
    assert_eq!(book.next_end(), Some(t0 + secs(32)));
    assert_eq!(book.kept(&[id(1)], t0 + secs(22), t0), [], "nor is doubt");
}

#[test]
fn a_node_says_how_long_a_lease_has_left_there() {
    let (mut book, t0) = begun(ci());
    let left = |book: &mut Book, at| {
        let kept = book.kept(&[id(9), id(1)], t0 + secs(at), t0);
        kept.first().map(|(_, left)| *left)
    };
    assert_eq!(left(&mut book, 3), Some(secs(7)));
    assert_eq!(left(&mut book, 10), None);
    assert!(book.enter(id(1), &ci(), t0 + secs(11)));
    assert_eq!(left(&mut book, 50), Some(secs(10)), "a poll is held");
    book.leave(id(1), t0 + secs(60));
    assert_eq!(left(&mut book, 61), Some(secs(9)));
}

#[test]
fn a_sign_of_life_is_news_for_whoever_has_just_asked_and_once() {
    let (mut book, t0) = begun(ci());
    let ends = t0 + secs(10);
    assert!(book.enter(id(1), &ci(), t0));
    book.leave(id(1), t0);
    assert!(!book.has_news(), "nobody has asked");
    book.kept(&[id(1)], ends, ends + secs(1));
    assert!(!book.has_news());
    assert!(book.enter(id(1), &ci(), ends));
    book.leave(id(1), ends);
    assert!(book.has_news());
    assert_eq!(book.take_news(ends, 9), [(id(1), secs(10))]);
    assert_eq!(book.take_news(ends, 9), [], "once");
    book.kept(&[id(1)], ends, ends + secs(1));
    assert!(book.enter(id(1), &ci(), ends + secs(1)));
    assert!(!book.has_news(), "whoever has asked waits no longer");
}

#[test]
fn news_is_told_in_parts() {
    let (mut book, t0) = begun(ci());
    for number in 2..6 {
        book.note(&pending(number, ci(), Some(LEASE)), t0);
    }
    let all: Vec<_> = (1..6).map(id).collect();
    book.kept(&all, t0, t0 + secs(1));
    for id in &all {
        assert!(book.enter(*id, &ci(), t0));
    }
    let mut told = Vec::new();
    while book.has_news() {
        let part = book.take_news(t0, 2);
        assert!(part.len() <= 2);
        told.extend(part.into_iter().map(|(id, _)| id));
    }
    assert_eq!(told, all);
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
    Hears { left: u64 },
    AllArePutOff,
}

fn happens() -> impl Strategy<Value = (u8, u64, Happens)> {
    let what = prop_oneof![
        2 => Just(Happens::Pending),
        1 => Just(Happens::Final),
        3 => any::<bool>().prop_map(|asker| Happens::Enters { asker }),
        3 => Just(Happens::Leaves),
        1 => Just(Happens::Restarts),
        1 => Just(Happens::AllRestart),
        2 => (0_u64..40).prop_map(|left| Happens::Hears { left }),
        1 => Just(Happens::AllArePutOff),
    ];
    (0_u8..4, 0_u64..8, what)
}

/// What one has to know to say whether a lease has ended: the polls, the last sign of life, and what
/// was heard of others.
#[derive(Clone, Debug)]
struct Known {
    polls: usize,
    sign: Instant,
    heard: Instant,
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
                    model.entry(number).or_insert(Known { polls: 0, sign: now, heard: now });
                }
                Happens::Final => {
                    book.note(&settled(request), now);
                    model.remove(&number);
                }
                Happens::Enters { asker } => {
                    let who = if asker { ci() } else { Caller::named("eve") };
                    let known = model.get_mut(&number).filter(|_| asker);
                    prop_assert_eq!(book.enter(id(number), &who, now), known.is_some());
                    if let Some(known) = known {
                        known.polls += 1;
                    }
                }
                Happens::Leaves => {
                    // Only who has entered leaves.
                    if let Some(known) = model.get_mut(&number).filter(|known| known.polls > 0) {
                        book.leave(id(number), now);
                        *known = Known { polls: known.polls - 1, sign: now, heard: known.heard };
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
                Happens::Hears { left } => {
                    book.hear(id(number), secs(left), now);
                    if let Some(known) = model.get_mut(&number) {
                        known.heard = known.heard.max(now + secs(left).min(length(number)));
                    }
                }
                Happens::AllArePutOff => {
                    book.put_off_all(now);
                    for (number, known) in model.iter_mut().filter(|(_, known)| known.polls == 0) {
                        known.heard = known.heard.max(now + length(*number));
                    }
                }
            }
            let running = || model.iter().filter(|(_, known)| known.polls == 0);
            let end = |(number, known): (&u8, &Known)| (known.sign + length(*number)).max(known.heard);
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
            // What is told to others is what has happened here, whatever was heard.
            let told = book.kept(&[0, 1, 2, 3].map(id), now, now);
            let left = |(number, known): (&u8, &Known)| match known.polls {
                0 => (known.sign + length(*number)).saturating_duration_since(now),
                _ => length(*number),
            };
            let all = model.iter().map(|one| (id(*one.0), left(one)));
            let kept: Vec<_> = all.filter(|(_, left)| !left.is_zero()).collect();
            prop_assert_eq!(told, kept);
        }
    }
}
