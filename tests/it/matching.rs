//! Match codes from the outside: in calls, between the two clients, and by whom what was done.

mod people;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::{Daemon, setup};
use crate::programs::{Requester, approver};
use crate::pty::Pty;

impl Daemon {
    /// Asks with the match code 004207; answers the id.
    async fn ask_matched(&self) -> String {
        let ask = json!({"title": "Deploy?", "match_code": "004207"});
        self.asking(&ask).await.id()
    }

    async fn approve_with(&self, id: &str, code: &str) -> crate::call::Reply {
        let approve = json!({"verdict": "approve", "match_code": code});
        self.deciding(id, &approve).await
    }
}

fn steps(request: &Value) -> Vec<&str> {
    let steps = request["history"].as_array().unwrap().iter();
    steps.map(|step| step["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_does_not_know_the_code_does_not_approve() {
    let daemon = setup().start();
    let id = daemon.ask_matched().await;
    let asked = daemon.read(&id).await;
    assert_eq!(asked["match_code_required"], true);
    let without = daemon.deciding(&id, &json!({"verdict": "approve"})).await;
    assert_eq!(without.problem(), (422, "match_code_required".to_owned()));
    let wrong = daemon.approve_with(&id, "004208").await;
    assert_eq!(wrong.problem(), (403, "wrong_match_code".to_owned()));
    assert!(
        wrong.detail().contains("2 tries are left"),
        "{}",
        wrong.detail()
    );
    let (wrong, now) = (wrong.json(), daemon.read(&id).await);
    assert_eq!((&wrong["tries_left"], &wrong["request"]), (&json!(2), &now));
    assert_eq!(steps(&now), ["asked", "wrong_code"]);
    assert_eq!(
        (&now["version"], &now["status"]),
        (&asked["version"], &json!("pending"))
    );
    let right = daemon.approve_with(&id, "004207").await.json();
    assert_eq!(right["status"], "approved");
    assert_eq!(right["match_code_required"], Value::Null);
    let again = daemon.approve_with(&id, "999999").await;
    assert_eq!((again.status, again.json()), (200, right));
}

#[tokio::test]
async fn the_third_wrong_code_is_a_denial_across_a_restart() {
    let daemon = setup().start();
    let id = daemon.ask_matched().await;
    for left in [2, 1] {
        let wrong = daemon.approve_with(&id, "999999").await;
        assert_eq!(wrong.json()["tries_left"], left);
    }
    let daemon = daemon.crash_and_restart();
    let last = daemon.approve_with(&id, "999999").await;
    assert_eq!(last.problem(), (403, "wrong_match_code".to_owned()));
    let last = last.json();
    assert_eq!(last["tries_left"], 0);
    assert_eq!(last["request"], daemon.read(&id).await);
    assert_eq!(last["request"]["status"], "denied");
    assert_eq!(last["request"]["decisions"][0]["reason"], "match code");
    let wrong = ["wrong_code"; 3];
    assert_eq!(steps(&last["request"])[1..4], wrong);
    let late = daemon.approve_with(&id, "004207").await;
    assert_eq!(late.problem(), (409, "already_final".to_owned()));
}

#[tokio::test]
async fn fifty_guesses_at_once_are_three_tries() {
    let daemon = setup().start();
    let id = daemon.ask_matched().await;
    let guess = json!({"verdict": "approve", "match_code": "999999"});
    let guesses: Vec<_> = (0..50)
        .map(|_| daemon.deciding(&id, &guess).spawn())
        .collect();
    let mut left = Vec::new();
    for guess in guesses {
        let reply = guess.await.unwrap();
        match reply.problem() {
            (403, _) => left.push(reply.json()["tries_left"].as_u64().unwrap()),
            (409, _) => assert_eq!(reply.json()["request"]["status"], "denied"),
            other => panic!("{other:?}"),
        }
    }
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
    assert_eq!(steps(&daemon.read(&id).await).len(), 5);
}

#[tokio::test]
async fn a_code_is_six_digits_and_belongs_to_one_ask() {
    let daemon = setup().start();
    for bad in [
        json!("12345"),
        json!(123_456),
        json!("12345x"),
        json!(["004207"]),
        json!(""),
    ] {
        let ask = json!({"title": "Deploy?", "match_code": bad});
        let refused = daemon.asking(&ask).await;
        assert_eq!(
            refused.problem(),
            (422, "invalid_member".to_owned()),
            "{bad}"
        );
        assert!(
            refused
                .detail()
                .contains("match_code: a match code is six digits")
        );
    }
    let ask = |code: &str| {
        let ask = json!({"title": "Deploy?", "match_code": code});
        daemon.asking(&ask).header("idempotency-key", "k")
    };
    let id = ask("004207").await.id();
    let again = ask("004207").await;
    assert_eq!((again.status, again.id()), (200, id.clone()));
    assert_eq!(
        ask("004208").await.problem(),
        (422, "key_reused".to_owned())
    );
    let bad = daemon.approve_with(&id, "4207").await;
    assert_eq!(bad.problem(), (422, "invalid_member".to_owned()));
    assert_eq!(steps(&daemon.read(&id).await), ["asked"], "it was no try");
    let stale = json!({"verdict": "approve", "match_code": "999999", "version": 999});
    assert_eq!(daemon.deciding(&id, &stale).await.status, 412);
    assert_eq!(steps(&daemon.read(&id).await), ["asked"], "it was no try");
    let other = daemon.ask("Another?").await;
    let meant_for_another = daemon.approve_with(&other, "004207").await;
    assert_eq!(
        meant_for_another.problem(),
        (422, "no_match_code".to_owned())
    );
    assert_eq!(
        daemon
            .deciding(&id, &json!({"verdict": "deny"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn everybody_is_told_by_the_channel_that_they_claim() {
    let daemon = setup().flags("--classic").start();
    for (claim, told) in [
        ("terminal", "terminal"),
        ("page", "page"),
        ("policy", "policy"),
        ("classic", "api"),
        ("telepathy", "api"),
    ] {
        let id = daemon.ask("Deploy?").await;
        let approve = json!({"verdict": "approve"});
        let decided = daemon
            .deciding(&id, &approve)
            .header("pushd-channel", claim);
        let decided = decided.await.json();
        assert_eq!(decided["decisions"][0]["approver"]["channel"], told);
        assert_eq!(decided["history"][1]["by"]["channel"], told);
        assert_eq!(decided["requester"]["channel"], "api");
    }
    let poll = daemon.get("/longPolling").spawn();
    let id = daemon.the_pending_one().await;
    let form = "application/x-www-form-urlencoded";
    let sure = daemon
        .post("/sure")
        .header("content-type", form)
        .body("data=yes");
    assert_eq!(sure.await.status, 200);
    assert_eq!(poll.await.unwrap().status, 200);
    let request = daemon.read(&id).await;
    for step in request["history"].as_array().unwrap() {
        assert_eq!(step["by"]["channel"], "classic", "{step}");
    }
}

/// The six digits in what a requester shows.
pub(crate) fn shown_code(text: &str) -> String {
    let (_, rest) = text.split_once("Match code: ").unwrap();
    let code: String = rest.chars().take(7).filter(|&c| c != ' ').collect();
    assert!(
        code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()),
        "{text}"
    );
    code
}

/// Another code.
fn another(code: &str) -> &'static str {
    if code == "000000" { "111111" } else { "000000" }
}

impl Pty {
    /// Types this line where the match code is asked for.
    fn answer_code(&self, line: &str) {
        self.wait_for("Type the six digits that the requester shows:");
        self.wait_until_open();
        self.type_keys(&format!("{line}\n"));
    }
}

#[tokio::test]
async fn a_person_types_what_the_requester_shows() {
    let daemon = setup().start();
    let url = daemon.url();
    let requester = Pty::run(
        env!("CARGO_BIN_EXE_requester"),
        &["--url", &url, "--match", "-m", "Deploy?"],
        &[],
    );
    let terminal = approver(&url);
    terminal.wait_for("a yes needs the six digits");
    requester.wait_for("poll ");
    let code = shown_code(&requester.text());
    let spelled = format!("code {} {}", &code[..3], &code[3..]);
    assert!(
        requester.text().contains(&spelled),
        "in the spinner's line: {}",
        requester.text()
    );
    terminal.answer("y");
    // What is typed ahead of the prompt is thrown away, and what is no code decides nothing.
    terminal.answer_code("");
    terminal.wait_for("Those are not six digits. Nothing was decided");
    terminal.answer("y");
    // Said once more, it is on the screen already.
    terminal.answer_code("y");
    terminal.answer("y");
    terminal.answer_code(another(&code));
    terminal.wait_for("NOT decided: that is not the match code; 2 more tries");
    terminal.answer("y");
    terminal.answer_code(&format!("{} {}", &code[..3], &code[3..]));
    for part in ["approved", " by local"] {
        terminal.wait_for(part);
    }
    requester.wait_for("approved by local");
    let request = &daemon.requests().await[0];
    let request = daemon.read(request["id"].as_str().unwrap()).await;
    assert!(
        steps(&request).ends_with(&["wrong_code", "approved"]),
        "{request}"
    );
    assert_eq!(request["decisions"][0]["approver"]["channel"], "terminal");
}

#[tokio::test]
async fn a_person_who_types_three_wrong_codes_has_denied() {
    let daemon = setup().start();
    daemon.ask_matched().await;
    let terminal = approver(&daemon.url());
    for _ in 0..3 {
        terminal.answer("y");
        terminal.answer_code("999999");
    }
    for part in ["denied", " by local", "match code"] {
        terminal.wait_for(part);
    }
    terminal.type_keys("q\n");
    terminal.wait_for("1 decided here: 0 approved, 1 denied");
}

#[tokio::test]
async fn without_a_terminal_the_code_is_a_line_and_a_key_does_not_go_with_it() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["--match", "--quiet", "-m", "Deploy?"]);
    requester.told("Match code: ").await;
    let id = daemon.the_pending_one().await;
    assert_eq!(daemon.read(&id).await["match_code_required"], true);
    requester.signal(Signal::TERM);
    let code = shown_code(&requester.left().await.stderr);
    assert_eq!(
        daemon.approve_with(&id, &code).await.status,
        409,
        "it was cancelled"
    );
    let both = Requester::start(&daemon.url(), &["--match", "--key", "k"])
        .left()
        .await;
    assert_eq!(both.code, Some(64));
    assert!(
        both.stderr.contains("--match and --key do not go together"),
        "{}",
        both.stderr
    );
    assert_eq!(daemon.requests().await.len(), 1);
}
