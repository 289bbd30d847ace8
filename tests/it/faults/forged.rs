//! The checker, checked: a history in which all is well, and for each rule forgeries of it that
//! break just this rule.

use super::history::{Ask, At, Decision, Fault, History, Item, Look, Ran, Rest, Told, View};
use super::rules::{Violation, check};

/// When the forged runs begin.
const T: At = 1_000_000;
const DEPLOY: &str = "deploy";
const REBOOT: &str = "reboot";

fn pending(id: &str, event: u64) -> View {
    View {
        id: id.to_owned(),
        title: id.to_owned(),
        status: "pending".to_owned(),
        event,
        version: event,
        expires_at: T + 60_000,
        ..View::default()
    }
    .sealed()
}

impl View {
    /// With the text that stands for all its members.
    fn sealed(mut self) -> Self {
        self.members = String::new();
        self.members = format!("{self:?}");
        self
    }

    fn settled(self, status: &str, event: u64) -> Self {
        let status = status.to_owned();
        let (event, version) = (event, event);
        Self {
            status,
            event,
            version,
            ..self
        }
        .sealed()
    }

    fn decided(self, verdict: &str, event: u64, at: At) -> Self {
        let status = if verdict == "approve" {
            "approved"
        } else {
            "denied"
        };
        let (decided_at, decisions) = (Some(at), vec![("local".to_owned(), verdict.to_owned())]);
        let settled = self.settled(status, event);
        Self {
            decided_at,
            decisions,
            ..settled
        }
        .sealed()
    }
}

fn look(view: &View, (sent, at): (At, At)) -> Look {
    Look {
        sent,
        at,
        waited: false,
        node: 0,
        view: view.clone(),
    }
}

fn told(view: &View) -> Item {
    Item::Told(format!("7-{}", view.event), view.clone())
}

/// `deploy` is asked, seen by one who listens, and approved; `reboot` is asked and cancelled.
fn well() -> History {
    let (asked, other) = (pending(DEPLOY, 1), pending(REBOOT, 2));
    let approved = asked.clone().decided("approve", 3, T + 100);
    let cancelled = other.clone().settled("cancelled", 4);
    let listened = vec![
        Item::Opened(None),
        told(&asked),
        Item::CaughtUp(1),
        Item::Moved("7-1".to_owned()),
        told(&other),
        Item::Opened(Some("7-2".to_owned())),
        told(&approved),
        told(&cancelled),
        Item::CaughtUp(4),
        Item::Moved("7-4".to_owned()),
    ];
    let waited = Look {
        waited: true,
        ..look(&approved, (T + 20, T + 105))
    };
    History {
        approvers: vec!["local".to_owned()],
        asks: vec![
            Ask {
                title: DEPLOY.to_owned(),
                told: Told::Nothing,
            },
            Ask {
                title: DEPLOY.to_owned(),
                told: Told::Yes(asked.clone()),
            },
            Ask {
                title: REBOOT.to_owned(),
                told: Told::Yes(other.clone()),
            },
        ],
        decisions: vec![Decision {
            title: DEPLOY.to_owned(),
            verdict: "approve".to_owned(),
            sent: T + 90,
            told: Told::Yes(approved.clone()),
        }],
        cancels: vec![Told::Yes(cancelled.clone())],
        looks: vec![
            look(&asked, (T, T + 10)),
            waited,
            look(&approved, (T + 110, T + 120)),
        ],
        streams: [("listener".to_owned(), listened)].into(),
        ran: vec![Ran {
            title: DEPLOY.to_owned(),
            ended: T + 200,
            code: Some(0),
            printed: Some(approved.clone()),
            stderr: String::new(),
            signalled: false,
        }],
        faults: Vec::new(),
        stuck: Vec::new(),
        rest: vec![Rest::default(); 2],
        elsewhere: vec![vec![approved.clone(), cancelled.clone()]],
        store: vec![cancelled, approved],
    }
}

/// The items of the only reader.
fn stream(history: &mut History) -> &mut Vec<Item> {
    history.streams.get_mut("listener").unwrap()
}

/// The request `deploy` as the store has it.
fn kept(history: &mut History) -> &mut View {
    &mut history.store[1]
}

/// Says that the forgery breaks this rule.
#[track_caller]
fn breaks(rule: &str, forge: impl FnOnce(&mut History)) {
    let mut history = well();
    forge(&mut history);
    let violations = check(&history);
    let found = |violation: &Violation| violation.rule == rule;
    assert!(violations.iter().any(found), "{rule}: {violations:#?}");
}

/// Says that the forgery breaks this rule and no other.
#[track_caller]
fn breaks_only(rule: &str, forge: impl FnOnce(&mut History)) {
    let mut history = well();
    forge(&mut history);
    let violations = check(&history);
    let other = |violation: &Violation| violation.rule != rule;
    assert!(
        !violations.is_empty() && !violations.iter().any(other),
        "{rule}: {violations:#?}"
    );
}

#[test]
fn a_history_in_which_all_is_well_breaks_no_rule() {
    assert_eq!(check(&well()), []);
}

