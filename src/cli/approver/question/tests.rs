use proptest::prelude::*;

use super::*;
use crate::cli::approver::samples::{request, settled};
use crate::wire::{Command, Content, Field, PanelView, Variable};

fn room(width: usize, height: usize) -> Room {
    let look = Look {
        charset: Charset::Utf8,
        styled: false,
        cursor: true,
    };
    Room {
        look,
        width,
        height,
    }
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(Row::text).collect()
}

fn shown(view: &RequestView, room: Room) -> Vec<String> {
    let now = view.created_at.after(Duration::from_secs(12));
    texts(&question(view, Some(now), room).rows)
}

fn field(name: &str, value: &str) -> Field {
    Field {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn a_question_shows_all_facts_and_keeps_claims_apart() {
    let mut view = request(1);
    view.title = "Deploy web 2.3 to production?".to_owned();
    view.fields = vec![field("env", "production"), field("version", "2.3.1\n2.3.2")];
    view.details = "one\ntwo\n".to_owned();
    assert_eq!(
        shown(&view, room(79, 24)),
        [
            "━━━━ Approval asked ━━━━",
            "The asker says",
            "  │ Deploy web 2.3 to production?",
            "  │ topic: default",
            "  │ ",
            "  │ env      production",
            "  │ version  2.3.1",
            "  │          2.3.2",
            "  │ ",
            "  │ one",
            "  │ two",
            "The daemon knows",
            "    request   aeaaaaaaaaaaaaaaaaaaaaaaaa",
            "    asked by  local from 127.0.0.1",
            "    time      asked 12 s ago, 59 min left, until 23:13:20 UTC",
            "",
            "",
        ]
    );
}

#[test]
fn a_command_is_shown_exactly_before_what_is_said_about_it() {
    let mut view = request(1);
    view.fields = vec![field("env", "production")];
    let argv = ["terraform", "apply", "plan  out", "a\nb", "", "\u{202e}"];
    view.command = Some(Command {
        argv: argv.map(str::to_owned).to_vec(),
        program: "/usr/bin/terraform".to_owned(),
        directory: "/srv/x y".to_owned(),
        user: "alice".to_owned(),
        host: "ci-1".to_owned(),
        environment: Some(vec![Variable {
            name: "TF_WORKSPACE".to_owned(),
            value: "prod $x".to_owned(),
        }]),
        stdin: Some(Content {
            sha256: "ab".repeat(32),
            bytes: 123,
        }),
        files: None,
    });
    let stdin = format!("  │ stdin    123 bytes, SHA-256 {}", "ab".repeat(32));
    assert_eq!(
        shown(&view, room(120, 40))[2..14],
        [
            "  │ Deploy 1?",
            "  │ topic: default",
            "  │ ",
            "  │ runs     terraform apply $'plan \\x20out' $'a\\nb' '' $'\\u202e'",
            "  │ program  /usr/bin/terraform",
            "  │ in       '/srv/x y'",
            "  │ as       alice on ci-1",
            "  │ with     TF_WORKSPACE='prod $x'",
            &stdin,
            "  │ ",
            "  │ env  production",
            "The daemon knows",
        ]
    );
    // What does not fit is counted, and shown on demand.
    let long = vec!["x".repeat(70); 100];
    if let Some(command) = &mut view.command {
        command.argv.extend(long);
    }
    let rows = shown(&view, room(79, 24));
    assert!(rows.len() <= 24, "{rows:?}");
    assert!(
        rows.iter()
            .any(|row| row.ends_with("more lines of the command; d shows them all")),
        "{rows:?}"
    );
    assert!(texts(&whole(&view, room(79, 24))).len() > 100);
    assert!(question(&view, None, room(79, 24)).hides_command);
    assert!(!question(&view, None, room(79, 300)).hides_command);
}

/// Found by review: the rows of the conditions were cut, and `d` did not show the rest.
#[test]
fn the_whole_has_all_conditions_to_their_ends() {
    let mut view = request(1);
    let names: Vec<_> = (10..40).map(|n| format!("approver-{n}")).collect();
    view.approvers = Some(names.clone());
    view.rules = names.iter().map(|name| format!("rule-of-{name}")).collect();
    view.freezes = vec![format!("from A until {}", "B".repeat(200))];
    let rows = texts(&whole(&view, room(60, 24)));
    let text: String = rows.iter().map(|row| row.trim_start()).collect();
    for name in names {
        assert_eq!(text.matches(&name).count(), 2, "{name} {rows:?}");
        assert!(text.contains(&format!("rule-of-{name}")), "{name} {rows:?}");
    }
    assert_eq!(text.matches('B').count(), 200, "{rows:?}");
    assert!(rows.iter().all(|row| columns(row) <= 60), "{rows:?}");
}

fn vote(name: &str, verdict: Verdict) -> DecisionView {
    DecisionView {
        verdict,
        approver: Party {
            principal: name.to_owned(),
            address: None,
            channel: None,
        },
        reason: Some(format!("{name} says so")),
        at: Timestamp::from_millis(1_700_000_000_000),
    }
}

#[test]
fn what_it_takes_and_who_has_voted_is_told() {
    let mut view = request(1);
    (view.approvals_needed, view.denials_needed) = (3, 2);
    view.reason_required = true;
    view.approvers = Some(vec!["alice".to_owned(), "bob".to_owned()]);
    view.panels = vec![PanelView {
        group: "sre".to_owned(),
        approvals: 1,
        members: vec!["alice".to_owned()],
    }];
    view.freezes = vec!["from A until B".to_owned()];
    view.rules = vec!["production".to_owned(), "night".to_owned()];
    view.decisions = vec![
        vote("alice", Verdict::Approve),
        vote("bob", Verdict::Approve),
        vote("carol", Verdict::Deny),
    ];
    let drawn = question(&view, None, room(100, 40));
    let rows = texts(&drawn.rows);
    for row in [
        "    votes     2 of 3 approvals: alice, bob; 1 of 2 denials: carol",
        "    reason    a yes needs one",
        "    from      only a yes of these counts: alice, bob",
        "    panel     1 of sre: alice",
        "    frozen    no yes from A until B",
        "    rules     production, night",
    ] {
        assert!(rows.contains(&row.to_owned()), "{row} {rows:?}");
    }
    let votes = drawn.votes.unwrap();
    assert_eq!(drawn.rows[votes], votes_row(&view, room(100, 40)));
    assert_eq!(question(&request(2), None, room(100, 40)).votes, None);
    assert_eq!(
        texts(&outcome(&view, room(100, 40))),
        ["  pending still: 2 of 3 approvals: alice, bob; 1 of 2 denials: carol"]
    );
    view.status = Status::Approved;
    assert_eq!(
        texts(&outcome(&view, room(100, 40))),
        [
            "  approved by alice, bob",
            "  │ reason: alice says so",
            "  │ reason: bob says so",
        ]
    );
    (view.status, view.lease_ended) = (Status::Cancelled, true);
    assert_eq!(
        texts(&outcome(&view, room(100, 40))),
        ["  cancelled: its asker is gone"]
    );
}

#[test]
fn long_details_are_cut_with_a_count_and_shown_whole_on_demand() {
    let mut view = request(1);
    view.details = (1..=40)
        .map(|n| format!("line {n}"))
        .collect::<Vec<_>>()
        .join("\n");
    let rows = shown(&view, room(79, 60));
    assert!(rows.contains(&"  │ line 12".to_owned()) && !rows.contains(&"  │ line 13".to_owned()));
    assert!(
        rows.contains(&"  … 28 more lines of details; d shows them all".to_owned()),
        "{rows:?}"
    );
    let small = shown(&view, room(79, 21));
    assert!(small.len() <= 21, "{small:?}");
    assert_eq!(texts(&whole(&view, room(79, 21))).len(), 1 + 2 + 1 + 40 + 3);
}

#[test]
fn long_fields_cannot_push_the_title_away() {
    let mut view = request(1);
    view.fields = (0..32).map(|_| field("name", &"x".repeat(1024))).collect();
    view.details = "d\n".repeat(1000);
    let rows = shown(&view, room(79, 40));
    assert!(rows.len() <= 40, "{}", rows.len());
    assert!(
        rows.iter()
            .any(|row| row.ends_with("more lines of fields; d shows them all")),
        "{rows:?}"
    );
    assert!(
        rows.iter()
            .any(|row| row.ends_with("more lines of this field; d shows them all")),
        "{rows:?}"
    );
    assert!(
        rows.iter()
            .any(|row| row.ends_with("more lines of details; d shows them all")),
        "{rows:?}"
    );
}

#[test]
fn a_time_that_is_over_or_unknown_is_told() {
    let view = request(1);
    let over = time_row(&view, Some(view.expires_at), room(120, 24)).text();
    assert!(over.contains("its time is over (23:13:20 UTC)"), "{over}");
    assert!(
        time_row(&view, None, room(79, 24))
            .text()
            .contains("until 23:13:20 UTC")
    );
}

#[test]
fn an_outcome_says_what_who_and_why() {
    assert_eq!(
        texts(&outcome(&settled(1, 2, Status::Denied), room(79, 24))),
        ["  denied by bob", "  │ reason: frozen"]
    );
    let cancelled = outcome(&settled(1, 2, Status::Cancelled), room(79, 24));
    assert_eq!(texts(&cancelled), ["  cancelled by its requester"]);
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("\n".to_owned()),
        Just("\u{1b}[2J".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("Approve? [y/n/s/d/q] ".to_owned()),
        Just("The daemon knows".to_owned()),
        Just("部署".to_owned()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_stranger_drives_the_terminal_or_speaks_in_our_place(
        title in hostile(), details in hostile(), name in hostile(), value in hostile(),
        (who, address, topic, reason) in (hostile(), hostile(), hostile(), hostile()),
        width in 19_usize..100, height in 8_usize..50,
    ) {
        let mut view = settled(1, 2, Status::Denied);
        let honest = texts(&question(&request(1), None, room(width, height)).rows);
        (view.title, view.details, view.topic) = (title, details, topic);
        view.fields = vec![field(&name, &value)];
        view.requester = Party { principal: who.clone(), address: Some(address), channel: None };
        view.decisions[0].approver.principal = who;
        view.decisions[0].reason = Some(reason);
        let mut rows = question(&view, None, room(width, height)).rows;
        rows.extend(outcome(&view, room(width, height)));
        rows.extend(whole(&view, room(width, height)));
        for row in texts(&rows) {
            prop_assert!(!row.chars().any(char::is_control), "{row:?}");
            prop_assert!(columns(&row) <= width, "{row:?}");
            let ours = row.is_empty()
                || honest.contains(&row)
                || row.starts_with("All that the ")
                || ["    request   ", "    asked by  ", "              ", "  denied by ", "  … "]
                    .iter()
                    .any(|start| row.starts_with(start));
            prop_assert!(ours || row.starts_with("  │ "), "{row:?}");
        }
    }
}
