//! The tokens file as the daemon takes it: how many topics one token may have, and what the log says
//! of a file that cannot be taken.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::stream::Stream;

/// The limit of docs/operations.md.
const TOPICS: usize = 64;

/// So many patterns, each other one with a star.
fn patterns(count: usize) -> Vec<String> {
    let pattern = |n| match n % 2 {
        0 => format!("plain-{n}"),
        _ => format!("team-{n}/*"),
    };
    (0..count).map(pattern).collect()
}

/// A topic that the pattern covers, and one that is like it and not covered.
fn near(pattern: &str) -> [String; 2] {
    match pattern.strip_suffix('*') {
        Some(beginning) => [format!("{beginning}prod"), beginning.replace('/', "")],
        None => [pattern.to_owned(), format!("{pattern}/prod")],
    }
}

async fn pages(daemon: &Daemon, people: &People, query: &str) -> BTreeSet<String> {
    let (mut found, mut after) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/requests?limit=25{query}{after}");
        let page = people.by("alice", daemon.get(&path)).await.json();
        for request in page["requests"].as_array().unwrap() {
            let id = request["id"].as_str().unwrap().to_owned();
            assert!(found.insert(id), "{request} came twice");
        }
        let Some(next) = page["next"].as_str() else {
            return found;
        };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn a_token_with_as_many_topics_as_are_taken_lists_and_hears_just_those() {
    let setup = setup();
    let topics = patterns(TOPICS).join(",");
    let everybody = [("ci", "requester", "*"), ("alice", "approver", &*topics)];
    let people = People::new(&setup, &everybody);
    let flags = format!("{} --asks-per-minute 1000", people.flag());
    let daemon = setup.flags(&flags).start();
    let (mut hers, mut plain) = (BTreeSet::new(), String::new());
    for pattern in patterns(TOPICS) {
        let [covered, foreign] = near(&pattern);
        daemon.asked_by(&people, "ci", &foreign).await;
        let id = daemon.asked_by(&people, "ci", &covered).await;
        if covered == "plain-0" {
            plain.clone_from(&id);
        }
        hers.insert(id);
    }
    assert_eq!(pages(&daemon, &people, "").await, hers);
    assert_eq!(pages(&daemon, &people, "&status=pending").await, hers);
    let one = pages(&daemon, &people, "&topic=plain-0").await;
    assert_eq!(one.into_iter().collect::<Vec<_>>(), [plain]);
    assert_eq!(
        pages(&daemon, &people, "&topic=plain-0/prod").await,
        BTreeSet::new()
    );

    let mut stream = Stream::open(people.by("alice", daemon.get("/v1/events"))).await;
    let told = stream.until_caught_up().await;
    let id = |data: &Value| data["id"].as_str().unwrap().to_owned();
    let told: BTreeSet<_> = told.iter().map(|event| id(&event.data)).collect();
    assert_eq!(told, hers);
    // And live: the last pattern counts as the first does.
    let [covered, foreign] = near(&patterns(TOPICS)[TOPICS - 1]);
    daemon.asked_by(&people, "ci", &foreign).await;
    let last = daemon.asked_by(&people, "ci", &covered).await;
    assert_eq!(id(&stream.event().await.data), last);
}

#[tokio::test]
async fn one_topic_more_is_refused_by_name_wherever_it_is_written() {
    let setup = setup().in_memory();
    let people = People::new(
        &setup,
        &[("ci", "requester", "*"), ("alice", "approver", "*")],
    );
    let words = "[alice]: has 65 topics, at most 64 are taken";
    // By the command that edits the file, which then stays as it was.
    let before = fs::read_to_string(&people.file).unwrap();
    let too_many = patterns(TOPICS + 1);
    let topics = too_many.iter().flat_map(|topic| ["--topic", topic]);
    let file = people.file.to_str().unwrap();
    let args: Vec<_> = ["token", "create", "--name", "bob", "--tokens", file]
        .into_iter()
        .chain(["--role", "approver"])
        .chain(topics)
        .collect();
    let ran = setup.run(&args);
    assert_eq!(ran.stdout, "", "no token that does not count");
    assert!(
        ran.stderr.contains(&words.replace("alice", "bob")),
        "{ran:?}"
    );
    assert_ne!(ran.code, Some(0));
    assert_eq!(fs::read_to_string(&people.file).unwrap(), before);

    // By hand, while the daemon runs: what it knows stays, and the log says why.
    let daemon = setup.flags(&people.flag()).start();
    let quoted: Vec<_> = too_many.iter().map(|topic| format!("{topic:?}")).collect();
    let (head, alice) = before.split_once("[alice]").unwrap();
    let wide = format!("topics = [{}]", quoted.join(", "));
    let alice = alice.replacen("topics = [\"*\"]", &wide, 1);
    let edited = format!("{head}[alice]{alice}");
    assert_ne!(edited, before);
    fs::write(&people.file, edited).unwrap();
    daemon.logged(words).await;
    assert!(daemon.log().contains(file), "{}", daemon.log());
    let me = people.by("alice", daemon.get("/v1/me")).await.json();
    assert_eq!(me["topics"], serde_json::json!(["*"]), "{me}");

    // And at the start.
    let (code, told) = daemon.again().fails();
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains(words) && told.contains(file), "{told}");
}

/// Whoever reads the log has to learn which file it is, and what the system says of it.
#[tokio::test]
async fn a_file_that_cannot_be_read_again_is_logged_with_the_whole_cause() {
    let setup = setup().in_memory();
    let people = People::new(&setup, &[("alice", "approver", "*")]);
    let daemon = setup.flags(&people.flag()).start();
    fs::remove_file(&people.file).unwrap();
    let path = people.file.display();
    let cause = format!("cannot read the tokens file {path}: No such file or directory");
    daemon.logged(&cause).await;
    let me = people.by("alice", daemon.get("/v1/me")).await;
    assert_eq!(me.status, 200, "{me:?}");
}
