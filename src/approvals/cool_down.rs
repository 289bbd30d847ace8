//! What was denied a short while ago, so that the same is not asked again at once.
//!
//! It is remembered in memory alone, and so forgotten when the daemon ends: it spares people, and
//! protects nothing. Two asks are the same when an approver would see the same, so a new match
//! code or another expiry makes no other ask.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::domain::{
    Command, Details, Digest, Field, Principal, Request, Status, Timestamp, Title, Topic,
};
use crate::limits;

/// What was denied, for the time that it counts.
#[derive(Debug, Default)]
pub(super) struct CoolDown {
    /// Not set: nothing is remembered.
    time: OnceLock<Duration>,
    // A std mutex: it is held for a look into the map, never over an await.
    denied: Mutex<Denied>,
}

#[derive(Debug, Default)]
struct Denied {
    until: HashMap<Digest, Timestamp>,
    /// In the order of the denials. What was denied again is in it twice, and its older place
    /// means nothing.
    order: VecDeque<(Digest, Timestamp)>,
}

impl CoolDown {
    /// Denials count for so long from now on; the first call holds.
    pub(super) fn begin(&self, time: Option<Duration>) {
        if let Some(time) = time {
            self.time.get_or_init(|| time);
        }
    }

    /// Remembers a request that was denied; others are nothing to it.
    pub(super) fn note(&self, request: &Request) {
        let Some(time) = self.time.get() else { return };
        let Some(at) = request
            .settled_at
            .filter(|_| request.status == Status::Denied)
        else {
            return;
        };
        let digest = digest(
            &request.requester.principal,
            (
                &request.topic,
                &request.title,
                &request.details,
                &request.fields,
                request.command.as_ref(),
            ),
        );
        self.denied().insert(digest, at.after(*time));
    }

    /// How long the same must not be asked by the same principal, if it must not.
    pub(super) fn left(
        &self,
        by: &Principal,
        ask: &crate::domain::Ask,
        now: Timestamp,
    ) -> Option<Duration> {
        self.time.get()?;
        let command = ask.command.as_ref();
        let seen = (&ask.topic, &ask.title, &ask.details, &*ask.fields, command);
        let digest = digest(by, seen);
        let until = *self.denied().until.get(&digest)?;
        (until > now).then(|| until.since(now))
    }

    fn denied(&self) -> std::sync::MutexGuard<'_, Denied> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denied {
    fn insert(&mut self, digest: Digest, until: Timestamp) {
        self.until.insert(digest, until);
        self.order.push_back((digest, until));
        // Those whose time is over are the first to be too many: all have the same time.
        while self.order.len() > limits::COOL_DOWNS {
            if let Some((oldest, until)) = self.order.pop_front()
                && self.until.get(&oldest) == Some(&until)
            {
                self.until.remove(&oldest);
            }
        }
    }
}

/// What an approver sees of an ask, and who asks.
type Seen<'a> = (
    &'a Topic,
    &'a Title,
    &'a Details,
    &'a [Field],
    Option<&'a Command>,
);