#[test]
fn an_acknowledged_ask_that_is_gone_is_found() {
    breaks("acknowledged", |history| {
        let asked = pending("lost", 9);
        let told = Told::Yes(asked);
        history.asks.push(Ask {
            title: "lost".to_owned(),
            told,
        });
    });
}

#[test]
fn an_acknowledged_decision_that_does_not_count_is_found() {
    // Two deciders were both told that theirs counts.
    breaks("acknowledged", |history| {
        let denied = pending(DEPLOY, 1).decided("deny", 3, T + 100);
        history.decisions.push(Decision {
            title: DEPLOY.to_owned(),
            verdict: "deny".to_owned(),
            sent: T + 90,
            told: Told::Yes(denied),
        });
    });
    breaks("acknowledged", |history| kept(history).decisions.clear());
}

#[test]
fn an_acknowledged_cancellation_that_does_not_count_is_found() {
    breaks("acknowledged", |history| {
        let view = pending(DEPLOY, 1).settled("cancelled", 3);
        history.cancels.push(Told::Yes(view));
    });
}

#[test]
fn a_resend_that_asked_again_is_found() {
    let again = || {
        View {
            title: DEPLOY.to_owned(),
            ..pending("again", 5)
        }
        .sealed()
    };
    breaks("one request a key", |history| {
        history.rest[0].pending = 1;
        history.store.push(again());
    });
    breaks("one request a key", |history| {
        let told = Told::Yes(again());
        history.asks.push(Ask {
            title: DEPLOY.to_owned(),
            told,
        });
    });
}

#[test]
fn another_outcome_than_the_one_that_was_shown_is_found() {
    breaks("one outcome", |history| {
        let denied = pending(DEPLOY, 1).decided("deny", 3, T + 100);
        history.looks.push(look(&denied, (T + 130, T + 140)));
    });
}

#[test]
fn what_was_shown_and_then_lost_in_a_crash_is_found() {
    breaks("one outcome", |history| {
        history.rest[0].pending = 1;
        *kept(history) = pending(DEPLOY, 1);
    });
    breaks("one outcome", |history| {
        history.looks.push(look(&pending("ghost", 9), (T, T + 1)));
    });
}

#[test]
fn an_event_id_that_was_given_out_twice_is_found() {
    breaks_only("one commit an event", |history| {
        let other = View {
            expires_at: T + 61_000,
            ..pending(DEPLOY, 1)
        }
        .sealed();
        history.looks.push(look(&other, (T, T + 5)));
    });
}

#[test]
fn a_state_that_goes_back_is_found() {
    breaks_only("never back", |history| {
        history
            .looks
            .push(look(&pending(DEPLOY, 1), (T + 130, T + 140)));
    });
}

#[test]
fn a_call_that_was_under_way_may_show_what_was_before() {
    let mut history = well();
    history
        .looks
        .push(look(&pending(DEPLOY, 1), (T + 50, T + 140)));
    assert_eq!(check(&history), []);
}

#[test]
fn another_daemon_may_be_a_little_behind_but_not_far() {
    let elsewhere = |sent| Look {
        node: 1,
        ..look(&pending(DEPLOY, 1), (sent, sent + 10))
    };
    let mut history = well();
    history.looks.push(elsewhere(T + 130));
    assert_eq!(check(&history), []);
    let far = T + 11_000;
    breaks_only("not far behind", |history| {
        history.looks.push(elsewhere(far));
    });
    // It is excused by what was broken meanwhile.
    let mut history = well();
    history.looks.push(elsewhere(far));
    let (from, to) = (T + 110, T + 5_000);
    history.faults.push(Fault {
        what: "nats killed",
        from,
        to,
    });
    assert_eq!(check(&history), []);
    // Another daemon that has shown it does not go back either.
    breaks_only("never back", |history| {
        let approved = kept(history).clone();
        let before = look(&approved, (T + 110, T + 120));
        history.looks.push(Look { node: 1, ..before });
        history.looks.push(elsewhere(T + 130));
    });
}

#[test]
fn a_reset_that_nobody_needs_is_found() {
    breaks("no reset", |history| {
        stream(history).insert(6, Item::Reset);
    });
}

#[test]
fn a_request_that_one_daemon_does_not_know_is_found() {
    let unknown = || Told::No("not_found".to_owned());
    breaks_only("known", |history| {
        history.decisions.push(Decision {
            title: REBOOT.to_owned(),
            verdict: "deny".to_owned(),
            sent: T + 90,
            told: unknown(),
        });
    });
    breaks_only("known", |history| history.cancels.push(unknown()));
}

#[test]
fn daemons_that_do_not_agree_are_found() {
    breaks_only("one store", |history| {
        history.elsewhere[0].remove(0);
    });
    breaks_only("one store", |history| {
        history.elsewhere[0][0] = pending(DEPLOY, 1);
    });
    breaks_only("one store", |history| {
        history.elsewhere[0].push(pending("ghost", 9));
    });
}

#[test]
fn a_wake_up_that_was_lost_is_found() {
    breaks_only("in time", |history| history.looks[1].at += 11_000);
    breaks_only("in time", |history| history.ran[0].ended += 11_000);
}

