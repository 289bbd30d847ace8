//! The pages through a relay.

use crate::browser::Browser;
use crate::daemon::setup;
use crate::people::People;
use crate::relay::relay_to;

#[tokio::test]
async fn somebody_logs_in_through_a_relay_and_decides_although_the_daemon_is_restarted() {
    let setup = setup();
    let roles = [("alice", "approver", "*"), ("ci", "requester", "*")];
    let people = People::new(&setup, &roles);
    let daemon = setup.flags(&people.flag()).start();
    let relay = relay_to(&[&daemon], "");
    let browser = Browser::start().await;
    browser.log_in(&relay, people.token_of("alice")).await;
    browser.is_live().await;
    let daemon = daemon.crash_and_restart();
    let id = relay.asked_by(&people, "ci", "default").await;
    browser.decide(&id, "approve").await;
    let text = browser.card_is(&id, "approved").await;
    assert!(text.contains("Approved by alice"), "{text}");
    browser.is_content().await;
    drop(daemon);
}