fn digest(by: &Principal, seen: Seen<'_>) -> Digest {
    // As JSON, so that no text can be read as the end of one and the beginning of the next.
    let bytes = serde_json::to_vec(&(by, seen));
    Digest::of(&bytes.expect("they are made of text and lists"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Ask, Caller, Decision, RequestId, Verdict};

    const T0: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn ask(title: &str) -> Ask {
        Ask {
            title: Title::new(title.to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::default(),
            expires_in: Some(limits::EXPIRY_MIN),
            match_code: None,
            command: None,
            need: None,
            from: Vec::new(),
            lease: None,
            use_within: limits::USE_WITHIN.1,
            digest: Digest::of(b""),
        }
    }

    fn denied(title: &str) -> Request {
        let id = RequestId::from_bytes([1; 16]);
        let request = Request::asked(id, ask(title), Caller::named("ci"), T0);
        let decision = Decision {
            verdict: Verdict::Deny,
            approver: Caller::named("alice"),
            reason: None,
            at: T0,
        };
        Request {
            status: Status::Denied,
            settled_at: Some(T0),
            decisions: vec![decision],
            ..request
        }
    }

    #[test]
    fn the_same_ask_cools_down_for_its_requester_alone_and_for_its_time() {
        let cool_down = CoolDown::default();
        let (ci, minute) = (Principal::new("ci"), Duration::from_mins(1));
        cool_down.note(&denied("a"));
        assert_eq!(cool_down.left(&ci, &ask("a"), T0), None, "it is off");
        cool_down.begin(Some(minute));
        cool_down.note(&denied("a"));
        assert_eq!(cool_down.left(&ci, &ask("a"), T0), Some(minute));
        let again = Ask {
            match_code: Some("004207".parse().unwrap()),
            expires_in: Some(limits::EXPIRY_MAX),
            ..ask("a")
        };
        assert_eq!(cool_down.left(&ci, &again, T0), Some(minute));
        assert_eq!(cool_down.left(&ci, &ask("b"), T0), None);
        assert_eq!(cool_down.left(&Principal::new("eve"), &ask("a"), T0), None);
        assert_eq!(cool_down.left(&ci, &ask("a"), T0.after(minute)), None);
    }

    fn begun() -> CoolDown {
        let cool_down = CoolDown::default();
        cool_down.begin(Some(Duration::from_mins(1)));
        cool_down
    }

    #[test]
    fn what_an_approver_would_see_as_another_question_is_another_ask() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        cool_down.note(&denied("a"));
        let field = |name: &str, value: &str| {
            Field::new(name.to_owned(), value.to_owned()).expect("it is short")
        };
        let with = |fields: &[Field]| Ask {
            fields: fields.to_vec(),
            ..ask("a")
        };
        let topic = Topic::new("other".to_owned()).unwrap();
        let details = Details::new("more".to_owned()).unwrap();
        for other in [
            Ask { topic, ..ask("a") },
            Ask {
                details,
                ..ask("a")
            },
            with(&[field("n", "v")]),
        ] {
            assert_eq!(cool_down.left(&ci, &other, T0), None, "{other:?}");
        }
        let (one, two) = (field("a", "1"), field("b", "2"));
        cool_down.note(&Request {
            fields: vec![one.clone(), two.clone()],
            ..denied("a")
        });
        let both = with(&[one.clone(), two.clone()]);
        assert!(cool_down.left(&ci, &both, T0).is_some());
        for other in [&[two, one][..], &[field("a", "1"), field("b", "3")]] {
            assert_eq!(cool_down.left(&ci, &with(other), T0), None, "{other:?}");
        }
    }

    /// `requester -- make test` was refused for a minute after a no to `requester -- make deploy`
    /// under the same title.
    #[test]
    fn another_command_is_another_ask() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        let make = |target: &str| {
            Some(Command {
                argv: vec!["make".to_owned(), target.to_owned()],
                program: "/usr/bin/make".to_owned(),
                directory: "/srv".to_owned(),
                user: "ci".to_owned(),
                host: "build".to_owned(),
                environment: Vec::new(),
                stdin: None,
                files: Vec::new(),
            })
        };
        cool_down.note(&Request {
            command: make("deploy"),
            ..denied("a")
        });
        let left = |command: Option<Command>| {
            let ask = Ask {
                command,
                ..ask("a")
            };
            cool_down.left(&ci, &ask, T0)
        };
        assert!(left(make("deploy")).is_some());
        assert_eq!(left(make("test")), None);
        assert_eq!(left(None), None);
    }

    #[test]
    fn nothing_but_a_denial_cools_down() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        for status in [
            Status::Pending,
            Status::Approved,
            Status::Expired,
            Status::Cancelled,
        ] {
            cool_down.note(&Request {
                status,
                ..denied("a")
            });
            assert_eq!(cool_down.left(&ci, &ask("a"), T0), None, "{status:?}");
        }
    }

    #[test]
    fn the_time_runs_from_the_denial() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        let second = Duration::from_secs(1);
        let settled_at = T0.after(30 * second);
        cool_down.note(&Request {
            settled_at: Some(settled_at),
            ..denied("a")
        });
        let left = |at| cool_down.left(&ci, &ask("a"), at);
        assert_eq!(left(settled_at.after(second)), Some(59 * second));
        assert_eq!(left(settled_at.after(60 * second)), None);
    }

    #[test]
    fn no_more_is_remembered_than_its_limit_and_the_oldest_is_forgotten() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        for n in 0..limits::COOL_DOWNS + 10 {
            cool_down.note(&denied(&n.to_string()));
        }
        let is_remembered = |n: usize| cool_down.left(&ci, &ask(&n.to_string()), T0).is_some();
        assert!(!is_remembered(0) && !is_remembered(9));
        assert!(is_remembered(10) && is_remembered(limits::COOL_DOWNS + 9));
        let remembered = cool_down.denied();
        assert_eq!(remembered.until.len(), limits::COOL_DOWNS);
        assert_eq!(remembered.order.len(), limits::COOL_DOWNS);
    }

    #[test]
    fn what_was_denied_again_is_as_young_as_its_last_denial() {
        let (cool_down, ci) = (begun(), Principal::new("ci"));
        let second = Duration::from_secs(1);
        let again = Request {
            settled_at: Some(T0.after(second)),
            ..denied("a")
        };
        cool_down.note(&denied("a"));
        cool_down.note(&again);
        let left = || cool_down.left(&ci, &ask("a"), T0);
        assert_eq!(left(), Some(61 * second));
        for n in 1..limits::COOL_DOWNS {
            cool_down.note(&denied(&n.to_string()));
        }
        assert_eq!(left(), Some(61 * second), "its older place is gone");
        cool_down.note(&denied("0"));
        assert_eq!(left(), None);
    }
}