#[test]
fn an_answer_may_be_late_by_as_long_as_something_was_broken() {
    let mut history = well();
    history.looks[1].at += 11_000;
    let (from, to) = (T + 90, T + 5_000);
    history.faults.push(Fault {
        what: "stopped",
        from,
        to,
    });
    assert_eq!(check(&history), []);
}

#[test]
fn whoever_does_not_come_to_an_end_is_found() {
    breaks_only("nobody stuck", |history| {
        history.stuck.push("a requester".to_owned());
    });
}

#[test]
fn exit_codes_that_are_not_the_outcome_are_found() {
    for code in [Some(1), Some(4), Some(69), Some(124), None] {
        breaks_only("exit codes", |history| history.ran[0].code = code);
    }
    breaks_only("exit codes", |history| history.ran[0].printed = None);
    breaks_only("exit codes", |history| {
        history.ran[0].title = REBOOT.to_owned();
        // Not even somebody who was interrupted may leave with a yes that nobody gave.
        history.ran[0].signalled = true;
    });
}

#[test]
fn whoever_cannot_be_told_that_it_expired_may_leave_without_the_outcome() {
    let left = |status: &str, what| {
        let mut history = well();
        let view = pending("late", 5).settled(status, 6);
        let (from, to) = (T + 59_000, T + 70_000);
        history.faults.push(Fault { what, from, to });
        history.ran.push(Ran {
            title: "late".to_owned(),
            ended: T + 75_000,
            code: Some(69),
            printed: None,
            stderr: String::new(),
            signalled: false,
        });
        history.elsewhere.clear();
        history.store.push(view);
        let violations = check(&history);
        let found = |violation: &Violation| violation.rule == "exit codes";
        violations.iter().any(found)
    };
    assert!(!left("expired", "nats killed"));
    // Somebody could have said it, or it is another outcome.
    assert!(left("expired", "stopped"));
    assert!(left("cancelled", "nats killed"));
}

#[test]
fn whoever_was_interrupted_may_leave_before_the_answer() {
    let mut history = well();
    let ran = &mut history.ran[0];
    (ran.code, ran.signalled, ran.printed) = (Some(143), true, None);
    assert_eq!(check(&history), []);
}

#[test]
fn an_approval_that_nobody_gave_is_found() {
    breaks_only("silence is no yes", |history| history.decisions.clear());
    breaks_only("silence is no yes", |history| {
        history.decisions[0].sent = T + 300;
    });
    breaks_only("silence is no yes", |history| {
        history.decisions[0].told = Told::No("already_final".to_owned());
    });
}

#[test]
fn an_approval_of_somebody_who_may_not_is_found() {
    breaks_only("silence is no yes", |history| {
        history.approvers = vec!["alice".to_owned()];
    });
}

#[test]
fn a_decision_after_the_end_is_found() {
    breaks("expiry", |history| {
        let at = T + 60_000;
        *kept(history) = pending(DEPLOY, 1).decided("approve", 3, at);
    });
}

#[test]
fn an_expiry_before_its_time_is_found() {
    breaks("expiry", |history| {
        let expired = pending(DEPLOY, 1).settled("expired", 3);
        history.looks.push(look(&expired, (T + 110, T + 120)));
    });
}

#[test]
fn what_is_shown_as_pending_after_its_end_is_found() {
    let late = || look(&pending(REBOOT, 2), (T + 60_100, T + 60_110));
    breaks_only("expiry", |history| history.looks.push(late()));
    // A store that cannot write cannot have anything expire.
    for what in ["disk", "nats stopped"] {
        let mut history = well();
        history.looks.push(late());
        let (from, to) = (T + 60_000, T + 61_000);
        history.faults.push(Fault { what, from, to });
        assert_eq!(check(&history), []);
    }
}

#[test]
fn ids_that_do_not_rise_are_found() {
    breaks_only("rising ids", |history| stream(history).swap(6, 7));
    breaks("rising ids", |history| {
        let again = stream(history)[7].clone();
        stream(history).insert(8, again);
    });
    // The history changes without a reset.
    breaks_only("rising ids", |history| {
        stream(history)[9] = Item::Moved("8-5".to_owned());
    });
    // The id is not that of the request under it.
    breaks("rising ids", |history| {
        let approved = history.store[1].clone();
        stream(history)[6] = Item::Told("7-2".to_owned(), approved);
    });
}

#[test]
fn a_gap_after_a_resumption_is_found() {
    for missing in [6, 7] {
        breaks_only("no gap", |history| {
            stream(history).remove(missing);
        });
    }
}

#[test]
fn something_pending_that_was_not_told_at_first_is_found() {
    breaks_only("no gap", |history| {
        stream(history).remove(1);
    });
    // Nor when it starts anew.
    breaks("no gap", |history| {
        stream(history).splice(5..6, [Item::Opened(None), Item::CaughtUp(2)]);
    });
}

#[test]
fn a_waiter_that_was_not_removed_is_found() {
    breaks_only("at rest", |history| history.rest[1].waiters = 1);
    breaks_only("at rest", |history| history.rest[0].subscribers = 1);
    breaks_only("at rest", |history| history.rest[0].pending = 1);
}
