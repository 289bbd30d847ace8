//! Match codes between people that the daemon knows: whose wrong code is a try, and on record.

use serde_json::{Value, json};

use super::steps;
use crate::call::Reply;
use crate::daemon::{Daemon, setup};
use crate::people::People;

fn knowing() -> (Daemon, People) {
    let setup = setup();
    let everybody = [
        ("ci", "requester,approver", "*"),
        ("alice", "approver", "*"),
        ("bob", "approver", "*"),
        ("eve", "approver", "other"),
        ("probe", "observer", "*"),
    ];
    let people = People::new(&setup, &everybody);
    let daemon = setup.flags(&people.flag()).start();
    (daemon, people)
}

/// A request of ci's with the match code 004207.
async fn matched(daemon: &Daemon, people: &People) -> String {
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    people.by("ci", daemon.asking(&ask)).await.id()
}

async fn guess(daemon: &Daemon, people: &People, who: &str, id: &str) -> Reply {
    let guess = json!({"verdict": "approve", "match_code": "999999"});
    people.by(who, daemon.deciding(id, &guess)).await
}

async fn read(daemon: &Daemon, people: &People, id: &str) -> Value {
    let reading = daemon.get(&format!("/v1/requests/{id}"));
    people.by("alice", reading).await.json()
}

#[tokio::test]
async fn each_wrong_code_is_on_record_with_the_name_of_whoever_typed_it() {
    let (daemon, people) = knowing();
    let id = matched(&daemon, &people).await;
    for who in ["alice", "bob", "alice"] {
        let wrong = guess(&daemon, &people, who, &id).await;
        assert_eq!(wrong.problem(), (403, "wrong_match_code".to_owned()));
    }
    let request = read(&daemon, &people, &id).await;
    let tried: Vec<_> = request["history"].as_array().unwrap()[1..]
        .iter()
        .map(|step| {
            let by = step["by"]["principal"].as_str().unwrap();
            (step["what"].as_str().unwrap(), by)
        })
        .collect();
    let by_alice = ("wrong_code", "alice");
    let denied = ("denied", "alice");
    assert_eq!(tried, [by_alice, ("wrong_code", "bob"), by_alice, denied]);
    assert_eq!(request["decisions"][0]["approver"]["principal"], "alice");
}

/// Otherwise whoever may not decide could deny, by three guesses.
#[tokio::test]
async fn a_guess_by_somebody_who_may_not_approve_is_no_try() {
    let (daemon, people) = knowing();
    let id = matched(&daemon, &people).await;
    for _ in 0..4 {
        for (who, code) in [
            ("ci", (403, "own_request")),
            ("probe", (403, "forbidden")),
            ("eve", (404, "not_found")),
        ] {
            let refused = guess(&daemon, &people, who, &id).await;
            assert_eq!(refused.problem(), (code.0, code.1.to_owned()), "{who}");
            let told = String::from_utf8_lossy(&refused.body).into_owned();
            assert!(!told.contains("tries_left"), "{told}");
        }
    }
    let request = read(&daemon, &people, &id).await;
    assert_eq!(steps(&request), ["asked"]);
    let right = json!({"verdict": "approve", "match_code": "004207"});
    let approved = people.by("bob", daemon.deciding(&id, &right)).await;
    assert_eq!(approved.json()["status"], "approved");
}

#[tokio::test]
async fn a_denial_needs_no_code_and_a_wrong_one_with_it_is_no_try() {
    let (daemon, people) = knowing();
    let id = matched(&daemon, &people).await;
    let deny = json!({"verdict": "deny", "match_code": "999999"});
    let denied = people.by("bob", daemon.deciding(&id, &deny)).await;
    assert_eq!(denied.json()["status"], "denied");
    let request = read(&daemon, &people, &id).await;
    assert_eq!(steps(&request), ["asked", "denied"]);
}
