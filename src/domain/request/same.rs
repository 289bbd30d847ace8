//! How an ask differs from an earlier one under the same key: for the message, since what counts
//! is the digest.

use super::{Ask, Request, Status};
use crate::domain::command::Command;

impl Request {
    /// The members of `ask` that are certainly other than those of this request, by their names in
    /// the API and without their values. What the daemon's policy has a say in (`need`, `from`), and
    /// defaults that only one of them names, cannot be told from what is kept, so the list may be
    /// empty for two that differ.
    pub fn differs_in(&self, ask: &Ask) -> Vec<&'static str> {
        let is_open = self.status == Status::Pending;
        let mut members = vec![
            ("title", self.title != ask.title),
            ("details", self.details != ask.details),
            ("fields", self.fields != ask.fields),
            ("topic", self.topic != ask.topic),
            (
                "expires_in_secs",
                ask.expires_in
                    .is_some_and(|life| self.expires_at != self.created_at.after(life)),
            ),
            // It is forgotten once the request is final.
            ("match_code", is_open && self.match_code != ask.match_code),
        ];
        match (&self.command, &ask.command) {
            (Some(kept), Some(sent)) => members.extend(parts(kept, sent)),
            (kept, sent) => members.push(("command", kept != sent)),
        }
        let differing = members.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(name, _)| name).collect()
    }
}

fn parts(kept: &Command, sent: &Command) -> [(&'static str, bool); 8] {
    [
        ("command.argv", kept.argv != sent.argv),
        ("command.program", kept.program != sent.program),
        ("command.directory", kept.directory != sent.directory),
        ("command.user", kept.user != sent.user),
        ("command.host", kept.host != sent.host),
        ("command.environment", kept.environment != sent.environment),
        ("command.stdin", kept.stdin != sent.stdin),
        ("command.files", kept.files != sent.files),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Caller, Details, Digest, RequestId, Timestamp, Title, Topic};

    fn ask() -> Ask {
        let command = Command {
            argv: vec!["make".to_owned()],
            program: "/usr/bin/make".to_owned(),
            directory: "/srv".to_owned(),
            user: "ci".to_owned(),
            host: "runner-1".to_owned(),
            environment: Vec::new(),
            stdin: None,
            files: Vec::new(),
        };
        Ask {
            title: Title::new("Deploy?".to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: Topic::default(),
            expires_in: Some(Duration::from_mins(1)),
            match_code: Some("004207".parse().unwrap()),
            command: Some(command),
            need: None,
            from: Vec::new(),
            lease: None,
            use_within: Duration::from_mins(1),
            digest: Digest::of(b""),
        }
    }

    #[test]
    fn what_differs_is_named_by_the_members_of_the_api() {
        let (id, now) = (RequestId::from_bytes([1; 16]), Timestamp::from_millis(1));
        let kept = Request::asked(id, ask(), Caller::named("ci"), now);
        assert_eq!(kept.differs_in(&ask()), [""; 0]);
        let mut other = ask();
        other.title = Title::new("Destroy?".to_owned()).unwrap();
        other.expires_in = Some(Duration::from_mins(2));
        other.match_code = None;
        if let Some(command) = &mut other.command {
            command.host = "runner-2".to_owned();
            command.directory = "/tmp".to_owned();
        }
        assert_eq!(
            kept.differs_in(&other),
            [
                "title",
                "expires_in_secs",
                "match_code",
                "command.directory",
                "command.host"
            ]
        );
        other = ask();
        (other.command, other.match_code) = (None, None);
        let settled = kept.cancelled(&Caller::named("ci"), now);
        let Ok(crate::domain::Transition::Commit(settled)) = settled else {
            panic!("it was pending");
        };
        assert_eq!(settled.differs_in(&other), ["command"]);
    }
}
