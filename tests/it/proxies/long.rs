//! The proxies for as long as `PUSHD_PROXY_MINUTES` says; without that variable nothing runs, which
//! is what the name of the test says, and `scripts/proxies.sh` sets it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::daemon::setup;
use crate::proxies::proxy::{Kind, Proxy};

/// Four streams that nobody may cut, polls of 60 s one after another, and a change now and then.
async fn for_minutes(kind: Kind, minutes: u64) {
    let mut daemon = setup().start();
    let proxy = Proxy::before(&daemon, kind).await;
    daemon.clients = proxy.clients();
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let id = daemon.ask("for ever").await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = daemon.listen("").await;
        stream.beginning().await;
        streams.push(stream);
    }
    let path = format!("/v1/requests/{id}?wait=60");
    let (mut polls, mut comments, mut events) = (0, 0, 0);
    while Instant::now() < end {
        let begun = Instant::now();
        let held = daemon.get(&path).spawn();
        // Quiet for longer than a proxy's usual patience, but for the keep-alives.
        let reply = timeout(Duration::from_secs(90), held)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (reply.status, reply.json()["status"].as_str()),
            (200, Some("pending"))
        );
        assert!(
            begun.elapsed() >= Duration::from_secs(59),
            "{:?}",
            begun.elapsed()
        );
        polls += 1;
        let news = daemon.ask("news").await;
        for stream in &mut streams {
            loop {
                let block = stream.block().await.expect("the stream was not cut");
                if block.starts_with(':') {
                    comments += 1;
                    continue;
                }
                assert!(block.contains(&news), "{block}");
                events += 1;
                break;
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    say(&format!(
        "{kind:?}: {minutes} min, 4 streams uncut, {comments} keep-alives and {events} events on them, \
         {polls} polls of 60 s\n"
    ));
}

fn say(text: &str) {
    use std::io::Write as _;
    // Past the test runner, which keeps what is printed to itself.
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn streams_live_behind_the_proxies_for_as_many_minutes_as_the_environment_says() {
    let Ok(minutes) = std::env::var("PUSHD_PROXY_MINUTES") else {
        return;
    };
    let minutes = minutes.parse().unwrap();
    tokio::join!(
        for_minutes(Kind::Nginx, minutes),
        for_minutes(Kind::Caddy, minutes)
    );
}
