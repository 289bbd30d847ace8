//! What a policy makes of an ask: by examples, and for any rules and votes.

mod strictest;

use std::time::Duration;

use super::*;
use crate::domain::{Details, Digest, Panel, Terms, Title, Topic, TopicPattern};

pub(super) fn ask(need: Option<u32>, from: &[&str]) -> Ask {
    Ask {
        title: Title::new("Deploy?".to_owned()).unwrap(),
        details: Details::new(String::new()).unwrap(),
        fields: Vec::new(),
        topic: Topic::default(),
        expires_in: None,
        match_code: None,
        command: None,
        need,
        from: from.iter().map(|whom| whom.parse().unwrap()).collect(),
        lease: None,
        use_within: limits::USE_WITHIN.1,
        digest: Digest::of(b"ask"),
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn people(names: &[&str]) -> BTreeSet<Principal> {
    names.iter().map(|name| Principal::new(name)).collect()
}

fn rule(name: &str, demands: Demands) -> Rule {
    Rule {
        name: name.to_owned(),
        when: Conditions::default(),
        demands,
    }
}

fn policy(rules: Vec<Rule>) -> Policy {
    let sre = people(&["alice", "bob", "unix:carol"]);
    Policy {
        groups: BTreeMap::from([("sre".to_owned(), sre)]),
        rules,
    }
}

fn panel(group: &str, approvals: u32, names: &[&str]) -> Panel {
    Panel {
        group: group.to_owned(),
        approvals,
        members: people(names),
    }
}

fn agree(need: Option<u32>, from: &[&str]) -> Result<Agreed, Unmet> {
    let ci = Principal::new("ci");
    policy(Vec::new()).agree(&ask(need, from), &ci, &Approvers::Unlisted, NOW)
}

fn agreed(rules: Vec<Rule>, ask: &Ask) -> Result<Agreed, Unmet> {
    policy(rules).agree(ask, &Principal::new("ci"), &Approvers::Unlisted, NOW)
}

#[test]
fn a_plain_ask_has_plain_terms_whoever_is_known() {
    for approvers in [Approvers::Unlisted, Approvers::Alike] {
        let agreed = Policy::default().agree(
            &ask(None, &[]),
            &Principal::new(Principal::LOCAL),
            &approvers,
            NOW,
        );
        let agreed = agreed.unwrap();
        assert_eq!(agreed.approvals_needed, 1);
        assert_eq!(agreed.expires_in, limits::EXPIRY_DEFAULT);
        assert!(agreed.terms.is_plain());
    }
}

#[test]
fn what_tells_people_apart_is_refused_where_nobody_is_known() {
    let two = || {
        let approvals = Some(2);
        let demands = Demands {
            approvals,
            ..Demands::default()
        };
        vec![rule("two", demands)]
    };
    for (rules, ask, named) in [
        (Vec::new(), ask(Some(2), &[]), ""),
        (Vec::new(), ask(None, &["alice"]), ""),
        (two(), ask(None, &[]), "(rule \"two\")"),
    ] {
        let refused = policy(rules).agree(&ask, &Principal::new("local"), &Approvers::Alike, NOW);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Unmet::PeopleUnknown { .. }), "{refused}");
        assert!(refused.to_string().contains(named), "{refused}");
    }
    assert_eq!(policy(two()).naming_people().unwrap().name, "two");
    let reason = Demands {
        reason: true,
        ..Demands::default()
    };
    let reasons = policy(vec![rule("reasons", reason)]);
    assert_eq!(reasons.naming_people(), None);
    let plain = reasons.agree(
        &ask(None, &[]),
        &Principal::new("local"),
        &Approvers::Alike,
        NOW,
    );
    assert!(plain.unwrap().terms.reason_required);
}

#[test]
fn groups_and_names_come_together_and_doubles_count_once() {
    let agreed = agree(Some(2), &["@sre", "alice", "dave"]).unwrap();
    let names = agreed.terms.approvers.unwrap();
    let names: Vec<_> = names.iter().map(Principal::as_str).collect();
    assert_eq!(names, ["alice", "bob", "dave", "unix:carol"]);
    assert_eq!(agreed.approvals_needed, 2);
}

