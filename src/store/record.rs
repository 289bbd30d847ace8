//! The bytes that durable stores keep of a request.
//!
//! JSON with a format number in front. The number rises when an older version could no longer
//! read a record whole; a record from such a future is refused, never read in part.
//!
//! A rise of the number needs a new version of every store that keeps such records, for SQLite a
//! step of its schema, even one that changes no table. An older daemon then refuses the store when
//! it opens it, instead of serving it with holes where the newer records are.

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::{Request, RequestId};

/// The format that this version writes, and the newest that it reads. Raising it takes a schema
/// step too.
pub const FORMAT: u32 = 3;

/// The oldest format that this version reads. What came with later ones is absent in it.
pub const OLDEST: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    request: &'a Request,
}

#[derive(Deserialize)]
struct Read {
    format: u32,
    request: Request,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// Writes a record.
pub fn encode(request: &Request) -> Vec<u8> {
    serde_json::to_vec(&Written {
        format: FORMAT,
        request,
    })
    .expect("a request has text keys only and its parts write without errors")
}

/// Reads the record of `id`.
///
/// # Errors
/// [`StoreError::BadRecord`] when it is of a newer format, or damaged, or of another request.
pub fn decode(id: RequestId, bytes: &[u8]) -> Result<Request, StoreError> {
    let bad = |reason: String| StoreError::BadRecord {
        id: id.to_string(),
        reason,
    };
    let read = serde_json::from_slice::<Read>(bytes);
    // The format is looked for by itself only when the whole cannot be read: it may tell why.
    let format = if let Ok(read) = &read {
        read.format
    } else {
        let header: Header =
            serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        header.format
    };
    if !(OLDEST..=FORMAT).contains(&format) {
        return Err(bad(format!(
            "it has format {format} and this pushd reads formats {OLDEST} to {FORMAT}; run the newer \
             pushd"
        )));
    }
    let read = read.map_err(|error| bad(error.to_string()))?;
    if read.request.id != id {
        return Err(bad(format!("it is of request {}", read.request.id)));
    }
    Ok(read.request)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        BoundFile, Caller, Channel, Command, Content, Day, Decision, Details, Digest, EventId,
        Field, Freeze, Panel, Principal, Reason, Seen, Status, Step, Terms, Timestamp, Title,
        Topic, Use, Variable, Verdict, Weekly, What,
    };
    use crate::limits;

    const ID: RequestId = RequestId::from_bytes([7; 16]);
    const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn caller(name: &str, address: Option<&str>) -> Caller {
        Caller {
            principal: Principal::new(name),
            address: address.map(ToOwned::to_owned),
            channel: None,
        }
    }

    /// A request with something in every member that version 1 had.
    fn full_of_version_1() -> Request {
        let by = caller("alice", Some("127.0.0.1:5"));
        let reason = Reason::new("fine\0".to_owned()).unwrap();
        let step = |what, by: &Caller, reason| Step {
            what,
            at: T0,
            by: Some(by.clone()),
            reason,
        };
        let requester = caller("ci", None);
        Request {
            id: ID,
            topic: Topic::new("deploy/prod".to_owned()).unwrap(),
            title: Title::new("Deploy \u{202e}?".to_owned()).unwrap(),
            details: Details::new("a\n\u{1}\"".to_owned()).unwrap(),
            fields: vec![Field::new("env".to_owned(), "prod".to_owned()).unwrap()],
            requester: requester.clone(),
            created_at: T0,
            expires_at: T0,
            approvals_needed: 1,
            decisions: vec![Decision {
                verdict: Verdict::Approve,
                approver: by.clone(),
                reason: reason.clone(),
                at: T0,
            }],
            status: Status::Approved,
            settled_at: Some(T0),
            seen_by: vec![Seen {
                by: by.clone(),
                at: T0,
            }],
            history: vec![
                step(What::Asked, &requester, None),
                step(What::Seen, &by, None),
                step(What::Approved, &by, reason),
            ],
            changed_at: Some(EventId(9)),
            match_code: None,
            match_tries: 0,
            terms: Terms::default(),
            command: None,
            lease_secs: None,
            lease_ended: false,
            use_within_secs: limits::USE_WITHIN.1.as_secs(),
            consumed: None,
            ask_digest: Digest::of(b"ask"),
        }
    }

