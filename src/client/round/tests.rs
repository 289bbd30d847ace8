use std::sync::{Arc, Mutex};

use super::*;
use crate::client::DaemonUrl;
use crate::client::stand_in::{Reply, StandIn};
use crate::domain::Verdict;
use crate::wire::{AskBody, DecisionBody, RequestView};

const REQUEST: &str = r#"{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","topic":"t","title":"Deploy?",
    "status":"pending","version":1,"event_id":1,"requester":{"principal":"local"},
    "created_at":"2026-01-01T00:00:00.000Z","expires_at":"2026-01-01T01:00:00.000Z"}"#;

const ID: RequestId = RequestId::from_bytes([0; 16]);

type Script = Arc<Mutex<Vec<Reply>>>;

/// Two daemons, of which each gives its prepared answers, and then that all is well.
struct Two {
    servers: [StandIn; 2],
    client: Client,
}

impl Two {
    async fn start(a: Vec<Reply>, b: Vec<Reply>) -> Self {
        let servers = [scripted(a).await, scripted(b).await];
        let client = client(servers.iter().map(StandIn::url).collect());
        Self { servers, client }
    }

    /// How many calls each has got.
    fn calls(&self) -> [usize; 2] {
        [0, 1].map(|number| self.servers[number].calls().len())
    }

    async fn read(&self) -> Result<Answer<RequestView>, CallError> {
        self.client.read(ID, None).await
    }
}

async fn scripted(mut replies: Vec<Reply>) -> StandIn {
    replies.reverse();
    let script = Script::new(Mutex::new(replies));
    StandIn::start(move |_, _| {
        let next = script.lock().unwrap().pop();
        next.unwrap_or_else(|| Reply::json(REQUEST))
    })
    .await
}

fn client(urls: Vec<DaemonUrl>) -> Client {
    let token = "word".parse().unwrap();
    Client::trusting(urls, None, Some(&token), "test").unwrap()
}

fn not_found() -> Reply {
    Reply::problem(404, "not_found", "there is no such request")
}

#[tokio::test]
async fn an_ask_goes_on_at_once_with_the_same_key_and_stays_where_it_was_answered() {
    let two = Two::start(vec![Reply::Cut], vec![]).await;
    let body = AskBody {
        title: "Deploy?".to_owned(),
        ..AskBody::default()
    };
    two.client.ask(&body, "key-1").await.unwrap();
    assert_eq!(two.calls(), [1, 1]);
    for server in &two.servers {
        let call = &server.calls()[0];
        assert_eq!(call.header("idempotency-key"), Some("key-1"));
        assert_eq!(call.header("authorization"), Some("Bearer word"));
        assert_eq!(call.body, r#"{"title":"Deploy?"}"#);
    }
    two.read().await.unwrap();
    two.read().await.unwrap();
    assert_eq!(two.calls(), [1, 3]);
    assert_eq!(two.client.base(), &two.servers[1].url());
    let change = two.client.take_change().unwrap();
    let [a, b] = [0, 1].map(|number| two.servers[number].url().to_string());
    let begin = format!("going on with {b} ({a}: ");
    assert!(change.starts_with(&begin), "{change}");
    assert_eq!(two.client.take_change(), None, "it is told once");
}

#[tokio::test]
async fn what_is_no_decision_leads_to_the_next() {
    let html = |status| Reply::new(status, "text/html", "<h1>");
    for reply in [
        Reply::Cut,
        html("502 Bad Gateway"),
        html("504 Gateway Timeout"),
        html("404 Not Found"),
        html("200 OK"),
        Reply::new("404 Not Found", "text/plain", "404 page not found"),
        Reply::json("{\"id\":"),
        Reply::json("{\"hello\":1}"),
        Reply::problem(500, "internal", "this record is of a later version"),
        Reply::problem(503, "draining", "winding down"),
        Reply::problem(503, "too_many_waiters", "full"),
        Reply::problem(421, "wrong_host", "not mine"),
    ] {
        let two = Two::start(vec![reply], vec![]).await;
        two.read().await.unwrap();
        assert_eq!(two.calls(), [1, 1]);
    }
}

#[tokio::test]
async fn what_is_a_decision_is_not_asked_of_another() {
    let decisions = [
        (401, "unauthenticated"),
        (403, "forbidden"),
        (403, ""),
        (409, "already_final"),
        (410, "too_late"),
        (412, "other_version"),
        (422, "invalid_member"),
        (429, "denied_recently"),
    ];
    for (status, code) in decisions {
        let two = Two::start(vec![Reply::problem(status, code, "no")], vec![]).await;
        let error = two.read().await.unwrap_err();
        assert_eq!(two.calls(), [1, 0], "{error}");
        assert_eq!(two.client.take_change(), None);
    }
}

#[tokio::test]
async fn nobody_there_names_each_with_its_failure() {
    let two = Two::start(
        vec![],
        vec![Reply::problem(503, "draining", "winding down")],
    )
    .await;
    let nobody: DaemonUrl = "http://127.0.0.1:1".parse().unwrap();
    let client = client(vec![nobody, two.servers[1].url()]);
    let error = client.read(ID, None).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.starts_with("http://127.0.0.1:1: cannot connect: "),
        "{words}"
    );
    let b = two.servers[1].url();
    assert!(words.contains(&format!("; {b}: 503")), "{words}");
    let unsent = matches!(error, CallError::Transient { unsent: true, .. });
    assert!(unsent, "{error:?}");
}