#[test]
fn what_nobody_could_ever_approve_is_refused_at_once() {
    let too_few = |needed, eligible| {
        Err(Unmet::TooFew {
            needed,
            eligible,
            unknown: Vec::new(),
            rules: Vec::new(),
        })
    };
    assert_eq!(agree(Some(2), &["alice"]), too_few(2, 1));
    assert_eq!(agree(None, &["ci"]), too_few(1, 0), "not by oneself");
    assert_eq!(agree(Some(2), &["ci", "alice"]), too_few(2, 1));
    let unknown = Err(Unmet::NoSuchGroup("ops".to_owned()));
    assert_eq!(agree(None, &["@ops"]), unknown);
}

fn known(names: &[&str], and_users: bool) -> Approvers {
    let names = people(names);
    Approvers::Listed { names, and_users }
}

/// `--from alcie` was taken, and waited in vain until it expired.
#[test]
fn a_name_that_nobody_has_who_may_approve_is_refused_by_name() {
    let agree = |from: &[&str], known: &Approvers| {
        policy(Vec::new()).agree(&ask(None, from), &Principal::new("ci"), known, NOW)
    };
    let tokens = known(&["alice", "bob"], false);
    assert!(agree(&["alice"], &tokens).is_ok());
    for name in ["alcie", "unix:carol"] {
        let refused = agree(&["alice", name], &tokens);
        assert_eq!(refused, Err(Unmet::NoSuchApprover(name.to_owned())));
    }
    assert!(
        agree(&["@sre"], &tokens).is_ok(),
        "not all of a group are needed"
    );
    // Who the users of a machine are is not looked for; who comes by a token is known all the same.
    let and_users = known(&["alice"], true);
    assert!(agree(&["unix:whoever"], &and_users).is_ok());
    assert!(agree(&["alcie"], &and_users).is_err());
    let nobody = known(&[], false);
    assert!(agree(&["unix:carol"], &nobody).is_err());
    assert!(
        agree(&[], &nobody).is_ok(),
        "plain asks are nobody's matter"
    );
}

#[test]
fn more_approvals_than_there_are_approvers_are_refused() {
    let agree = |need, rules, known: &Approvers| {
        policy(rules).agree(&ask(Some(need), &[]), &Principal::new("alice"), known, NOW)
    };
    let tokens = known(&["alice", "bob", "dave"], false);
    assert!(agree(2, Vec::new(), &tokens).is_ok());
    let refused = agree(3, Vec::new(), &tokens).unwrap_err();
    let two_of_three = Unmet::TooFew {
        needed: 3,
        eligible: 2,
        unknown: Vec::new(),
        rules: Vec::new(),
    };
    assert_eq!(refused, two_of_three, "nobody approves their own");
    assert!(agree(3, Vec::new(), &known(&["bob"], true)).is_ok());
}

#[test]
fn a_rule_whose_people_are_gone_is_named_with_them() {
    let listed = rule(
        "listed",
        Demands {
            approvers: Some(people(&["bob", "gone"])),
            ..Demands::default()
        },
    );
    let seated = rule(
        "seated",
        Demands {
            panels: vec![panel("sre", 1, &["gone"])],
            ..Demands::default()
        },
    );
    let agree = |rule: &Rule, known: &Approvers| {
        policy(vec![rule.clone()]).agree(&ask(None, &[]), &Principal::new("ci"), known, NOW)
    };
    let tokens = known(&["bob", "dave"], false);
    assert!(agree(&listed, &tokens).is_ok(), "bob is there");
    for (rule, known) in [
        (&listed, known(&["dave"], false)),
        (&seated, tokens),
        (&seated, known(&["bob"], true)),
    ] {
        let refused = agree(rule, &known).unwrap_err().to_string();
        let named = format!("(rule {:?})", rule.name);
        assert!(
            refused.contains(&named) && refused.contains("gone"),
            "{refused}"
        );
    }
}

