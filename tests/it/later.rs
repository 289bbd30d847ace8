//! Asking now and waiting later: what another process can learn of a request by its id.

use crate::daemon::setup;
use crate::programs::Requester;

/// An id that no daemon has given out.
const NOBODYS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn what_is_no_id_or_nobodys_is_64_and_no_daemon_69() {
    let daemon = setup().in_memory().start();
    let nowhere = "http://127.0.0.1:1";
    let left = Requester::start(nowhere, &["status", "nonsense"])
        .left()
        .await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("26 lower-case letters"), "{left:?}");

    let args = ["status", NOBODYS, "--connect-timeout", "300ms"];
    let left = Requester::start(nowhere, &args).left().await;
    assert_eq!(left.code, Some(69), "{left:?}");

    let left = Requester::start(&daemon.url(), &["status", NOBODYS])
        .left()
        .await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("has no request aaaa"), "{left:?}");
}
