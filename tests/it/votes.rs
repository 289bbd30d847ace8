//! Requests that need more than one vote, and the people who give them.

use serde_json::{Value, json};

use crate::call::Reply;
use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::stream::Stream;
use crate::until::until;

const PEOPLE: [(&str, &str, &str); 6] = [
    ("ci", "requester", "*"),
    ("alice", "approver", "*"),
    ("bob", "approver", "*"),
    ("carol", "approver", "*"),
    ("eve", "requester,approver", "*"),
    ("olga", "observer", "*"),
];

struct Team {
    people: People,
    daemon: Daemon,
}

impl Team {
    fn new() -> Self {
        let setup = setup();
        let people = People::new(&setup, &PEOPLE);
        let daemon = setup.flags(&people.flag()).start();
        Self { people, daemon }
    }

    async fn asks(&self, name: &str, members: &Value) -> Reply {
        self.people.by(name, self.daemon.asking(members)).await
    }

    async fn asked(&self, members: &Value) -> String {
        let reply = self.asks("ci", members).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    async fn votes(&self, name: &str, id: &str, verdict: &str) -> Reply {
        let vote = json!({"verdict": verdict});
        self.people.by(name, self.daemon.deciding(id, &vote)).await
    }

    async fn takes_back(&self, name: &str, id: &str) -> Reply {
        let call = self.daemon.delete(&format!("/v1/requests/{id}/decision"));
        self.people.by(name, call).await
    }
}

fn voters(request: &Value) -> Vec<&str> {
    let votes = request["decisions"].as_array().unwrap().iter();
    votes
        .map(|vote| vote["approver"]["principal"].as_str().unwrap())
        .collect()
}

fn steps(request: &Value) -> Vec<&str> {
    let steps = request["history"].as_array().unwrap().iter();
    steps.map(|step| step["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn two_people_approve_what_needs_two_and_each_sees_the_votes_so_far() {
    let team = Team::new();
    let asked = team
        .asks("ci", &json!({"title": "Deploy?", "need": 2}))
        .await;
    let (id, asked) = (asked.id(), asked.json());
    assert_eq!(asked["approvals_needed"], 2);
    let call = team.people.by("olga", team.daemon.get("/v1/events"));
    let mut stream = Stream::open(call).await;
    stream.until_caught_up().await;
    let one = team.votes("alice", &id, "approve").await.json();
    assert_eq!(
        (&one["status"], voters(&one)),
        (&json!("pending"), vec!["alice"])
    );
    assert_eq!(
        one["version"], asked["version"],
        "votes of others turn no decision away"
    );
    let told = stream.event().await.data;
    assert_eq!(
        (told["event_id"].clone(), voters(&told)),
        (one["event_id"].clone(), vec!["alice"])
    );
    let again = team.votes("alice", &id, "approve").await;
    assert_eq!(
        (again.status, again.json()["status"].clone()),
        (200, json!("pending"))
    );
    let two = team.votes("bob", &id, "approve").await.json();
    assert_eq!(
        (&two["status"], voters(&two)),
        (&json!("approved"), vec!["alice", "bob"])
    );
    assert_eq!(steps(&two), ["asked", "approved", "approved"]);
}

#[tokio::test]
async fn a_vote_is_taken_back_and_replaced_until_the_end_and_survives_a_crash() {
    let mut team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    team.votes("alice", &id, "approve").await;
    team.votes("bob", &id, "approve").await;
    let late = team.takes_back("alice", &id).await;
    assert_eq!(late.problem(), (409, "already_final".to_owned()));

    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    let nothing = team.takes_back("alice", &id).await;
    assert_eq!((nothing.status, steps(&nothing.json()).len()), (200, 1));
    team.votes("alice", &id, "approve").await;
    let back = team.takes_back("alice", &id).await;
    assert_eq!((back.status, voters(&back.json())), (200, vec![]));
    team.daemon = team.daemon.crash_and_restart();
    let bob = team.votes("bob", &id, "approve").await.json();
    assert_eq!(
        (&bob["status"], voters(&bob)),
        (&json!("pending"), vec!["bob"])
    );
    let denied = team.votes("alice", &id, "deny").await.json();
    assert_eq!(denied["status"], "denied");
    let all = ["asked", "approved", "took_back", "approved", "denied"];
    assert_eq!(steps(&denied), all);
}

#[tokio::test]
async fn only_those_who_were_asked_approve_and_everybody_may_deny() {
    let team = Team::new();
    let ask = json!({"title": "Deploy?", "from": ["alice", "bob"]});
    let id = team.asked(&ask).await;
    let refused = team.votes("carol", &id, "approve").await;
    assert_eq!(refused.problem(), (403, "not_an_approver".to_owned()));
    assert!(
        refused.detail().contains("alice, bob"),
        "{}",
        refused.detail()
    );
    assert_eq!(
        steps(&refused.json()["request"]),
        ["asked"],
        "nothing has happened"
    );
    assert_eq!(
        refused.json()["request"]["approvers"],
        json!(["alice", "bob"])
    );
    let approved = team.votes("bob", &id, "approve").await.json();
    assert_eq!(approved["status"], "approved");
    let id = team.asked(&ask).await;
    assert_eq!(
        team.votes("carol", &id, "deny").await.json()["status"],
        "denied"
    );
}

#[tokio::test]
async fn the_vote_of_a_revoked_token_does_not_count_when_the_next_one_comes() {
    let team = Team::new();
    let id = team.asked(&json!({"title": "Deploy?", "need": 2})).await;
    team.votes("alice", &id, "approve").await;
    team.people.revoke("alice");
    until("the token is revoked", async || {
        let me = team.people.by("alice", team.daemon.get("/v1/me")).await;
        (me.status == 401).then_some(())
    })
    .await;
    let bob = team.votes("bob", &id, "approve").await.json();
    assert_eq!(
        (&bob["status"], voters(&bob)),
        (&json!("pending"), vec!["bob"])
    );
    let carol = team.votes("carol", &id, "approve").await.json();
    assert_eq!(
        (&carol["status"], voters(&carol)),
        (&json!("approved"), vec!["bob", "carol"])
    );
}

#[tokio::test]
async fn nobody_counts_for_their_own_request_however_many_are_needed() {
    let team = Team::new();
    let asked = team
        .asks("eve", &json!({"title": "Deploy?", "need": 2}))
        .await;
    let own = team.votes("eve", &asked.id(), "approve").await;
    assert_eq!(own.problem(), (403, "own_request".to_owned()));
    for ask in [
        json!({"title": "Deploy?", "from": ["eve"]}),
        json!({"title": "Deploy?", "need": 2, "from": ["eve", "alice"]}),
        json!({"title": "Deploy?", "from": ["@sre"]}),
    ] {
        let refused = team.asks("eve", &ask).await;
        assert_eq!(
            refused.problem(),
            (422, "refused_by_policy".to_owned()),
            "{ask}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_knows_nobody_does_not_pretend_to_tell_people_apart() {
    let daemon = setup().in_memory().start();
    for ask in [
        json!({"title": "Deploy?", "need": 2}),
        json!({"title": "Deploy?", "from": ["alice"]}),
    ] {
        let refused = daemon.asking(&ask).await;
        assert_eq!(refused.problem(), (422, "people_unknown".to_owned()));
        assert!(
            refused.detail().contains("--tokens"),
            "{}",
            refused.detail()
        );
    }
    let plain = daemon.asking(&json!({"title": "Deploy?", "need": 1})).await;
    assert_eq!(plain.status, 201, "{plain:?}");
}

#[tokio::test]
async fn members_about_votes_that_are_out_of_bounds_are_named() {
    let daemon = setup().in_memory().start();
    let many = vec!["alice"; 33];
    for (members, words) in [
        (json!({"need": 0}), "need: is 0, from 1 to 16"),
        (json!({"need": 17}), "need: is 17"),
        (json!({"from": many}), "from: has 33 names, at most 32"),
        (json!({"from": ["a b"]}), "from[0]: the name has ' '"),
        (
            json!({"from": ["unix:x,carol"]}),
            "from[0]: the name has ','",
        ),
        (json!({"from": ["alice", "local"]}), "from[1]: \"local\""),
        (
            json!({"lease_secs": 0}),
            "lease_secs: is 0, from 1 to 86400",
        ),
        (
            json!({"use_within_secs": 2_592_001}),
            "use_within_secs: is 2592001",
        ),
        (
            json!({"command": {"argv": [], "program": "a", "directory": "/"}}),
            "command: argv is empty",
        ),
    ] {
        let mut ask = json!({"title": "Deploy?"});
        ask.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let refused = daemon.asking(&ask).await;
        assert_eq!(
            refused.problem(),
            (422, "invalid_member".to_owned()),
            "{ask}"
        );
        assert!(refused.detail().contains(words), "{}", refused.detail());
    }
}
