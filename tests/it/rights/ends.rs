//! Rights that end while somebody waits or listens.

use std::fs;

use crate::daemon::setup;
use crate::people::People;
use crate::stream::Stream;
use crate::until::soon;

const PEOPLE: [(&str, &str, &str); 4] = [
    ("probe", "observer", "*"),
    ("ci", "requester", "*"),
    ("alice", "approver", "*"),
    ("bob", "approver", "*"),
];

#[tokio::test]
async fn a_revoked_token_ends_polls_and_streams_and_nobody_elses() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let path = format!("/v1/requests/{id}?wait=60");
    let held = people.by("alice", daemon.get(&path)).spawn();
    let others = people.by("ci", daemon.get(&path)).spawn();
    let listen = |name| Stream::open(people.by(name, daemon.get("/v1/events")));
    let (mut hers, mut his) = (listen("alice").await, listen("bob").await);
    for stream in [&mut hers, &mut his] {
        stream.until_caught_up().await;
    }
    daemon.figure_is(&people, "pushd_waiters", 2).await;
    people.revoke("alice");
    let reply = soon("her poll ends", held).await.unwrap();
    assert_eq!(reply.problem(), (401, "invalid_token".to_owned()));
    hers.ended().await;
    let me = people.by("alice", daemon.get("/v1/me")).await;
    assert_eq!(me.problem(), (401, "invalid_token".to_owned()));
    let decision = daemon.post(&format!("/v1/requests/{id}/decision"));
    let decision = decision.json(&serde_json::json!({"verdict": "approve"}));
    assert_eq!(people.by("bob", decision).await.status, 200);
    let answer = soon("the answer", others).await.unwrap();
    assert_eq!(answer.json()["status"], "approved");
    assert_eq!(his.event().await.data["status"], "approved");
}

/// Found by review: rights were looked at when the head of a call was there, and a body may take
/// its time, so that whoever held back the end of one decided long after the token was revoked.
#[tokio::test]
async fn a_decision_whose_end_comes_after_the_revocation_does_not_count() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let body = r#"{"verdict":"approve"}"#;
    let (begin, end) = body.split_at(5);
    let mut socket = daemon.socket().await;
    let token = people.token_of("alice");
    socket
        .say(format!(
            "POST /v1/requests/{id}/decision HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{begin}",
            body.len()
        ))
        .await;
    socket.heard().await;
    let held = people.by("alice", daemon.get(&format!("/v1/requests/{id}?wait=60")));
    let held = held.spawn();
    daemon.figure_is(&people, "pushd_waiters", 1).await;
    people.revoke("alice");
    soon("the revocation", held).await.unwrap();
    socket.say(end.to_owned()).await;
    let reply = socket.answer().await;
    assert_eq!(
        reply.problem(),
        (401, "invalid_token".to_owned()),
        "{reply:?}"
    );
    let request = people
        .by("bob", daemon.get(&format!("/v1/requests/{id}")))
        .await;
    assert_eq!(request.json()["status"], "pending");
}

#[tokio::test]
async fn a_token_that_is_given_other_rights_goes_on_with_those() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let held = people
        .by("ci", daemon.get(&format!("/v1/requests/{id}?wait=60")))
        .spawn();
    daemon.figure_is(&people, "pushd_waiters", 1).await;
    let text = fs::read_to_string(&people.file).unwrap();
    let (before, after) = text.split_once("roles = [\"requester\"]").unwrap();
    fs::write(
        &people.file,
        format!("{before}roles = [\"observer\"]{after}"),
    )
    .unwrap();
    // The poll is answered with what is true, and the next call has the new rights.
    let answer = soon("an early answer", held).await.unwrap();
    assert_eq!(answer.json()["status"], "pending");
    let ask = daemon.post("/v1/requests");
    let ask = ask.json(&serde_json::json!({"title": "Deploy?"}));
    let refused = people.by("ci", ask).await;
    assert_eq!(refused.problem(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn a_tokens_file_that_becomes_wrong_changes_nothing_and_is_told() {
    let setup = setup();
    let people = People::new(&setup, &PEOPLE);
    let daemon = setup.flags(&people.flag()).start();
    let good = fs::read_to_string(&people.file).unwrap();
    fs::write(&people.file, format!("{good}\n[x]\nroles = [\"boss\"]\n")).unwrap();
    daemon.figure_is(&people, "pushd_tokens_file_good", 0).await;
    let me = people.by("alice", daemon.get("/v1/me")).await;
    assert_eq!(me.json()["principal"], "alice");
    daemon.logged("boss").await;
    fs::write(&people.file, &good).unwrap();
    daemon.figure_is(&people, "pushd_tokens_file_good", 1).await;
    fs::remove_file(&people.file).unwrap();
    daemon.figure_is(&people, "pushd_tokens_file_good", 0).await;
    let me = people.by("alice", daemon.get("/v1/me")).await;
    assert_eq!(me.status, 200);
}

#[tokio::test]
async fn a_daemon_does_not_start_without_the_file_or_with_a_wrong_one() {
    for (text, wanted) in [
        (None, "cannot read the tokens file"),
        (Some("[a]\nroles = 7\n"), "line 2"),
    ] {
        let setup = setup();
        let file = setup.path("tokens.toml");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let file = file.to_str().unwrap();
        let ran = setup.run(&["--listen", "127.0.0.1:0", "--tokens", file]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.stderr.contains(wanted), "{ran:?}");
    }
}

#[test]
fn who_listens_widely_has_to_know_people_and_classic_routes_know_none() {
    for (flags, code, wanted) in [
        ("--listen 0.0.0.0:0", 78, "--tokens FILE"),
        ("--classic --listen unix:SOCKET", 78, "a Unix socket"),
        (
            "--classic --tokens FILE --listen 127.0.0.1:0",
            78,
            "without a token",
        ),
    ] {
        let setup = setup();
        let people = People::new(&setup, &PEOPLE);
        let file = people.file.to_str().unwrap();
        let socket = format!("unix:{}", setup.path("socket").display());
        let args: Vec<_> = flags
            .split(' ')
            .map(|arg| match arg {
                "FILE" => file,
                "unix:SOCKET" => &socket,
                arg => arg,
            })
            .collect();
        let ran = setup.run(&args);
        assert_eq!(ran.code, Some(code), "{flags}: {ran:?}");
        assert!(ran.stderr.contains(wanted), "{flags}: {ran:?}");
    }
    let setup = setup().listen("0.0.0.0:0");
    let people = People::new(&setup, &PEOPLE);
    drop(setup.flags(&people.flag()).start());
}
