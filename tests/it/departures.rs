//! Peers that go away while a call is held: nothing of theirs stays behind.

use crate::daemon::setup;

#[tokio::test]
async fn a_poll_leaves_with_its_connection_whatever_lies_unread_on_it() {
    // hyper stops reading at input that it does not want yet, and so did not see the end behind it.
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let head = format!("GET /v1/requests/{id}?wait=60 HTTP/1.1\r\nhost: localhost\r\n");
    for unread in [
        "\r\n",
        "\r\n\r\n",
        "\r\nGET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "content-length: 100\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n",
    ] {
        let mut socket = daemon.socket().await;
        socket.say(format!("{head}{unread}")).await;
        daemon.waiters_are(1).await;
        drop(socket);
        daemon.waiters_are(0).await;
    }
}

#[tokio::test]
async fn a_stream_leaves_with_its_connection_whatever_lies_unread_on_it() {
    let daemon = setup().start();
    let head = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n";
    for unread in ["\r\n", "\r\n\r\n", "content-length: 100\r\n\r\nhalf"] {
        let mut socket = daemon.socket().await;
        socket.say(format!("{head}{unread}")).await;
        daemon.subscribers_are(1).await;
        drop(socket);
        daemon.subscribers_are(0).await;
    }
}