    /// The same with something in the members that came with version 3.
    fn full() -> Request {
        let mut request = full_of_version_2();
        let people = |names: [&str; 2]| names.map(Principal::new).into_iter().collect();
        request.terms = Terms {
            denials_needed: 2,
            approvers: Some(people(["alice", "bob"])),
            panels: vec![Panel {
                group: "sre".to_owned(),
                approvals: 1,
                members: people(["alice", "carol"]),
            }],
            reason_required: true,
            self_approval: true,
            freezes: vec![
                Freeze::Once {
                    from: T0,
                    until: T0,
                },
                Freeze::Weekly(Weekly {
                    days: [Day::Fri, Day::Sat].into_iter().collect(),
                    from: "18:00".parse().unwrap(),
                    until: "24:00".parse().unwrap(),
                    zone: "Europe/Berlin".parse().unwrap(),
                }),
            ],
            rules: vec!["production".to_owned()],
        };
        request.command = Some(Command {
            argv: vec!["a b".to_owned(), "\u{202e}\n".to_owned()],
            program: "/bin/a".to_owned(),
            directory: "/".to_owned(),
            user: "ana".to_owned(),
            host: "ci-1".to_owned(),
            environment: vec![Variable {
                name: "A".to_owned(),
                value: String::new(),
            }],
            stdin: Some(Content {
                sha256: "00".to_owned(),
                bytes: 1,
            }),
            files: vec![BoundFile {
                path: "f".to_owned(),
                sha256: "ff".to_owned(),
                bytes: 2,
            }],
        });
        request.lease_secs = Some(120);
        request.lease_ended = true;
        request.use_within_secs = 60;
        request.consumed = Some(Use {
            nonce: Digest::of(b"nonce"),
            at: T0,
        });
        request
    }

    /// The same with something in the members that came with version 2.
    fn full_of_version_2() -> Request {
        let mut request = full_of_version_1();
        request.requester.channel = Some(Channel::Api);
        request.decisions[0].approver.channel = Some(Channel::Terminal);
        request.history[2].what = What::WrongCode;
        request.match_code = Some("004207".parse().unwrap());
        request.match_tries = 1;
        request
    }

    /// What version 1 has written, and every later one has to read.
    const GOLDEN_1: &str = concat!(
        r#"{"format":1,"request":{"id":"a4dqobyha4dqobyha4dqobyha4","topic":"deploy/prod","#,
        r#""title":"Deploy "#,
        "\u{202e}",
        r#"?","details":"a\n\u0001\"","fields":[{"name":"env","value":"prod"}],"#,
        r#""requester":{"principal":"ci"},"created_at":1700000000000,"#,
        r#""expires_at":1700000000000,"approvals_needed":1,"decisions":[{"verdict":"approve","#,
        r#""approver":{"principal":"alice","address":"127.0.0.1:5"},"reason":"fine\u0000","#,
        r#""at":1700000000000}],"status":"approved","settled_at":1700000000000,"#,
        r#""seen_by":[{"by":{"principal":"alice","address":"127.0.0.1:5"},"at":1700000000000}],"#,
        r#""history":[{"what":"asked","at":1700000000000,"by":{"principal":"ci"}},"#,
        r#"{"what":"seen","at":1700000000000,"by":{"principal":"alice","address":"127.0.0.1:5"}},"#,
        r#"{"what":"approved","at":1700000000000,"#,
        r#""by":{"principal":"alice","address":"127.0.0.1:5"},"reason":"fine\u0000"}],"#,
        r#""changed_at":9,"ask_digest":"F4X4P4XJZYJ3BG4E6Y6VJUFUUWPU3PKGV2SB3JTQEOAX4LIMLZMQ"}}"#,
    );

