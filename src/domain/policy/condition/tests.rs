//! Which asks a condition holds for.

use super::*;
use crate::domain::policy::tests::ask;
use crate::domain::{Field, Topic};

fn globs(texts: &[&str]) -> Vec<Glob> {
    texts.iter().map(|text| Glob::new(text).unwrap()).collect()
}

fn command(argv: &[&str], program: &str) -> Command {
    Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        program: program.to_owned(),
        directory: "/".to_owned(),
        user: String::new(),
        host: String::new(),
        environment: Vec::new(),
        stdin: None,
        files: Vec::new(),
    }
}

fn holds(conditions: &Conditions, ask: &Ask) -> bool {
    conditions.hold(ask, &Principal::new("ci-1"))
}

#[test]
fn all_conditions_have_to_hold_and_none_holds_always() {
    let mut ask = ask(None, &[]);
    assert!(holds(&Conditions::default(), &ask));
    let conditions = Conditions {
        topics: vec![TopicPattern::new("deploy/*").unwrap()],
        requesters: globs(&["dev-*", "ci-?"]),
        ..Conditions::default()
    };
    assert!(!holds(&conditions, &ask));
    ask.topic = Topic::new("deploy/prod".to_owned()).unwrap();
    assert!(holds(&conditions, &ask));
    assert!(!conditions.hold(&ask, &Principal::new("ci-12")));
    assert!(
        !conditions.hold(&ask, &Principal::new("CI-1")),
        "another name"
    );
    let said: Vec<_> = conditions.each().map(|one| one.to_string()).collect();
    assert_eq!(said, ["topic is deploy/*", "requester is dev-* or ci-?"]);
}

#[test]
fn a_field_is_found_however_its_name_and_value_are_spelled() {
    let conditions = Conditions {
        fields: vec![("environment".to_owned(), globs(&["prod*"]))],
        ..Conditions::default()
    };
    for (name, value, expected) in [
        ("environment", "prod", true),
        ("Environment", "PROD-eu", true),
        (" environment ", " production ", true),
        ("environment", "staging", false),
        ("environment", "non-prod", false),
        ("env", "prod", false),
    ] {
        let mut ask = ask(None, &[]);
        let other = Field::new("environment".to_owned(), "staging".to_owned()).unwrap();
        let field = Field::new(name.to_owned(), value.to_owned()).unwrap();
        ask.fields = vec![other, field];
        assert_eq!(holds(&conditions, &ask), expected, "{name:?} {value:?}");
    }
    assert!(!holds(&conditions, &ask(None, &[])));
}

#[test]
fn a_command_is_found_by_whichever_way_its_program_is_named() {
    let conditions = Conditions {
        commands: globs(&["terraform apply*", "/opt/bin/*"]),
        ..Conditions::default()
    };
    for (argv, program, expected) in [
        (
            &["terraform", "apply", "plan.out"][..],
            "/bin/terraform",
            true,
        ),
        (&["terraform apply"], "/bin/terraform apply", true),
        (&["/bin/terraform", "apply"], "/bin/terraform", true),
        (&["../x/TERRAFORM", "apply"], "/x/TERRAFORM", true),
        (&["tf", "apply"], "/usr/bin/terraform", true),
        (&["tool"], "/opt/bin/tool", true),
        (&["terraform", "plan"], "/bin/terraform", false),
        (&["sh", "-c", "terraform apply"], "/bin/sh", false),
    ] {
        let mut ask = ask(None, &[]);
        ask.command = Some(command(argv, program));
        assert_eq!(holds(&conditions, &ask), expected, "{argv:?}");
    }
    assert!(
        !holds(&conditions, &ask(None, &[])),
        "no command is none of them"
    );
}

#[test]
fn a_command_that_is_too_long_to_be_looked_through_is_meant() {
    let conditions = Conditions {
        commands: globs(&["terraform*"]),
        ..Conditions::default()
    };
    let mut ask = ask(None, &[]);
    let most = "x".repeat(limits::COMMAND_MATCHED - "echo ".len());
    ask.command = Some(command(&["echo", &most], "echo"));
    assert!(!holds(&conditions, &ask));
    ask.command = Some(command(&["echo", &most, ""], "echo"));
    assert!(holds(&conditions, &ask));
}

#[test]
fn what_the_asker_chooses_is_told_apart() {
    let mut conditions = Conditions {
        topics: vec![TopicPattern::new("*").unwrap()],
        requesters: globs(&["*"]),
        ..Conditions::default()
    };
    assert_eq!(conditions.chosen_by_the_asker(), None);
    conditions.commands = globs(&["*"]);
    assert_eq!(conditions.chosen_by_the_asker(), Some("command"));
    conditions.fields = vec![("a".to_owned(), globs(&["*"]))];
    assert_eq!(conditions.chosen_by_the_asker(), Some("fields"));
}

#[test]
fn a_pattern_has_a_bound() {
    assert!(Glob::new("").is_err());
    assert!(Glob::new(&"*".repeat(limits::GLOB_CHARS)).is_ok());
    assert!(Glob::new(&"*".repeat(limits::GLOB_CHARS + 1)).is_err());
}
