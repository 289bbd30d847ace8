//! A policy that behaves.

use serde_json::{Value, json};

use super::{Approver, run};
use crate::daemon::setup;
use crate::pty::Pty;
use crate::until::until;

#[tokio::test]
async fn a_policy_approves_denies_and_leaves_open_by_its_exit_status() {
    let daemon = setup().start();
    let policy = r#"
        case $PUSHD_REQUEST_TOPIC in
            yes) echo "fine with me"; echo more ;;
            no) echo "not on a Friday"; exit 1 ;;
            *) echo "who am I to say"; exit 3 ;;
        esac"#;
    let approver = Approver::start(&daemon.url(), &["--policy", policy]);
    let mut ids = Vec::new();
    for topic in ["yes", "no", "other"] {
        let ask = json!({"title": "Deploy?", "topic": topic});
        ids.push(daemon.asking(&ask).await.id());
    }
    let yes = daemon.becomes(&ids[0], "approved").await;
    assert_eq!(yes["decisions"][0]["reason"], "fine with me");
    assert_eq!(yes["decisions"][0]["approver"]["channel"], "policy");
    let no = daemon.becomes(&ids[1], "denied").await;
    assert_eq!(no["decisions"][0]["reason"], "not on a Friday");
    approver
        .told(&format!(
            "{} left open by the policy: who am I to say",
            ids[2]
        ))
        .await;
    assert_eq!(daemon.read(&ids[2]).await["status"], "pending");
    approver.signal(rustix::process::Signal::TERM);
    assert_eq!(approver.left().await.code, Some(143));
}

#[tokio::test]
async fn a_policy_is_told_exactly_what_was_asked_and_obeys_none_of_it() {
    let daemon = setup().start();
    let out = daemon.setup().path("told");
    let (vars, stdin) = (out.with_extension("vars"), out.with_extension("json"));
    // NUL-separated, so that nothing in a value can look like another.
    let policy = format!(
        "env -0 > {}.new && cat > {} && mv {}.new {}; exit 3",
        vars.display(),
        stdin.display(),
        vars.display(),
        vars.display()
    );
    let title = "$(touch pwned) `id`; \"'\\ * \u{1b}[2J";
    let ask = json!({
        "title": title,
        "topic": "deploy/prod",
        "details": "a\0b\n$(touch pwned)",
        "fields": [{"name": "PATH", "value": "/evil"}],
    });
    let id = daemon.asking(&ask).await.id();
    let stale = [
        ("PUSHD_REQUEST_TITLE", "of another one"),
        ("NOTIFY_SOCKET", "/of/a/service/manager"),
    ];
    let approver = Approver::start_with(&daemon.url(), &["--policy", &policy], &stale);
    approver.told("left open by the policy").await;
    let text = String::from_utf8(std::fs::read(&vars).unwrap()).unwrap();
    let variable = |name: &str| {
        let mut pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    };
    let view = daemon.read(&id).await;
    for (name, value) in [
        ("PUSHD_REQUEST_ID", id.as_str()),
        ("PUSHD_REQUEST_TITLE", title),
        ("PUSHD_REQUEST_TOPIC", "deploy/prod"),
        ("PUSHD_REQUEST_STATUS", "pending"),
        ("PUSHD_REQUEST_REQUESTER", "local"),
        ("PUSHD_REQUEST_ADDRESS", "127.0.0.1"),
        ("PUSHD_REQUEST_VERSION", &view["version"].to_string()),
        (
            "PUSHD_REQUEST_CREATED_AT",
            view["created_at"].as_str().unwrap(),
        ),
        (
            "PUSHD_REQUEST_EXPIRES_AT",
            view["expires_at"].as_str().unwrap(),
        ),
        ("PUSHD_REQUEST_APPROVALS_NEEDED", "1"),
        ("PATH", "/usr/bin:/bin"),
    ] {
        assert_eq!(variable(name), Some(value), "{name}");
    }
    assert_eq!(
        variable("NOTIFY_SOCKET"),
        None,
        "it is the approver's alone"
    );
    let told: Value = serde_json::from_slice(&std::fs::read(&stdin).unwrap()).unwrap();
    for member in [
        "id",
        "title",
        "topic",
        "details",
        "fields",
        "version",
        "requester",
    ] {
        assert_eq!(told[member], view[member], "{member}");
    }
}

#[tokio::test]
async fn a_request_that_no_variable_can_hold_or_that_has_a_match_code_is_left_to_people() {
    let daemon = setup().start();
    let coded = json!({"title": "Deploy?", "match_code": "004207"});
    let coded = daemon.asking(&coded).await.id();
    let nul = daemon.ask("harmless\0 not").await;
    let last = daemon.ask("Last?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", "exit 0", "--jobs", "1"]);
    daemon.becomes(&last, "approved").await;
    approver
        .told("a NUL cannot be in PUSHD_REQUEST_TITLE")
        .await;
    for id in [&coded, &nul] {
        assert_eq!(daemon.read(id).await["status"], "pending");
    }
}