#[tokio::test]
async fn that_there_is_no_such_request_is_asked_of_the_others_too() {
    let two = Two::start(vec![not_found()], vec![]).await;
    two.read().await.unwrap();
    two.read().await.unwrap();
    assert_eq!(
        two.calls(),
        [1, 2],
        "who knows it is asked first from then on"
    );

    let two = Two::start(vec![not_found()], vec![not_found()]).await;
    let error = two.read().await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    for server in &two.servers {
        let words = format!("{}: there is no such request", server.url());
        assert!(error.to_string().contains(&words), "{error}");
    }
}

#[tokio::test]
async fn a_request_that_one_has_told_of_is_not_gone_while_that_one_is_away() {
    let two = Two::start(vec![], vec![not_found()]).await;
    two.read().await.unwrap();
    let [
        Two {
            servers: [a, b],
            client,
        },
    ] = [two];
    drop(a);
    let error = client.read(ID, None).await.unwrap_err();
    assert!(matches!(error, CallError::Transient { .. }), "{error:?}");
    let words = format!("{}: there is no such request", b.url());
    assert!(error.to_string().contains(&words), "{error}");
}

/// A wrong match code counts each time that it is read.
#[tokio::test]
async fn a_decision_with_a_match_code_goes_no_further_once_it_may_have_been_read() {
    for (code, calls) in [(None, [1, 1]), (Some("123456"), [1, 0])] {
        let two = Two::start(vec![Reply::Cut], vec![]).await;
        let body = DecisionBody {
            verdict: Verdict::Approve,
            reason: None,
            version: None,
            match_code: code.map(|code| code.parse().unwrap()),
        };
        let decided = two.client.decide(ID, &body).await;
        assert_eq!(two.calls(), calls, "{code:?}");
        let in_doubt = matches!(decided, Err(CallError::Transient { unsent: false, .. }));
        assert_eq!(in_doubt, code.is_some(), "{decided:?}");
    }
}

#[tokio::test]
async fn one_that_wants_to_be_left_alone_holds_back_no_other() {
    let busy = Reply::with("503 Busy", "retry-after: 60\r\n", "");
    let cut = || Reply::Cut;
    let two = Two::start(vec![busy], vec![cut(), cut()]).await;
    for round in 1..=2 {
        let error = two.read().await.unwrap_err();
        assert_eq!(error.retry_after(), None, "{error:?}");
        assert!(error.to_string().contains("503"), "{error}");
        assert_eq!(two.calls(), [1, round]);
    }
    two.read().await.unwrap();
    assert_eq!(two.calls(), [1, 3]);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_says_so() {
    for (lost, in_doubt) in [
        (Reply::Cut, true),
        (Reply::problem(503, "draining", ""), false),
    ] {
        let refusal = Reply::problem(422, "invalid_member", "no");
        let two = Two::start(vec![lost], vec![refusal]).await;
        let error = two.read().await.unwrap_err();
        let CallError::Refused {
            in_doubt: found, ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(found, in_doubt);
    }
}