#[test]
fn panels_that_cannot_be_seated_are_refused_though_anybody_may_approve() {
    let of = |panels: &[Panel]| {
        let panels = panels.to_vec();
        let demands = Demands {
            panels,
            ..Demands::default()
        };
        vec![rule("panels", demands)]
    };
    let (mine, ours) = (panel("a", 1, &["ci"]), panel("b", 1, &["ci", "alice"]));
    let ask = ask(None, &[]);
    assert!(agreed(of(std::slice::from_ref(&mine)), &ask).is_err());
    assert!(agreed(of(std::slice::from_ref(&ours)), &ask).is_ok());
    let both = of(&[ours, panel("c", 1, &["alice"])]);
    let refused = agreed(both, &ask).unwrap_err().to_string();
    assert!(refused.contains("(rule \"panels\")"), "{refused}");
    let seated = agreed(
        of(&[panel("a", 2, &["a", "b"]), panel("b", 1, &["c"])]),
        &ask,
    );
    assert_eq!(seated.unwrap().approvals_needed, 3, "what it takes is told");
}

#[test]
fn only_the_rules_that_apply_count_and_are_named() {
    let mut production = rule(
        "production",
        Demands {
            reason: true,
            ..Demands::default()
        },
    );
    production.when.topics = vec![TopicPattern::new("deploy/*").unwrap()];
    let rules = vec![production, rule("all", Demands::default())];
    let mut ask = ask(None, &[]);
    let plain = agreed(rules.clone(), &ask).unwrap();
    assert_eq!(plain.terms.rules, ["all"]);
    assert!(!plain.terms.reason_required);
    ask.topic = Topic::new("deploy/prod".to_owned()).unwrap();
    let strict = agreed(rules, &ask).unwrap();
    assert_eq!(strict.terms.rules, ["production", "all"]);
    assert!(strict.terms.reason_required);
}

#[test]
fn an_ask_without_the_match_code_that_a_rule_wants_is_refused_and_told_what_to_do() {
    let demands = Demands {
        match_code: true,
        ..Demands::default()
    };
    let rules = vec![rule("codes", demands)];
    let mut ask = ask(None, &[]);
    let refused = agreed(rules.clone(), &ask).unwrap_err().to_string();
    assert!(refused.contains("\"codes\""), "{refused}");
    assert!(refused.contains("requester --match"), "{refused}");
    ask.match_code = Some("004207".parse().unwrap());
    assert!(agreed(rules, &ask).is_ok());
}

#[test]
fn an_expiry_that_was_not_named_is_shortened_and_one_that_was_is_refused() {
    let demands = Demands {
        longest_expiry: Some(Duration::from_mins(10)),
        ..Demands::default()
    };
    let rules = vec![rule("short", demands)];
    let mut ask = ask(None, &[]);
    let short = agreed(rules.clone(), &ask).unwrap();
    assert_eq!(short.expires_in, Duration::from_mins(10));
    ask.expires_in = Some(Duration::from_mins(5));
    let shorter = agreed(rules.clone(), &ask).unwrap();
    assert_eq!(shorter.expires_in, Duration::from_mins(5));
    ask.expires_in = Some(Duration::from_secs(601));
    let refused = agreed(rules, &ask).unwrap_err().to_string();
    assert!(
        refused.contains("is 601") && refused.contains("600 at most"),
        "{refused}"
    );
    assert!(refused.contains("\"short\""), "{refused}");
}

#[test]
fn what_would_be_frozen_for_all_its_life_is_refused_and_told_until_when() {
    let until = NOW.after(Duration::from_mins(30));
    let demands = Demands {
        freezes: vec![Freeze::Once { from: NOW, until }],
        ..Demands::default()
    };
    let policy = policy(vec![rule("holidays", demands)]);
    let ask = |secs| Ask {
        expires_in: Some(Duration::from_secs(secs)),
        ..ask(None, &[])
    };
    let ci = Principal::new("ci");
    assert!(
        policy
            .agree(&ask(1801), &ci, &Approvers::Unlisted, NOW)
            .is_ok()
    );
    let refused = policy
        .agree(&ask(1800), &ci, &Approvers::Alike, NOW)
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("until 2027-01-15T08:30:00Z (rule \"holidays\")"),
        "{refused}"
    );
    let before = NOW.before(Duration::from_millis(1));
    assert!(
        policy
            .agree(&ask(10), &ci, &Approvers::Unlisted, before)
            .is_ok(),
        "there is a moment for it"
    );
    assert!(
        policy
            .agree(&ask(10), &ci, &Approvers::Unlisted, until)
            .is_ok()
    );
}

