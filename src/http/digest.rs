//! What tells a repeated ask from another one under the same key.

use serde::Serialize;

use crate::domain::Digest;
use crate::wire::{AskBody, BoundFile, Command, Content, Field, Variable};

/// About how many bytes the members have beside the details.
const MEMBERS_BYTES: usize = 1024;

/// The digest of the members as sent, in an order that does not depend on the sender's.
///
/// Of a match code it says only that there is one: the digest stays when the code is forgotten, and
/// a million codes are tried in no time. Of a lease it says nothing: it is about who waits and not
/// about what is asked, and one who waits may join one who has left. Nor of the time in which an
/// approval may be used: the first ask's holds, and a client that wants it shorter keeps to that
/// itself.
pub(super) fn of(body: &AskBody) -> Digest {
    Digest::of(&members(body))
}

/// Stores keep digests of these bytes, so an ask has the same ones in each version of the daemon.
fn members(body: &AskBody) -> Vec<u8> {
    let details = body.details.as_ref().map_or(0, String::len);
    let mut bytes = Vec::with_capacity(MEMBERS_BYTES + details);
    serde_json::to_writer(&mut bytes, &Members::from(body))
        .expect("an ask is made of text, lists and whole numbers");
    bytes
}

/// The members of an ask in the order of their names, as those of all objects in it are.
#[derive(Serialize)]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Run<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_secs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [Field]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_code: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<u64>,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
}

#[derive(Serialize)]
struct Run<'a> {
    argv: &'a [String],
    directory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a [Variable]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<File<'a>>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<Input<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    bytes: u64,
    path: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Input<'a> {
    bytes: u64,
    sha256: &'a str,
}

impl<'a> From<&'a AskBody> for Members<'a> {
    fn from(body: &'a AskBody) -> Self {
        // No member is left out by being added to an ask: it has to be looked at here.
        let AskBody {
            title,
            details,
            fields,
            topic,
            expires_in_secs,
            match_code,
            command,
            need,
            from,
            lease_secs: _,
            use_within_secs: _,
        } = body;
        Self {
            command: command.as_ref().map(Run::from),
            details: details.as_deref(),
            expires_in_secs: *expires_in_secs,
            fields: fields.as_deref(),
            from: from.as_deref(),
            match_code: match_code.as_ref().map(|_| true),
            need: *need,
            title,
            topic: topic.as_deref(),
        }
    }
}

impl<'a> From<&'a Command> for Run<'a> {
    fn from(command: &'a Command) -> Self {
        let Command {
            argv,
            program,
            directory,
            user,
            host,
            environment,
            stdin,
            files,
        } = command;
        let files = files.as_ref();
        Self {
            argv,
            directory,
            environment: environment.as_deref(),
            files: files.map(|files| files.iter().map(File::from).collect()),
            host,
            program,
            stdin: stdin.as_ref().map(Input::from),
            user,
        }
    }
}

impl<'a> From<&'a BoundFile> for File<'a> {
    fn from(file: &'a BoundFile) -> Self {
        let BoundFile {
            path,
            sha256,
            bytes,
        } = file;
        Self {
            bytes: *bytes,
            path,
            sha256,
        }
    }
}

