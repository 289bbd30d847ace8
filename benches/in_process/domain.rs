//! The rules: functions of values and `now`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use pushd::domain::policy::Conditions;
use pushd::domain::{
    Approvers, Demands, EventId, Panel, Policy, Principal, Request, Rule, Terms, TopicPattern,
    Verdict,
};

use crate::case::Case;
use crate::samples::{NOW, ask, caller, id, pending, vote, voted};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("domain/ask", |_| {
            let (ask, by) = (ask(0), caller("ci"));
            Box::new(move || {
                let request = Request::asked(id(1), black_box(&ask).clone(), by.clone(), NOW);
                black_box(request);
            })
        }),
        Case::new("domain/agree, 20 rules", |_| {
            let (policy, ask, by) = (policy(20), ask(0), Principal::new("ci"));
            Box::new(move || {
                let agreed = policy.agree(black_box(&ask), &by, &Approvers::Unlisted, NOW);
                black_box(agreed.expect("it can be approved"));
            })
        }),
        Case::new("domain/decide", |_| {
            let request = pending(1);
            Box::new(move || {
                let vote = vote(Verdict::Approve, "alice");
                black_box(voted(black_box(&request), EventId(1), vote));
            })
        }),
        Case::new("domain/decide, the last of 8 votes", |_| {
            let request = almost_agreed();
            Box::new(move || {
                let vote = vote(Verdict::Approve, "person 7");
                black_box(voted(black_box(&request), EventId(1), vote));
            })
        }),
        Case::new("domain/count 8 votes, 2 panels", |_| {
            let request = almost_agreed();
            Box::new(move || {
                let (terms, needed) = (&black_box(&request).terms, request.approvals_needed);
                black_box(terms.outcome(needed, &request.decisions));
            })
        }),
        Case::new("domain/expire", |_| {
            let request = pending(1);
            let late = NOW.after(Duration::from_hours(25));
            Box::new(move || {
                let expired = black_box(&request).expired(late);
                black_box(expired.expect("it is past its time"));
            })
        }),
    ]
}

/// So many rules, every other of which applies.
fn policy(rules: usize) -> Policy {
    let rules = (0..rules).map(|n| {
        let pattern = if n % 2 == 0 { "deploy/*" } else { "database/*" };
        Rule {
            name: format!("rule {n}"),
            when: Conditions {
                topics: vec![TopicPattern::new(pattern).expect("it is a pattern")],
                ..Conditions::default()
            },
            demands: Demands {
                approvals: Some(2),
                reason: n % 3 == 0,
                ..Demands::default()
            },
        }
    });
    Policy {
        rules: rules.collect(),
        ..Policy::default()
    }
}

/// A request that needs eight approvals, some of them of two groups, and has all but one.
fn almost_agreed() -> Request {
    let panel = |group: &str, members: [usize; 4]| Panel {
        group: group.to_owned(),
        approvals: 2,
        members: members.map(person).into_iter().collect::<BTreeSet<_>>(),
    };
    let request = Request {
        approvals_needed: 8,
        terms: Terms {
            approvers: Some((0..16).map(person).collect()),
            panels: vec![panel("sre", [0, 1, 2, 3]), panel("security", [2, 3, 7, 9])],
            ..Terms::default()
        },
        ..pending(1)
    };
    (0..7).fold(request, |request, n| {
        let vote = vote(Verdict::Approve, person(n).as_str());
        voted(&request, EventId(1), vote)
    })
}

fn person(number: usize) -> Principal {
    Principal::new(&format!("person {number}"))
}
