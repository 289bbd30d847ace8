//! TLS on both sides of a relay.

use serde_json::json;

use super::relay;
use crate::authority::Authority;
use crate::call::Clients;
use crate::daemon::{Daemon, setup};

#[tokio::test]
async fn tls_is_spoken_with_callers_and_with_the_daemon_whose_certificate_has_to_hold() {
    let authority = Authority::new();
    let mut daemon = Daemon::secured(setup(), &authority);
    let trusted = daemon.setup().authority(&authority);
    // The pair of the daemon will do for the relay, which is on the same machine.
    let pair = ["tls.pem", "tls.key"].map(|name| daemon.setup().path(name));
    let [certificate, key] = pair.map(|path| path.display().to_string());
    let trusting = format!("--ca-cert {}", trusted.display());
    let flags = format!("--listen 127.0.0.1:0 --tls-cert {certificate} --tls-key {key}");
    let start = |flags: &str| {
        let (made, command) = relay(&daemon.https(), flags);
        let mut relay = made.start_by(command);
        relay.clients = Clients::trusting(relay.address(), &authority.pem);
        relay
    };
    let relay = start(&format!("{flags} {trusting}"));
    let id = relay.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}?wait=60");
    let held = relay.call_http2(reqwest::Method::GET, &path).spawn();
    daemon.waiters_are(1).await;
    let deny = json!({"verdict": "deny"});
    assert_eq!(relay.deciding(&id, &deny).await.status, 200);
    assert_eq!(held.await.unwrap().json()["status"], "denied");

    // Without the authority nothing is passed on, and the log says why.
    let wary = start(&flags);
    wary.logged("a daemon is not ready").await;
    assert!(wary.log().contains("certificate"), "{}", wary.log());
    assert_eq!(wary.get("/readyz").open().await.status(), 504);
    daemon.crash();
}