    /// What version 2 has written, and every later one has to read.
    const GOLDEN_2: &str = concat!(
        r#"{"format":2,"request":{"id":"a4dqobyha4dqobyha4dqobyha4","topic":"deploy/prod","#,
        r#""title":"Deploy "#,
        "\u{202e}",
        r#"?","details":"a\n\u0001\"","fields":[{"name":"env","value":"prod"}],"#,
        r#""requester":{"principal":"ci","channel":"api"},"created_at":1700000000000,"#,
        r#""expires_at":1700000000000,"approvals_needed":1,"decisions":[{"verdict":"approve","#,
        r#""approver":{"principal":"alice","address":"127.0.0.1:5","channel":"terminal"},"#,
        r#""reason":"fine\u0000","at":1700000000000}],"status":"approved","#,
        r#""settled_at":1700000000000,"#,
        r#""seen_by":[{"by":{"principal":"alice","address":"127.0.0.1:5"},"at":1700000000000}],"#,
        r#""history":[{"what":"asked","at":1700000000000,"by":{"principal":"ci"}},"#,
        r#"{"what":"seen","at":1700000000000,"by":{"principal":"alice","address":"127.0.0.1:5"}},"#,
        r#"{"what":"wrong_code","at":1700000000000,"#,
        r#""by":{"principal":"alice","address":"127.0.0.1:5"},"reason":"fine\u0000"}],"#,
        r#""changed_at":9,"match_code":"004207","match_tries":1,"#,
        r#""ask_digest":"F4X4P4XJZYJ3BG4E6Y6VJUFUUWPU3PKGV2SB3JTQEOAX4LIMLZMQ"}}"#,
    );

    /// What version 3 writes, and every later one has to read.
    const GOLDEN: &str = concat!(
        r#"{"format":3,"request":{"id":"a4dqobyha4dqobyha4dqobyha4","topic":"deploy/prod","#,
        r#""title":"Deploy "#,
        "\u{202e}",
        r#"?","details":"a\n\u0001\"","fields":[{"name":"env","value":"prod"}],"#,
        r#""requester":{"principal":"ci","channel":"api"},"created_at":1700000000000,"#,
        r#""expires_at":1700000000000,"approvals_needed":1,"#,
        r#""terms":{"denials_needed":2,"approvers":["alice","bob"],"panels":[{"group":"sre","#,
        r#""approvals":1,"members":["alice","carol"]}],"reason_required":true,"#,
        r#""self_approval":true,"freezes":[{"once":{"from":1700000000000,"#,
        r#""until":1700000000000}},{"weekly":{"days":["fri","sat"],"from":"18:00","until":"24:00","#,
        r#""zone":"Europe/Berlin"}}],"rules":["production"]},"decisions":[{"verdict":"approve","#,
        r#""approver":{"principal":"alice","address":"127.0.0.1:5","channel":"terminal"},"#,
        r#""reason":"fine\u0000","at":1700000000000}],"status":"approved","#,
        r#""settled_at":1700000000000,"#,
        r#""seen_by":[{"by":{"principal":"alice","address":"127.0.0.1:5"},"at":1700000000000}],"#,
        r#""history":[{"what":"asked","at":1700000000000,"by":{"principal":"ci"}},"#,
        r#"{"what":"seen","at":1700000000000,"by":{"principal":"alice","address":"127.0.0.1:5"}},"#,
        r#"{"what":"wrong_code","at":1700000000000,"#,
        r#""by":{"principal":"alice","address":"127.0.0.1:5"},"reason":"fine\u0000"}],"#,
        r#""changed_at":9,"match_code":"004207","match_tries":1,"#,
        r#""command":{"argv":["a b",""#,
        "\u{202e}",
        r#"\n"],"program":"/bin/a","directory":"/","user":"ana","host":"ci-1","#,
        r#""environment":[{"name":"A","value":""}],"stdin":{"sha256":"00","bytes":1},"#,
        r#""files":[{"path":"f","sha256":"ff","bytes":2}]},"lease_secs":120,"lease_ended":true,"#,
        r#""use_within_secs":60,"consumed":{"nonce":"PA3XWUSXK62JIQT7REAU7F6XTEUPHE4NCTVVDYQPWXPMTA2OWMCA","at":1700000000000},"#,
        r#""ask_digest":"F4X4P4XJZYJ3BG4E6Y6VJUFUUWPU3PKGV2SB3JTQEOAX4LIMLZMQ"}}"#,
    );

    #[test]
    fn a_record_of_version_3_is_read_and_written_as_ever() {
        let written = String::from_utf8(encode(&full())).unwrap();
        assert_eq!(written, GOLDEN);
        assert_eq!(decode(ID, GOLDEN.as_bytes()).unwrap(), full());
    }

