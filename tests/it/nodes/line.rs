//! The line between nodes over a real `nats-server`, which goes away and comes back.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use pushd::limits;
use pushd::nodes::{Line, NatsLine};

use crate::nats_server::NatsServers;
use crate::until::{soon, until};

pub(super) async fn line(servers: &NatsServers, prefix: &str) -> NatsLine {
    let options = async_nats::ConnectOptions::new();
    let client = options.connect(servers.url_of(0)).await.unwrap();
    NatsLine::new(client, prefix)
}

/// What is heard next.
async fn next(heard: &mut BoxStream<'static, Bytes>) -> Bytes {
    soon("a message", heard.next())
        .await
        .expect("the line goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_says_all_of_the_same_store_hear_and_no_others() {
    let servers = NatsServers::start(1);
    let [a, b] = [
        line(&servers, "pushd.one").await,
        line(&servers, "pushd.one").await,
    ];
    let other = line(&servers, "pushd.other").await;
    let mut at_a = a.listen().await.unwrap();
    let mut at_b = b.listen().await.unwrap();
    let mut at_other = other.listen().await.unwrap();
    // Its subscription has to have arrived before another connection says something.
    b.say("is b there?".into()).await.unwrap();
    assert_eq!(next(&mut at_b).await, "is b there?");
    a.say("hello".into()).await.unwrap();
    // A node hears itself too: that is how it knows that its question has gone out.
    until("a to hear itself", async || {
        (next(&mut at_a).await == "hello").then_some(())
    })
    .await;
    assert_eq!(next(&mut at_b).await, "hello");
    other.say("elsewhere".into()).await.unwrap();
    assert_eq!(next(&mut at_other).await, "elsewhere");
    a.say("last".into()).await.unwrap();
    assert_eq!(next(&mut at_b).await, "last");
    let largest = vec![b' '; limits::NODE_MESSAGE_BYTES];
    a.say(largest.into()).await.unwrap();
    assert_eq!(next(&mut at_b).await.len(), limits::NODE_MESSAGE_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_lost_is_another_one_when_it_is_back_and_is_heard_again() {
    let servers = NatsServers::start(1);
    let a = line(&servers, "pushd.one").await;
    let mut heard = a.listen().await.unwrap();
    a.say("before".into()).await.unwrap();
    assert_eq!(next(&mut heard).await, "before");
    let before = a.connection().expect("it is there");
    servers.kill(0);
    until("the loss to be seen", async || {
        a.connection().is_none().then_some(())
    })
    .await;
    let unsaid = a.say("while it is away".into()).await;
    assert!(
        unsaid.is_err(),
        "it would come when it means nothing any more"
    );
    servers.restart(0);
    let after = until("a new connection", async || a.connection()).await;
    assert_ne!(after, before);
    a.say("after".into()).await.unwrap();
    assert_eq!(next(&mut heard).await, "after");
}