impl<'a> From<&'a Content> for Input<'a> {
    fn from(content: &'a Content) -> Self {
        let Content { sha256, bytes } = content;
        Self {
            bytes: *bytes,
            sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::option::of as maybe;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The bytes as version 1 has made them: from a tree of all members.
    fn by_tree(body: &AskBody) -> Vec<u8> {
        let mut members = serde_json::to_value(body).unwrap();
        if let Some(code) = members.get_mut("match_code") {
            *code = true.into();
        }
        let object = members.as_object_mut().unwrap();
        object.remove("lease_secs");
        object.remove("use_within_secs");
        sorted(&members).into_bytes()
    }

    /// Sorted here, so that it does not depend on how the library keeps members.
    fn sorted(value: &Value) -> String {
        match value {
            Value::Array(list) => {
                let list: Vec<_> = list.iter().map(sorted).collect();
                format!("[{}]", list.join(","))
            }
            Value::Object(members) => {
                let members: BTreeMap<_, _> = members.iter().collect();
                let member = |(name, value): (&String, &Value)| {
                    format!("{}:{}", Value::from(name.as_str()), sorted(value))
                };
                let members: Vec<_> = members.into_iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        }
    }

    fn field() -> impl Strategy<Value = Field> {
        (".*", ".*").prop_map(|(name, value)| Field { name, value })
    }

    fn command() -> impl Strategy<Value = Command> {
        let variable = (".*", ".*").prop_map(|(name, value)| Variable { name, value });
        let content = (".*", any::<u64>()).prop_map(|(sha256, bytes)| Content { sha256, bytes });
        let file = (".*", ".*", any::<u64>()).prop_map(|(path, sha256, bytes)| BoundFile {
            path,
            sha256,
            bytes,
        });
        let texts = (vec(".*", 0..3), ".*", ".*", "[a-z]?", "[a-z]?");
        let lists = (
            maybe(vec(variable, 0..3)),
            maybe(content),
            maybe(vec(file, 0..3)),
        );
        (texts, lists).prop_map(|(texts, (environment, stdin, files))| {
            let (argv, program, directory, user, host) = texts;
            Command {
                argv,
                program,
                directory,
                user,
                host,
                environment,
                stdin,
                files,
            }
        })
    }

    fn ask() -> impl Strategy<Value = AskBody> {
        let texts = (".*", maybe(".*"), maybe(vec(field(), 0..3)), maybe(".*"));
        let numbers = [(); 4].map(|()| maybe(any::<u64>()));
        let code = maybe("[0-9]{6}".prop_map(|code| code.parse().unwrap()));
        let others = (code, maybe(command()), maybe(vec(".*", 0..3)));
        (texts, numbers, others).prop_map(|(texts, numbers, (match_code, command, from))| {
            let (title, details, fields, topic) = texts;
            let [expires_in_secs, need, lease_secs, use_within_secs] = numbers;
            AskBody {
                title,
                details,
                fields,
                topic,
                expires_in_secs,
                match_code,
                command,
                need,
                from,
                lease_secs,
                use_within_secs,
            }
        })
    }

    proptest! {
        /// A daemon that is upgraded has to know an ask again that the one before it has taken.
        #[test]
        fn an_ask_has_the_digest_that_it_always_had(ask in ask()) {
            let (now, then) = (members(&ask), by_tree(&ask));
            prop_assert_eq!(String::from_utf8(now), String::from_utf8(then));
            prop_assert_eq!(of(&ask), Digest::of(&by_tree(&ask)));
        }
    }

    #[test]
    fn the_digest_is_of_the_members_by_name() {
        let ask: AskBody = serde_json::from_str(
            r#"{
                "title": "Deploy?", "details": "\u00fc\n", "fields": [{"name": "a", "value": "b"}],
                "topic": "deploy", "expires_in_secs": 60, "match_code": "123456",
                "command": {
                    "argv": ["ls"], "program": "/bin/ls", "directory": "/", "user": "me",
                    "environment": [{"name": "A", "value": "b"}],
                    "stdin": {"sha256": "00", "bytes": 1},
                    "files": [{"path": "/f", "sha256": "11", "bytes": 2}]
                },
                "need": 2, "from": ["@sre"], "lease_secs": 60, "use_within_secs": 60
            }"#,
        )
        .unwrap();
        let expected = concat!(
            r#"{"command":{"argv":["ls"],"directory":"/","environment":[{"name":"A","value":"b"}],"#,
            r#""files":[{"bytes":2,"path":"/f","sha256":"11"}],"program":"/bin/ls","#,
            r#""stdin":{"bytes":1,"sha256":"00"},"user":"me"},"details":"ü\n","#,
            r#""expires_in_secs":60,"fields":[{"name":"a","value":"b"}],"from":["@sre"],"#,
            r#""match_code":true,"need":2,"title":"Deploy?","topic":"deploy"}"#,
        );
        assert_eq!(String::from_utf8(members(&ask)).unwrap(), expected);
        assert_eq!(members(&ask), by_tree(&ask));
    }

    fn with_code(match_code: Option<&str>) -> Digest {
        digest_of(AskBody {
            match_code: match_code.map(|code| code.parse().unwrap()),
            ..AskBody::default()
        })
    }

    fn digest_of(body: AskBody) -> Digest {
        let title = "Deploy?".to_owned();
        of(&AskBody { title, ..body })
    }

    /// Found by review: the digest stays with a settled request, and told the code to whoever
    /// tried all million of them.
    #[test]
    fn the_digest_of_an_ask_tells_that_there_is_a_match_code_and_not_which() {
        assert_eq!(with_code(Some("123456")), with_code(Some("654321")));
        assert_ne!(with_code(Some("123456")), with_code(None));
    }

    /// A script that had detached could not wait with the same command and key, because whoever
    /// waits has a lease; nor could one that asks with another `--use-within`.
    #[test]
    fn neither_a_lease_nor_the_time_for_its_use_makes_it_another_ask() {
        let with = |lease_secs, use_within_secs| {
            digest_of(AskBody {
                lease_secs,
                use_within_secs,
                ..AskBody::default()
            })
        };
        assert_eq!(with(Some(120), None), with(None, None));
        assert_eq!(with(None, Some(120)), with(None, None));
    }
}
