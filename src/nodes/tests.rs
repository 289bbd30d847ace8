//! Several nodes on one store and one line, with time and the line's failures in our hands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::approvals::leases::keep;
use crate::approvals::{Access, Pump, Setting};
use crate::clock::ManualClock;
use crate::domain::{
    Ask, Caller, Channel, Details, Digest, Event, EventId, HistoryId, Principal, Request, Rights,
    Role, Status, Timestamp, Title, TopicPattern, Verdict,
};
use crate::hub::{Hub, Wants};
use crate::limits::Limits;
use crate::principals::Grant;
use crate::store::faulty::FaultyStore;
use crate::store::memory::MemoryStore;
use crate::store::{Feed, Health, SharedStore};

const LEASE: Duration = Duration::from_secs(20);
/// A lease that is about to end.
const NEARLY: Duration = Duration::from_secs(19);
const REST: Duration = Duration::from_secs(1);
/// What a withdrawal takes beyond the lease: the look, the pause, and the question.
const AT_MOST: Duration = Duration::from_secs(4);
const LONG: Duration = Duration::from_hours(1);

/// Where all nodes hear each other.
struct Hall {
    talk: broadcast::Sender<Bytes>,
}

/// A node's place in it, which can fail.
#[derive(Clone)]
struct Seat(Arc<Place>);

struct Place {
    talk: broadcast::Sender<Bytes>,
    /// What it hears is lost.
    is_deaf: AtomicBool,
    /// What it says is lost.
    is_mute: AtomicBool,
    /// 0 while it has none.
    connection: AtomicU64,
}

impl Seat {
    fn die(&self) {
        self.0.is_deaf.store(true, Ordering::SeqCst);
        self.0.is_mute.store(true, Ordering::SeqCst);
    }

    fn cut(&self) {
        self.die();
        self.0.connection.store(0, Ordering::SeqCst);
    }

    fn mend(&self) {
        self.0.is_deaf.store(false, Ordering::SeqCst);
        self.0.is_mute.store(false, Ordering::SeqCst);
        self.0.connection.store(2, Ordering::SeqCst);
    }
}

#[async_trait]
impl Line for Seat {
    async fn say(&self, message: Bytes) -> Result<(), Cut> {
        if self.connection().is_none() {
            return Err(Cut("a test cut it".to_owned()));
        }
        if !self.0.is_mute.load(Ordering::SeqCst) {
            self.0.talk.send(message).unwrap();
        }
        Ok(())
    }

    async fn listen(&self) -> Result<BoxStream<'static, Bytes>, Cut> {
        let (heard, place) = (self.0.talk.subscribe(), Arc::clone(&self.0));
        let heard = stream::unfold((heard, place), async |(mut heard, place)| {
            loop {
                let message = heard.recv().await.unwrap();
                if !place.is_deaf.load(Ordering::SeqCst) {
                    return Some((message, (heard, place)));
                }
            }
        });
        Ok(Box::pin(heard))
    }

    fn connection(&self) -> Option<u64> {
        let connection = self.0.connection.load(Ordering::SeqCst);
        (connection > 0).then_some(connection)
    }
}

/// The feed of a store that several nodes have open.
struct ToAll(Vec<Arc<Pump>>);

impl Feed for ToAll {
    fn deliver(&self, events: &[Event]) {
        for pump in &self.0 {
            pump.deliver(events);
        }
    }

    fn reached(&self, head: EventId) {
        for pump in &self.0 {
            pump.reached(head);
        }
    }
}

struct Node {
    approvals: Arc<Approvals>,
    store: Arc<FaultyStore>,
    seat: Seat,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// It is there no more, and could say nothing.
    fn die(&self) {
        self.seat.die();
        for task in &self.tasks {
            task.abort();
        }
    }

    fn access(&self, by: &str) -> Access {
        let caller = Caller {
            channel: Some(Channel::Api),
            ..Caller::named(by)
        };
        let rights = Rights {
            principal: caller.principal.clone(),
            is_known: true,
            roles: Role::ALL.to_vec(),
            topics: vec![TopicPattern::new(TopicPattern::ALL).unwrap()],
        };
        let grant = Grant::lasting(Arc::new(rights));
        Access::new(Arc::clone(&self.approvals), caller, grant)
    }

