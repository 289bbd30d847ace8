//! What is taken, and what is refused with its line.

use std::time::Duration;

use super::*;
use crate::domain::{Day, DayTime, Demands, Freeze, Timestamp, Weekly};

/// The document, with its examples.
const EXAMPLE: &str = include_str!("../../../docs/policy.md");

fn parsed(text: &str) -> Result<Policy, String> {
    parse(Path::new("policy.toml"), text).map_err(|error| error.to_string())
}

fn people(names: &[&str]) -> BTreeSet<Principal> {
    names.iter().map(|name| Principal::new(name)).collect()
}

fn demanded(rule: &str) -> Result<Demands, String> {
    let text = format!(
        "[groups]\nsre = [\"alice\", \"bob\", \"unix:carol\"]\nleads = [\"dora\"]\n\
         [[rule]]\nname = \"one\"\n{rule}"
    );
    Ok(parsed(&text)?.rules.remove(0).demands)
}

#[test]
fn every_key_of_a_rule_is_taken() {
    let text = r#"
        [groups]
        sre = ["alice", "bob", "unix:carol"]
        leads = ["dora"]

        [[rule]]
        name = "production deploys"
        topic = ["deploy/prod", "deploy/eu*"]
        requester = "ci-*"
        fields = { environment = "prod*", "db" = ["a", "b"] }
        command = "terraform apply*"
        approvals = 3
        approvers = ["@sre", "dora"]
        from_each = { sre = 2, leads = 1 }
        match_code = true
        longest_expiry = "30m"
        reason = true

        [[rule.freeze]]
        from = 2026-12-24T00:00:00+01:00
        until = "2026-12-27T00:00:00Z"

        [[rule.freeze]]
        days = ["fri", "sat"]
        from = "18:00"
        until = 08:00:00
        zone = "europe/berlin"

        [[rule]]
        name = "sandbox"
        topic = "sandbox/*"
        denials = 2
        self_approval = true
    "#;
    let policy = parsed(text).unwrap();
    assert_eq!(policy.groups["leads"], people(&["dora"]));
    let [production, sandbox] = &policy.rules[..] else {
        panic!("two rules")
    };
    let conditions: Vec<_> = production.when.each().map(|one| one.to_string()).collect();
    assert_eq!(
        conditions,
        [
            "topic is deploy/prod or deploy/eu*",
            "requester is ci-*",
            "field db is a or b",
            "field environment is prod*",
            "command is terraform apply*"
        ]
    );
    let demands = &production.demands;
    let everybody = people(&["alice", "bob", "unix:carol", "dora"]);
    assert_eq!(demands.approvers, Some(everybody));
    let panels: Vec<_> = demands.panels.iter().collect();
    let panels: Vec<_> = panels
        .iter()
        .map(|one| (one.group.as_str(), one.approvals))
        .collect();
    assert_eq!(panels, [("leads", 1), ("sre", 2)]);
    assert_eq!(demands.longest_expiry, Some(Duration::from_mins(30)));
    assert!(demands.match_code && demands.reason && !demands.self_approval);
    let weekly = Freeze::Weekly(Weekly {
        days: [Day::Fri, Day::Sat].into_iter().collect(),
        from: "18:00".parse().unwrap(),
        until: "08:00".parse().unwrap(),
        zone: "Europe/Berlin".parse().unwrap(),
    });
    let once = Freeze::Once {
        from: Timestamp::from_millis(1_798_066_800_000),
        until: Timestamp::from_millis(1_798_329_600_000),
    };
    assert_eq!(demands.freezes, [once, weekly]);
    assert_eq!(sandbox.demands.denials, Some(2));
    assert!(sandbox.demands.self_approval);
}

#[test]
fn what_is_not_said_is_not_demanded() {
    assert_eq!(parsed("").unwrap(), Policy::default());
    assert_eq!(demanded("").unwrap(), Demands::default());
    let whole_day = demanded("freeze = [{ days = [\"sun\"], zone = \"UTC\" }]").unwrap();
    let Freeze::Weekly(weekly) = &whole_day.freezes[0] else {
        panic!("it has days")
    };
    assert_eq!((weekly.from, weekly.until), (DayTime::FIRST, DayTime::LAST));
}

