use super::*;
use crate::domain::Principal;

const ME: NodeId = NodeId(0);
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const WHOLE: Option<u64> = Some(1);

/// A node that knows A and B, and for long enough that there are no others.
fn settled() -> (Roster, Instant) {
    let t0 = Instant::now();
    let mut roster = Roster::new(ME, t0);
    assert!(!roster.note_connection(WHOLE, t0), "it is the first");
    let now = t0 + limits::NODE_SILENCE;
    assert_eq!(roster.heard(A, now), Heard::New);
    assert_eq!(roster.heard(B, now), Heard::New);
    assert_eq!(roster.heard(B, now), Heard::Again);
    (roster, now)
}

/// Asks in two parts, which everybody answers if nobody says otherwise.
fn asked(happens: impl FnOnce(&mut Roster, Instant)) -> Result<(), Unsure> {
    let (mut roster, now) = settled();
    let number = roster.begin_question(2, WHOLE, now)?;
    for node in [ME, A, B] {
        for part in 0..2 {
            roster.answered(node, (number, part), true);
        }
    }
    happens(&mut roster, now);
    roster.end_question(number, roster.connection, now)
}

#[test]
fn a_question_is_sure_when_all_have_answered_all_of_it() {
    assert_eq!(asked(|_, _| ()), Ok(()));
    let (mut roster, now) = settled();
    for missing in [(ME, 0), (A, 1), (B, 0)] {
        let number = roster.begin_question(2, WHOLE, now).unwrap();
        for answer in [(ME, 0), (ME, 1), (A, 0), (A, 1), (B, 0), (B, 1)] {
            // Answers to the question before mean nothing.
            roster.answered(answer.0, (number - 1, answer.1), true);
            if answer != missing {
                roster.answered(answer.0, (number, answer.1), true);
            }
        }
        let late = Err(Unsure("not all nodes have answered"));
        assert_eq!(roster.end_question(number, WHOLE, now), late, "{missing:?}");
    }
}

#[test]
fn whatever_may_hide_an_asker_makes_a_question_unsure() {
    assert!(asked(|roster, _| roster.answered(A, (1, 0), false)).is_err());
    assert!(asked(|roster, now| assert_eq!(roster.heard(NodeId(3), now), Heard::New)).is_err());
    assert!(asked(|roster, _| assert!(roster.leaves(A))).is_err());
    assert!(asked(Roster::note_loss).is_err());
    assert!(asked(|roster, now| assert!(roster.note_connection(None, now))).is_err());
    assert!(asked(|roster, now| assert!(roster.note_connection(Some(2), now))).is_err());
    let silent = |roster: &mut Roster, now: Instant| {
        assert_eq!(roster.drop_silent(now + limits::NODE_SILENCE), 2);
    };
    assert!(asked(silent).is_err());
    assert_eq!(
        asked(|roster, _| assert!(!roster.leaves(NodeId(9)))),
        Ok(())
    );
}

#[test]
fn nothing_is_asked_before_it_is_known_who_is_there() {
    let t0 = Instant::now();
    let mut roster = Roster::new(ME, t0);
    assert!(
        roster
            .begin_question(1, WHOLE, t0 + limits::NODE_SILENCE)
            .is_err()
    );
    roster.note_connection(WHOLE, t0);
    let early = t0 + limits::NODE_SILENCE / 2;
    assert!(roster.begin_question(1, WHOLE, early).is_err());
    let late = t0 + limits::NODE_SILENCE;
    assert!(roster.begin_question(1, None, late).is_err());
    assert!(
        roster.begin_question(1, Some(2), late).is_err(),
        "it was lost unseen"
    );
    assert!(roster.begin_question(1, WHOLE, late).is_ok());
    // A node that is not heard any more may be there all the same.
    roster.heard(A, late);
    let gone = late + limits::NODE_SILENCE;
    assert_eq!(roster.drop_silent(gone), 1);
    assert!(roster.begin_question(1, WHOLE, gone).is_err());
    assert!(
        roster
            .begin_question(1, WHOLE, gone + limits::NODE_SILENCE)
            .is_ok()
    );
}

#[test]
fn a_connection_that_was_lost_unseen_during_a_question_makes_it_unsure() {
    let (mut roster, now) = settled();
    let number = roster.begin_question(1, WHOLE, now).unwrap();
    for node in [ME, A, B] {
        roster.answered(node, (number, 0), true);
    }
    let lost = Err(Unsure("the connection was lost"));
    assert_eq!(roster.end_question(number, Some(2), now), lost);
}

#[test]
fn no_more_nodes_are_known_than_the_limit_and_then_nothing_is_sure() {
    let (mut roster, now) = settled();
    for n in 3..=limits::NODES as u64 {
        assert_eq!(roster.heard(NodeId(n), now), Heard::New);
    }
    assert!(roster.begin_question(1, WHOLE, now).is_ok());
    assert_eq!(roster.heard(NodeId(1000), now), Heard::TooMany);
    assert_eq!(roster.others(), limits::NODES);
    assert!(roster.begin_question(1, WHOLE, now).is_err());
}

#[test]
fn people_at_several_nodes_are_counted_once_and_streams_each() {
    let (mut roster, now) = settled();
    let topic = |text: &str| Topic::new(text.to_owned()).unwrap();
    let person = |name: &str, topics: &[&str]| Person {
        who: Principal::new(name),
        topics: topics.iter().map(|it| topic(it)).collect(),
    };
    let streams = |of_all, of_a| Streams {
        of_all,
        of_topics: [(topic("a"), of_a)].into(),
    };
    let at_a = vec![person("alice", &[]), person("bob", &["b"])];
    roster.listening(A, at_a, streams(1, 2));
    roster.listening(B, vec![person("alice", &["a"])], streams(4, usize::MAX));
    let names = |about: &str| {
        let elsewhere = roster.listening_to(&topic(about));
        let people = elsewhere.people.iter().map(|who| who.as_str().to_owned());
        (people.collect::<Vec<_>>().join(" "), elsewhere.streams)
    };
    assert_eq!(names("a"), ("alice".to_owned(), usize::MAX));
    assert_eq!(names("b"), ("alice bob".to_owned(), 5));
    roster.listening(NodeId(9), vec![person("eve", &[])], streams(1, 0));
    roster.leaves(A);
    roster.drop_silent(now + limits::NODE_SILENCE);
    assert_eq!(roster.listening_to(&topic("a")), Elsewhere::default());
}
