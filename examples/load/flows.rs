//! Flows: ask, hear of it on a stream, decide, hear the answer on a held poll.
//!
//! With several addresses the question is asked and waited for on one node, and heard of and
//! decided on the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::flags::FlowsFlags;
use crate::held::{self, POLL_SECS};
use crate::http::{Answer, Connection, member};
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::peer::{Ids, Server};
use crate::stream::Stream;

/// Time for the event of an ask to come, and for an answer after the decision.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time after which a decision is sent again to a peer that forgets, doubled each time.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest warm-up.
const WARM_UP: Duration = Duration::from_secs(1);

/// Topics that the flows are spread over, each with a stream of its own. nchan counts the messages
/// of a channel within a second with 16 bits, and loses events beyond 32,767 of them.
const TOPICS: usize = 4;

/// When a run is measured and when it ends.
#[derive(Debug)]
struct Plan {
    from: Instant,
    until: Instant,
    left: AtomicU64,
}

/// An event of a flow: the number of its turn, and when it was here.
type Heard = (u64, Instant);

/// What the flows of one slot took.
#[derive(Debug, Default)]
struct Times {
    flow: Samples,
    ask: Samples,
    event: Samples,
    decide: Samples,
    decision_to_answer: Samples,
    /// Decisions that were sent again.
    again: u64,
}

