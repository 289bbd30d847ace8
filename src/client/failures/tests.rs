use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn passing(retry_after: Option<u64>, unsent: bool) -> CallError {
    CallError::Transient {
        what: "it broke".to_owned(),
        retry_after: retry_after.map(Duration::from_secs),
        at_limit: false,
        about_us: false,
        unsent,
    }
}

fn refused(status: u16, code: &str) -> CallError {
    CallError::Refused {
        status,
        problem: Box::new(ProblemView {
            code: code.to_owned(),
            detail: "no such thing".to_owned(),
            ..ProblemView::default()
        }),
        in_doubt: false,
    }
}

fn untrusted() -> CallError {
    CallError::Untrusted {
        what: "expired".to_owned(),
    }
}

fn elsewhere() -> CallError {
    CallError::NotPushd {
        what: "a page".to_owned(),
    }
}

fn failures(errors: impl IntoIterator<Item = CallError>) -> Failures {
    let mut failures = Failures::default();
    for (node, error) in errors.into_iter().enumerate() {
        let url = format!("http://node-{node}").parse().unwrap();
        failures.add(node, &url, error);
    }
    failures
}

#[test]
fn each_address_is_named_with_its_failure() {
    let error = failures([passing(None, true), untrusted()]).sum(None, false);
    assert_eq!(
        error.to_string(),
        "http://node-0: it broke; http://node-1: expired"
    );
}

#[test]
fn whatever_may_pass_makes_the_round_one_that_may_pass() {
    for (errors, unsent) in [
        ([passing(None, true), untrusted()], true),
        ([elsewhere(), passing(None, true)], true),
        ([passing(None, false), passing(None, true)], false),
        ([refused(404, ""), passing(None, false)], false),
    ] {
        let error = failures(errors).sum(None, false);
        let CallError::Transient { unsent: found, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(found, unsent);
    }
    let error = failures([untrusted(), elsewhere()]).sum(None, false);
    assert!(matches!(error, CallError::NotPushd { .. }), "{error:?}");
    let error = failures([untrusted(), untrusted()]).sum(None, false);
    assert!(matches!(error, CallError::Untrusted { .. }), "{error:?}");
    let error = failures([untrusted(), refused(421, "wrong_host")]).sum(None, false);
    assert!(
        matches!(error, CallError::Refused { status: 421, .. }),
        "{error:?}"
    );
}

#[test]
fn the_shortest_wish_to_be_left_alone_counts() {
    for (waits, left_alone, expected) in [
        ([Some(9), Some(2)], None, Some(2)),
        ([Some(9), None], None, None),
        ([Some(9), Some(8)], Some(SECOND), Some(1)),
    ] {
        let errors = waits.map(|wait| passing(wait, true));
        let error = failures(errors).sum(left_alone, false);
        let CallError::Transient { retry_after, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[test]
fn that_there_is_no_such_request_is_believed_of_a_known_one_only_when_all_say_so() {
    let not_found = || refused(404, "not_found");
    for (errors, known, believed) in [
        ([not_found(), not_found()], true, true),
        ([passing(None, true), not_found()], true, false),
        ([not_found(), elsewhere()], true, false),
        ([passing(None, true), not_found()], false, true),
    ] {
        let error = failures(errors).sum(None, known);
        assert_eq!(error.is_not_found(), believed, "{error:?}");
        assert!(error.to_string().contains("http://node-0: "), "{error}");
        assert!(believed || matches!(error, CallError::Transient { .. }));
    }
    let mut one = failures([not_found()]);
    one.left_out(1, &"http://other".parse().unwrap(), "draining");
    let error = one.sum(Some(SECOND), true);
    assert!(matches!(error, CallError::Transient { .. }), "{error:?}");
    assert!(error.to_string().ends_with("http://other: draining"));
}

#[test]
fn a_lost_answer_leaves_a_doubt_in_a_refusal_too() {
    let error = failures([passing(None, false), refused(404, "not_found")]).sum(None, false);
    assert!(
        matches!(error, CallError::Refused { in_doubt: true, .. }),
        "{error:?}"
    );
}
