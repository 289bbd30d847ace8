//! The demonstration as it was, with four parties: A polls B, B is a relay, C a daemon, D a page.

use rustix::process::Signal;

use super::classic;
use crate::daemon::Daemon;
use crate::relay::relay_to;
use crate::until::until;

/// C is killed, and restarted, and stopped as a service manager does, while A waits at B: A has its
/// answer on the very call that it made, and D was asked one thing.
#[tokio::test]
async fn a_waits_at_b_on_one_call_while_c_is_killed_and_restarted_and_d_is_asked_once() {
    for (form, status) in [("data=yes", 200), ("data=no", 204)] {
        let c = classic();
        let b = relay_to(&[&c], "--classic");
        let a = b.polling("").spawn();
        let id = c.question().await;
        c.waiters_are(1).await;
        let mut c = c.crash_and_restart();
        c.waiters_are(1).await;
        assert_eq!(c.question().await, id, "the same question");
        c.signal(Signal::TERM);
        assert_eq!(c.ended().await, Some(0));
        let c = c.restart();
        c.waiters_are(1).await;
        // D comes by the relay as well, and late.
        let mut d = b.get("/ensure").open().await;
        let heard = until("the question on D's page", async || {
            let part = d.chunk().await.unwrap()?;
            let text = String::from_utf8_lossy(&part).into_owned();
            text.contains("data: ensure").then_some(text)
        })
        .await;
        assert_eq!(heard.matches("data: ensure").count(), 1, "{heard}");
        assert_eq!(b.sure("", form).await.status, 200);
        assert_eq!(a.await.unwrap().status, status);
        let all = c.get("/v1/requests").await.json();
        let all = all["requests"].as_array().unwrap();
        assert_eq!(all.len(), 1, "one question in all: {all:?}");
        assert_eq!(all[0]["id"], *id);
    }
}

/// The other call of the demonstration, by which its B asked C.
#[tokio::test]
async fn a_bt_server_call_is_held_through_a_crash_too() {
    let c = classic();
    let b = relay_to(&[&c], "--classic");
    let held = b.post("/btServer").body("anything").spawn();
    let id = c.question().await;
    c.waiters_are(1).await;
    let c: Daemon = c.crash_and_restart();
    c.waiters_are(1).await;
    assert_eq!(c.question().await, id);
    assert_eq!(b.sure("", "data=yes").await.status, 200);
    let reply = held.await.unwrap();
    assert_eq!((reply.status, &*reply.text()), (200, "200"));
}