    /// The asker holds a poll here.
    fn poll(&self, id: RequestId) -> JoinHandle<()> {
        let asker = self.access("ci");
        tokio::spawn(async move {
            asker.wait(id, Wants::Final, LONG * 24).await.unwrap();
        })
    }

    async fn ask(&self, number: u16) -> RequestId {
        let ask = Ask {
            title: Title::new("Deploy?".to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::default(),
            expires_in: Some(limits::EXPIRY_MAX),
            match_code: None,
            command: None,
            need: None,
            from: Vec::new(),
            lease: Some(LEASE),
            use_within: limits::USE_WITHIN.1,
            digest: Digest::of(b""),
        };
        let id = RequestId::from_bytes(u128::from(number).to_be_bytes());
        let asked = self.approvals.ask(Caller::named("ci"), ask, None, || id);
        asked.await.unwrap();
        id
    }

    async fn stands(&self, id: RequestId) -> Status {
        self.approvals.read(id).await.unwrap().request.status
    }

    /// How many approvers of this request are connected, by this node.
    fn connected(&self, request: &Request) -> u64 {
        self.access("ci").approvers_connected(request)
    }
}

/// Nodes that have known each other for a while.
struct World {
    hall: Hall,
    nodes: Vec<Node>,
}

impl World {
    async fn of(count: u64) -> Self {
        let (talk, _) = broadcast::channel(4096);
        let roomy = Limits {
            waiters: 10_000,
            pending: 10_000,
            subscribers: 100,
            ..Limits::for_descriptors(0)
        };
        let mut pumps = Vec::new();
        for _ in 0..count {
            let metrics = Arc::new(Metrics::default());
            let pump = Pump::new(Arc::new(Hub::new(&roomy)), Arc::clone(&metrics));
            pumps.push((pump, metrics));
        }
        let all = pumps.iter().map(|(pump, _)| Arc::clone(pump)).collect();
        let memory = MemoryStore::new(HistoryId::from_random(14), Arc::new(ToAll(all)));
        let memory: SharedStore = Arc::new(memory);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000_000)));
        let mut nodes = Vec::new();
        for (number, (pump, metrics)) in (1..).zip(pumps) {
            let seat = Seat(Arc::new(Place {
                talk: talk.clone(),
                is_deaf: AtomicBool::new(false),
                is_mute: AtomicBool::new(false),
                connection: AtomicU64::new(1),
            }));
            let together = Together::new(seat.clone(), number, Arc::clone(&metrics));
            let setting = Setting {
                nodes: Arc::clone(&together) as Arc<dyn Nodes>,
                ..roomy.into()
            };
            let store = FaultyStore::new(Arc::clone(&memory));
            let shared = Arc::clone(&store) as SharedStore;
            let drain = CancellationToken::new();
            let time = Arc::clone(&clock) as Arc<_>;
            let begun = Approvals::begin(shared, pump, time, setting, drain.clone());
            let approvals = begun.await.unwrap();
            let talking = together.keep(Arc::clone(&approvals));
            let tasks = vec![
                tokio::spawn(talking),
                tokio::spawn(keep(Arc::clone(&approvals))),
            ];
            nodes.push(Node {
                approvals,
                store,
                seat,
                metrics,
                drain,
                tasks,
            });
        }
        sleep(limits::NODE_SILENCE * 2).await;
        Self {
            hall: Hall { talk },
            nodes,
        }
    }

    /// How often any node has tried to change anything.
    fn commits(&self) -> usize {
        self.nodes.iter().map(|node| node.store.commits()).sum()
    }

    async fn pending(&self) -> usize {
        self.nodes[0].approvals.pending().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_at_one_node_keeps_the_request_at_all() {
    let world = World::of(3).await;
    let [a, b, _] = &world.nodes[..] else {
        panic!()
    };
    let id = a.ask(1).await;
    let poll = b.poll(id);
    sleep(LEASE * 50).await;
    assert_eq!(a.stands(id).await, Status::Pending);
    assert_eq!(world.commits(), 1, "nothing was tried");
    let alice = Caller::named("alice");
    let decided = a
        .approvals
        .decide(id, &alice, Verdict::Approve, None, None, None);
    decided.await.unwrap();
    poll.await.unwrap();
    assert_eq!(a.approvals.leases().counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_asker_is_gone_it_is_withdrawn_a_lease_after_its_last_sign_of_life() {
    let world = World::of(3).await;
    let [a, b, c] = &world.nodes[..] else {
        panic!()
    };
    let id = a.ask(1).await;
    let poll = b.poll(id);
    sleep(LEASE * 3 + NEARLY / 2).await;
    poll.abort();
    sleep(NEARLY).await;
    assert_eq!(c.stands(id).await, Status::Pending);
    sleep(REST + AT_MOST).await;
    assert_eq!(c.stands(id).await, Status::Cancelled);
    let history = c.approvals.read(id).await.unwrap().request.history.clone();
    assert_eq!(history.len(), 2, "once");
    for node in &world.nodes {
        assert_eq!(node.approvals.leases().counts(), (0, 0));
    }
}

/// The lease of another node may have been lengthened for the last time right after it began.
#[tokio::test(start_paused = true)]
async fn an_asker_whose_node_dies_has_a_whole_lease_to_come_to_another_one() {
    // Whenever it dies, in the rhythm of the questions.
    for phase in 0..=20 {
        let world = World::of(3).await;
        let [a, b, c] = &world.nodes[..] else {
            panic!()
        };
        let id = a.ask(1).await;
        let poll = b.poll(id);
        sleep(LEASE * 2 + Duration::from_secs(phase)).await;
        b.die();
        poll.abort();
        sleep(NEARLY).await;
        assert_eq!(a.stands(id).await, Status::Pending, "{phase} s");
        let again = c.poll(id);
        sleep(LEASE * 3).await;
        assert_eq!(a.stands(id).await, Status::Pending, "{phase} s");
        again.abort();
        sleep(LEASE + AT_MOST).await;
        assert_eq!(a.stands(id).await, Status::Cancelled, "{phase} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_is_sent_away_by_a_node_that_winds_down_has_a_whole_lease_too() {
    for phase in 0..=20 {
        let world = World::of(2).await;
        let [a, b] = &world.nodes[..] else { panic!() };
        let id = a.ask(1).await;
        let poll = b.poll(id);
        sleep(LEASE * 2 + Duration::from_secs(phase)).await;
        b.drain.cancel();
        poll.await.unwrap();
        sleep(NEARLY).await;
        assert_eq!(a.stands(id).await, Status::Pending, "{phase} s");
        sleep(REST + AT_MOST).await;
        assert_eq!(
            a.stands(id).await,
            Status::Cancelled,
            "{phase} s, without its silence"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_ask_or_hear_withdraws_nothing() {
    type Break = fn(&Seat);
    let cut: Break = Seat::cut;
    let deaf: Break = |seat| seat.0.is_deaf.store(true, Ordering::SeqCst);
    let mute: Break = |seat| seat.0.is_mute.store(true, Ordering::SeqCst);
    for (what, broken) in [("cut", cut), ("deaf", deaf), ("mute", mute)] {
        let world = World::of(2).await;
        let [a, b] = &world.nodes[..] else { panic!() };
        let id = a.ask(1).await;
        let poll = b.poll(id);
        broken(&a.seat);
        sleep(LONG).await;
        assert_eq!(a.stands(id).await, Status::Pending, "{what}");
        assert_eq!(world.commits(), 1, "{what}");
        a.seat.mend();
        sleep(LEASE * 3).await;
        assert_eq!(a.stands(id).await, Status::Pending, "{what}");
        poll.abort();
        sleep(LEASE + AT_MOST).await;
        assert_eq!(a.stands(id).await, Status::Cancelled, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_another_node_may_have_kept_askers_out_nothing_is_withdrawn() {
    let world = World::of(2).await;
    let [a, b] = &world.nodes[..] else { panic!() };
    let id = a.ask(1).await;
    b.store.tell_health(Health::Failing("full".to_owned()));
    sleep(LONG).await;
    assert_eq!(a.stands(id).await, Status::Pending);
    b.store.tell_health(Health::Ready);
    sleep(NEARLY).await;
    assert_eq!(a.stands(id).await, Status::Pending);
    b.approvals.leases().kept_out().note();
    sleep(NEARLY).await;
    assert_eq!(a.stands(id).await, Status::Pending);
    sleep(LEASE + AT_MOST).await;
    assert_eq!(a.stands(id).await, Status::Cancelled);
}

/// A node whose questions are never sure must not keep the others from ending anything.
#[tokio::test(start_paused = true)]
async fn the_doubt_of_one_node_is_not_that_of_the_others() {
    let world = World::of(3).await;
    let [a, _, c] = &world.nodes[..] else {
        panic!()
    };
    let id = c.ask(1).await;
    a.seat.0.is_deaf.store(true, Ordering::SeqCst);
    sleep(LEASE * 2).await;
    // It hears no questions, so it does not answer them either, and has to be gone first.
    a.seat.0.is_mute.store(true, Ordering::SeqCst);
    sleep(limits::NODE_SILENCE * 2 + LEASE + AT_MOST).await;
    assert_eq!(c.stands(id).await, Status::Cancelled);
}

/// The question was answered, and then the asker came: to another node than the one that asks.
#[tokio::test(start_paused = true)]
async fn an_asker_that_comes_during_the_question_is_heard_of() {
    let world = World::of(2).await;
    let [a, b] = &world.nodes[..] else { panic!() };
    let id = a.ask(1).await;
    // Both have asked by then, and wait for answers that may still come.
    sleep(LEASE + limits::LEASE_QUESTION_JITTER + Duration::from_millis(100)).await;
    b.access("ci").read(id).await.unwrap();
    sleep(NEARLY).await;
    assert_eq!(a.stands(id).await, Status::Pending);
    assert_eq!(world.commits(), 1, "nothing was tried");
    sleep(REST + AT_MOST).await;
    assert_eq!(a.stands(id).await, Status::Cancelled);
}

/// What another node keeps for less time than the question takes is asked for once more.
#[tokio::test(start_paused = true)]
async fn a_lease_that_another_node_keeps_for_a_moment_is_not_ended_by_that_question() {
    let world = World::of(2).await;
    let [a, b] = &world.nodes[..] else { panic!() };
    let id = a.ask(1).await;
    let moment = Duration::from_millis(800);
    sleep(moment).await;
    b.access("ci").read(id).await.unwrap();
    // The question of A has ended by then, that of B has not.
    sleep(LEASE + limits::LEASE_QUESTION * 9 / 10).await;
    assert_eq!(world.commits(), 1, "nothing was tried");
    sleep(AT_MOST).await;
    assert_eq!(a.stands(id).await, Status::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn thousands_are_asked_for_together_and_few_questions_are_asked() {
    let world = World::of(3).await;
    let [a, b, _] = &world.nodes[..] else {
        panic!()
    };
    let most = u16::try_from(limits::LEASES_TOGETHER * 2 + 7).unwrap();
    let mut polls = Vec::new();
    for number in 0..most {
        let id = a.ask(number).await;
        polls.push(b.poll(id));
    }
    let mut overheard = world.hall.talk.subscribe();
    let mut questions = 0;
    let mut note = |message: &Bytes| {
        let message = Message::read(message).unwrap();
        questions += usize::from(matches!(message.tells, Tells::Asks { .. }));
    };
    for _ in 0..10 {
        sleep(LEASE).await;
        while let Ok(message) = overheard.try_recv() {
            note(&message);
        }
    }
    assert_eq!(world.pending().await, usize::from(most));
    // Three parts in each of nine or ten leases, since nobody asks what another one has just been
    // answered; now and then two ask at the same moment.
    assert!((27..=36).contains(&questions), "{questions}");
    for poll in polls {
        poll.abort();
    }
    sleep(LEASE + AT_MOST).await;
    assert_eq!(world.pending().await, 0);
}

#[tokio::test(start_paused = true)]
async fn odd_messages_are_counted_and_change_nothing() {
    let world = World::of(2).await;
    let [a, b] = &world.nodes[..] else { panic!() };
    let id = a.ask(1).await;
    let poll = b.poll(id);
    for odd in [
        "",
        "[]",
        r#"{"from":9}"#,
        r#"{"from":9,"tells":{"here":7}}"#,
    ] {
        world
            .hall
            .talk
            .send(Bytes::from_static(odd.as_bytes()))
            .unwrap();
    }
    // An answer that nobody has asked for, in the name of a node that is there and of this one.
    for from in [1, 2] {
        let answer = Message {
            from: NodeId(from),
            tells: Tells::answer((NodeId(1), 1, 0), true, &[]),
        };
        world.hall.talk.send(answer.written()).unwrap();
    }
    sleep(LEASE * 3).await;
    assert_eq!(a.metrics.nodes().odd.get(), 4);
    assert_eq!(a.metrics.nodes().others.get(), 1);
    assert_eq!(a.stands(id).await, Status::Pending);
    drop(poll);
}

#[tokio::test(start_paused = true)]
async fn streams_at_all_nodes_are_counted_where_a_name_stands_for_everybody() {
    let world = World::of(3).await;
    let [a, b, c] = &world.nodes[..] else {
        panic!()
    };
    let id = a.ask(1).await;
    let request = a.approvals.read(id).await.unwrap().request;
    let local = || {
        let caller = Caller::named(Principal::LOCAL);
        let grant = Grant::lasting(Arc::new(Rights::local()));
        (caller, grant)
    };
    let listen = async |node: &Node| {
        let (caller, grant) = local();
        let access = Access::new(Arc::clone(&node.approvals), caller, grant);
        access.listen(None, Vec::new()).await.unwrap()
    };
    let soon = limits::NODE_NEWS * 3;
    let at_a = listen(a).await;
    let at_b = listen(b).await;
    sleep(soon).await;
    let second = listen(b).await;
    sleep(soon).await;
    for node in &world.nodes {
        assert_eq!(node.connected(&request), 3);
    }
    drop((at_a, second));
    sleep(soon).await;
    assert_eq!(c.connected(&request), 1);
    b.die();
    sleep(limits::NODE_SILENCE + limits::NODE_PRESENCE).await;
    assert_eq!(c.connected(&request), 0);
    drop(at_b);
}

/// What is there before a node comes is told to it at once, and not by the next turn.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_late_is_told_who_listens() {
    let world = World::of(2).await;
    let [a, b] = &world.nodes[..] else { panic!() };
    let id = a.ask(1).await;
    let request = a.approvals.read(id).await.unwrap().request;
    let caller = Caller::named(Principal::LOCAL);
    let grant = Grant::lasting(Arc::new(Rights::local()));
    let access = Access::new(Arc::clone(&b.approvals), caller, grant);
    // So that they do not take their turns at the same moment.
    sleep(limits::NODE_PRESENCE / 2).await;
    let _listens = access.listen(None, Vec::new()).await.unwrap();
    a.seat.die();
    sleep(limits::NODE_SILENCE * 2 + limits::NODE_PRESENCE / 4).await;
    assert_eq!(a.connected(&request), 0);
    let mut overheard = world.hall.talk.subscribe();
    a.seat.mend();
    // From the first that is heard of it, the other one answers within the pause between two.
    loop {
        let message = overheard.recv().await.unwrap();
        if Message::read(&message).unwrap().from == NodeId(1) {
            break;
        }
    }
    sleep(limits::NODE_NEWS * 2).await;
    assert_eq!(a.connected(&request), 1);
}