    #[test]
    fn records_of_older_versions_are_read_as_ever_and_written_as_they_were() {
        for (golden, request) in [
            (
                GOLDEN_1.replace(r#""format":1"#, r#""format":3"#),
                full_of_version_1(),
            ),
            (
                GOLDEN_2.replace(r#""format":2"#, r#""format":3"#),
                full_of_version_2(),
            ),
        ] {
            assert_eq!(decode(ID, golden.as_bytes()).unwrap(), request);
            assert_eq!(String::from_utf8(encode(&request)).unwrap(), golden);
        }
        assert_eq!(
            decode(ID, GOLDEN_1.as_bytes()).unwrap(),
            full_of_version_1()
        );
        assert_eq!(
            decode(ID, GOLDEN_2.as_bytes()).unwrap(),
            full_of_version_2()
        );
    }

    fn reason(bytes: &[u8]) -> String {
        match decode(ID, bytes) {
            Err(StoreError::BadRecord { id, reason }) => {
                assert_eq!(id, ID.to_string());
                reason
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_of_a_newer_format_is_refused_whatever_else_is_in_it() {
        for newer in [
            GOLDEN.replace(r#""format":3"#, r#""format":4"#),
            r#"{"format":4,"body":[1,2,3]}"#.to_owned(),
        ] {
            let why = reason(newer.as_bytes());
            assert!(
                why.contains("format 4") && why.contains("newer pushd"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_record_with_more_than_is_known_is_refused_and_not_read_in_part() {
        let more = GOLDEN.replace(
            r#""approvals_needed":1"#,
            r#""approvals_needed":1,"need":2"#,
        );
        assert!(reason(more.as_bytes()).contains("unknown field `need`"));
        let other = GOLDEN.replace(r#""status":"approved""#, r#""status":"delegated""#);
        assert!(reason(other.as_bytes()).contains("delegated"));
    }

    #[test]
    fn a_record_under_another_id_is_refused() {
        let other = RequestId::from_bytes([8; 16]);
        let refused = decode(other, GOLDEN.as_bytes()).unwrap_err();
        assert!(
            refused.to_string().contains("it is of request a4dq"),
            "{refused}"
        );
    }

    #[test]
    fn a_damaged_record_is_an_error_wherever_it_breaks_off() {
        for end in 0..GOLDEN.len() {
            reason(&GOLDEN.as_bytes()[..end]);
        }
    }

    fn text(most: usize) -> impl Strategy<Value = String> {
        vec(any::<char>(), 0..most).prop_map(String::from_iter)
    }

    fn one_line(most: usize) -> impl Strategy<Value = String> {
        let breaks = crate::domain::text::is_line_break;
        text(most).prop_map(move |text| text.replace(breaks, "a"))
    }

    proptest! {
        #[test]
        fn every_text_survives(
            title in one_line(50),
            details in text(200),
            fields in vec((one_line(20), text(50)), 0..limits::FIELDS),
            name in text(20),
            address in prop::option::of(text(20)),
            why in one_line(50),
            times: (i64, i64),
            needed: u32,
        ) {
            let mut request = full();
            request.title = Title::new(format!("{title}.")).unwrap();
            request.details = Details::new(details).unwrap();
            let fields = fields.into_iter().map(|(name, value)| {
                Field::new(format!("{name}."), value).unwrap()
            });
            request.fields = fields.collect();
            request.requester = caller(&name, address.as_deref());
            request.decisions[0].reason = Reason::new(why).unwrap();
            request.created_at = Timestamp::from_millis(times.0);
            request.settled_at = Some(Timestamp::from_millis(times.1));
            request.approvals_needed = needed;
            prop_assert_eq!(decode(ID, &encode(&request)).unwrap(), request);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..GOLDEN.len(), byte: u8) {
            prop_assert!(decode(ID, &bytes).is_err());
            let mut flipped = GOLDEN.as_bytes().to_vec();
            flipped[at] = byte;
            if let Ok(request) = decode(ID, &flipped) {
                prop_assert_eq!(request.id, ID);
            }
        }
    }
}
