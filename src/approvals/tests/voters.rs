//! Votes while it is asked who of those that have voted still may.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tokio::sync::Barrier;

use super::*;
use crate::domain::{Rights, Role, TopicPattern};
use crate::principals::{People, Registry, Token, Users};

/// A user database in which everybody may approve, and that may be silent.
struct Database {
    is_silent: AtomicBool,
    /// It answers only when this many have asked.
    together: Barrier,
    /// The time that an answer takes.
    takes: Duration,
    clock: OnceLock<Arc<ManualClock>>,
}

#[async_trait]
impl Users for Database {
    async fn rights(&self, account: &str) -> io::Result<Rights> {
        if self.is_silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.together.wait().await;
        self.clock.get().unwrap().advance(self.takes);
        Ok(approver(&format!("unix:{account}")))
    }

    fn have_approvers(&self) -> bool {
        true
    }
}

fn approver(name: &str) -> Rights {
    Rights {
        principal: Principal::new(name),
        is_known: true,
        roles: vec![Role::Approver],
        topics: vec![TopicPattern::new(TopicPattern::ALL).unwrap()],
    }
}

fn database(together: usize, takes: Duration) -> Arc<Database> {
    Arc::new(Database {
        is_silent: AtomicBool::new(false),
        together: Barrier::new(together),
        takes,
        clock: OnceLock::new(),
    })
}

impl World {
    async fn with_users(
        users: &Arc<Database>,
        tokens: Option<Arc<Registry>>,
        policy: crate::domain::Policy,
    ) -> Self {
        let database = Arc::clone(users) as Arc<dyn Users>;
        let setting = Setting {
            people: People::new(tokens, Some(database)),
            ..Setting::from(Limits::for_descriptors(0))
        };
        setting.policy.replace(policy);
        let world = Self::with(setting).await;
        users.clock.get_or_init(|| Arc::clone(&world.clock));
        world
    }

    async fn ask_many(&self, need: u32) -> RequestId {
        let ask = Ask {
            need: Some(need),
            ..ask("deploy", Topic::DEFAULT)
        };
        let asked = self.approvals.ask(ci(), ask, None, || self.next_id());
        asked.await.unwrap().event.request.id
    }

    async fn votes(&self, id: RequestId, by: &str, verdict: Verdict) -> Result<Status, Error> {
        let (by, ballot) = (Caller::named(by), ballot(verdict));
        let vote = self.approvals.vote(id, &by, &ballot, |_| Ok(true));
        Ok(vote.await?.request.status)
    }
}

fn ballot(verdict: Verdict) -> Ballot {
    Ballot {
        verdict,
        reason: None,
        shown: None,
        code: None,
    }
}

/// A rule for everything that takes two to deny.
fn two_deny() -> crate::domain::Policy {
    use crate::domain::{Conditions, Demands, Policy, Rule};
    let demands = Demands {
        denials: Some(2),
        ..Demands::default()
    };
    let rule = Rule {
        name: "two".to_owned(),
        when: Conditions::default(),
        demands,
    };
    Policy {
        rules: vec![rule],
        ..Policy::default()
    }
}

/// A denial asked the user database about everybody who had voted, and was refused with them.
#[tokio::test(start_paused = true)]
async fn a_silent_user_database_hinders_a_yes_and_no_no() {
    let users = database(1, Duration::ZERO);
    users.is_silent.store(true, Ordering::SeqCst);
    let world = World::with_users(&users, None, crate::domain::Policy::default()).await;
    let id = world.ask_many(2).await;
    let first = world.votes(id, "unix:ana", Verdict::Approve).await;
    assert_eq!(first, Ok(Status::Pending));
    let refused = world.votes(id, "unix:bo", Verdict::Approve).await;
    assert!(
        matches!(refused, Err(Error::AccountsSilent(_))),
        "{refused:?}"
    );
    let denied = world.votes(id, "unix:bo", Verdict::Deny).now_or_never();
    assert_eq!(denied, Some(Ok(Status::Denied)), "nobody was asked about");
}

#[tokio::test(start_paused = true)]
async fn a_no_that_takes_two_counts_those_who_cannot_be_looked_up() {
    let users = database(1, Duration::ZERO);
    users.is_silent.store(true, Ordering::SeqCst);
    let world = World::with_users(&users, None, two_deny()).await;
    let id = world.ask_many(2).await;
    let first = world.votes(id, "unix:ana", Verdict::Deny).await;
    assert_eq!(first, Ok(Status::Pending));
    let second = world.votes(id, "unix:bo", Verdict::Deny).await;
    assert_eq!(second, Ok(Status::Denied));
}

/// One after the other, each with its own time to answer, held up a vote for minutes.
#[tokio::test(start_paused = true)]
async fn all_who_have_voted_are_looked_up_at_the_same_time() {
    // It answers nobody before three have asked.
    let users = database(3, Duration::ZERO);
    let world = World::with_users(&users, None, crate::domain::Policy::default()).await;
    let id = world.ask_many(4).await;
    let event = world.approvals.read(id).await.unwrap();
    let approve = |by: &str| Decision {
        verdict: Verdict::Approve,
        approver: Caller::named(by),
        reason: None,
        at: T0,
    };
    let voted = Request {
        decisions: ["unix:ana", "unix:bo", "unix:cy"].map(approve).to_vec(),
        ..(*event.request).clone()
    };
    let written = world.store.commit(Some(event.id), voted).await.unwrap();
    assert!(matches!(written, Commit::Done(_)));
    let fourth = world.votes(id, "unix:di", Verdict::Approve).await;
    assert_eq!(fourth, Ok(Status::Approved));
}

/// The caller's own rights were looked at before those who had voted were, which can take seconds.
#[tokio::test(start_paused = true)]
async fn a_token_that_ends_while_others_are_looked_up_votes_no_more() {
    let users = database(1, LIFE / 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = Token::random().unwrap();
    let hash = token.hash();
    let expires = jiff::Timestamp::from_millisecond(T0.after(LIFE / 4).as_millis()).unwrap();
    let entry = format!(
        "[alice]\nroles = [\"approver\"]\ntopics = [\"*\"]\ntoken = \"{hash}\"\nexpires = {expires}\n"
    );
    std::fs::write(&path, entry).unwrap();
    let (registry, _watched) = Registry::open(&path).unwrap();
    let tokens = Some(Arc::clone(&registry));
    let world = World::with_users(&users, tokens, crate::domain::Policy::default()).await;
    let id = world.ask_many(2).await;
    let first = world.votes(id, "unix:ana", Verdict::Approve).await;
    assert_eq!(first, Ok(Status::Pending));
    let grant = registry.find(&token, T0).unwrap();
    let access = Access::new(Arc::clone(&world.approvals), Caller::named("alice"), grant);
    let refused = access.decide(id, ballot(Verdict::Approve)).await;
    assert_eq!(refused, Err(Error::RightsEnded));
    let request = world.approvals.read(id).await.unwrap().request;
    assert_eq!(request.decisions.len(), 1);
}