/// A refusal has the line, and says what is wrong there.
fn refused(text: &str, line: usize, words: &str) {
    let error = parsed(text).unwrap_err();
    let place = format!("policy.toml, line {line}: ");
    assert!(error.contains(&place), "{text}\nsays {error}");
    assert!(error.contains(words), "{text}\nsays {error}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_line_and_what_would_do() {
    for (rule, words) in [
        ("aprovals = 2", "unknown field `aprovals`"),
        ("approvals = 0", "approvals: is 0, from 1 to 16"),
        ("approvals = 17", "approvals: is 17"),
        ("approvals = \"2\"", "invalid type"),
        ("denials = 0", "denials: is 0"),
        (
            "approvers = [\"@ops\"]",
            "no group \"ops\"; there are: leads, sre",
        ),
        ("approvers = [\"a b\"]", "\"a b\": the name has ' '"),
        ("approvers = [\"local\"]", "pushd uses itself"),
        ("from_each = { ops = 1 }", "no group \"ops\""),
        ("from_each = { sre = 0 }", "from_each: is 0"),
        (
            "topic = \"deploy prod\"",
            "topic: \"deploy prod\" has the character ' '",
        ),
        ("topic = []", "would never match"),
        ("requester = \"\"", "1 to 256 characters"),
        ("requester = [1]", "invalid type"),
        ("fields = { \" \" = \"x\" }", "a field has a name"),
        ("longest_expiry = \"soon\"", "write it like 30m"),
        ("longest_expiry = \"31days\"", "from 1s to 30days"),
        ("longest_expiry = \"1500ms\"", "whole seconds"),
        ("reason = \"yes\"", "invalid type"),
        (
            "freeze = [{ from = \"18:00\" }]",
            "days for one of every week",
        ),
        (
            "freeze = [{ from = 2026-12-24, until = 2026-12-27 }]",
            "with its offset",
        ),
        (
            "freeze = [{ from = 2026-12-27T00:00:00Z, until = 2026-12-24T00:00:00Z }]",
            "not later",
        ),
        (
            "freeze = [{ from = 2026-12-27T00:00:00Z, until = 2026-12-28T00:00:00Z, zone = \"UTC\" }]",
            "zone is for",
        ),
        (
            "freeze = [{ days = [], zone = \"UTC\" }]",
            "no day of the week",
        ),
        (
            "freeze = [{ days = [\"friday\"], zone = \"UTC\" }]",
            "unknown variant `friday`",
        ),
        ("freeze = [{ days = [\"fri\"] }]", "needs the zone"),
        (
            "freeze = [{ days = [\"fri\"], zone = \"Berlin\" }]",
            "\"Berlin\" is no time zone",
        ),
        (
            "freeze = [{ days = [\"fri\"], zone = \"UTC\", from = \"25:00\" }]",
            "\"25:00\" is no time",
        ),
        (
            "freeze = [{ days = [\"fri\"], zone = \"UTC\", from = \"24:00\" }]",
            "00:00 of the next day",
        ),
        (
            "freeze = [{ days = [\"fri\"], zone = \"UTC\", at = 1 }]",
            "unknown field `at`",
        ),
    ] {
        let text =
            format!("[groups]\nsre = [\"alice\"]\nleads = []\n[[rule]]\nname = \"one\"\n{rule}\n");
        refused(&text, 6, words);
    }
}

#[test]
fn what_is_wrong_with_names_and_groups_is_told_with_its_line() {
    refused(
        "[groups]\n\nsre = [\"alice\", \"@leads\"]",
        3,
        "made of people, not of groups",
    );
    refused("[groups]\nsre = [\"alice\",\n\"a b\"]", 3, "\"a b\"");
    refused("[groups]\n\"a,b\" = []", 2, "has ',' in its name");
    refused("[groups]\nsre = \"alice\"", 2, "invalid type");
    refused("[groups]\nsre = []\nsre = []", 3, "duplicate key");
    refused("[[rule]]\n", 1, "missing field `name`");
    refused("[[rule]]\nname = \"\"", 2, "1 to 64 characters");
    refused("[[rule]]\nname = \"a\\n\"", 2, "has '\\n' in its name");
    refused(
        "[[rule]]\nname = \"a\"\n[[rule]]\nname = \"a\"",
        4,
        "another of this name",
    );
    refused("[[rules]]\nname = \"a\"", 1, "unknown field `rules`");
    refused("[[rule]\n", 1, "");
}

#[test]
fn what_makes_things_easier_depends_on_nothing_that_the_asker_says() {
    for (loosens, chosen) in [
        ("self_approval = true", "fields = { a = \"b\" }"),
        ("denials = 2", "command = \"ls\""),
    ] {
        let rule = format!("[[rule]]\nname = \"easy\"\n{loosens}\n");
        assert!(parsed(&rule).is_ok());
        refused(
            &format!("{rule}{chosen}"),
            2,
            "whoever asks would choose that",
        );
    }
}

#[test]
fn a_rule_that_can_never_be_met_is_refused_with_its_line() {
    let groups = "[groups]\nsre = [\"alice\", \"bob\"]\nleads = [\"dora\"]\nnone = []\n";
    for (rule, words) in [
        ("approvals = 3\napprovers = \"@sre\"", "needs 3 approvals"),
        ("approvers = []", "0 of those that it names"),
        ("from_each = { none = 1 }", "0 of those that it names"),
        ("from_each = { leads = 2 }", "needs 2 approvals"),
        (
            "approvers = \"@sre\"\nfrom_each = { leads = 1 }",
            "can never be met",
        ),
        ("from_each = { sre = 9, leads = 9 }", "18 approvals"),
        (
            "freeze = [{ days = [\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"], zone = \"UTC\" }]",
            "at every time of the week",
        ),
    ] {
        let text = format!("{groups}[[rule]]\nname = \"a\"\n{rule}");
        refused(&text, 6, words);
    }
    let always = "[[rule]]\nname = \"always\"\napprovers = [\"dora\"]\n";
    let rule = "[[rule]]\nname = \"prod\"\ntopic = \"prod\"\napprovers = \"@sre\"\n";
    refused(&format!("{groups}{always}{rule}"), 9, "rules always, prod");
}

