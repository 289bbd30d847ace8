//! For any rules: the strictest wins, and no votes outside of a rule ever approve.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    Caller, Decision, EventId, Reason, Request, RequestId, Status, Transition, Verdict, Vote,
};

/// Who there is to vote.
const PEOPLE: u8 = 6;
/// Who is in which group.
const GROUPS: [&[u8]; 3] = [&[0, 1, 2], &[2, 3], &[1, 4, 5]];
const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn who(n: u8) -> Principal {
    Principal::new(&format!("p{n}"))
}

fn group(n: usize) -> BTreeSet<Principal> {
    GROUPS[n].iter().map(|&n| who(n)).collect()
}

fn demands() -> impl Strategy<Value = Demands> {
    let panels = vec((0..GROUPS.len(), 1_u32..3), 0..3);
    let freeze = (0_i64..10, 1_i64..5).prop_map(|(from, long)| Freeze::Once {
        from: Timestamp::from_millis(T0.as_millis() + from),
        until: Timestamp::from_millis(T0.as_millis() + from + long),
    });
    let votes = (
        prop::option::of(1_u32..4),
        prop::option::weighted(0.4, prop::collection::btree_set(0..PEOPLE, 0..6)),
        panels,
        prop::option::of(1_u32..4),
    );
    let others = (
        any::<bool>(),
        prop::option::of(1_u64..7200),
        any::<bool>(),
        vec(freeze, 0..2),
    );
    (votes, others).prop_map(|((approvals, approvers, panels, denials), others)| {
        let (reason, longest, self_approval, freezes) = others;
        let panels: BTreeMap<_, _> = panels.into_iter().collect();
        let panel = |(group_of, approvals)| Panel {
            group: format!("g{group_of}"),
            approvals,
            members: group(group_of),
        };
        Demands {
            approvals,
            approvers: approvers.map(|people| people.into_iter().map(who).collect()),
            panels: panels.into_iter().map(panel).collect(),
            denials,
            match_code: false,
            longest_expiry: longest.map(Duration::from_secs),
            reason,
            self_approval,
            freezes,
        }
    })
}

fn rules(demands: Vec<Demands>) -> Vec<Rule> {
    let named = |(n, demands)| rule(&format!("r{n}"), demands);
    demands.into_iter().enumerate().map(named).collect()
}

/// The terms of these rules, whether they can be met or not.
fn strictest(rules: &[Rule]) -> Agreed {
    let mut agreed = Agreed::plain(&ask(None, &[]));
    agreed.tighten_by(&rules.iter().collect::<Vec<_>>());
    agreed
}

/// What is wrong with the claim that these terms are at least as strict as others.
fn looser(these: &Agreed, than: &Agreed) -> Option<&'static str> {
    let (a, b) = (&these.terms, &than.terms);
    let has_panel = |panel: &Panel| {
        let same = a.panels.iter().find(|one| one.group == panel.group);
        same.is_some_and(|one| one.approvals >= panel.approvals && one.members == panel.members)
    };
    let listed = match (&a.approvers, &b.approvers) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(ours), Some(theirs)) => ours.is_subset(theirs),
    };
    let faults = [
        (these.approvals_needed < than.approvals_needed, "approvals"),
        (these.expires_in > than.expires_in, "expiry"),
        (a.denials_needed > b.denials_needed, "denials"),
        (!listed, "approvers"),
        (!b.panels.iter().all(has_panel), "panels"),
        (b.reason_required && !a.reason_required, "reason"),
        (a.self_approval && !b.self_approval, "self-approval"),
        (
            !b.freezes.iter().all(|one| a.freezes.contains(one)),
            "freezes",
        ),
        (!b.rules.iter().all(|one| a.rules.contains(one)), "rules"),
    ];
    faults
        .iter()
        .find(|(is_fault, _)| *is_fault)
        .map(|(_, name)| *name)
}

/// A vote: yes or no, by whom, when, and whether with a reason.
type Cast = (bool, u8, i64, bool);

fn cast() -> impl Strategy<Value = Cast> {
    (
        prop::bool::weighted(0.85),
        0..PEOPLE,
        0_i64..15,
        any::<bool>(),
    )
}

fn decision(&(yes, voter, at, reasoned): &Cast) -> Decision {
    Decision {
        verdict: if yes { Verdict::Approve } else { Verdict::Deny },
        approver: Caller::named(who(voter).as_str()),
        reason: Reason::new(if reasoned { "why" } else { "" }.to_owned()).unwrap(),
        at: Timestamp::from_millis(T0.as_millis() + at),
    }
}

/// A request on these terms after the votes, as far as they are taken.
fn voted(agreed: Agreed, votes: &[Cast]) -> Request {
    let id = RequestId::from_bytes([1; 16]);
    let asker = Caller::named("ci");
    let lasting = Agreed {
        expires_in: Duration::from_hours(1),
        ..agreed
    };
    let mut request = Request::agreed(id, ask(None, &[]), lasting, asker, T0);
    for cast in votes {
        let vote = Vote {
            decision: decision(cast),
            is_known: true,
            shown: None,
            code: None,
        };
        match request.decided(EventId(1), vote, |_| true) {
            Ok(Transition::Commit(next)) => request = *next,
            Ok(Transition::Unchanged) | Err(_) => {}
            Ok(Transition::Refuse(..)) => panic!("there is no match code"),
        }
    }
    request
}

