use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;
use warp::http::Method;

use super::*;
use crate::burden::Burden;
use crate::client::stand_in::{Reply, StandIn};
use crate::limits::Arrival;
use crate::metrics::Metrics;
use crate::relay::upstreams::Asks;
use crate::relay::{Terms, Upstreams};

const PENDING: &str = r#"{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","status":"pending"}"#;
const APPROVED: &str = r#"{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","status":"approved"}"#;

/// Daemons of which each gives its prepared answers, and then cuts each call off.
struct Town {
    daemons: Vec<StandIn>,
    relay: Arc<Relay>,
}

impl Town {
    async fn new(scripts: Vec<Vec<Reply>>) -> Self {
        let mut daemons = Vec::new();
        for mut script in scripts {
            script.reverse();
            let script = Mutex::new(script);
            let next = move |_, _: &_| script.lock().unwrap().pop().unwrap_or(Reply::Cut);
            daemons.push(StandIn::start(next).await);
        }
        let urls = daemons.iter().map(StandIn::url).collect();
        let upstreams = Arc::new(Upstreams::new(urls, None, false).unwrap());
        let terms = Terms {
            arrival: Arrival::default(),
            calls: 8,
            calls_per_address: 8,
            classic: false,
            trusts_everybody: false,
        };
        let drain = CancellationToken::new();
        let relay = Relay::new(upstreams, terms, Arc::new(Metrics::default()), drain);
        Self { daemons, relay }
    }

    /// The status and the code, or the status of the request.
    async fn answer(&self, call: &Outgoing) -> (u16, String) {
        match carry(&self.relay, call).await {
            Ok(fetched) => {
                let word = fetched.code().unwrap_or_else(|| fetched.word());
                (fetched.status.as_u16(), word)
            }
            Err(problem) => {
                let (status, code) = problem.kind.row();
                (status.as_u16(), code.to_owned())
            }
        }
    }

    fn calls(&self) -> Vec<usize> {
        let calls = self.daemons.iter().map(|daemon| daemon.calls().len());
        calls.collect()
    }
}

fn call(errand: Errand, method: Method, wait: Option<Duration>) -> Outgoing {
    let carrier = Burden::new(usize::MAX).carrier();
    Outgoing::sample(errand, method, wait, carrier)
}

fn ask(wait: u64) -> Outgoing {
    let wait = Some(Duration::from_secs(wait)).filter(|wait| !wait.is_zero());
    call(Errand::Ask, Method::POST, wait)
}

fn read() -> Outgoing {
    call(Errand::Poll, Method::GET, None)
}

fn answer(status: &str, body: &str) -> Reply {
    Reply::new(status, "application/json", body)
}

fn no(status: u16, code: &str) -> Reply {
    Reply::problem(status, code, "no")
}

#[tokio::test]
async fn one_that_hangs_is_passed_over_while_there_is_time_for_another() {
    let hung = vec![Reply::Silence];
    let town = Town::new(vec![hung, vec![answer("200 OK", APPROVED)]]).await;
    assert_eq!(town.answer(&read()).await, (200, "approved".to_owned()));
    assert_eq!(town.calls(), [1, 1]);
}

#[tokio::test]
async fn one_that_was_not_ready_is_asked_last() {
    let well = || vec![answer("200 OK", APPROVED)];
    let town = Town::new(vec![well(), well()]).await;
    town.relay.upstreams.all()[1].seen(Ok(()), Asks::Unknown);
    assert_eq!(town.answer(&read()).await.0, 200);
    assert_eq!(town.calls(), [0, 1]);
}

#[tokio::test]
async fn no_attempt_begins_without_time() {
    let town = Town::new(vec![vec![answer("200 OK", APPROVED)]]).await;
    let call = call(Errand::Once, Method::POST, None);
    let mut held = Held::of(&town.relay, &call);
    let past = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
    let time = Patience::of(&call, past);
    assert!(held.round(&time).await.unwrap().is_none());
    assert_eq!((town.calls(), held.doubtful), (vec![0], false));
}

/// The first daemon may have done it, so that the second has no room says nothing of the call.
#[tokio::test]
async fn a_later_refusal_for_now_does_not_hide_a_doubt() {
    for refusal in [
        no(503, "too_many_pending"),
        no(429, "too_many_asks"),
        no(500, "internal"),
    ] {
        let town = Town::new(vec![vec![Reply::Cut], vec![refusal]]).await;
        let expected = (503, "outcome_unknown".to_owned());
        assert_eq!(town.answer(&ask(0)).await, expected);
        assert_eq!(town.calls(), [1, 1]);
    }
    // Nothing was changed by a read, and nothing lost.
    let town = Town::new(vec![vec![Reply::Cut], vec![no(503, "too_many_waiters")]]).await;
    let expected = (503, "too_many_waiters".to_owned());
    assert_eq!(town.answer(&read()).await, expected);
    // Another no is one of the call itself.
    let town = Town::new(vec![vec![Reply::Cut], vec![no(403, "forbidden")]]).await;
    assert_eq!(town.answer(&ask(0)).await.0, 403);
}

#[tokio::test]
async fn what_is_to_pass_does_not_hide_a_doubt_at_the_end() {
    let town = Town::new(vec![]).await;
    let ask = ask(0);
    let mut held = Held::of(&town.relay, &ask);
    held.not_yet(Fetched::error(
        StatusCode::SERVICE_UNAVAILABLE,
        Some("draining"),
    ));
    assert!(!held.doubtful);
    held.doubtful = true;
    assert_eq!(held.give_up().unwrap_err().kind, Kind::OutcomeUnknown);
    let mut held = Held::of(&town.relay, &ask);
    held.not_yet(Fetched::error(
        StatusCode::SERVICE_UNAVAILABLE,
        Some("outcome_unknown"),
    ));
    assert!(held.doubtful);
}

#[tokio::test]
async fn who_has_asked_is_told_so_when_the_daemon_does_not_come_back() {
    let town = Town::new(vec![vec![answer("201 Created", PENDING)]]).await;
    assert_eq!(town.answer(&ask(1)).await, (201, "pending".to_owned()));
    assert!(town.calls()[0] > 1, "it was waited for");
    let refused = vec![answer("201 Created", PENDING), no(503, "too_many_waiters")];
    let town = Town::new(vec![refused]).await;
    assert_eq!(town.answer(&ask(1)).await, (201, "pending".to_owned()));
}

#[tokio::test]
async fn what_one_daemon_does_not_know_another_may() {
    let unknown = || no(404, "not_found");
    let town = Town::new(vec![vec![unknown()], vec![answer("200 OK", APPROVED)]]).await;
    assert_eq!(town.answer(&read()).await, (200, "approved".to_owned()));
    let town = Town::new(vec![vec![unknown()], vec![unknown()]]).await;
    assert_eq!(town.answer(&read()).await, (404, "not_found".to_owned()));
    // One that is away may know it, and comes back.
    let back = vec![Reply::Cut, answer("200 OK", APPROVED)];
    let town = Town::new(vec![vec![unknown(), unknown()], back]).await;
    assert_eq!(town.answer(&read()).await, (200, "approved".to_owned()));
}