#[test]
fn it_takes_all_rules_to_loosen_and_one_to_tighten() {
    let loose = |denials, self_approval| {
        rule(
            "loose",
            Demands {
                denials,
                self_approval,
                ..Demands::default()
            },
        )
    };
    for (rules, denials, self_approval) in [
        (vec![loose(Some(3), true)], 3, true),
        (vec![loose(Some(3), true), loose(Some(2), true)], 2, true),
        (vec![loose(Some(3), true), loose(None, false)], 1, false),
        (vec![loose(None, false), loose(Some(3), true)], 1, false),
    ] {
        let terms = agreed(rules, &ask(None, &[])).unwrap().terms;
        let loosest = (terms.denials_needed, terms.self_approval);
        assert_eq!(loosest, (denials, self_approval));
    }
}

#[test]
fn one_may_approve_oneself_where_the_rules_say_so_and_stand_in_the_list() {
    let own = |self_approval| {
        let approvers = Some(people(&["ci"]));
        let demands = Demands {
            approvers,
            self_approval,
            ..Demands::default()
        };
        agreed(vec![rule("own", demands)], &ask(None, &[]))
    };
    assert!(own(true).is_ok());
    assert!(own(false).is_err());
}

#[test]
fn groups_with_more_approvals_than_are_kept_are_refused() {
    let names: Vec<_> = (0..20).map(|n| format!("p{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let many = |group: &str, approvals| {
        let panels = vec![panel(group, approvals, &names)];
        rule(
            group,
            Demands {
                panels,
                ..Demands::default()
            },
        )
    };
    let ask = ask(None, &[]);
    assert!(agreed(vec![many("a", 8), many("b", 8)], &ask).is_ok());
    let refused = agreed(vec![many("a", 8), many("b", 9)], &ask).unwrap_err();
    assert!(refused.to_string().contains("17 approvals"), "{refused}");
    let groups: Vec<_> = (0..9).map(|n| many(&format!("g{n}"), 1)).collect();
    let refused = agreed(groups, &ask).unwrap_err();
    assert!(refused.to_string().contains("9 groups"), "{refused}");
}

#[test]
fn a_rule_that_can_never_be_met_is_seen_without_an_ask() {
    let approvals = |approvals, names: &[&str]| Demands {
        approvals: Some(approvals),
        approvers: Some(people(names)),
        ..Demands::default()
    };
    let could = |rules: Vec<Rule>| {
        let policy = policy(rules);
        policy.could_be_met(policy.rules.last().unwrap())
    };
    assert!(could(vec![rule("a", approvals(2, &["x", "y"]))]).is_ok());
    assert!(could(vec![rule("a", approvals(3, &["x", "y"]))]).is_err());
    // A rule that always applies counts with each.
    let always = rule("always", approvals(1, &["z"]));
    let mut prod = rule("prod", approvals(1, &["x"]));
    prod.when.topics = vec![TopicPattern::new("prod").unwrap()];
    assert!(could(vec![prod.clone()]).is_ok());
    let never = could(vec![always, prod]).unwrap_err().to_string();
    assert!(never.contains("always, prod"), "{never}");
}

#[test]
fn a_rule_that_is_frozen_all_week_is_seen_whatever_it_is_made_of() {
    use crate::domain::{Day, Weekly};
    let weekly = |days: &[Day], from: &str, until: &str| {
        Freeze::Weekly(Weekly {
            days: days.iter().copied().collect(),
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
        })
    };
    let frozen = |freezes: Vec<Freeze>| {
        let demands = Demands {
            freezes,
            ..Demands::default()
        };
        let policy = policy(vec![rule("frozen", demands)]);
        policy.could_be_met(&policy.rules[0]) == Err(Never::Frozen)
    };
    assert!(frozen(vec![weekly(&Day::ALL, "00:00", "24:00")]));
    assert!(frozen(vec![
        weekly(&Day::ALL, "08:00", "20:00"),
        weekly(&Day::ALL, "20:00", "08:00"),
    ]));
    assert!(!frozen(vec![weekly(&Day::ALL[..6], "00:00", "24:00")]));
    assert!(!frozen(vec![weekly(&Day::ALL, "00:00", "23:59")]));
}