/// So many of something, one after another.
fn each(count: usize, one: &dyn Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().concat()
}

#[test]
fn a_policy_has_bounds() {
    let rules = |n: usize| -> String { each(n, &|n| format!("[[rule]]\nname = \"r{n}\"\n")) };
    assert!(parsed(&rules(limits::RULES)).is_ok());
    refused(
        &rules(limits::RULES + 1),
        2 * limits::RULES + 1,
        "129 rules, at most 128",
    );
    let list = |n: usize| each(n, &|n| format!("\"p{n}\","));
    let group = format!("[groups]\na = [{}]", list(limits::GROUP_MEMBERS + 1));
    refused(&group, 2, "129 people in the group \"a\", at most 128");
    let groups = each(limits::GROUPS + 1, &|n| format!("g{n} = []\n"));
    let error = parsed(&format!("[groups]\n{groups}")).unwrap_err();
    assert!(error.contains("257 groups, at most 256"), "{error}");
    let freezes = "{ days = [\"fri\"], zone = \"UTC\" },".repeat(limits::FREEZES + 1);
    let error = demanded(&format!("freeze = [{freezes}]")).unwrap_err();
    assert!(error.contains("33 freezes, at most 32"), "{error}");
    let error = demanded(&format!("requester = [{}]", list(limits::PATTERNS + 1))).unwrap_err();
    assert!(error.contains("33 patterns of requester"), "{error}");
    let fields = each(limits::RULE_FIELDS + 1, &|n| format!("f{n} = \"x\","));
    let error = demanded(&format!("fields = {{ {fields} }}")).unwrap_err();
    assert!(error.contains("9 fields, at most 8"), "{error}");
}

#[test]
fn the_examples_of_the_document_are_right_and_have_every_key() {
    let examples = EXAMPLE.split("```toml\n").skip(1);
    let examples = examples.map(|rest| rest.split_once("```").unwrap().0);
    let examples: Vec<_> = examples.collect();
    assert_eq!(examples.len(), 2);
    for example in &examples {
        let policy = parsed(example).unwrap();
        assert_eq!(
            crate::policies::warnings(&policy, None),
            Vec::<String>::new()
        );
    }
    // Every key that there is stands in one of them, and is explained.
    for key in [
        "topic",
        "requester",
        "fields",
        "command",
        "approvals",
        "approvers",
        "from_each",
        "denials",
        "match_code",
        "longest_expiry",
        "reason",
        "self_approval",
        "freeze",
        "days",
        "from",
        "until",
        "zone",
    ] {
        let is_shown = examples
            .iter()
            .flat_map(|example| example.lines())
            .any(|line| line.trim_start_matches("[[rule.").starts_with(key));
        assert!(is_shown, "{key}");
        assert!(
            EXAMPLE.contains(&format!("| `{key}` |")),
            "{key} is explained"
        );
    }
}