/// Runs the workload.
pub(crate) async fn run(flags: FlowsFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.on.servers(), &flags.on.target.watch);
    let ids = Arc::new(Ids::new());
    let load_average = machine::load_average()?;
    // First, because a daemon closes connections on which nothing is called for a while.
    let beside = held::beside(&servers, watched, flags.beside as usize).await?;
    let mut slots = JoinSet::new();
    let mut ears = Ears::default();
    let mut places = Vec::new();
    for number in 0..flags.in_flight as usize {
        let asked = servers[number % servers.len()];
        let decided = servers[(number + 1) % servers.len()];
        let (tell, hear) = mpsc::channel(4);
        ears.tell.push(tell);
        places.push(Slot {
            number,
            asker: if asked.publishes_elsewhere() {
                Some(asked.connect_to_publish().await?)
            } else {
                None
            },
            waiter: asked.connect().await?,
            decider: decided.connect_to_publish().await?,
            ids: Arc::clone(&ids),
            again: 0,
            hear,
            ask_at: asked,
            decide_at: decided,
        });
    }
    let listening = ears.listen(&servers, &ids).await?;

    let begun = Instant::now();
    let seconds = Duration::from_secs(flags.seconds);
    let plan = Arc::new(Plan {
        from: begun + (seconds / 5).min(WARM_UP),
        until: begun + seconds,
        left: AtomicU64::new(flags.flows),
    });
    for slot in places {
        slots.spawn(slot.run(Arc::clone(&plan)));
    }
    sleep_until(plan.from).await;
    let then = Used::now(watched)?;
    let mut times = Times::default();
    while let Some(slot) = slots.join_next().await {
        times.extend(slot?.context("a flow failed")?);
    }
    let now = Used::now(watched)?;
    let elapsed = plan.from.elapsed();
    drop((listening, beside));

    let flows = times.flow.len();
    ensure!(flows > 0, "no flow ended in time; give it more seconds");
    let cpu = now.since(&then);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a count of flows is far below 2^52"
    )]
    let count = flows as f64;
    let per_flow = cpu.watched.iter();
    let per_flow: serde_json::Map<_, _> = per_flow
        .map(|(name, secs)| (name.clone(), json!(secs * 1e6 / count)))
        .collect();
    Ok(json!({
        "workload": "flows",
        "in_flight": flags.in_flight,
        "peer": flags.on.peer.name(),
        "nodes": servers.len(),
        "beside": flags.beside,
        "flows": flows,
        "seconds": elapsed.as_secs_f64(),
        "flows_per_second": count / elapsed.as_secs_f64(),
        "decided_again": times.again,
        "decision_to_answer_curve": times.decision_to_answer.clone().curve(),
        "us": {
            "decision_to_answer": times.decision_to_answer.quantiles(),
            "ask": times.ask.quantiles(),
            "event": times.event.quantiles(),
            "decide": times.decide.quantiles(),
            "flow": times.flow.quantiles(),
        },
        "cpu_us_per_flow": per_flow,
        "cpu_seconds": cpu,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

/// Those who hear the streams and tell the slots.
#[derive(Debug, Default)]
struct Ears {
    tell: Vec<mpsc::Sender<Heard>>,
}

impl Ears {
    /// Opens a stream of each topic at each node; it hears those who decide there.
    async fn listen(self, servers: &[Server], ids: &Ids) -> anyhow::Result<JoinSet<()>> {
        let (tell, nodes) = (Arc::new(self.tell), servers.len());
        let topics = tell.len().min(TOPICS);
        let mut listening = JoinSet::new();
        let nodes_and_topics = (0..topics).flat_map(|topic| {
            let nodes = servers.iter().enumerate();
            nodes.map(move |(node, server)| (node, server, topic))
        });
        for (node, server, topic) in nodes_and_topics {
            let mut stream = Stream::open(*server, &topic_of(ids, topic)).await?;
            let tell = Arc::clone(&tell);
            listening.spawn(async move {
                let mut each = |data: &[u8]| {
                    let Some((slot, turn)) = pending_flow(data) else {
                        return;
                    };
                    // A bare hub knows no topics, and tells every stream of everything. A slot that
                    // was told four times had no room for its next event.
                    let is_for_it = slot % TOPICS == topic && (slot + 1) % nodes == node;
                    if let Some(tell) = tell.get(slot).filter(|_| is_for_it) {
                        // A slot that does not take it has another one of its own in mind.
                        tell.try_send((turn, Instant::now())).unwrap_or_default();
                    }
                };
                while stream.next(&mut each).await.is_ok() {}
            });
        }
        Ok(listening)
    }
}

/// One flow after the other.
#[derive(Debug)]
struct Slot {
    number: usize,
    /// Where it asks, if that is not where it waits.
    asker: Option<Connection>,
    waiter: Connection,
    decider: Connection,
    hear: mpsc::Receiver<Heard>,
    ids: Arc<Ids>,
    again: u64,
    ask_at: Server,
    decide_at: Server,
}

impl Slot {
    async fn run(mut self, plan: Arc<Plan>) -> anyhow::Result<Times> {
        let (mut times, mut turn) = (Times::default(), 0);
        while Instant::now() < plan.until && take(&plan.left) {
            turn += 1;
            let begun = Instant::now();
            let counts = begun >= plan.from;
            let flow = self.flow(turn).await?;
            if counts {
                times.ask.add(flow.asked - begun);
                times.event.add(flow.heard.saturating_duration_since(begun));
                times.decide.add(flow.decided - flow.sent);
                times.decision_to_answer.add(flow.answered - flow.sent);
                times.flow.add(flow.answered - begun);
            }
        }
        times.again = self.again;
        Ok(times)
    }

    async fn flow(&mut self, turn: u64) -> anyhow::Result<Flow> {
        let title = format!("load {}/{turn}", self.number);
        let id = self.ids.id(self.number, turn);
        let topic = topic_of(&self.ids, self.number);
        let ask = self.ask_at.ask(&topic, &title, &id);
        let asking = self.asker.as_mut().unwrap_or(&mut self.waiter);
        asking.send(&ask).await.context("cannot ask")?;
        let answer = asking.answer().await.context("no answer to an ask")?;
        let asked = answer.at;
        if let Some(asker) = self.asker.as_mut().filter(|_| answer.closes) {
            *asker = self.ask_at.connect_to_publish().await?;
        }
        let id = self.ask_at.asked(answer, id)?;
        self.waiter.send(&self.ask_at.poll(&id, POLL_SECS)).await?;
        let heard = timeout(PATIENCE, self.heard(turn))
            .await
            .context("no event of an ask")??;
        let decision = self.decide_at.approval(&id);
        let (sent, decided, answered) = self.decide(&decision).await?;
        let answered = Server::answered(answered)?;
        Ok(Flow {
            asked,
            heard,
            sent,
            decided,
            answered,
        })
    }

    /// Decides, and hears the answer; a peer that forgets is told again until it comes. Answers when
    /// the decision was sent for the last time and had its own answer.
    async fn decide(&mut self, decision: &[u8]) -> anyhow::Result<(Instant, Instant, Answer)> {
        let mut patience = if self.ask_at.forgets() {
            AGAIN
        } else {
            PATIENCE
        };
        loop {
            let sent = Instant::now();
            self.decider.send(decision).await?;
            let waiting = timeout(patience, self.waiter.answer());
            let (decided, answered) = tokio::join!(self.decider.answer(), waiting);
            let decided = decided.context("no answer to a decision")?;
            if decided.closes {
                self.decider = self.decide_at.connect_to_publish().await?;
            }
            let decided = self.decide_at.decided(decided)?;
            match answered {
                Ok(answered) => return Ok((sent, decided, answered?)),
                Err(_) if patience < PATIENCE => {
                    self.again += 1;
                    patience *= 2;
                }
                Err(_) => bail!("no answer within {PATIENCE:?}"),
            }
        }
    }

    async fn heard(&mut self, turn: u64) -> anyhow::Result<Instant> {
        loop {
            let (told, at) = self
                .hear
                .recv()
                .await
                .context("the stream of events has ended")?;
            if told == turn {
                return Ok(at);
            }
        }
    }
}

/// When the steps of a flow were done.
#[derive(Debug)]
struct Flow {
    asked: Instant,
    heard: Instant,
    sent: Instant,
    decided: Instant,
    answered: Instant,
}

impl Times {
    fn extend(&mut self, other: Self) {
        self.flow.extend(other.flow);
        self.ask.extend(other.ask);
        self.event.extend(other.event);
        self.decide.extend(other.decide);
        self.decision_to_answer.extend(other.decision_to_answer);
        self.again += other.again;
    }
}

/// The topic of a slot.
fn topic_of(ids: &Ids, slot: usize) -> String {
    format!("{}/{}", ids.topic(), slot % TOPICS)
}

/// The slot and the turn that an event is of, if it is a new request of a flow.
fn pending_flow(data: &[u8]) -> Option<(usize, u64)> {
    if member(data, "status")? != "pending" {
        return None;
    }
    let (slot, turn) = member(data, "title")?
        .strip_prefix("load ")?
        .split_once('/')?;
    Some((slot.parse().ok()?, turn.parse().ok()?))
}

/// Takes one of what is left, if there is any.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_the_flow_that_it_is_of() {
        let event = |title: &str, status: &str| {
            let data = format!("{{\"id\":\"a\",\"title\":\"{title}\",\"status\":\"{status}\"}}");
            pending_flow(data.as_bytes())
        };
        assert_eq!(event("load 3/17", "pending"), Some((3, 17)));
        assert_eq!(event("load 3/17", "approved"), None);
        assert_eq!(event("Deploy?", "pending"), None);
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let left = AtomicU64::new(2);
        assert_eq!([take(&left), take(&left), take(&left)], [true, true, false]);
    }
}