/// By the book: what this rule alone says of votes that have approved.
fn allows(rule: &Rule, request: &Request) -> Result<(), String> {
    let demands = &rule.demands;
    let yes = |vote: &&Decision| vote.verdict == Verdict::Approve;
    let approvals: Vec<_> = request.decisions.iter().filter(yes).collect();
    let is_listed = |who: &Principal| {
        let listed = demands.approvers.as_ref();
        listed.is_none_or(|listed| listed.contains(who))
    };
    let voters: BTreeSet<_> = approvals
        .iter()
        .map(|vote| &vote.approver.principal)
        .collect();
    let counting = voters.iter().filter(|who| is_listed(who)).count();
    if counting < demands.approvals.unwrap_or(1) as usize {
        return Err(format!("{counting} approvals"));
    }
    for panel in &demands.panels {
        let theirs = voters
            .iter()
            .filter(|who| panel.members.contains(**who))
            .count();
        if theirs < panel.approvals as usize {
            return Err(format!("{theirs} of {}", panel.group));
        }
    }
    let denials = request.decisions.len() - approvals.len();
    if denials >= demands.denials.unwrap_or(1) as usize {
        return Err(format!("{denials} denials"));
    }
    for vote in approvals {
        if demands.reason && vote.reason.is_none() {
            return Err("no reason".to_owned());
        }
        if demands
            .freezes
            .iter()
            .any(|freeze| freeze.holds(vote.at).is_some())
        {
            return Err(format!("frozen at {:?}", vote.at));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_votes_outside_of_any_rule_ever_approve(
        demands in vec(demands(), 1..4),
        votes in vec(cast(), 0..16),
    ) {
        let rules = rules(demands);
        let request = voted(strictest(&rules), &votes);
        if request.status == Status::Approved {
            for rule in &rules {
                prop_assert_eq!(allows(rule, &request), Ok(()));
            }
        }
    }

    #[test]
    fn one_more_rule_never_makes_anything_easier(
        demands in vec(demands(), 2..5),
        votes in vec(cast(), 0..16),
    ) {
        let rules = rules(demands);
        let (fewer, all) = (strictest(&rules[1..]), strictest(&rules));
        prop_assert_eq!(looser(&all, &fewer), None);
        // What approves with more rules does so with fewer.
        let decisions: Vec<_> = votes.iter().map(decision).collect();
        let outcome = |agreed: &Agreed| agreed.terms.outcome(agreed.approvals_needed, &decisions);
        if outcome(&all) == Some(Status::Approved) {
            prop_assert_eq!(outcome(&fewer), Some(Status::Approved));
        }
        if outcome(&fewer) == Some(Status::Denied) {
            prop_assert_eq!(outcome(&all), Some(Status::Denied));
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(demands in vec(demands(), 0..5)) {
        let rules = rules(demands);
        let backwards: Vec<_> = rules.iter().rev().cloned().collect();
        let (one, other) = (strictest(&rules), strictest(&backwards));
        prop_assert_eq!(looser(&one, &other), None);
        prop_assert_eq!(looser(&other, &one), None);
    }

    #[test]
    fn what_the_requester_wants_only_tightens(
        demands in vec(demands(), 0..3),
        need in prop::option::of(1_u32..5),
        from in vec(0..PEOPLE, 0..5),
    ) {
        let policy = Policy { groups: BTreeMap::new(), rules: rules(demands) };
        let names: Vec<_> = from.iter().map(|&n| who(n).as_str().to_owned()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let asker = Principal::new("ci");
        let wanting = policy.agree(&ask(need, &names), &asker, &Approvers::Unlisted, T0);
        let plain = policy.agree(&ask(None, &[]), &asker, &Approvers::Unlisted, T0);
        match (wanting, plain) {
            (Ok(wanting), Ok(plain)) => prop_assert_eq!(looser(&wanting, &plain), None),
            (Ok(_), Err(refused)) => prop_assert!(false, "{}", refused),
            (Err(_), _) => {}
        }
    }

    #[test]
    fn what_is_taken_can_be_approved_by_those_whom_it_names(demands in vec(demands(), 0..4)) {
        let policy = Policy { groups: BTreeMap::new(), rules: rules(demands) };
        let agreed =
            policy.agree(&ask(None, &[]), &Principal::new("ci"), &Approvers::Unlisted, T0);
        let Ok(mut agreed) = agreed else {
            return Ok(());
        };
        agreed.terms.freezes.clear();
        let everybody: Vec<_> = (0..PEOPLE).map(|who| (true, who, 0, true)).collect();
        prop_assert_eq!(voted(agreed, &everybody).status, Status::Approved);
    }

    #[test]
    fn a_rule_that_could_never_be_met_refuses_every_ask(demands in demands()) {
        let policy = Policy { groups: BTreeMap::new(), rules: rules(vec![demands]) };
        if policy.could_be_met(&policy.rules[0]).is_err() {
            let ci = Principal::new("ci");
            let agreed = policy.agree(&ask(None, &[]), &ci, &Approvers::Unlisted, T0);
            prop_assert!(agreed.is_err());
        }
    }
}

#[test]
fn plain_terms_are_those_without_rules() {
    assert_eq!(strictest(&[]).terms, Terms::default());
}