#[tokio::test]
async fn what_was_left_open_is_not_judged_again() {
    let daemon = setup().start();
    let runs = daemon.setup().path("runs");
    let policy = format!("echo run >> {}; exit 3", runs.display());
    let approver = Approver::start(&daemon.url(), &["--policy", &policy, "--jobs", "1"]);
    let id = daemon.ask("First?").await;
    approver.told(&format!("{id} left open")).await;
    // It changes, but not its version, and the stream begins anew.
    let seen = daemon.post(&format!("/v1/requests/{id}/seen")).await;
    assert_eq!(seen.status, 204);
    let setup = daemon.again().listen(&daemon.address().to_string());
    drop(daemon);
    let daemon = setup.start();
    approver.told("connected again").await;
    let other = daemon.ask("Second?").await;
    approver.told(&format!("{other} left open")).await;
    let runs = std::fs::read_to_string(&runs).unwrap();
    assert_eq!(runs.lines().count(), 2, "{runs}");
}

#[tokio::test]
async fn so_many_are_judged_at_the_same_time_and_no_more() {
    let daemon = setup().start();
    let dir = daemon.setup().path("at-work");
    std::fs::create_dir(&dir).unwrap();
    // Each says how many are at work, and waits to be let go.
    let policy = format!(
        "cd {} && touch at.$PUSHD_REQUEST_ID && ls at.* | wc -l >> counts; \
         while ! [ -e go ]; do sleep 0.02; done; rm at.$PUSHD_REQUEST_ID; exit 0",
        dir.display()
    );
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(daemon.ask(&format!("Deploy {n}?")).await);
    }
    let approver = Approver::start(&daemon.url(), &["--policy", &policy, "--jobs", "3"]);
    let counts = || {
        let text = std::fs::read_to_string(dir.join("counts")).unwrap_or_default();
        let counts = text.lines().map(|line| line.trim().parse().unwrap());
        counts.collect::<Vec<u32>>()
    };
    until("three at work", async || {
        (counts().len() >= 3).then_some(())
    })
    .await;
    // The oldest are judged first, and the others wait.
    for id in &ids[..3] {
        assert!(dir.join(format!("at.{id}")).exists());
    }
    std::fs::write(dir.join("go"), "").unwrap();
    for id in &ids {
        daemon.becomes(id, "approved").await;
    }
    let counts = counts();
    assert_eq!(counts.len(), 5);
    assert!(counts.iter().all(|&count| count <= 3), "{counts:?}");
    drop(approver);
}

#[tokio::test]
async fn a_request_that_is_settled_meanwhile_is_reported_as_what_it_is() {
    let daemon = setup().start();
    let (begun, go) = (daemon.setup().path("begun"), daemon.setup().path("go"));
    let policy = format!(
        "touch {}; while ! [ -e {} ]; do sleep 0.02; done; exit 0",
        begun.display(),
        go.display()
    );
    let id = daemon.ask("Deploy?").await;
    let approver = Approver::start(&daemon.url(), &["--policy", &policy]);
    until("the policy to begin", async || begun.exists().then_some(())).await;
    daemon.deciding(&id, &json!({"verdict": "deny"})).await;
    std::fs::write(&go, "").unwrap();
    approver
        .told("was denied before the policy could approve it")
        .await;
    assert_eq!(daemon.read(&id).await["status"], "denied");
}

#[tokio::test]
async fn a_policy_that_calls_the_commands_has_the_version_from_its_variable() {
    let daemon = setup().start();
    let approver = env!("CARGO_BIN_EXE_approver");
    let policy = format!(
        "{approver} --url {} deny $PUSHD_REQUEST_ID -r 'by hand' && exit 3",
        daemon.url()
    );
    let id = daemon.ask("Deploy?").await;
    let policy = Approver::start(&daemon.url(), &["--policy", &policy]);
    policy.told(&format!("{id} left open by the policy")).await;
    assert_eq!(daemon.read(&id).await["status"], "denied");
}

#[tokio::test]
async fn without_terminal_and_policy_the_alternatives_are_named() {
    let left = run("http://127.0.0.1:1", &[]).await;
    assert_eq!(
        (left.code, left.stdout.as_str()),
        (Some(64), ""),
        "{left:?}"
    );
    for way in [
        "approver approve ID",
        "approver deny ID",
        "--policy COMMAND",
        "http://127.0.0.1:1/",
    ] {
        assert!(left.stderr.contains(way), "{left:?}");
    }
}

#[tokio::test]
async fn at_a_terminal_a_person_is_asked_what_the_policy_leaves_open() {
    let daemon = setup().start();
    let policy = r#"[ "$PUSHD_REQUEST_TOPIC" = open ] && echo unsure && exit 3; echo fine"#;
    let args = ["--url", &daemon.url(), "--policy", policy];
    let plain = [("NO_COLOR", "1")];
    let terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &args, &plain);
    let judged = daemon.ask("Judged?").await;
    daemon.becomes(&judged, "approved").await;
    terminal.wait_for("approved by the policy");
    terminal.wait_for("│ Judged?");
    let open = json!({"title": "Open?", "topic": "open"});
    let open = daemon.asking(&open).await.id();
    terminal.wait_for("left open by the policy");
    terminal.wait_for("│ reason: unsure");
    terminal.wait_for("│ Open?");
    // While it is asked, what the policy does hides nothing of it.
    terminal.wait_for("Approve? ");
    terminal.wait_until_open();
    let next = daemon.ask("Next?").await;
    daemon.becomes(&next, "approved").await;
    terminal.type_keys("n not today\n");
    let view = daemon.becomes(&open, "denied").await;
    assert_eq!(view["decisions"][0]["approver"]["channel"], "terminal");
    terminal.wait_for("approved by the policy");
    terminal.wait_for("│ Next?");
    assert_eq!(terminal.text().matches("Approve? ").count(), 1);
}
