//! The servers themselves: what the other tests rely on.

use crate::nats_server::NatsServers;

#[test]
fn three_servers_find_a_leader_and_one_that_was_killed_comes_back() {
    let servers = NatsServers::start(3);
    let about = servers.monitored(0, "/jsz").expect("it works");
    assert!(about["meta_cluster"]["leader"].is_string(), "{about}");
    assert_eq!(servers.urls().split(',').count(), 3);
    servers.kill(1);
    assert!(!servers.is_ready(1));
    servers.restart(1);
    servers.wait_until_ready();
    assert!(servers.is_ready(1));
    servers.stop(2);
    assert!(!servers.is_ready(2));
    servers.resume(2);
    servers.wait_until_ready();
}

#[test]
fn one_server_takes_more_configuration_and_starts_again() {
    let servers = NatsServers::start_with(1, "authorization { user: a, password: b }");
    assert!(servers.is_ready(0), "{}", servers.log(0));
    assert_eq!(servers.urls(), servers.url_of(0));
    servers.end(0);
    assert!(!servers.is_ready(0));
    servers.restart(0);
    servers.wait_until_ready();
}
